"""Who may ask for how much: the one place that says yes or no to a run before it is queued.

    admission.check(seat, configs)             # raises one sentence: what was asked, what the limit is, what fits instead
    admission.charge(seat, {run: seconds})     # they count for an hour, by what they took once they have ended
    admission.told(seat, configs)              # the same for the page, before anything is asked

What a run will take is told by the newest finished run of its kind on this machine, else by the network's multiply-adds, its
images and epochs, and the measured pace of this machine. The host's seat is empty, and nothing is asked of it.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from reglab.config import RunConfig
from reglab.deployment import GIB, Limits
from reglab.errors import BusyError, ConfigError, RunError, setting
from reglab.jobs.bounds import UNBOUNDED, Bounds
from reglab.jobs.capacity import Capacity, check_memory, spec_of, widest
from reglab.jobs.isolation import IsolatedProcess
from reglab.jobs.pace import Pace, memory
from reglab.jobs.turns import address_of
from reglab.models import ModelSpec
from reglab.models.effort import Effort, effort
from reglab.numbers import counted
from reglab.runs.room import LEAST
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.timed import kind, timed
from reglab.runs.view import RunView

HOUR = 3_600.0
COPIES = 5  # of its weights in a run's folder: the best, the best at the last snapshot, and there the last with AdamW's two means


@dataclass(frozen=True)
class Charge:
    """What a run counts for: what it was taken to need, until it has ended with less."""

    at: float
    run: Run
    seconds: float
    before: float  # seconds it had taken already
    size: int = 0  # bytes that its folder was taken to need


class Admission:
    """The limits of one server, and what its visitors have had of them within the last hour."""

    def __init__(
        self,
        limits: Limits,
        store: Store,
        view: Callable[[Run], RunView],
        pace: Callable[[], Pace | None],
        capacity: Callable[[], Capacity | None] = lambda: None,
    ) -> None:
        self.limits, self.store, self._view, self._pace, self._capacity = limits, store, view, pace, capacity
        self._charges: dict[str, deque[Charge]] = {}
        self._lock = threading.Lock()
        self._counting = IsolatedProcess(idle=600)  # torch stays out of the process that serves the page
        self._count = lru_cache(maxsize=512)(self._counted)

    def close(self) -> None:
        """End the process that counts."""
        self._counting.close()

    def bounds(self, seat: str) -> Bounds:
        """What a run of this visitor may take while it is trained."""
        if not seat:
            return UNBOUNDED
        return Bounds(seconds=60 * (self.limits.run_minutes or 0), memory=self.limits.memory or 0)

    # ---- before it is queued
    def check(self, seat: str, configs: Sequence[RunConfig], whole: bool = True) -> None:
        """Whether this visitor may have these runs trained, now. Raises `ConfigError`.

        Of those that are not trained from their beginning (`whole`), `charge` checks the hour.
        """
        self.check_each(seat, configs)
        if seat and self.limits.hour_minutes:
            if whole:
                self._check_hour(seat, self.seconds(configs))
            self._check_share(seat, configs)

    def check_each(self, seat: str, configs: Sequence[RunConfig]) -> None:
        """Whether each of them is one that this machine can train, and this visitor may have at any time. Raises `ConfigError`."""
        different = list({c.set_up(): c for c in configs}.values())
        if capacity := self._capacity():
            for config in different:
                capacity.check(config, self._count)
        if not seat:
            return
        for config in different:
            self._check_size(config)
        if self.limits.run_minutes:
            for config, seconds in zip(different, self.seconds(different), strict=True):
                self._check_run(config, seconds)

    def check_resumed(self, seat: str, runs: Sequence[Run]) -> dict[Run, float]:
        """The same for runs that go on: they may train for what is left to them. Raises `ConfigError` or `RunError`."""
        if capacity := self._capacity():
            for run in runs:
                capacity.check(run.config, self._count, goes_on=True)
        if not seat:
            return {}
        left = {}
        most = self.bounds(seat).seconds
        for run, whole in zip(runs, self.seconds([run.config for run in runs]), strict=True):
            self._check_size(run.config)
            view = self._view(run)
            done = view.history[-1].epoch / run.config.epochs if view.history else 0.0
            if most and took(view) >= most:
                raise RunError(
                    f"Run “{view.name}” has used up the {self.limits.run_minutes:g} minutes that a run may train here:"
                    " train a shorter one."
                )
            left[run] = whole * (1 - done)
        self._check_hour(seat, list(left.values()))
        return left

    def charge(self, seat: str, seconds: Mapping[Run, float]) -> None:
        """Count these runs for the visitor. Raises `ConfigError` where that is more than an hour's worth by now."""
        if not seat or not self.limits.hour_minutes:
            return
        sizes = self.bytes_on_disk(seat, [run.config for run in seconds])
        with self._lock:
            self._check_hour(seat, list(seconds.values()))
            now = time.monotonic()
            for address, had in list(self._charges.items()):  # whoever never comes back is forgotten, too
                while had and now - had[0].at > HOUR:
                    had.popleft()
                if not had:
                    del self._charges[address]
            charges = self._charges.setdefault(address_of(seat), deque())
            charges.extend(
                Charge(now, run, each, took(self._view(run)), size)
                for (run, each), size in zip(seconds.items(), sizes, strict=True)
            )

    def seconds(self, configs: Sequence[RunConfig]) -> list[float]:
        """What each of these runs takes on this machine, about; 0 where that cannot be told."""
        known, pace = timed(configs, self.store), self._pace()
        told = []
        for c in configs:
            if cost := known.get(kind(c)):
                told.append(cost.of(c))
            else:
                told.append(pace.seconds(c, self._effort(c)) if pace else 0.0)
        return told

    def memory(self, configs: Sequence[RunConfig]) -> list[int]:
        """Bytes of a GPU that each of these runs takes: as the newest finished one of its kind did, else by estimate.

        What the estimate has for torch itself leaves a margin: the context of CUDA is there once for all runs of a process.
        """
        known = timed(configs, self.store)
        measured = [cost.memory_of(c) if (cost := known.get(kind(c))) else 0 for c in configs]
        return [
            found or memory(c, self._effort(c), self._precision(c)) for found, c in zip(measured, configs, strict=True)
        ]

    def bytes_on_disk(self, seat: str, configs: Sequence[RunConfig]) -> list[int]:
        """What the folder of each of these runs will take, about; of the host's, who has no quota, nothing is counted."""
        if not seat or not (self.limits.disk or self.limits.disk_each):
            return [LEAST] * len(configs)
        return [LEAST + (0 if c.on_features else COPIES * 4 * self._effort(c).parameters) for c in configs]

    # ---- what is too much
    def _check_size(self, c: RunConfig) -> None:
        """Raises `ConfigError` for a network, a batch or a memory that is larger than allowed."""
        most = self.limits
        if most.batch_size and c.batch_size > most.batch_size:
            raise ConfigError(
                f"A {setting('batch_size')} of {c.batch_size:,} was asked for, but here a batch may have at most"
                f" {most.batch_size:,} images: use {most.batch_size} or fewer.",
            )
        if not (most.parameters or most.memory):
            return
        whole = self._effort(c)
        if most.parameters and not c.on_features and whole.parameters > most.parameters:
            raise ConfigError(
                f"{c.model}{'' if c.width == 1 else f' of width {c.width:g}'} has {whole.parameters / 1e6:,.1f} M weights,"
                f" but here a network may have at most {most.parameters / 1e6:g} M: {self._smaller(c, whole)}.",
                ["model", "width"],
            )
        if most.memory:
            why = f"here a run may take at most {most.memory / GIB:g}"
            check_memory(c, most.memory, why, self._count, self._precision(c))

    def _smaller(self, c: RunConfig, whole: Effort) -> str:
        most = self.limits.parameters or 0
        return widest(c, most / whole.parameters, lambda smaller: smaller.parameters <= most, self._count)

    def _check_run(self, c: RunConfig, seconds: float) -> None:
        most = 60 * (self.limits.run_minutes or math.inf)
        if seconds <= most:
            return
        images = f"{c.train_images:,} images"
        epochs = f"{c.epochs:,} epochs" if c.epochs > 1 else "one epoch"
        raise ConfigError(
            f"{c.model} takes {in_words(seconds)} for {epochs} of {images}, but here a run may take at most"
            f" {self.limits.run_minutes:g} minutes: {self._shorter(c, most)}.",
            ["epochs"],
        )

    def _shorter(self, c: RunConfig, most: float) -> str:
        """What would fit into so many seconds. Time grows with epochs and with images in straight lines."""
        one, two = self.seconds([c.model_copy(update={"epochs": n}) for n in (1, 2)])
        if one <= most:
            fits = int((most - one) / max(two - one, 1e-9)) + 1
            fits = min(fits, c.epochs - 1)
            return f"use at most {counted(fits, 'epoch')} of these images"
        instead = f"fewer images, a larger {setting('batch_size')}" if c.batch_size < 64 else "fewer images"
        return f"use {instead} or a smaller network"

    def _check_hour(self, seat: str, seconds: Sequence[float]) -> None:
        """Raises `ConfigError` where these and what the visitor has had within an hour are more than they may have."""
        if not seat or not self.limits.hour_minutes:
            return
        most, asked = 60 * self.limits.hour_minutes, sum(seconds)
        had = self._had(seat)
        left = most - sum(each for _, each in had)
        if asked <= left or asked == 0:
            return
        here = f"may have {self.limits.hour_minutes:g} minutes of training an hour"
        if asked > most:
            fit = sum(1 for _ in _as_long_as(seconds, most))
            runs = (
                f"these {len(seconds)} runs take {in_words(asked)}"
                if len(seconds) > 1
                else f"this takes {in_words(asked)}"
            )
            instead = f"ask for at most {fit} of them at once" if fit else "use fewer epochs or images"
            raise ConfigError(f"A visitor {here}, and {runs}: {instead}.")
        freed, wait = left, HOUR
        for at, each in had:
            freed += each
            if freed >= asked:
                wait = at + HOUR - time.monotonic()
                break
        raise BusyError(
            f"This would take {in_words(asked)}, and a visitor {here}, of which you have"
            f" {max(0.0, left) / 60:.0f} left: come back in {max(1, math.ceil(wait / 60))} minutes, or ask for less."
        )

    def _check_share(self, seat: str, configs: Sequence[RunConfig]) -> None:
        """Raises `BusyError` where the runs that were asked for from one address within an hour take more than one share.

        Keys cost nothing: with a new one for each run, somebody could have the runs of everybody else make room for theirs.
        """
        had = {charge.run: charge for charge in self._recent(seat)}
        most = self.limits.disk_each
        if not most or not had or sum(c.size for c in had.values()) + sum(self.bytes_on_disk(seat, configs)) <= most:
            return
        wait = math.ceil((min(charge.at for charge in had.values()) + HOUR - time.monotonic()) / 60)
        raise BusyError(
            f"What a visitor asks for within an hour may take {most / GIB:g} GiB of the disk, and with this it would be"
            f" more: come back in {max(1, wait)} minutes, or train a smaller network."
        )

    def _had(self, seat: str) -> list[tuple[float, float]]:
        """(when, seconds) of what everybody at this visitor's address had within an hour, the oldest first."""
        return [(charge.at, self._spent(charge)) for charge in self._recent(seat)]

    def _recent(self, seat: str) -> list[Charge]:
        """What was charged to everybody at this visitor's address within an hour, the oldest first."""
        now = time.monotonic()
        return [charge for charge in tuple(self._charges.get(address_of(seat), ())) if now - charge.at <= HOUR]

    def _spent(self, charge: Charge) -> float:
        """What it took where it has ended sooner than expected; a run that is gone counts as it was asked for."""
        view = self._view(charge.run)
        if view.is_live or view.status == "unreadable":
            return charge.seconds
        return min(charge.seconds, max(0.0, took(view) - charge.before))

    # ---- for the page
    def told(self, seat: str, configs: Sequence[RunConfig]) -> str:
        """What is allowed, and what these runs take, in one line; nothing where nothing is limited."""
        if not seat or not self.limits.run_minutes:
            return ""
        try:
            self.check(seat, configs)
        except (ConfigError, RunError) as error:
            return str(error)
        hour = ""
        if self.limits.hour_minutes:
            had = sum(each for _, each in self._had(seat))
            left = f", of which {max(0.0, self.limits.hour_minutes - had / 60):.0f} are left" if had >= 60 else ""
            hour = f" and {self.limits.hour_minutes:g} an hour{left}"
        takes = ""
        if all(seconds := self.seconds(configs)):
            n = len(configs)
            what = "this one takes" if n == 1 else "both together take" if n == 2 else f"these {n} together take"
            takes = f"; {what} {in_words(sum(seconds))}"
        return f"Up to {self.limits.run_minutes:g} minutes a run{hour}{takes}."

    # ---- the network
    def _precision(self, c: RunConfig) -> str:
        """The one that it would be trained in; the one that takes the most memory where that is not known."""
        capacity = self._capacity()
        return capacity.precision(c) if capacity else "fp32"

    def _effort(self, c: RunConfig) -> Effort:
        return self._count(spec_of(c))

    def _counted(self, spec: ModelSpec) -> Effort:
        found: Effort = self._counting.call(effort, spec)
        return found


def took(view: RunView) -> float:
    """Seconds that a run has taken so far, all its parts together."""
    return sum(float(view.last_timing.get(part, 0.0)) for part in ("seconds", "loading", "saving"))


def in_words(seconds: float) -> str:
    """`less than a minute`, `about 2 minutes`, `about 3 hours`, `about 55 days`."""
    if seconds < 60:
        return "less than a minute"
    for most, unit, name in ((5_400, 60, "minutes"), (2 * 86_400, 3_600, "hours"), (math.inf, 86_400, "days")):
        if seconds < most:
            n = max(1, round(seconds / unit))
            return f"about {n:,} {name if n > 1 else name[:-1]}"
    raise AssertionError("unreachable")


def _as_long_as(seconds: Sequence[float], most: float) -> list[float]:
    """The first of them, as many as fit."""
    fit, total = [], 0.0
    for each in seconds:
        total += each
        if total > most:
            break
        fit.append(each)
    return fit
