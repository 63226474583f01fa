"""How long an answer takes once a network is loaded: probabilities and Grad-CAM for one picture.

    python benchmarks/predict.py             # seconds; prints a table, writes benchmarks/predict.json
    python benchmarks/predict.py --quick     # each a few times; shows that it works, nothing is written

Every network in checkpoints/ answers the same random picture; the first answer, which loads the network, is told apart.
Exit status 1 when a median is beyond the limit; a quick look judges nobody.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import __version__  # noqa: I001  first, as in the app: it says how threads wait, and torch reads that once
import numpy as np
import torch

from reglab import machine
from reglab.analysis.predict import answer
from reglab.runs.files import write_json
from reglab.runs.store import checkpoints_store

LIMIT = 0.3  # seconds, on two cores


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--answers", type=int, default=30, help="that count, of each network (default 30)")
    parser.add_argument("--quick", action="store_true", help="three of each, and nothing is written")
    args = parser.parse_args(arguments)
    count = 3 if args.quick else max(1, args.answers)
    conditions = {
        "machine": machine.device_name(torch.device("cpu")),
        "threads": torch.get_num_threads(),
        "load average at the start": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "torch": torch.__version__,
        "reglab": __version__,
        "date": date.today().isoformat(),
        "n": count,
        "limit": LIMIT,
    }
    seen = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    measured = {}
    print("| network | first answer | median | min .. max | |\n|---|---|---|---|---|")
    for run in checkpoints_store().runs():
        first = seconds(str(run.path), seen)
        taken = [seconds(str(run.path), seen) for _ in range(count)]
        median = statistics.median(taken)
        measured[run.id] = {
            "model": run.config.model,
            "first": first,
            "median": median,
            "min": min(taken),
            "max": max(taken),
            "met": median < LIMIT,
        }
        verdict = "met" if median < LIMIT else "**not met**"
        print(
            f"| {run.id} | {first * 1e3:.0f} ms | {median * 1e3:.1f} ms"
            f" | {min(taken) * 1e3:.1f} .. {max(taken) * 1e3:.1f} ms | {verdict} |"
        )
    print(
        f"\nProbabilities and Grad-CAM for one picture, limit {LIMIT * 1e3:.0f} ms; n = {count} answers after the first."
        f" {conditions['machine']}, {conditions['threads']} threads, load average at the start"
        f" {conditions['load average at the start']}; torch {torch.__version__}, reglab {__version__}; {conditions['date']}."
    )
    if args.quick:
        print("\nA quick look, not for the record.")
        return 0
    write_json(Path(__file__).with_suffix(".json"), {"conditions": conditions, "networks": measured})
    return 0 if all(network["met"] for network in measured.values()) else 1


def seconds(run_path: str, seen: np.ndarray) -> float:
    began = time.perf_counter()
    answer(run_path, seen)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
