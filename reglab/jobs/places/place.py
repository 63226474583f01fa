"""What the queue knows of a place: how many jobs it takes at once, and who sees a job through."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from reglab.jobs.job import Job


class Worker(Protocol):
    """Whoever trains the runs of one job; all that becomes of them is in their folders."""

    ended: threading.Event
    is_stalled: bool
    """Whether it has not answered for a while, which the page then says."""

    def see_through(self) -> None:
        """Train until nobody works at any of the runs any more; the calling thread waits meanwhile."""

    def asked_to_stop(self) -> None:
        """Every run of the job was asked to stop: see that they do."""

    def halt(self) -> None:
        """End at once, with a snapshot of every run, since the server ends. Returns before it has happened."""


class Place(Protocol):
    """Somewhere runs are trained."""

    at_once: int
    """Jobs, for each device."""

    def worker(self, job: Job) -> Worker:
        """Whoever is to train that job; nothing begins yet."""

    def close(self) -> None:
        """Let go of whatever waits here for jobs: none will come."""
