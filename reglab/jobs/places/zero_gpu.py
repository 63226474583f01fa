"""ZeroGPU: a GPU that is lent for less than a minute at a time, at the expense of whoever asks.

A job is trained in slices. Each is a call that spaces runs in a process of its own, which writes the folders of the runs; so
nothing travels but their names. At the end of a slice every run has a snapshot, and the next one goes on from there. The
thread that waits carries the request in which the visitor pressed Train: by it spaces knows whose minutes these are.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab import compat
from reglab.errors import RunError
from reglab.jobs.bounds import Bounds
from reglab.jobs.processes import PRELOADED
from reglab.jobs.worker import work
from reglab.runs.recording import conclude, stopped_here
from reglab.runs.run import Run

if TYPE_CHECKING:
    from reglab.jobs.job import Job

AT_ONCE = 4  # jobs: each has a GPU of its own, and their processes share the memory of the Space
LONGEST, SHORTEST = 40, 15  # seconds to ask for
SPARE = 5.0  # of these, for the start of CUDA and for the last snapshots
KEPT = "All that it has learned is kept: Resume goes on from there."
STUCK = "A slice of the GPU was too short for the run to make progress, or its folder cannot be written"
AGAIN = "Resume it in a while"
LOG_IN = "open the Space on huggingface.co, log in there, and resume it"
SAID = {  # what spaces says -> what happened, and what helps
    "GPU task aborted": "ZeroGPU took its GPU back before the slice was over. Resume it, or train a smaller network",
    "No GPU was available": f"No GPU was free on ZeroGPU within a minute. {AGAIN}",
    "Space app has reached": f"ZeroGPU cannot tell whose minutes these are: {LOG_IN}",
    "runs limit": f"You have started as many slices as ZeroGPU allows for now. {AGAIN}",
    "credits": "All your ZeroGPU credits are in use. Resume it when your other tasks there have ended",
    "larger than the maximum": f"ZeroGPU allows you no slice of this length: {LOG_IN}",
    "Expired": "This page has been open for too long: ZeroGPU no longer knows whose minutes these are. Reload it, and resume it",
}


def asked_for(paths: list[str], prune: bool, bounds: Bounds, seconds: int) -> int:
    """The seconds of a slice; spaces calls it with what the slice is called with."""
    return seconds


@compat.spaces.gpu(duration=asked_for)
def train_slice(paths: list[str], prune: bool, bounds: Bounds, seconds: int) -> None:
    """Train these runs for so long, in the process that has the GPU. No process may be started in it."""
    work([Run(Path(path)) for path in paths], prune=prune, deadline=time.monotonic() + seconds - SPARE, bounds=bounds)


class ZeroGpuPlace:
    """Several jobs at once, each on a GPU that its visitor pays for."""

    at_once = AT_ONCE

    def __init__(self) -> None:
        for module in PRELOADED:  # here, and not in every process that is forked off, on the visitor's time
            import_module(module)

    def worker(self, job: Job) -> Slices:
        """A chain of slices."""
        return Slices(job)

    def close(self) -> None:
        """Nothing waits here; spaces keeps the processes of its slices itself."""


class Slices:
    """The slices of one job, one after the other."""

    is_stalled = False  # ZeroGPU itself ends a slice that takes longer than it asked for

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ended = threading.Event()

    def see_through(self) -> None:
        """Slice after slice, until every run has had its last word, or until ZeroGPU gives no more."""
        try:
            self.job.context.run(self._go_on)
        finally:
            self.ended.set()

    def _go_on(self) -> None:
        while left := [run for run in self.job.runs if not has_ended(run)]:
            before = [standing(run) for run in left]
            why = self._slice(left, seconds_for(left, self.job.seconds))
            if not why and [standing(run) for run in left] == before:
                why = STUCK
            if why:
                for run in left:
                    cut_off(run, f"{why}. {KEPT}")
                return

    def _slice(self, runs: Sequence[Run], seconds: int) -> str:
        """Why there was none, or no whole one; nothing where all went well.

        A visitor who has fewer seconds left than were asked for gets a slice of what is left.
        """
        try:
            train_slice([str(run.path) for run in runs], self.job.prune, self.job.bounds, seconds)
        except Exception as error:
            refused = compat.spaces.refusal(error)
            fewer = int((refused.left or 0) / compat.spaces.factor())
            if SHORTEST <= fewer < seconds:
                return self._slice(runs, fewer)
            return in_words(error)
        return ""

    def asked_to_stop(self) -> None:
        """The slice under way looks at the folders itself, and ZeroGPU ends one that does not."""

    def halt(self) -> None:
        """The same as if every run were asked to stop: the process that has the GPU hears of nothing else."""
        for run in self.job.runs:
            run.ask_to_stop()


def has_ended(run: Run) -> bool:
    """Whether there is nothing more to do. A run that was asked to stop between two slices gets its last word here."""
    if run.status() == "interrupted" and run.should_stop():
        conclude(run, stopped_here(run))
    return run.status() != "interrupted"


def standing(run: Run) -> tuple[Any, ...]:
    """What changes when a run gets on: its snapshot, or how far the features of its pictures are."""
    try:
        snapshot = (run.path / "state.json").read_bytes()
    except OSError:
        snapshot = b""
    return run.status(), snapshot, run.last_timing().get("done")


def seconds_for(runs: Sequence[Run], whole: float) -> int:
    """What to ask for: what they still need as far as their last slice tells, and no more than is lent at a time.

    The first one asks for what all of it takes by estimate, 0 where that is not known.
    """
    left = max(run.last_timing().get("seconds_left", whole or LONGEST) for run in runs)
    return math.ceil(min(LONGEST, max(SHORTEST, left + SPARE)))


def cut_off(run: Run, why: str) -> None:
    """End a run for a reason that is not its own."""
    with contextlib.suppress(RunError), run.locked():  # whoever else trains it will have the last word
        if not run.view().is_over:
            conclude(run, stopped_here(run, why))


def in_words(error: Exception) -> str:
    """Why ZeroGPU gave no slice, or no whole one, and when to try again."""
    refused = compat.spaces.refusal(error)
    if refused.wait:
        when = f"{datetime.now(UTC) + refused.wait:%H:%M UTC on %d %B}".replace(" 0", " ")
        return f"Your minutes of ZeroGPU are used up for today, or fewer are left than a slice takes. Resume it after {when}"
    for words, sentence in SAID.items():
        if words in refused.said:
            return sentence
    title, said = refused.title or type(error).__name__, refused.said.rstrip(". ")
    return f"ZeroGPU gave no GPU ({title}: {said}). {AGAIN}"
