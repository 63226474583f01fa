"""Two processes want the same run at the same moment: one trains it, and the other is told so within a second."""

from __future__ import annotations

import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from harm import Figures, How
from harm.training import PATIENCE, config, context, differences, golden
from reglab.errors import RunError
from reglab.jobs.worker import work
from reglab.runs import clock
from reglab.runs.run import Run
from reglab.runs.store import Store

LONG = 25  # epochs
SOON = 1.0  # seconds


def two_on_one_run(how: How) -> Figures:
    """100 times."""
    whole, _ = golden(how.folder, epochs=LONG)  # still under way when the other gives up
    store, times = Store(how.folder / "runs"), how.times(100, 2)
    wrong, waited = [], []
    for n in range(times):
        run = store.create(config(epochs=LONG))
        barrier, answers = context().Barrier(2), context().SimpleQueue()
        both = [context().Process(target=contend, args=(str(run.path), barrier, answers)) for _ in range(2)]
        for process in both:
            process.start()
        told = sorted(answers.get() for _ in both)
        for process in both:
            process.join(PATIENCE)
        (_, refused, words), (trained, _, _) = told if told[0][0] == "refused" else told[::-1]
        waited.append(refused)
        if (told[0][0], trained) != ("refused", "trained") or "is in use" not in words:
            wrong.append(f"race {n}: {told}")
        wrong += [f"race {n}: {found}" for found in differences(run, whole)]
        run.delete()
    slowest = max(waited)
    return {"n": times, "slowest_refusal": round(slowest, 2), "wrong": wrong, "met": not wrong and slowest <= SOON}


def contend(path: str, barrier: Barrier, answers: Any) -> None:
    """Train the run, in one of two processes; tells how that went, and after how many seconds."""
    clock.SNAPSHOT_SECONDS = 0.0
    barrier.wait(PATIENCE)
    began = time.perf_counter()
    try:
        work([Run(Path(path))])
        answers.put(("trained", time.perf_counter() - began, ""))
    except RunError as error:
        answers.put(("refused", time.perf_counter() - began, str(error)))
