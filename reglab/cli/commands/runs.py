"""python -m reglab runs: list the runs of this machine and the networks in checkpoints/."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from reglab.cli.options import json_option, runs_option, store_of
from reglab.numbers import percent

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
        print(_in_a_line(s))
    return 0


def _in_a_line(s: Mapping[str, Any]) -> str:
    from reglab.runs.times import instant, local

    accuracies = [
        f"{split} {percent(s[key]) if key in s else '-':>7}"
        for split, key in (("train", "train_accuracy"), ("val", "val_accuracy"), ("test", "test_accuracy"))
    ]
    began = instant(s.get("created"))
    when = f"  {local(began) if began else '':<23}"
    return f"{s['run']:<24} {s['status']:<12} {' '.join(accuracies)}{when}  {s['name']}"
