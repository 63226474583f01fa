"""python -m reglab push: upload a run with its model card to the Hugging Face Hub."""

from __future__ import annotations

import argparse
import json
import sys

from reglab.cli.options import checkpoint, in_bytes, json_option, runs_option

ABOUT = "upload a run with its model card to the Hugging Face Hub"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="RUN", help="a run, or a network in checkpoints/")
    parser.add_argument("repo", metavar="REPO", help="USER/NAME; made where there is none")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be uploaded")
    parser.add_argument("--private", action="store_true", help="make the repository a private one")
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 2 when nothing was uploaded although that was asked."""
    from reglab.publishing.hub import push

    made = push(checkpoint(args), args.repo, dry_run=args.dry_run, private=args.private)
    if args.json:
        print(json.dumps(made.to_json()))
    else:
        print(made.url or f"To {made.repo} would go:")
        for name, size in made.files:
            print(f"  {name:<20}{in_bytes(size):>10}")
    if made.url or args.dry_run:
        return 0
    print(f"Nothing was uploaded to {made.repo}, because nobody is logged in: {made.advice}.", file=sys.stderr)
    return 2
