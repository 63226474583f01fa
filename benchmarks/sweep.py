"""What a sweep costs beside its runs: python benchmarks/sweep.py [--epochs 5] [--images 1000] [--rounds 1]

Twelve configs of basic_cnn with three seeds each, once as `reglab sweep` trains them (one process, one run after the other)
and once as the app does (each run a job of its worker, with turns for other visitors): wall clock of the whole against the
sum of the seconds that the runs themselves recorded. Then how long a heat map of 100 cells and the page of that sweep take.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

if TYPE_CHECKING:  # a worker imports this file again when it starts, so what is heavy is imported where it is used
    from reglab.experiments.experiment import Experiment
    from reglab.runs.run import Run

SEEDS = 3
OVER = ("dropout.rate=0,0.2,0.4,0.6", "weight_decay.strength=0,1.5,5")


def asked(dataset: str, images: int, epochs: int, quick: bool) -> Experiment:
    from reglab.config import RunConfig
    from reglab.experiments.axes import axis
    from reglab.experiments.sweep import sweep

    base = RunConfig.parse({"dataset": dataset, "train_size": images, "epochs": epochs, "label_noise": 0})
    over = ("dropout.rate=0,0.5", "weight_decay.strength=0") if quick else OVER
    return sweep(base, [axis(text) for text in over], 1 if quick else SEEDS)


def on_the_command_line(experiment: Experiment, root: Path) -> list[Run]:
    from reglab.experiments.executors import local
    from reglab.runs.store import Store

    return local.train(experiment, Store(root))


def in_the_app(experiment: Experiment, root: Path) -> list[Run]:
    from reglab.experiments.executors import queue
    from reglab.jobs.queue import Jobs
    from reglab.runs.store import Store

    jobs = Jobs(Store(root))
    try:
        runs = queue.train(experiment, jobs)
        while any(jobs.status(run) in ("queued", "running") for run in runs):
            time.sleep(0.2)
        return runs
    finally:
        jobs.close()


WAYS = {way.__name__: way for way in (on_the_command_line, in_the_app)}


def measured(way: Callable[[Experiment, Path], list[Run]], experiment: Experiment) -> dict[str, float]:
    """Seconds of the whole and of its runs, and what share of the runs the rest is."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        runs = way(experiment, Path(folder))
        whole = time.perf_counter() - began
        summaries = [run.summary() for run in runs]
        assert all(s["status"] == "finished" for s in summaries), [s["status"] for s in summaries]
        own = sum(s["seconds"] for s in summaries)
        redraw = _redraws(folder, runs)
    return {"whole": whole, "sum_of_runs": own, "overhead": whole / own - 1, **redraw}


def _redraws(folder: str, runs: list[Run]) -> dict[str, float]:
    """Milliseconds until the page of the sweep is drawn anew, from its folders on: the median of nine."""
    from reglab.runs.store import Store
    from reglab.ui.services.lab import Lab
    from reglab.ui.views import sweep as sweeping

    lab, times = Lab(Store(folder), Store(Path(folder) / "none")), []
    try:
        group = runs[0].described["group"]
        for _ in range(9):
            began = time.perf_counter()
            told = lab.results.in_sweep(group)
            page = sweeping.page(lab.results.grid(told, "test_accuracy", 0.6), "test_accuracy", told)
            times.append((time.perf_counter() - began) * 1e3)
        assert "finished" in page
    finally:
        lab.close()
    return {"redraw_ms": statistics.median(times), "redraw_ms_slowest": max(times)}


def main() -> None:
    from reglab import data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--images", type=int, default=900)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", default="on_the_command_line,in_the_app")
    parser.add_argument("--quick", action="store_true", help="two configs, one seed")
    args = parser.parse_args()
    data.load(args.dataset)
    experiment = asked(args.dataset, args.images, args.epochs, args.quick)
    sizes = {"configs": len(experiment.arms), "runs": len(experiment.configs)}
    for n in range(args.rounds):
        for way in [WAYS[name] for name in args.ways.split(",")]:
            told = {"way": way.__name__, "round": n, **sizes, **measured(way, experiment)}
            print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in told.items()}), flush=True)


if __name__ == "__main__":
    main()
