"""Wall clock and speed of a run, written to `timing.jsonl` beside the numbers that a second run would repeat."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from reglab.runs.lines import append
from reglab.runs.run import Run
from reglab.training.events import Epoch, Event, Preparing, Step

SNAPSHOT_SECONDS = 5.0  # between snapshots; a crash loses at most this and the epoch under way
TIMING_SECONDS = 0.5
WITHIN = ("running_loss", "running_accuracy", "val_loss", "val_accuracy")  # of a step
WARM_UP = 3  # steps before the speed is measured that tells the time left: the first take many times as long


class Clock:
    """Wall clock and speed of one run, counting only the time its own training took.

    Beside it stand the seconds for `loading` its data before, and for `saving` what happens.
    """

    def __init__(self, run: Run, loading: float = 0.0, memory: Callable[[], int] = lambda: 0) -> None:
        self.memory = memory  # bytes of the device that it takes; 0 where that has none of its own
        self.path = run.path / "timing.jsonl"
        before = run.last_timing()
        self.seconds = before.get("seconds", 0.0)
        self.loading, self.saving = before.get("loading", 0.0) + loading, before.get("saving", 0.0)
        self.epochs = run.config.epochs
        self.epoch = self.batch = 0
        self.batches = 1
        self.steps = 0  # seen by this clock
        self.start_share = 0.0  # the part of the run that was done, and the moment, when the warm-up was over
        self.began = self.wrote = self.saved = time.monotonic()
        self.training, self.images = 0.0, 0  # seconds in steps of this epoch, and their images
        self.all_training, self.all_images = 0.0, 0  # of all epochs
        self.rate = before.get("images_per_second", 0.0)
        self.preparing: dict[str, Any] = {}  # how far that is, before training begins
        self.within: dict[str, float] = {}  # what is known within the epoch

    def spent(self, event: Event | None, seconds: float) -> None:
        """Count the seconds that the training took to come to this event."""
        self.seconds += seconds
        if isinstance(event, Preparing):
            self.preparing = {"preparing": event.what, "done": event.done, "of": event.total}
            if time.monotonic() - self.wrote > TIMING_SECONDS:
                self.write()
        elif isinstance(event, Step):
            self.epoch, self.batch, self.batches = event.epoch, event.batch, event.batches
            self.training += seconds
            self.images += event.images
            self.steps += 1
            self.within |= {name: round(value, 4) for name in WITHIN if (value := getattr(event, name)) is not None}
            if self.steps <= WARM_UP:
                self.start_share, self.began = self._share(), time.monotonic()
            if time.monotonic() - self.wrote > TIMING_SECONDS:
                self.write()
        elif isinstance(event, Epoch):
            self.preparing, self.within = {}, {}
            self.epoch, self.batch = event.epoch, 0 if event.epoch == 0 else self.batches
            self.write()
            self.all_training, self.all_images = self.all_training + self.training, self.all_images + self.images
            self.training, self.images = 0.0, 0

    def snapshot_due(self) -> bool:
        """Whether the last snapshot is long enough ago; a yes counts as one made."""
        now = time.monotonic()
        if now - self.saved < SNAPSHOT_SECONDS:
            return False
        self.saved = now
        return True

    def pause(self) -> None:
        """One more line, unless nothing was done since the last: it would say that the run is at its beginning."""
        if self.steps or self.preparing:
            self.write()

    def _share(self) -> float:
        """The part of the run that is done, from 0 to 1."""
        return (max(self.epoch - 1, 0) + self.batch / self.batches) / self.epochs

    def write(self, final: bool = False) -> None:
        """One more line. Time left is measured on the wall, so that it includes waiting for a run trained in turn.

        What came before the first steps, and these, is left out: else a run of two minutes would begin with an hour.
        """
        self.wrote = time.monotonic()
        if final and self.all_images:
            self.rate = self.all_images / max(self.all_training, 1e-9)
        elif self.images:
            self.rate = self.images / max(self.training, 1e-9)
        line: dict[str, Any] = {
            "epoch": self.epoch,
            "batch": self.batch,
            "batches": self.batches,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.rate, 1),
            "loading": round(self.loading, 3),
            "saving": round(self.saving, 3),
            **self.preparing,
            **self.within,
        }
        done = self._share() - self.start_share
        if self.steps > WARM_UP and done > 0 and not final:
            line["seconds_left"] = round((self.wrote - self.began) * (1 - self._share()) / done, 1)
        if final and (memory := self.memory()):
            line["memory"] = memory
        append(self.path, line)
