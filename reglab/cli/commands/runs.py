"""python -m reglab runs: list the runs of this machine and the networks in checkpoints/."""

from __future__ import annotations

import argparse
import json
from typing import Any

from reglab.cli.options import json_option, runs_option, store_of

ABOUT = "list the runs of this machine and the networks in checkpoints/"


def add(parser: argparse.ArgumentParser) -> None:
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    from reglab.runs import index
    from reglab.runs.store import checkpoints_store

    stores = [store_of(args), checkpoints_store()]
    summaries = [summary for store in stores for summary in index.summaries(store)]
    if args.json:
        for summary in summaries:
            print(json.dumps(summary))
        return 0
    if not summaries:
        print("No runs yet. Begin with: python -m reglab train --dataset digits --train-size 300")
    for s in summaries:

        def percent(key: str, s: dict[str, Any] = s) -> str:
            return f"{s[key]:.1%}" if key in s else "-"

        print(
            f"{s['run']:<32} {s['status']:<12} {s.get('dataset', ''):<10} {s.get('model', ''):<10}"
            f" train {percent('train_accuracy'):>6} val {percent('val_accuracy'):>6} test {percent('test_accuracy'):>6}"
            f"  {' '.join(s.get('regularizers', {})) or 'plain'}"
        )
    return 0
