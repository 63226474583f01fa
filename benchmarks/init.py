"""Which initialization serves the network best without normalization and with it: python benchmarks/init.py [--only he]

A toggle must not change the weights that training begins with, so one initialization has to do for both arms of a
comparison. `basic_cnn` on few images (2,000 of CIFAR-10, width 0.5, 20 epochs in batches of 128, 1,000 validation
images), plain, with batch normalization and with group normalization, begins with each of three. What has been measured
is kept in `init.json` and not measured again; `--table` prints it and trains nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab.config import RunConfig
from reglab.runs.files import read_json, write_json

OUTPUT = Path(__file__).with_suffix(".json")
SET_UP = {"train_size": 2_000, "val_size": 1_000, "width": 0.5, "epochs": 20}
ARMS: dict[str, dict[str, Any]] = {"plain": {}, "batch_norm": {"batch_norm": {}}, "group_norm": {"group_norm": {}}}
INITS = ("glorot", "he", "torch")
SEEDS = (11, 12, 13, 14, 15)
EARLY = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=INITS, help="this one alone")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="what to write, and to go on from")
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    parser.add_argument("--quick", action="store_true", help="an epoch on 64 digits with one seed")
    args = parser.parse_args(arguments)
    told = read_json(args.output) or {"machine": "", "cells": {}}
    if not args.table:
        measure(told, args)
    print(table(told["cells"]))
    return 0


def measure(told: dict[str, Any], args: argparse.Namespace) -> None:
    """Train what is missing, and write after every run."""
    set_up: dict[str, Any] = (
        {"dataset": "digits", "train_size": 64, "val_size": 64, "epochs": 1} if args.quick else SET_UP
    )
    for seed in SEEDS[:1] if args.quick else SEEDS:
        for arm, regularizers in ARMS.items():
            for init in [args.only] if args.only else INITS:
                cell = told["cells"].setdefault(init, {}).setdefault(arm, {})
                if str(seed) not in cell:
                    config = RunConfig.parse({**set_up, "init": init, "seed": seed, "regularizers": regularizers})
                    cell[str(seed)], told["machine"] = outcome(config)
                    write_json(args.output, told)


def outcome(config: RunConfig) -> tuple[dict[str, Any], str]:
    """What came of a run, and the machine: accuracies as fractions, losses in nats, validation accuracy by epoch."""
    import torch

    from reglab import data
    from reglab.training.events import Epoch, Finished, Started
    from reglab.training.train import train

    split = data.split(data.load(config.dataset), config.train_size, config.val_size, config.label_noise, config.seed)
    events = list(train(config, split))
    started = next(e for e in events if isinstance(e, Started))
    last = next(e for e in events if isinstance(e, Finished)).last
    numbers = {key: last[key] for key in ("test_accuracy", "test_loss", "train_accuracy", "gap")}
    numbers["val"] = [round(e.val_accuracy, 4) for e in events if isinstance(e, Epoch)]
    threads = "1 thread" if started.threads == 1 else f"{started.threads} threads"
    return numbers, f"{started.device}, {threads}, {started.precision}, torch {torch.__version__}"


def table(cells: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """In Markdown: an initialization and an arm a row, and the mean of the arms."""
    lines = ["| init | | n | test, % | train, % | gap, points | val after 3 epochs, % |", "|---" * 7 + "|"]
    for init, arms in cells.items():
        for arm, runs in arms.items():
            columns = [[r[key] * 100 for r in runs.values()] for key in ("test_accuracy", "train_accuracy", "gap")]
            columns.append([r["val"][EARLY] * 100 for r in runs.values() if len(r["val"]) > EARLY])
            lines.append(f"| {init} | {arm} | {len(runs)} | {' | '.join(map(spread, columns))} |")
        means = [statistics.fmean(r["test_accuracy"] * 100 for r in runs.values()) for runs in arms.values()]
        lines.append(f"| {init} | mean of the three | | {statistics.fmean(means):.1f} | | | |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    sd = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{sd}" if values else ""


if __name__ == "__main__":
    sys.exit(main())
