"""A job of the queue, runs that are trained in turn, and the queue at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reglab.jobs.bounds import UNBOUNDED, Bounds
from reglab.runs.run import Run
from reglab.runs.view import RunView

if TYPE_CHECKING:
    from reglab.jobs.places.place import Worker


@dataclass
class Job:
    """Runs that are trained in turn. Jobs with one `batch` number were asked for together, and are admitted as one."""

    runs: list[Run]
    device: str
    owner: str  # the seat of whoever asked, see `turns.py`
    number: int
    batch: int
    prune: bool = False
    bounds: Bounds = UNBOUNDED
    seconds: float = 0.0  # that it takes by estimate; 0 where that is not known
    worker: Worker | None = None  # from its turn on
    next: list[Run] = field(default_factory=list)  # the runs that it goes on with in this turn, see `go_on_with`
    context: Context = field(default_factory=copy_context)  # of the request, for a place that wants to know who asks


@dataclass(frozen=True)
class QueueSnapshot:
    """The queue at one moment, to ask about many runs at once. Nothing is locked and nothing is searched."""

    places: Mapping[str, int]  # id of a run that waits -> how many jobs are before its own, itself included
    started: frozenset[str]  # ids of the runs whose job has been handed to a worker
    stalled: frozenset[str] = frozenset()  # of those whose worker does not answer

    def status(self, view: RunView) -> str:
        """The run's status, or `queued` or `stalled` where only the server of this queue knows of it."""
        if view.run.id in self.places:
            return "queued"
        if view.run.id in self.stalled and view.status in ("running", "interrupted"):
            return "stalled"
        return "running" if view.run.id in self.started and view.status == "interrupted" else view.status

    def view(self, view: RunView) -> RunView:
        """The same run with the status that the queue knows."""
        return view.with_status(self.status(view), self.places.get(view.run.id))
