"""speed_cnn to 94 %: how accurate and how quick its recipe is, and what each of its tricks is worth.

    python benchmarks/speed.py            # five seeds on all images, then the tricks; ended at any time, it goes on from there
    python benchmarks/speed.py --table    # the tables of what has been measured so far
    python benchmarks/speed.py --quick    # seconds, on digits; shows that it works

The recipe is `SPEED` in `reglab/experiments/publications/recipes.py`. Its tricks are measured one at a time, against the same
seeds with the rest of the recipe, on 10,000 images: what is left out there, is in the name of the row. Every measurement is a run
folder, found again by its config. The seconds are those of the whole run: preparing, training, judging and the test images.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab.config import RunConfig
from reglab.experiments.executors import local
from reglab.experiments.experiment import Experiment
from reglab.experiments.publications.recipes import SPEED
from reglab.numbers import counted, percent
from reglab.runs.files import read_json, write_json
from reglab.runs.run import Run
from reglab.runs.store import Store

ROOT = Path(__file__).resolve().parent.parent
TARGET, MINUTES = 0.94, 16
FEW: dict[str, Any] = {"train_size": 10_000, "val_size": 2_000}
SGD = {"optimizer": "sgd", "lr": 0.5, "schedule": "one_cycle", "weight_decay.strength": 0.01}  # what shipped until Muon
TRICKS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "SGD instead of Muon": SGD,
    "AdamW instead of Muon": {"optimizer": "adamw", "lr": 0.002, "schedule": "one_cycle", "weight_decay": {}},
    "a coin instead of mirror images in turn": {"flip_crop.alternate": False},
    "black borders instead of reflections": {"flip_crop.reflect": False},
    "no flip and crop": {"flip_crop": False},
    "no label smoothing": {"label_smoothing": False},
    "no weight decay": {"weight_decay": False},
    "no batch normalization": {"batch_norm": False},
    "no test-time augmentation": {"test_time_augmentation": False},
    "all images in six views": {"test_time_augmentation.below": 1.0},
    "one cycle instead of cosine": {"schedule": "one_cycle"},
}
DIGITS = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 1, "batch_size": 30, "width": 0.125}
KEPT = ("test_accuracy", "val_accuracy", "train_accuracy", "seconds", "created", "device", "precision", "threads")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="of the recipe on all images (default 5)")
    parser.add_argument(
        "--tricks", type=int, default=3, metavar="SEEDS", help="of each trick (default 3); 0 leaves them out"
    )
    parser.add_argument("--runs", type=Path, help="where the runs are kept (default build/speed)")
    parser.add_argument("--output", type=Path, help="what to write, and to go on from (default speed.json beside this)")
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    parser.add_argument("--quick", action="store_true", help="a few digits, one epoch, one seed")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if args.quick:
            args.runs, args.output = args.runs or Path(folder, "runs"), args.output or Path(folder, "speed.json")
            args.seeds = args.tricks = 1
        args.runs, args.output = args.runs or ROOT / "build/speed", args.output or Path(__file__).with_suffix(".json")
        status = 0 if args.table else measure(args)
        print(table(read_json(args.output) or {}))
    return status


def measure(args: argparse.Namespace) -> int:
    """Train what is missing, and write after every run what there is. The exit status."""
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: asked.append(number))
    told: dict[str, dict[str, dict[str, Any]]] = read_json(args.output) or {}

    def keep(run: Run) -> None:
        if run.status() == "finished":
            name, _, seed = run.name.rpartition(", seed ")
            told.setdefault(name, {})[seed] = {key: s[key] for key in KEPT if key in (s := run.summary())}
            told[name][seed]["torch"] = (run.described.get("versions") or {}).get("torch")
            write_json(args.output, told)

    for experiment in experiments(args):
        local.train(experiment, Store(args.runs), ended=keep, stop=lambda: bool(asked))
    return 128 + asked[0] if asked else 0


def experiments(args: argparse.Namespace) -> list[Experiment]:
    """The recipe on all images, then its tricks on few; the first arm of these is the recipe again."""
    few = DIGITS if args.quick else FEW
    whole = {"on all images": RunConfig().override({**SPEED, **(few if args.quick else {})})}
    tricks = {f"{name}, few": RunConfig().override({**SPEED, **few, **changes}) for name, changes in TRICKS.items()}
    planned = [("speed-whole", whole, args.seeds), ("speed-tricks", tricks, args.tricks)]
    order = "one after the other"
    return [
        Experiment(kind="sweep", arms=arms, seeds=tuple(range(seeds)), order=order, group=group, title=group)
        for group, arms, seeds in planned
        if seeds
    ]


def table(told: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """In Markdown: what was reached in what time, and what each trick is worth beside the recipe of the same seeds."""
    if not told:
        return "Nothing has been measured yet: run this without --table."
    lines = ["| | n | test accuracy | minutes | less than the recipe, points | on |", "|---" * 6 + "|"]
    recipe = told.get("the recipe, few", {})
    for name, runs in told.items():
        accuracy = [run["test_accuracy"] for run in runs.values()]
        minutes = [run["seconds"] / 60 for run in runs.values()]
        both = [seed for seed in runs if seed in recipe] if runs is not recipe and name.endswith(", few") else []
        worth = [100 * (recipe[seed]["test_accuracy"] - runs[seed]["test_accuracy"]) for seed in both]
        spread = f" ± {100 * statistics.stdev(accuracy):.2f}" if len(accuracy) > 1 else ""
        cells = [name.removesuffix(", few"), str(len(runs)), f"{percent(statistics.fmean(accuracy), 2)}{spread}"]
        cells += [
            f"{statistics.fmean(minutes):.1f}",
            f"{statistics.fmean(worth):+.1f}" if worth else "",
            machines(runs),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if whole := told.get("on all images"):
        reached = statistics.fmean(run["test_accuracy"] for run in whole.values())
        longest = max(run["seconds"] / 60 for run in whole.values())
        met = "met" if reached >= TARGET and longest <= MINUTES else "not met"
        lines += ["", f"{percent(TARGET, 0)} on average in at most {MINUTES} minutes: {met}."]
    return "\n".join(lines)


def machines(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """What they ran on, each once."""
    told = {
        f"{r['device']}, {r['precision']}, {counted(r['threads'], 'thread')}, torch {r['torch']}, {r['created'][:10]}"
        for r in runs.values()
    }
    return "; ".join(sorted(told))


if __name__ == "__main__":
    sys.exit(main())
