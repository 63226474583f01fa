"""Who trains when: one job at a time on each device, and a queue that is fair to visitors.

A job is one run, or several that are trained in turn. Its worker process owns its runs and tells of them only through
their folders; nothing of a job is lost when the page or the server goes.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.jobs.isolation import IsolatedProcess
from reglab.jobs.processes import process_context
from reglab.jobs.worker import worker
from reglab.runs.recording import conclude
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Stopped

WAITING = 20  # jobs in the queue, all visitors together
WAITING_PER_OWNER = 3
PATIENCE = 20.0  # seconds a worker has to end after it was asked to, before it is killed


@dataclass
class Job:
    """Runs that are trained in turn. Jobs with one `batch` number were asked for together, and are admitted as one."""

    ids: list[str]
    device: str
    owner: str
    number: int
    batch: int
    prune: bool = False
    process: BaseProcess | None = None
    asked_to_stop: float = field(default=0.0)


class Jobs:
    """The queue of one server over one folder of runs. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.apart = IsolatedProcess()
        self._context = process_context()
        self._lock = threading.RLock()
        self._queue: list[Job] = []
        self._running: dict[str, Job] = {}
        self._numbers = count()
        self._served: dict[str, int] = {}  # owner -> number of the last job of theirs that was started
        self._machine: dict[str, Any] = {}
        self._looking, self._looked = False, threading.Event()
        self._closed = False

    # ---- the machine
    def warm(self) -> None:
        """Start the fork server and look at the machine, in the background; once."""
        with self._lock:
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look, daemon=True, name="reglab-warm").start()

    def _look(self) -> None:
        try:
            self._machine = self.apart.call(_look_at_machine, timeout=120)
        except Exception as error:
            self._machine = {"device": "cpu", "name": "", "error": str(error)}
        self._looked.set()
        self.apart.close()  # it has done its work and need not sit in memory

    def machine(self, timeout: float = 0.0) -> dict[str, Any]:
        """device, name, precision and threads; empty while it is being found out."""
        self._looked.wait(timeout)
        return self._machine

    def _device(self, config: RunConfig) -> str:
        """The device a run will be trained on. Raises `ConfigError` when it asks for one that is not here."""
        if config.device == "cpu":
            return "cpu"
        self.warm()
        here = str(self.machine(timeout=60).get("device", "cpu"))
        if config.device not in ("auto", here):
            raise ConfigError(f"device {config.device} was asked for, but there is none here: choose auto or cpu.")
        return here

    # ---- asking
    def submit(
        self,
        configs: Sequence[RunConfig],
        *,
        owner: str = "",
        names: Sequence[str] = (),
        group: str = "",
        parent: str = "",
    ) -> list[Run]:
        """Make the runs' folders and put them into the queue as one job. Raises `ConfigError` when the queue is full."""
        device = self._device(configs[0])
        with self._lock:
            self.admit(owner)
            named = zip(configs, names or [""] * len(configs), strict=True)
            runs = [self.store.create(config, name=name, group=group, parent=parent) for config, name in named]
            self._enqueue([runs], device, owner)
        return runs

    def submit_each(self, runs: Sequence[Run], *, owner: str = "", prune: bool = False) -> None:
        """Put runs that are not being trained into the queue as a job each, so that other visitors have turns between them.

        However many they are, they count as one when the queue is full. Raises as `submit`.
        """
        if not runs:
            return
        device = self._device(runs[0].config)
        with self._lock:
            self.admit(owner)
            self._enqueue([[run] for run in runs], device, owner, prune)

    def resume(self, runs: Sequence[Run], *, owner: str = "") -> None:
        """Put runs that were stopped or interrupted back into the queue. Raises `RunError` for others."""
        device = self._device(runs[0].config)
        with self._lock:
            self.admit(owner)
            for run in runs:
                status = self.status(run)
                if status not in ("stopped", "interrupted", "failed"):
                    raise RunError(
                        f"Run {run.name} is {status}: only a stopped, interrupted or failed run can be resumed."
                    )
            self._enqueue([runs], device, owner)

    def admit(self, owner: str) -> None:
        """Raises `ConfigError` where the queue, or this visitor's part of it, is full."""
        with self._lock:
            waiting = {(job.owner, job.batch) for job in self._queue}
        if self._closed:
            raise RunError("The server is shutting down: try again when it is back.")
        if len(waiting) >= WAITING:
            raise ConfigError(f"The queue is full with {WAITING} jobs: try again in a few minutes.")
        if owner and sum(whose == owner for whose, _ in waiting) >= WAITING_PER_OWNER:
            raise ConfigError(f"You have {WAITING_PER_OWNER} jobs waiting already: wait for one, or stop one.")

    def _enqueue(self, jobs: Sequence[Sequence[Run]], device: str, owner: str, prune: bool = False) -> None:
        batch = next(self._numbers)
        for runs in jobs:
            for run in runs:
                run.reopen()
            self._queue.append(Job([run.id for run in runs], device, owner, next(self._numbers), batch, prune))
        self._start_next()

    def stop_all(self, ids: Sequence[str]) -> None:
        """Ask runs to stop, those that wait first, so that none of them begins because another has ended."""
        with self._lock:
            waiting = {run_id for job in self._queue for run_id in job.ids}
            for run_id in sorted(ids, key=lambda run_id: run_id not in waiting):
                self.stop(run_id)

    def stop(self, run_id: str) -> None:
        """Ask a run to stop; one that still waits leaves the queue."""
        with self._lock:
            for job in self._queue:
                if run_id in job.ids:
                    job.ids.remove(run_id)
                    conclude(self.store.open(run_id), Stopped(epoch=0, step=0))
            self._queue = [job for job in self._queue if job.ids]
            running = next((job for job in self._running.values() if run_id in job.ids), None)
            run = self.store.open(run_id)
            if running or run.is_locked():
                run.ask_to_stop()
            if running and all(self.store.open(i).should_stop() for i in running.ids):
                running.asked_to_stop = time.monotonic()

    # ---- looking
    def order(self) -> list[Job]:
        """The waiting jobs as they will be started: whoever was served longest ago first, then first come, first served."""
        served, waiting, ordered = dict(self._served), list(self._queue), []
        turn = max(served.values(), default=0)
        while waiting:
            job = min(waiting, key=lambda j: (served.get(j.owner, -1), j.number))
            waiting.remove(job)
            ordered.append(job)
            turn += 1
            served[job.owner] = turn
        return ordered

    def place(self, run_id: str) -> int | None:
        """How many jobs are before this one, itself included; None when it does not wait."""
        with self._lock:
            ordered = self.order()
        return next((place for place, job in enumerate(ordered, 1) if run_id in job.ids), None)

    def status(self, run: Run) -> str:
        """The run's status, or `queued` where only this server knows of it."""
        with self._lock:
            if any(run.id in job.ids for job in self._queue):
                return "queued"
            starting = any(run.id in job.ids for job in self._running.values())
        status = run.status()
        return "running" if starting and status == "interrupted" else status

    def is_busy(self, owner: str) -> bool:
        """Whether a job of theirs runs or waits."""
        with self._lock:
            return any(job.owner == owner for job in (*self._queue, *self._running.values()))

    def counts(self) -> tuple[int, int]:
        """Jobs that run and jobs that wait."""
        with self._lock:
            return len(self._running), len(self._queue)

    # ---- doing
    def _start_next(self) -> None:
        for job in self.order():
            if job.device in self._running or self._closed:
                continue
            self._queue.remove(job)
            self._running[job.device] = job
            self._served[job.owner] = max(self._served.values(), default=0) + 1
            threading.Thread(target=self._see_through, args=(job,), daemon=True, name="reglab-job").start()

    def _see_through(self, job: Job) -> None:
        """Start the job's worker, wait for its end, start the next one. A worker that ignores being stopped is killed."""
        try:
            process = self._context.Process(
                target=worker, args=(str(self.store.root), job.ids, job.device, job.prune), daemon=False
            )
            process.start()
            job.process = process
            while not wait([process.sentinel], timeout=0.5):
                if job.asked_to_stop and time.monotonic() - job.asked_to_stop > PATIENCE:
                    process.kill()
            process.join()
        finally:
            with self._lock:
                if self._running.get(job.device) is job:
                    del self._running[job.device]
                self._start_next()

    def close(self, patience: float = 5.0) -> None:
        """Ask all workers to stop at once, with their snapshots, and wait for them a little."""
        with self._lock:
            self._closed, self._queue = True, []
            processes = [job.process for job in self._running.values() if job.process]
        for process in processes:
            with contextlib.suppress(OSError, ValueError):
                process.terminate()
        if processes:
            wait([p.sentinel for p in processes], timeout=patience)
        self.apart.close()


def _look_at_machine() -> dict[str, Any]:
    import torch

    from reglab import machine

    torch.set_num_threads(machine.cpu_count())
    device = machine.choose_device("auto")
    return {
        "device": device.type,
        "name": machine.device_name(device),
        "precision": machine.choose_precision("auto", device),
        "threads": torch.get_num_threads(),
    }
