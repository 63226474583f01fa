"""A process of this machine: it trains one job from its beginning to its end."""

from __future__ import annotations

import contextlib
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab.errors import RunError
from reglab.jobs.places import pulse
from reglab.jobs.processes import process_context
from reglab.jobs.worker import worker
from reglab.runs.recording import conclude, stopped_here
from reglab.runs.run import Run

if TYPE_CHECKING:
    from reglab.jobs.job import Job

PATIENCE = 20.0  # seconds a worker has to end after it was asked to, before it is killed
HUNG = "Training hung: its process did not answer for {:g} seconds and was ended. Resume it, and it goes on from its last snapshot."


class LocalPlace:
    """One job at a time on each device, so that none takes the device from another."""

    at_once = 1

    def __init__(self, root: Path) -> None:
        self.root = root
        self._context = process_context()

    def worker(self, job: Job) -> WorkerProcess:
        """A process of its own."""
        return WorkerProcess(self._context, self.root, job)


class WorkerProcess:
    """The process of one job."""

    def __init__(self, context: Any, root: Path, job: Job) -> None:
        self._runs = [root / run.id for run in job.runs]
        arguments = (str(root), [run.id for run in job.runs], job.device, job.prune, job.bounds)
        self.process: BaseProcess = context.Process(target=worker, args=arguments, daemon=False)
        self.begun, self.ended = threading.Event(), threading.Event()
        self.is_stalled = False
        self._lock = threading.Lock()
        self._halted = False
        self._asked_to_stop = 0.0

    def see_through(self) -> None:
        """Start the process and wait for its end. One that ignores being stopped is killed, and one that hangs."""
        try:
            if self._start():
                self._watch()
                self.process.join()
        finally:
            self.ended.set()

    def _watch(self) -> None:
        heart = pulse.Pulse(self._runs, self.process.pid or 0)
        while not wait([self.process.sentinel], timeout=0.5):
            silent = heart.look()
            self.is_stalled = silent > pulse.STALLED
            if silent > pulse.ENDED:
                self.process.kill()
                self.process.join()
                return self._tell_that_it_hung()
            if self._is_overdue():
                self.process.kill()

    def _is_overdue(self) -> bool:
        """Whether it ignores being stopped. One that hangs as the server ends would keep it from ending."""
        asked = self._asked_to_stop and time.monotonic() - self._asked_to_stop > PATIENCE
        return bool(asked or (self._halted and self.is_stalled))

    def _tell_that_it_hung(self) -> None:
        for run in map(Run, self._runs):
            # The lock went with the process, unless somebody took the run up.
            with contextlib.suppress(RunError), run.locked():
                if not run.view().is_over:
                    conclude(run, stopped_here(run, HUNG.format(pulse.ENDED)))

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
