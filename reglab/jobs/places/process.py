"""A process of this machine: it trains one job from its beginning to its end."""

from __future__ import annotations

import contextlib
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab.jobs.processes import process_context
from reglab.jobs.worker import worker

if TYPE_CHECKING:
    from reglab.jobs.queue import Job

PATIENCE = 20.0  # seconds a worker has to end after it was asked to, before it is killed


class LocalPlace:
    """One job at a time on each device, so that none takes the device from another."""

    at_once = 1

    def __init__(self, root: Path) -> None:
        self.root = root
        self._context = process_context()

    def worker(self, job: Job) -> WorkerProcess:
        """A process of its own."""
        return WorkerProcess(self._context, (str(self.root), [run.id for run in job.runs], job.device, job.prune))


class WorkerProcess:
    """The process of one job."""

    def __init__(self, context: Any, arguments: tuple[Any, ...]) -> None:
        self.process: BaseProcess = context.Process(target=worker, args=arguments, daemon=False)
        self.begun, self.ended = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._halted = False
        self._asked_to_stop = 0.0

    def see_through(self) -> None:
        """Start the process and wait for its end. One that ignores being stopped is killed."""
        try:
            if self._start():
                while not wait([self.process.sentinel], timeout=0.5):
                    if self._asked_to_stop and time.monotonic() - self._asked_to_stop > PATIENCE:
                        self.process.kill()
                self.process.join()
        finally:
            self.ended.set()

    def _start(self) -> bool:
        """Whether there is a process now; it is asked to end at once where the server was closed while it was starting."""
        if self._halted:
            return False
        self.process.start()  # without the lock: the first one takes seconds
        with self._lock:
            self.begun.set()
            if self._halted:
                self.process.terminate()
        return True

    def asked_to_stop(self) -> None:
        """From now on it has `PATIENCE`."""
        self._asked_to_stop = time.monotonic()

    def halt(self) -> None:
        """SIGTERM, which lets it write its snapshots."""
        with self._lock:
            self._halted = True
            if self.begun.is_set():  # one that is just starting is told by its own thread
                with contextlib.suppress(OSError, ValueError):
                    self.process.terminate()
