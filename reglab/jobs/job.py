"""A job of the queue, runs that are trained in turn, and the queue at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reglab.jobs.bounds import UNBOUNDED, Bounds
from reglab.jobs.failures import in_words
from reglab.runs.recording import conclude
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.view import RESUMABLE, RunView
from reglab.training.events import Failed

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
    memory: int = 0  # bytes of its device, by what such runs took; 0 where that is not known, or where none are packed
    worker: Worker | None = None  # from its turn on
    next: list[Run] = field(default_factory=list)  # the runs that it goes on with in this turn, see `go_on_with`
    context: Context = field(default_factory=copy_context)  # of the request, for a place that wants to know who asks

    @property
    def kind(self) -> tuple[Bounds, str]:
        """What the jobs of one process have in common: its bounds and, where these bound its memory, the visitor.

        Nobody is to have less of that because of what the run of a stranger takes, or has left behind.
        """
        return self.bounds, self.owner if self.bounds.memory else ""

    def go_on(self, store: Store, nothing: bool = False) -> None:
        """Take up those of the next runs that can be gone on with, now that nobody trains its own any more; or `nothing`."""
        going_on = [run for run in self.next if store.view(run).status in RESUMABLE]
        self.runs = [] if nothing else [run for run in going_on if _reopened(run)]
        self.next = []


def _reopened(run: Run) -> bool:
    """Take back the run's last word; where that cannot be written it ends, with the reason, for nobody waits for an answer."""
    try:
        run.reopen()
    except OSError as error:
        conclude(run, Failed(reason=in_words(error)))
        return False
    return True


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
