"""All that a GPU has to show, in one call of under eight minutes: tests, determinism, speed, many runs at once, and the targets.

    python benchmarks/gpu.py                          # every part, into benchmarks/gpu.json
    python benchmarks/gpu.py --only graphs,many       # some of them; the others stay as they are in the file
    python benchmarks/gpu.py --theirs airbench.py     # and somebody's script to 94 % on the same card
    python benchmarks/gpu.py --small                  # seconds on any machine; shows that it works

Each part is a process of its own with a limit of its own, and what it has found is in the file as soon as it is known: what
hangs, fails or is cut off costs itself and nothing else. For a machine without network see `--pack` and `--data`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab.errors import ConfigError, DataError
from reglab.runs.files import read_json, write_json

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 475.0  # seconds in all
SHORTEST = 10.0  # seconds that are worth a part's start
VERDICTS = {True: "met", False: "**not met**", None: "not judged"}
LINES = 8  # of what a part that failed has said


@dataclass(frozen=True)
class Part:
    """`module.function`, which takes an `Asked` and a `Told`, and the seconds that it may take."""

    place: str
    seconds: float
    about: str


PARTS = {
    "environment": Part("gpu_steps.environment", 20, "what this is measured on"),
    "tests": Part("gpu_steps.cuda_tests", 75, "the tests that need a GPU"),
    "determinism": Part("gpu_steps.determinism", 30, "the same config twice: the same bytes"),
    "graphs": Part("gpu_steps.graphs", 60, "steps recorded and replayed, beside ordinary ones"),
    "precisions": Part("gpu_steps.precisions", 45, "a step in each precision"),
    "many": Part("gpu_many.many", 120, "runs of basic_cnn at once, beside one after the other"),
    "pair": Part("gpu_runs.pair", 40, "the default comparison on all images"),
    "sweep": Part("gpu_runs.sweep", 75, "4 x 3 settings with 3 seeds through the queue of the app"),
    "speed": Part("gpu_runs.speed", 90, "speed_cnn to 94 %"),
    "resnet18": Part("gpu_runs.resnet18", 90, "resnet18 to 95 %"),
}


@dataclass(frozen=True)
class Asked:
    """What every part is told."""

    device: torch.device
    small: bool
    theirs: Path | None

    @property
    def dataset(self) -> str:
        """Of the parts that train."""
        return "digits" if self.small else "cifar10"


class Told:
    """What a part has found, which is in its file at once."""

    def __init__(self, into: Path, judges: bool) -> None:
        self._into, self._judges = into, judges
        self.found: dict[str, Any] = {"rows": {}, "targets": {}}

    def row(self, name: str, **columns: Any) -> None:
        """A line of the part's table; columns that it has already are kept."""
        odd = {
            key: str(value) for key, value in columns.items() if isinstance(value, float) and not math.isfinite(value)
        }
        self.found["rows"].setdefault(name, {}).update(columns | odd)
        self.write()

    def target(self, name: str, value: float, *, least: float | None = None, most: float | None = None) -> None:
        """A number that was to be reached, and whether it was."""
        met = (least is None or value >= least) and (most is None or value <= most) if self._judges else None
        wanted = f"at least {least:g}" if least is not None else f"at most {most:g}"
        self.found["targets"][name] = {"value": value, "target": wanted, "met": met}
        self.write()

    def write(self) -> None:
        """All of it."""
        write_json(self._into, self.found)


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    if args.part:
        return train_part(args)
    if args.pack:
        from carried import pack

        for path in pack(args.pack, args.piece):
            print(f"{path}  {path.stat().st_size / 2**20:.1f} MiB")
        return 0
    began = time.monotonic()
    if not args.small:
        from reglab import machine

        machine.choose_device("cuda")
    if args.data:
        from carried import unpack

        unpack(args.data)
    told = {"parts": {}, **(read_json(args.output) if args.only and args.output else {})}
    told["date"] = date.today().isoformat()
    for name in args.only or PARTS:
        left = args.limit - (time.monotonic() - began)
        part: dict[str, Any] = {"error": f"not begun: {args.limit:g} s were over"}
        if left >= SHORTEST:
            most = math.inf if args.small else PARTS[name].seconds  # which are those of a GPU
            part = seen_through(name, args, min(left, most))
        told["parts"][name] = {"about": PARTS[name].about, **part}
        if args.output:
            write_json(args.output, told)
        print(
            f"{name}: {part.get('error') or 'done'}, {time.monotonic() - began:.0f} s so far",
            file=sys.stderr,
            flush=True,
        )
    print(table(told))
    return int(any("error" in told["parts"][name] for name in args.only or PARTS))


def seen_through(name: str, args: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """What a part finds in a process of its own, ended with all that it has started when its time is over."""
    with tempfile.TemporaryDirectory() as folder:
        into, said = Path(folder) / "told.json", Path(folder) / "said.txt"
        command = [sys.executable, str(Path(__file__).resolve()), "--part", name, "--output", str(into)]
        command += ["--small"] if args.small else []
        command += ["--theirs", str(args.theirs.resolve())] if args.theirs else []
        began = time.monotonic()
        with open(said, "wb") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
            )
            try:
                status = process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                end(process)
        told: dict[str, Any] = {**read_json(into), "seconds": round(time.monotonic() - began, 1)}
        if status is None:
            told["error"] = f"cut off after {seconds:.0f} s"
        elif status:
            last = said.read_text("utf-8", "replace").strip().splitlines()[-LINES:]
            told["error"] = " | ".join(last)[-1_000:] or f"ended with status {status}"
        return told


def end(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def train_part(args: argparse.Namespace) -> int:
    """One part, here and now."""
    from importlib import import_module

    from reglab import machine

    module, _, function = PARTS[args.part].place.partition(".")
    asked, told = (
        Asked(machine.choose_device("auto"), args.small, args.theirs),
        Told(args.output, judges=not args.small),
    )
    act: Callable[[Asked, Told], None] = getattr(import_module(module), function)
    act(asked, told)
    if taken := machine.memory_taken(asked.device):
        told.found["memory_mib"] = taken >> 20
    told.write()
    return 0


# ---- to read -----------------------------------------------------------------------------------------------------
def table(told: dict[str, Any]) -> str:
    """Markdown: a table for each part, then the targets."""
    lines: list[str] = []
    for name, part in told["parts"].items():
        memory = f", {part['memory_mib']:,} MiB of the GPU" if "memory_mib" in part else ""
        lines += ["", f"### {name}: {part['about']}", "", f"{part.get('seconds', 0):g} s{memory}."]
        lines += [f"**{part['error']}**"] if "error" in part else []
        if rows := part.get("rows"):
            columns = list(dict.fromkeys(column for row in rows.values() for column in row))
            lines += ["", "| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
            lines += [
                f"| {each} | " + " | ".join(cell(row.get(c)) for c in columns) + " |" for each, row in rows.items()
            ]
    lines += ["", "| target | | measured | |", "|---|---|---|---|"]
    for part in told["parts"].values():
        for name, told_of in part.get("targets", {}).items():
            verdict = VERDICTS[told_of["met"]]
            lines.append(f"| {name} | {told_of['target']} | {cell(told_of['value'])} | {verdict} |")
    return "\n".join(lines).strip()


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
    return (
        "" if value is None else f"{value:,}" if isinstance(value, int) else json.dumps(value)[1:-1].replace("|", "/")
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", metavar="A,B", help=f"these parts alone: {', '.join(PARTS)}")
    parser.add_argument("--small", action="store_true", help="seconds on any machine; the numbers mean nothing")
    parser.add_argument("--theirs", type=Path, metavar="SCRIPT", help="a script to 94 % to run beside speed_cnn")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds in all (default {LIMIT:g})")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="what to write (default benchmarks/gpu.json, nothing with --small)"
    )
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="write CIFAR-10 there, to be carried, and end")
    parser.add_argument("--piece", type=float, default=60, metavar="MIB", help="largest file of --pack (default 60)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="take CIFAR-10 from what --pack has written")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    args.only = [name.strip() for name in args.only.split(",") if name.strip()]
    if unknown := [name for name in args.only if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    if args.theirs and not args.theirs.is_file():
        parser.error(f"there is no file {args.theirs}: give the path of the script")
    if not (args.output or args.small):
        args.output = ROOT / "benchmarks/gpu.json"
    return args


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ConfigError, DataError) as error:
        sys.exit(str(error))
