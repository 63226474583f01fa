"""python -m reglab pull: bring in a run that was pushed to the Hugging Face Hub."""

from __future__ import annotations

import argparse
import json

from reglab.cli.options import json_option, runs_option, store_of, tenths

ABOUT = "bring in a run that was pushed to the Hugging Face Hub"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repo", metavar="REPO", help="USER/NAME")
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    from reglab.publishing.hub import pull

    run = pull(args.repo, store_of(args), tenths(args.repo))
    if args.json:
        print(json.dumps(run.summary()))
    else:
        print(f"{run.id}  {run.config.title()}  {run.config.recipe()}\n{run.path}")
    return 0
