"""What can befall a lab, done to it: workers and servers killed, disks filled, bits flipped, clocks set back, crowds let in.

    python benchmarks/faults.py                       # all, on one core an hour; writes benchmarks/faults.json
    python benchmarks/faults.py --only kills,races    # these; the figures of the others stay as they are
    python benchmarks/faults.py --short               # each a few times: shows that it works, writes nothing
    python benchmarks/faults.py --table               # the Markdown table of benchmarks/faults.json

Each kind is a function in `harm/`. It counts what was lost, and is met where that is nothing. Kinds that this machine
cannot do say what it lacks. All of it happens to 127.0.0.1 and to folders that are removed afterwards.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harm import Figures, How, NotHere, bits, clocks, crowd, disks, kills, lines, races, servers, soak, uploads

from reglab.runs.files import read_json, write_json

OUTPUT = Path(__file__).with_suffix(".json")
FAULTS: dict[str, tuple[str, Callable[[How], Figures]]] = {
    "kills": ("a worker killed at random moments", kills.at_random),
    "calls": ("a worker killed before every write, sync, rename, link, removal", kills.at_every_change),
    "limits": ("files that may grow no farther", disks.at_many_points),
    "errors": ("every write and sync failing, once and from then on", disks.at_every_call),
    "disk": ("a small disk that is full", disks.full),
    "bits": ("weights and snapshots with a bit flipped, or cut short", bits.flipped_and_cut),
    "lines": ("metrics torn at every byte of the last lines", lines.torn),
    "servers": ("a server killed while its page is open", servers.killed),
    "pictures": ("malformed pictures", uploads.malformed),
    "visitors": ("fifty visitors and three browsers while the lab trains", crowd.visitors),
    "soak": ("runs in a row through the API", soak.many_runs),
    "clock": ("the clock set back an hour", clocks.set_back),
    "races": ("two processes on one run", races.two_on_one_run),
}


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    if args.table:
        print(table(read_json(args.output)))
        return 0
    told = read_json(args.output)
    missed = []
    for name in args.only or FAULTS:
        words, function = FAULTS[name]
        began = time.perf_counter()
        try:
            with tempfile.TemporaryDirectory() as folder:
                figures = function(How(Path(folder), short=args.short, most=args.most))
        except NotHere as lacks:
            print(f"{name}: not done, this {lacks}.", flush=True)
            continue
        figures |= {"seconds": round(time.perf_counter() - began), **conditions()}
        print(f"{name}: {words}: {line(figures)}", flush=True)
        missed += [] if figures["met"] else [name]
        if not args.short:
            told[name] = figures
            write_json(args.output, told)
    return 1 if missed else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="They are: " + ", ".join(FAULTS))
    parser.add_argument("--only", type=names, help="names, with commas between them")
    parser.add_argument("--short", action="store_true", help="each a few times, and nothing is written")
    parser.add_argument("--most", type=int, default=How.most, metavar="N", help="each at most so many times")
    parser.add_argument("--table", action="store_true", help="print what was measured as Markdown")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args(arguments)


def names(text: str) -> list[str]:
    if unknown := [name for name in text.split(",") if name not in FAULTS]:
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]}: choose among {', '.join(FAULTS)}")
    return text.split(",")


def conditions() -> dict[str, str]:
    """Under which a figure holds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"Python {platform.python_version()}, torch {version('torch')}, gradio {version('gradio')}"
    return {"machine": f"{processor()}, {cores} core{'s' * (cores != 1)}; {versions}", "date": date.today().isoformat()}


def processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text().split("model name\t: ")[1]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
    return told.splitlines()[0]


def line(figures: Figures) -> str:
    """In one line: what was counted, and what went wrong."""
    counted = {k: v for k, v in figures.items() if k not in ("wrong", "met", "seconds", "machine", "date")}
    told = ", ".join(f"{k.replace('_', ' ')} {shown(v)}" for k, v in counted.items())
    wrong = figures.get("wrong", [])
    return f"{told}; {'met' if figures['met'] else 'NOT MET'}" + "".join(f"\n    {what}" for what in wrong[:20])


def shown(value: object) -> str:
    return " + ".join(f"{v} {k}" for k, v in value.items()) if isinstance(value, dict) else f"{value}"


def table(told: dict[str, Figures]) -> str:
    rows = [f"| {FAULTS[name][0]} | {line(figures)} |" for name, figures in told.items() if name in FAULTS]
    return "\n".join(["| what was done | what was left |", "|---|---|", *rows])


if __name__ == "__main__":
    raise SystemExit(main())
