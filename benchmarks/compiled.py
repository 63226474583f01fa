"""What `torch.compile` would save of a training step on a CPU, and after how many steps it would have paid for itself.

    python benchmarks/compiled.py           # ten minutes; needs a C++ compiler; prints a table, writes benchmarks/compiled.json
    python benchmarks/compiled.py --quick   # a minute; shows that it works, nothing is written

The same network plain, with batch and with group normalization, as it is and compiled, takes a step in turn: processor time of
one thread. What a compiled one costs before is the time of its first step, by the clock, without anything kept of an earlier time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

import reglab  # noqa: F401, I001  first, as in the app: it says how threads wait, and torch reads that once
import torch

from conditions import CPU, conditions, kept, sentence
from networks import Turn
from norms import SIDES, compared, cpu_seconds, options
from reglab import machine

NETWORKS = ("basic_cnn", "resnet18")


def main(arguments: Sequence[str] | None = None) -> int:
    args = options((__doc__ or "").partition("\n")[0], "compiled.json", batch=128, arguments=arguments)
    torch.set_num_threads(1)
    precision = machine.choose_precision("auto", CPU)
    rows: list[dict[str, Any]] = []
    tried = [(name, side) for name in NETWORKS for side in SIDES]
    for name, side in tried[:1] if args.quick else tried:
        rows.append({"network": name, "norm": side, **tried_both_ways(name, SIDES[side], precision, args)})
        print(rows[-1], file=sys.stderr, flush=True)
    told = conditions(CPU, precision) | {"rounds": args.rounds, "batch": args.batch}
    kept(args.output, {"conditions": told, "rows": rows})
    print(table({"conditions": told, "rows": rows}))
    return 0


def tried_both_ways(
    name: str, regularizers: Mapping[str, Any], precision: str, args: argparse.Namespace
) -> dict[str, Any]:
    """Seconds of a step as it is and compiled, of the first compiled one, and after how many steps those are earned back."""
    turns = {way: Turn(name, args.batch, CPU, precision, regularizers=regularizers) for way in ("eager", "compiled")}
    turns["compiled"].network.train().compile()
    began = time.perf_counter()
    turns["compiled"].step()
    first = time.perf_counter() - began
    told = compared(cpu_seconds(turns, args.rounds), "eager")
    eager, compiled = (told[way]["seconds"] for way in turns)
    return {
        "first step": round(first, 1),
        "eager": eager,
        "compiled": compiled,
        "ratio": told["compiled"]["ratio"],
        "earned back after": round(first / (eager - compiled)) if compiled < eager else None,  # steps
    }


def table(told: Mapping[str, Any]) -> str:
    """Markdown."""
    heads = ("network", "ms a step", "compiled / as it is", "first step, s", "earned back after steps")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in told["rows"]:
        what = f"{row['network']}, {row['norm'].replace('_', ' ').replace('none', 'no norm')}"
        ratio = "{median:.2f} ({min:.2f} .. {max:.2f})".format(**row["ratio"])
        steps = "never" if row["earned back after"] is None else f"{row['earned back after']:,}"
        lines.append(f"| {what} | {1000 * row['eager']:,.0f} | {ratio} | {row['first step']:.0f} | {steps} |")
    c = told["conditions"]
    how = f"{c['precision']}, batches of {c['batch']}, processor time of one thread, median of {c['rounds']} rounds"
    return "\n".join([*lines, "", f"{how[:1].upper()}{how[1:]}, least .. most; {sentence(c)}"])


if __name__ == "__main__":
    sys.exit(main())
