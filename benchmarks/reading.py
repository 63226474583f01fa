"""What it costs to look: bytes read at a tick of the page over a live pair, and seconds to list the runs of a queued sweep.

    python benchmarks/reading.py                    # prints the tables of README.md
    python benchmarks/reading.py --epochs 100 --runs 300 --rounds 20

A tick does what the page does every second: ask whether there is something new, and draw the chart where there is. Between
two ticks each run writes one epoch and one line of its clock, as a training does. Bytes are counted where files are opened.
The queue is a real one, held up by its device being taken, so that nothing but looking takes time.
"""

from __future__ import annotations

import argparse
import builtins
import io
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from reglab import machine
from reglab.config import RunConfig
from reglab.jobs.queue import Jobs
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Epoch, Started
from reglab.ui.services.lab import Lab
from reglab.ui.views import curves

CONFIG = {"dataset": "digits", "train_size": 500, "epochs": 1_000, "device": "cpu", "precision": "fp32"}


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Bytes that were read of each file meanwhile, by the file's name, by whoever opened it in this process."""
    found: dict[str, int] = {}
    plain = builtins.open

    class Counting(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            name = Path(str(self.name)).name
            found[name] = found.get(name, 0) + len(data)
            return data

    def counting(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if mode not in ("r", "rb", "rt"):
            return plain(file, mode, *arguments, **named)
        opened = Counting(plain(file, "rb", buffering=0))
        return opened if mode == "rb" else io.TextIOWrapper(opened, named.get("encoding") or "utf-8")

    builtins.open = io.open = counting  # type: ignore[assignment]
    try:
        yield found
    finally:
        builtins.open = io.open = plain  # type: ignore[assignment]


def write_epoch(run: Run, epoch: int) -> int:
    """One more epoch as a training writes it. Returns the bytes that were written."""
    values = {
        "train_loss": 1.23456789 / (epoch + 1),
        "train_accuracy": 0.1 + 0.8 * epoch / 1_000,
        "val_loss": 1.3456789,
    }
    values |= {"val_accuracy": 0.1 + 0.5 * epoch / 1_000, "ece": 0.0123456, "gap": 0.3 * epoch / 1_000}
    values |= {"running_loss": 1.23456789, "running_accuracy": 0.123456789}
    line = Epoch(epoch=epoch, step=4 * epoch, lr=0.000123456789, **values).to_json()
    clock = {"epoch": epoch, "batch": 4, "batches": 4, "seconds": 1.5 * epoch, "images_per_second": 1234.5}
    written = 0
    for file, told in (("metrics.jsonl", line), ("timing.jsonl", clock)):
        with (run.path / file).open("ab") as out:
            written += out.write(f"{json.dumps(told)}\n".encode())
    return written


def begin(run: Run) -> None:
    facts = {"parameters": 551_146, "train_images": 500, "val_images": 300, "test_images": 360, "steps_per_epoch": 4}
    seen = {"device": "AMD EPYC", "precision": "fp32", "threads": 2, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    (run.path / "metrics.jsonl").write_text(json.dumps(Started(**facts, **seen).to_json()) + "\n")


def tick(runs: list[Run], jobs: Jobs, before: Any) -> Any:
    """What the page does with its runs: nothing but a look where nothing is new, else the whole chart."""
    views = [jobs.view(run) for run in runs]
    now = curves.stamp(views)
    any(view.is_live for view in views)
    if now != before:
        curves.chart_of(views, "", curves.names_of(views))
    return now


def ticks(epochs: int, rounds: int) -> dict[str, Any]:
    """Bytes and milliseconds of a tick over a pair that has come so far, and of one at which nothing is new."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        jobs = Jobs(store)
        config = RunConfig.parse(CONFIG | {"regularizers": {"dropout": True}})
        ids = [store.create(c, group="pair").id for c in (config.plain(), config)]
        for run in map(store.open, ids):
            begin(run)
            for epoch in range(epochs):
                write_epoch(run, epoch)
        with store.open(ids[0]).locked(), store.open(ids[1]).locked():
            stamp = tick([store.open(i) for i in ids], jobs, None)  # the first visitor's first look
            told: dict[str, list[float]] = {"new": [], "read": [], "seconds": [], "idle": [], "idle seconds": []}
            for epoch in range(epochs, epochs + rounds):
                told["new"].append(sum(write_epoch(store.open(i), epoch) for i in ids))
                for read, seconds in (("read", "seconds"), ("idle", "idle seconds")):
                    began = time.perf_counter()
                    with counted() as found:
                        stamp = tick([store.open(i) for i in ids], jobs, stamp)
                    told[seconds].append(time.perf_counter() - began)
                    told[read].append(sum(found.values()))
            size = sum(
                (store.root / i / file).stat().st_size for i in ids for file in ("metrics.jsonl", "timing.jsonl")
            )
        return told | {"size": size}


def listing(runs: int, rounds: int) -> dict[str, list[float]]:
    """Seconds until the summaries of so many runs that wait are there: the first look, and those after it."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        made = [store.create(RunConfig.parse(CONFIG | {"seed": seed}), group="a sweep") for seed in range(runs)]
        lab = Lab(store, Store(Path(folder) / "none", read_only=True))
        with FileLock(store.root / ".cpu.lock"):  # the worker of the first run waits for the device
            lab.training.jobs.submit_each(made, owner="somebody")
            lab.training.jobs.running()[0].worker.begun.wait()
            time.sleep(3)  # until the worker has loaded what it needs, and waits
            taken, placed = [], []
            for _ in range(rounds + 1):
                began = time.perf_counter()
                told = lab.results.summaries()
                taken.append(time.perf_counter() - began)
                began = time.perf_counter()
                places = [(lab.training.jobs.status(run), lab.training.jobs.place(run)) for run in made]
                placed.append(time.perf_counter() - began)
                assert {place for _, place in places} == {None, *range(1, runs)}
            assert sum(s["status"] == "queued" for s in told) == runs - 1
            lab.training.jobs.stop_all(made)
        lab.close()
    return {"first": taken[:1], "again": taken[1:], "places": placed}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=100, help="epochs of each run of the pair before the first tick")
    parser.add_argument("--runs", type=int, default=300, help="runs of the sweep")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()

    def row(what: str, values: list[float], scale: float, unit: str) -> None:
        low, middle, high = (f"{scale * f(values):,.1f}" for f in (min, statistics.median, max))
        print(f"| {what} | {middle} {unit} | {low} .. {high} |")

    print(f"{machine.device_name(machine.choose_device('cpu'))}, n = {args.rounds}\n")
    told = ticks(args.epochs, args.rounds)
    print(f"| a tick over a live pair, {told['size']:,} bytes of lines | median | min .. max |\n|---|---|---|")
    row("written since the last tick", told["new"], 1, "bytes")
    row("read at a tick with something new", told["read"], 1, "bytes")
    row("read at a tick with nothing new", told["idle"], 1, "bytes")
    row("a tick with something new, chart and all", told["seconds"], 1e3, "ms")
    row("a tick with nothing new", told["idle seconds"], 1e3, "ms")
    told = listing(args.runs, args.rounds)
    print(f"\n| listing {args.runs} queued runs of a sweep | median | min .. max |\n|---|---|---|")
    row("the first time", told["first"], 1e3, "ms")
    row("again", told["again"], 1e3, "ms")
    row("status and place in the queue of each", told["places"], 1e3, "ms")


if __name__ == "__main__":
    main()
