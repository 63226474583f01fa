"""A process of this machine. It trains one job after the other, since what torch prepares for the first serves the next as well."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
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
IDLE = 600.0  # seconds until a process without a job ends, and gives its memory back
HUNG = "Training hung: its process did not answer for {:g} seconds and was ended. Resume it, and it goes on from its last snapshot."


class LocalPlace:
    """One job at a time on each device, so that none takes the device from another.

    The process of one is kept for the next of the same kind.
    """

    at_once = 1

    def __init__(self, root: Path, idle: float = IDLE) -> None:
        self.root, self.idle = root, idle
        self._context = process_context()
        self._kept: dict[str, WorkerProcess] = {}  # by device
        self._lock = threading.Lock()
        self._closed = False
        atexit.register(self.close)  # multiprocessing waits for every process before it lets this one end

    def worker(self, job: Job) -> Turn:
        """The job's turn with the process that waits, if it may have that, else with one of its own."""
        with self._lock:
            kept = self._kept.pop(job.device, None)
        if kept and not kept.suits(job):
            kept.end()
            kept = None
        return Turn(job, self.root, kept or WorkerProcess(self._context, self.root, job, self.idle), self._keep)

    def _keep(self, process: WorkerProcess) -> None:
        with self._lock:
            if not self._closed:
                process.since = time.monotonic()
                self._kept[process.device] = process
                return
        process.end()

    def close(self) -> None:
        """End the processes that wait, and from now on each with its job."""
        atexit.unregister(self.close)
        with self._lock:
            kept, self._kept, self._closed = self._kept, {}, True
        for process in kept.values():
            process.end()


class WorkerProcess:
    """A process that trains jobs of one kind, one at a time."""

    def __init__(self, context: Any, root: Path, job: Job, idle: float) -> None:
        self.device, self._kind, self._idle = job.device, job.kind, idle
        self.since = 0.0  # when it had its last job
        self.connection: Connection
        self.connection, self._theirs = context.Pipe()
        arguments = (str(root), job.device, job.bounds, self._theirs, idle)
        self.process: BaseProcess = context.Process(target=worker, args=arguments, daemon=False)

    def suits(self, job: Job) -> bool:
        """Whether it is there, will not end of itself this moment, and may train that job."""
        has_ended = wait([self.process.sentinel, self.connection], timeout=0)  # it closes its side before that is known
        will_end = time.monotonic() - self.since > 0.9 * self._idle
        return not (has_ended or will_end) and self._kind == job.kind

    def start(self) -> None:
        """Once; the first process of a server takes seconds."""
        if self.process.pid is None:
            self.process.start()
            self._theirs.close()  # so that this one hears of its end

    def end(self) -> None:
        """Let it hear of no other job, so that it ends."""
        self.connection.close()


class Turn:
    """The turn of one job with a process, which is kept when the job is over."""

    def __init__(self, job: Job, root: Path, shared: WorkerProcess, keep: Callable[[WorkerProcess], None]) -> None:
        self._runs = [root / run.id for run in job.runs]
        self._job = ([run.id for run in job.runs], job.prune)
        self._shared, self._keep = shared, keep
        self.begun, self.ended = threading.Event(), threading.Event()
        self.is_stalled = False
        self._lock = threading.Lock()
        self._halted = False
        self._asked_to_stop = 0.0

    @property
    def process(self) -> BaseProcess:
        """That trains it."""
        return self._shared.process

    def see_through(self) -> None:
        """Let the process train, and wait until it says that it has, or ends."""
        try:
            if self._start() and self._watch():
                self._keep(self._shared)
            else:
                self._shared.end()
        finally:
            self.ended.set()

    def _start(self) -> bool:
        """Whether a process has the job now; it is asked to end at once where the server was closed while it was starting."""
        if self._halted:
            return False
        self._shared.start()  # without the lock: the first one takes seconds
        with self._lock:
            with contextlib.suppress(OSError):  # one that has died by now is buried by whoever watches it
                self._shared.connection.send(self._job)
            self.begun.set()
            if self._halted:
                self.process.terminate()
        return True

    def _watch(self) -> bool:
        """Whether it has trained, and waits for the next job. One that ignores being stopped is killed, and one that hangs."""
        heart = pulse.Pulse(self._runs, self.process.pid or 0)
        while not (heard := wait([self.process.sentinel, self._shared.connection], timeout=0.5)):
            silent = heart.look()
            self.is_stalled = silent > pulse.STALLED
            if silent > pulse.ENDED:
                self.process.kill()
                self.process.join()
                self._tell_that_it_hung()
                return False
            if self._is_overdue():
                self.process.kill()
        if self._shared.connection in heard:
            with contextlib.suppress(EOFError, OSError):  # it ends, and closes its side
                self._shared.connection.recv()
                return True
        self.process.join()
        return False

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
