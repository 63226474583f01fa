"""python -m reglab cards: explain every regularizer, or some."""

from __future__ import annotations

import argparse
import json

from reglab.cli.options import json_option
from reglab.regularizers import CATALOGUE

ABOUT = "explain every regularizer, or some"


def add(parser: argparse.ArgumentParser) -> None:
    words = "the regularizer, such as dropout, or what it is found by, such as augment (default: all)"
    parser.add_argument("key", nargs="?", metavar="KEY", help=words)
    parser.add_argument("--markdown", action="store_true", help="the table of docs/regularizers.md, or a card")
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    from reglab.teaching.cards import card, found, markdown_table

    if args.markdown and args.key is None:
        print(markdown_table())
        return 0
    for key in CATALOGUE if args.key is None else found(args.key):
        told = card(key)
        if args.markdown:
            print(told.to_markdown())
        else:
            print(json.dumps(told.to_json()) if args.json else told.to_text() + "\n\n")
    return 0
