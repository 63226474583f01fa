"""What a run costs beside its training: python benchmarks/warm.py [--before CHECKOUT] [--rounds 5]

A run of the digits as the queue of the app trains it, from the moment that it is asked for to the first line of an epoch and to
the end: the first of a server, the next ones, and a sweep of nine. With `--before` another checkout does the same in turn.

    python benchmarks/warm.py --memory 300      # what the process of so many runs in a row takes, in MiB
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # after PYTHONPATH, which may name another checkout

if TYPE_CHECKING:  # a worker imports this file again when it starts, so what is heavy is imported where it is used
    from reglab.jobs.queue import Jobs
    from reglab.runs.run import Run

CONFIG = {"dataset": "digits", "train_size": 300, "val_size": 300, "batch_size": 32, "label_noise": 0.3, "width": 0.25}
CONFIG |= {"regularizers": {"batch_norm": {}, "dropout": {}, "flip_crop": {}, "weight_decay": {}}}
NEXT = 3  # runs after the first
# Networks that differ in what they leave behind: sizes of batches and of kernels, hooks, parametrizations.
KINDS: Sequence[dict[str, Any]] = (
    {},
    {"model": "resnet20", "batch_size": 128},
    {"model": "vgg11", "width": 0.5, "regularizers": {"group_norm": {}, "mixup": {}, "ema": {}}},
    {"model": "speed_cnn", "batch_size": 100, "regularizers": {"spectral_norm": {}, "sam": {}}},
    {"model": "inception_small", "width": 0.5, "regularizers": {"batch_norm": {}, "swa": {}, "manifold_mixup": {}}},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of another version, which takes turns with this one")
    parser.add_argument("--rounds", type=int, default=5, help="fresh servers of each version (default 5)")
    parser.add_argument("--epochs", type=int, default=20, help="of a run (default 20)")
    parser.add_argument(
        "--memory", type=int, default=0, metavar="RUNS", help="follow the memory of so many runs instead"
    )
    parser.add_argument("--one", action="store_true", help="be the server of one round")
    args = parser.parse_args()
    if args.memory:
        grown(args.memory)
    elif args.one:
        print(json.dumps(measured(args.epochs)))
    else:
        compare({"before": args.before, "now": ROOT} if args.before else {"now": ROOT}, args.rounds, args.epochs)


def compare(checkouts: dict[str, Path], rounds: int, epochs: int) -> None:
    """A Markdown table: medians, and from the least to the most."""
    told: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for number in range(rounds + 1):  # the first compiles bytecode and does not count
        for name, checkout in checkouts.items():
            command = [sys.executable, __file__, "--one", "--epochs", str(epochs)]
            environment = {**os.environ, "PYTHONPATH": str(checkout)}
            done = subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            figures = json.loads(done.stdout)
            print(name, json.dumps({k: round(v, 2) for k, v in figures.items()}), file=sys.stderr, flush=True)
            if number:
                told[name].append(figures)
    print(f"| seconds | {' | '.join(checkouts)} |\n|---|{'---|' * len(checkouts)}")
    for what in told["now"][0]:
        columns = [[one[what] for one in told[name]] for name in checkouts]
        cells = [f"{statistics.median(c):.2f} ({min(c):.2f} .. {max(c):.2f})" for c in columns]
        print(f"| {what} | {' | '.join(cells)} |")
    print(
        f"\n{cores()}; Python {sys.version.split()[0]}, torch {version('torch')}; {date.today().isoformat()};"
        f" n = {rounds} servers each, in turn."
    )


def measured(epochs: int) -> dict[str, float]:
    """Seconds of one server."""
    from reglab.config import RunConfig
    from reglab.jobs.queue import Jobs
    from reglab.runs.store import Store

    config = RunConfig.parse({**CONFIG, "epochs": epochs})
    with tempfile.TemporaryDirectory() as folder:
        jobs = Jobs(Store(folder))
        try:
            jobs.machine(timeout=120)  # as a page has done by the time that somebody presses Train
            first = one(jobs, jobs.store.create(config))
            following = [one(jobs, jobs.store.create(config)) for _ in range(NEXT)]
            short = config.model_copy(update={"epochs": max(1, epochs // 4)})
            sweep = [jobs.store.create(short.model_copy(update={"seed": seed})) for seed in range(9)]
            began = time.perf_counter()
            jobs.submit_each(sweep)
            wait_for_end(jobs, sweep)
            nine = time.perf_counter() - began
        finally:
            jobs.close()
    return {
        "the first run of a server: until the first `epoch` line": first[0],
        "the first run of a server: until its end": first[1],
        "the next: until the first `epoch` line": statistics.median(line for line, _ in following),
        "the next: until its end": statistics.median(end for _, end in following),
        "a sweep of nine runs of a quarter of the epochs": nine,
    }


def one(jobs: Jobs, run: Run) -> tuple[float, float]:
    """Seconds until the first line of an epoch, and until the end."""
    began = time.perf_counter()
    jobs.submit([run])
    while not any(line["event"] == "epoch" for line in run.lines()[0]):
        time.sleep(0.002)
    line = time.perf_counter() - began
    wait_for_end(jobs, [run])
    return line, time.perf_counter() - began


def wait_for_end(jobs: Jobs, runs: Sequence[Run]) -> None:
    while jobs.running():
        time.sleep(0.002)
    assert all(run.status() == "finished" for run in runs)


def grown(runs: int) -> None:
    """Print what the process of these runs takes, after each of the first ten and after each tenth of them."""
    import psutil

    from reglab.config import RunConfig
    from reglab.jobs import worker
    from reglab.jobs.queue import Jobs
    from reglab.runs.store import Store

    seen: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        jobs = Jobs(Store(folder))
        try:
            for number in range(1, runs + 1):
                run = jobs.store.create(RunConfig.parse({**CONFIG, "epochs": 2, **KINDS[number % len(KINDS)]}))
                jobs.submit([run])
                [job] = jobs.running()
                wait_for_end(jobs, [run])
                pid = job.worker.process.pid
                seen.add(pid)
                if number <= 10 or number % max(1, runs // 10) == 0:
                    size = psutil.Process(pid).memory_info().rss / 2**20 if psutil.pid_exists(pid) else float("nan")
                    print(f"{number} runs, {len(seen)} processes so far: {size:.0f} MiB", flush=True)
        finally:
            jobs.close()
    print(
        f"{cores()}; a process ends after {worker.JOBS} jobs, or once it has grown by {worker.LEFT_BEHIND >> 20} MiB."
    )


def cores() -> str:
    import torch

    from reglab import machine

    return machine.device_name(torch.device("cpu"))


if __name__ == "__main__":
    main()
