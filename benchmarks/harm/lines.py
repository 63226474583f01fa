"""A file of metrics that ends in the middle of a line, in zeros or in garbage: every whole line is read, resume trims."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator

from harm import Figures, How
from harm.bits import broken_off
from harm.training import differences, golden, trained
from reglab.runs.lines import parsed
from reglab.runs.run import Run
from reglab.runs.store import Store


def torn(how: How) -> Figures:
    """Cut at every byte of the last three lines, with a tail of zeros or of garbage, and whole with such a tail."""
    whole, _ = golden(how.folder)
    broken = broken_off(Store(how.folder / "runs"))
    data = (broken.path / "metrics.jsonl").read_bytes()
    vouched_for = Run(shutil.copytree(broken.path, broken.path.with_name("vouched"))).resume()
    assert vouched_for, "what broke off can be gone on with"
    kept = vouched_for.state["metrics_bytes"]
    n, wrong = 0, []
    for n, (what, damaged) in enumerate(tails(data, random.Random(how.seed)), 1):
        copy = broken.path.with_name("torn")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(broken.path, copy)
        (copy / "metrics.jsonl").write_bytes(damaged)
        run = Run(copy)
        lines = parsed(damaged[: damaged.rfind(b"\n") + 1])
        told = run.lines()[0]
        if told != lines or [e.epoch for e in run.history()] != [e["epoch"] for e in lines if e["event"] == "epoch"]:
            wrong.append(f"{what}: {len(told)} lines read of {len(lines)}")
        expected = kept if damaged[:kept] == data[:kept] else 0
        run.resume()
        if (size := (copy / "metrics.jsonl").stat().st_size) != expected:
            wrong.append(f"{what}: {size} bytes kept of {expected}")
        if n % how.times(25, 150) == 0:
            trained(run)
            wrong += [f"{what}: {found}" for found in differences(run, whole)]
    return {"n": n, "wrong": wrong, "met": not wrong}


def tails(data: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """In words, and the file."""
    last_three = len(b"".join(data.splitlines(keepends=True)[-3:]))
    for size in range(len(data) - last_three, len(data)):
        yield f"cut at {size}", data[:size]
    for size in (*range(len(data) - last_three, len(data), 40), len(data)):
        yield f"zeros from {size}", data[:size] + bytes(4_096)
        yield f"garbage from {size}", data[:size] + rng.randbytes(300)
        yield f"garbage and a line's end from {size}", data[:size] + rng.randbytes(300) + b"\n"
