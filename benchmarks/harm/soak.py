"""A server that trains run after run for whoever calls it, and stays as large as it was."""

from __future__ import annotations

import statistics
import time

from harm import Figures, How, NotHere
from harm.servers import Server, asked, serving
from harm.training import PATIENCE, config

PER_RUN = 0.25  # MiB


def many_runs(how: How) -> Figures:
    """200 runs in a row through /api/train, each followed to its end through /api/status.

    What a run costs in memory is the slope over the second half; the first fills what is bounded.
    """
    try:
        import psutil
    except ImportError:
        raise NotHere("needs psutil") from None
    times, told = how.times(200, 12), config(epochs=1).model_dump(mode="json")
    memory, handles, threads, wrong = [], [], [], []
    with serving(how.folder / "server") as server:
        here = psutil.Process(server.process.pid)
        for n in range(times):
            status = followed(server, told | {"seed": n})
            wrong += [] if status == "finished" else [f"run {n}: {status}"]
            memory.append(here.memory_info().rss / 2**20)
            handles.append(here.num_fds() if hasattr(here, "num_fds") else here.num_handles())
            threads.append(here.num_threads())
    half = times // 2
    slope = statistics.linear_regression(range(half, times), memory[half:]).slope
    flat = handles[-1] - handles[half] <= 2 and threads[-1] - threads[half] <= 2
    grown = {"MiB": f"{memory[half]:.0f} to {memory[-1]:.0f}", "open files": f"{handles[half]} to {handles[-1]}"}
    grown |= {"threads": f"{threads[half]} to {threads[-1]}"}
    figures = {"n": times, "MiB_a_run": round(slope, 3), "second_half": ", ".join(f"{k} {v}" for k, v in grown.items())}
    return {**figures, "wrong": wrong, "met": not wrong and flat and (slope < PER_RUN or how.short)}


def followed(server: Server, wanted: dict) -> str:
    """A run's status at its end."""
    run, cursor, end = asked(server, "/api/train", wanted)["run"], 0, time.monotonic() + PATIENCE
    while True:
        answer = asked(server, f"/api/status?run={run}&cursor={cursor}")
        status, cursor = answer["summary"]["status"], answer["cursor"]
        if status not in ("queued", "running") or time.monotonic() > end:
            return str(status)
        time.sleep(0.1)
