"""What batch and group normalization cost a training step on a CPU, torch's own layers beside ours.

    python benchmarks/norms.py           # some minutes; prints a table, writes benchmarks/norms.json
    python benchmarks/norms.py --quick   # seconds; shows that it works, nothing is written

The same network without normalization, with each of the two, and with torch's group normalization in the place of ours takes a
step in turn. Processor time of one thread is measured and not wall clock, so that it matters little what else runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

import reglab  # noqa: F401, I001  first, as in the app: it says how threads wait, and torch reads that once
import torch
from torch import nn

from conditions import CPU, conditions, sentence, spread
from networks import Turn
from reglab.models.group_norm import GroupNorm
from reglab.runs.files import write_json

ROOT = Path(__file__).resolve().parent.parent
NETWORKS, PRECISIONS = ("basic_cnn", "resnet18"), ("bf16", "fp32")
SIDES = {"none": {}, "batch_norm": {"batch_norm": True}, "group_norm": {"group_norm": True}}
TORCHS = "group_norm of torch"
TARGET = 1.15


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    torch.set_num_threads(1)
    rows = {}
    for name in NETWORKS[: 1 if args.quick else None]:
        for precision in PRECISIONS:
            turns = {
                side: Turn(name, args.batch, CPU, precision, regularizers=chosen) for side, chosen in SIDES.items()
            }
            turns[TORCHS] = Turn(name, args.batch, CPU, precision, regularizers=SIDES["group_norm"])
            for layer in turns[TORCHS].network.modules():
                layer.__class__ = nn.GroupNorm if isinstance(layer, GroupNorm) else layer.__class__
            rows[f"{name}, {precision}"] = compared(cpu_seconds(turns, args.rounds), "none")
            print(f"{name} in {precision} done", file=sys.stderr, flush=True)
    told = conditioned(rows, args)
    if args.output:
        write_json(args.output, told)
    print(table(told))
    return 0


def cpu_seconds(turns: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of a step of each, a value a round; before it a step that finds the caches full of another network."""
    taken: dict[str, list[float]] = {side: [] for side in turns}
    for turn in turns.values():
        turn.network.train()
    for _ in range(rounds):
        for side, turn in turns.items():
            turn.step()
            began = time.process_time()
            turn.step()
            taken[side].append(time.process_time() - began)
    return taken


def compared(taken: Mapping[str, Sequence[float]], base: str) -> dict[str, dict[str, Any]]:
    """By side: the median of its seconds, and of its seconds by those of `base` in the same round, with the extremes."""
    told = {}
    for side, values in taken.items():
        ratios = [value / other for value, other in zip(values, taken[base], strict=True)]
        told[side] = {"seconds": spread(values)["median"], "ratio": spread(ratios)}
    return told


def conditioned(rows: Mapping[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """What was measured, and on what, with a sentence that says so."""
    told = conditions() | {"rounds": args.rounds, "batch": args.batch}
    how = f"Processor time of one thread, batches of {args.batch}; median of {args.rounds} rounds, least .. most"
    return {"conditions": told | {"sentence": f"{how}; {sentence(told)}"}, "rows": rows}


def table(told: dict[str, Any]) -> str:
    """Markdown."""
    lines = ["| network | plain, ms a step | batch norm | group norm | torch's group norm |", "|---|---|---|---|---|"]
    for name, row in told["rows"].items():
        cells = [f"{1000 * row['none']['seconds']:,.0f}"]
        for side in ("batch_norm", "group_norm", TORCHS):
            ratio = row[side]["ratio"]
            cells.append(f"{ratio['median']:.2f} ({ratio['min']:.2f} .. {ratio['max']:.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Target {TARGET}. {told['conditions']['sentence']}"])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    return options((__doc__ or "").partition("\n")[0], "norms.json", batch=128, arguments=arguments)


def options(about: str, output: str, batch: int, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--batch", type=int, default=batch, help=f"images a step (default {batch})")
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"what to write (default benchmarks/{output})")
    parser.add_argument("--quick", action="store_true", help="one round on few images, written nowhere by default")
    args = parser.parse_args(arguments)
    if args.quick:
        args.rounds, args.batch = 1, 4
    elif not args.output:
        args.output = ROOT / "benchmarks" / output
    if args.rounds < 1 or args.batch < 2:
        parser.error("--rounds must be at least 1, --batch at least 2")
    return args


if __name__ == "__main__":
    sys.exit(main())
