"""How long a server that is told to end (SIGTERM) needs until its runs are safe on the disk, and until it is gone.

    taskset -c 0 python benchmarks/sigterm.py            # 20 tries, each with a server of its own; about ten minutes
    python benchmarks/sigterm.py --tries 3 --dataset digits

A container gets ten seconds by default before it is killed. The server trains a pair of `basic_cnn` of full width with batches
of 512, evaluates 8,000 images after every epoch, and a page is open. It is told at a random moment of its first twelve seconds: while
the process of the runs loads, in a step, in an evaluation, while something is being written.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from startup import answers, processor, until

from reglab.config import RunConfig
from reglab.experiments.experiment import Experiment
from reglab.runs.run import Run
from reglab.runs.store import Store

TARGET = 5.0  # seconds
CONFIG = {
    "model": "basic_cnn",
    "width": 1.0,
    "batch_size": 512,
    "epochs": 1000,
    "regularizers": {"flip_crop": {}, "batch_norm": {}},
}
SIZES = {"cifar10": {"train_size": 8_000, "val_size": 8_000}, "digits": {"train_size": 640, "val_size": 640}}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=20, help="servers that are started and told to end")
    parser.add_argument("--dataset", choices=SIZES, default="cifar10")
    parser.add_argument("--serve", action="store_true", help="be the server of one try")
    args = parser.parse_args(arguments)
    if args.serve:
        serve(args.dataset)
        return 0
    rng = random.Random(1)
    safe, gone = [], []
    for number in range(args.tries):
        with tempfile.TemporaryDirectory() as folder:
            told = one_try(Path(folder), args.dataset, rng.uniform(0, 12))
        print(f"{number + 1}: {told[0]} ended after {told[1]:.2f} s, the server after {told[2]:.2f} s", flush=True)
        safe.append(told[1])
        gone.append(told[2])
    print("\n| from SIGTERM until | target | median | min .. max | |\n|---|---|---|---|---|")
    for what, seconds in {
        "all runs have their snapshot and their seal": safe,
        "the server's process is gone": gone,
    }.items():
        met = "met" if max(seconds) < TARGET else "**not met**"
        spread = f"{min(seconds):.2f} .. {max(seconds):.2f} s"
        print(f"| {what} | < {TARGET:g} s, always | {statistics.median(seconds):.2f} s | {spread} | {met} |")
    print(
        f"\n{processor()}, {len(os.sched_getaffinity(0))} of its cores; Python {sys.version.split()[0]}, torch {version('torch')},"
        f" gradio {version('gradio')}; {args.dataset}; {date.today().isoformat()}; n = {args.tries} servers."
    )
    return 0


def one_try(folder: Path, dataset: str, delay: float) -> tuple[str, float, float]:
    """Start a server that trains, follow it, and tell it to end `delay` seconds after both runs have begun.

    Returns what its runs are called afterwards, and the seconds until all were sealed and until the server was gone.
    """
    store, port = Store(folder / "runs"), free_port()
    where = {"REGLAB_RUNS": str(store.root), "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    command = [sys.executable, __file__, "--serve", "--dataset", dataset]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(command, cwd=folder, env={**os.environ, **where}, stdout=log, stderr=log)
    try:
        until("the app to answer", lambda: answers(port))
        until("both runs to begin", lambda: all(run.is_locked() for run in runs_of(store)))
        with urlopen(f"http://127.0.0.1:{port}/gradio_api/heartbeat/somebody", timeout=60):  # as an open page keeps it
            time.sleep(delay)
            began = time.perf_counter()
            server.send_signal(signal.SIGTERM)
            until("the runs to end", lambda: all((run.path / "manifest.json").exists() for run in runs_of(store)))
            sealed = time.perf_counter() - began
            server.wait(60)
            return ", ".join(run.status() for run in runs_of(store)), sealed, time.perf_counter() - began
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def runs_of(store: Store) -> list[Run]:
    """Both runs of the pair; raises nothing while they are being made."""
    runs = store.runs()
    return runs if len(runs) == 2 else [Run(store.root / "none")]


def serve(dataset: str) -> None:
    """The app, training a pair from the start."""
    from reglab.ui.app import launch
    from reglab.ui.services.lab import Lab

    lab = Lab()
    lab.training.start(Experiment.pair(RunConfig.parse({"dataset": dataset, **SIZES[dataset], **CONFIG})))
    launch(lab)


if __name__ == "__main__":
    raise SystemExit(main())
