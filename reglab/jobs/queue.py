"""Who trains when: as many jobs at once as there is room for, and a queue that is fair to visitors.

A job is one run, or several that are trained in turn. Its worker, in whatever place, owns its runs and tells of them only
through their folders; nothing of a job is lost when the page or the server goes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextvars import copy_context
from itertools import count
from types import MappingProxyType
from typing import Any

from reglab.config import RunConfig
from reglab.deployment import LIMITS, Limits
from reglab.errors import BusyError, RunError
from reglab.jobs.admission import Admission
from reglab.jobs.job import Job, QueueSnapshot
from reglab.jobs.lookout import Lookout
from reglab.jobs.packing import as_one, together
from reglab.jobs.places import here
from reglab.jobs.places.place import Place, Worker
from reglab.jobs.turns import address_of, in_turn, key_of, serve
from reglab.machine import check_device
from reglab.runs.recording import conclude, stopped_here
from reglab.runs.room import Room
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.view import RESUMABLE, RunView
from reglab.training.events import Stopped


class Jobs:
    """The queue of one server over one folder of runs, which lets in what its limits allow. Thread-safe."""

    def __init__(
        self, store: Store, where: Mapping[str, Place] | None = None, limits: Limits = LIMITS["laptop"]
    ) -> None:
        self.store, self.limits = store, limits
        self._places = where or here.places(store.root)
        self.lookout = Lookout()
        self.admission = Admission(limits, store, self.view, self.lookout.pace, self.lookout.capacity)
        self.room = Room(store, limits, lambda run: self.view(run).is_live)
        self._lock = threading.RLock()
        self._queue: list[Job] = []
        self._running: list[Job] = []
        self._snapshot: QueueSnapshot | None = None  # while nothing changes
        self._numbers = count()
        self._served: dict[str, int] = {}  # seat or address -> the turn at which it was served last
        self._closed = False

    # ---- the machine
    def warm(self) -> None:
        """Start the fork server and look at the machine, in the background; once."""
        self.lookout.begin()

    def machine(self, timeout: float = 0.0) -> dict[str, Any]:
        """device, name, precision and threads; empty while it is being found out. Whoever waits for it has it looked at."""
        return self.lookout.machine(timeout)

    def _memory(self, runs: Sequence[Run], device: str) -> dict[Run, int]:
        """Bytes that each of them takes of the device, where that decides what is trained at once."""
        if not self.lookout.free(device):
            return {}
        return dict(zip(runs, self.admission.memory([run.config for run in runs]), strict=True))

    def _device(self, config: RunConfig, goes_on: bool = False) -> str:
        """The device a run will be trained on. Raises `ConfigError` when it asks for one that is not here."""
        if config.device == "cpu":
            return "cpu"
        here = str(self.machine(timeout=60).get("device", "cpu"))
        check_device(config.device, here, goes_on=goes_on)
        return here

    # ---- asking
    def submit(self, runs: Sequence[Run], *, owner: str = "", prune: bool = False) -> None:
        """Put runs that are not being trained into the queue, as one job that trains them side by side.

        A run that waits or is being trained already, because somebody else has asked for it a moment ago, is left as it is.

        Raises:
            ConfigError: The queue, or this visitor's part of it, is full, or the device is not here.
            RunError: The server is shutting down.
        """
        self._submit([list(dict.fromkeys(runs))], owner, prune)

    def submit_each(self, runs: Sequence[Run], *, owner: str = "", prune: bool = False) -> None:
        """The same as a job each, so that other visitors have turns between them; they count as one when the queue is full."""
        self._submit([[run] for run in dict.fromkeys(runs)], owner, prune)

    def _submit(self, jobs: Sequence[Sequence[Run]], owner: str, prune: bool) -> None:
        if not any(jobs):
            return
        asked = [run for runs in jobs for run in runs]
        device = self._device(asked[0].config)
        seconds = dict(zip(asked, self.admission.seconds([run.config for run in asked]), strict=True)) if owner else {}
        memory = self._memory(asked, device)
        with self._lock:
            left = [waiting for runs in jobs if (waiting := [run for run in runs if not self.view(run).is_live])]
            if left:
                self.admit(owner)
                self.admission.charge(owner, {run: seconds[run] for runs in left for run in runs if run in seconds})
                self._enqueue(left, device, owner, prune, seconds, memory)

    def resume(self, runs: Sequence[Run], *, owner: str = "") -> None:
        """Put runs that were stopped or interrupted back into the queue, as one job.

        Raises:
            RunError: One of them is being trained, waits or is finished, or the server is shutting down.
            ConfigError: As `submit`.
        """
        self._check_resumable(runs)  # first, for it takes no time
        device = self._device(runs[0].config, goes_on=True)
        seconds = self.admission.check_resumed(owner, runs)
        memory = self._memory(runs, device)
        self.room.make(owner=key_of(owner), is_host=not owner, keep=runs)
        with self._lock:
            self.admit(owner)
            self._check_resumable(runs)
            self.admission.charge(owner, seconds)
            self._enqueue([runs], device, owner, seconds=seconds, memory=memory)

    def _check_resumable(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if (status := self.status(run)) not in RESUMABLE:
                why = f"Run “{run.name}” is {status}"
                raise RunError(f"{why}: only a stopped, interrupted or failed run can be resumed.")

    def admit(
        self, owner: str, configs: Sequence[RunConfig] = (), keep: Collection[Run] = (), whole: bool = True
    ) -> None:
        """Whether this visitor may ask for more, and for these runs; old ones but `keep` may have to make room for them.

        Of runs that are not trained from their beginning (`whole`), the charge alone checks the hour.

        Raises:
            ConfigError: The queue, or this visitor's part of it, is full, or this is more than they may ask for.
            RunError: The server is shutting down, or there is no room on the disk.
        """
        with self._lock:
            waiting = {(address_of(job.owner), job.batch) for job in self._queue}
        if self._closed:
            raise RunError("The server is shutting down: try again when it is back.")
        most, each = self.limits.waiting, self.limits.waiting_each
        if len(waiting) >= most:
            raise BusyError(f"The queue is full with {most} jobs: try again in a few minutes.")
        if owner and sum(whose == address_of(owner) for whose, _ in waiting) >= each:
            who = "There are" if "/" in owner else "You have"
            there = " from your address" if "/" in owner else ""
            raise BusyError(f"{who} {each} jobs{there} waiting already: wait for one, or stop one.")
        if configs:
            self.lookout.pace(timeout=60)  # it decides
            self.admission.check(owner, configs, whole=whole)
        if configs:
            self.room.make(sum(self.admission.bytes_on_disk(owner, configs)), key_of(owner), not owner, keep)

    def check(self, owner: str, configs: Sequence[RunConfig]) -> None:
        """Whether each of these runs is one that this visitor may have, and whether they may ask now. Raises as `admit`."""
        self.admit(owner)  # first, for it costs nothing: a script that floods the queue is to cost no more
        if owner:
            self.lookout.pace(timeout=60)  # it decides
        self.admission.check_each(owner, configs)

    def go_on_with(self, fork: Run, parent: Run, beside: Sequence[Run] = (), *, owner: str = "") -> None:
        """Let a fork go on where its parent is, in the same turn of the queue: the parent is trained to the end of that epoch.

        What is trained beside the parent waits meanwhile, and goes on beside the fork. A parent that was stopped is taken up
        for what is left of its epoch; `beside` are the runs that go on with the fork then.

        Raises:
            RunError: The parent has ended, or waits for its turn, or is about to go on already, or the server is shutting down.
            ConfigError: As `submit`.
        """
        came_from, device = fork.config.fork, self._device(fork.config, goes_on=True)
        assert came_from is not None, "a run that is no fork goes on from none"
        [whole] = self.admission.seconds([fork.config]) if owner else [0.0]
        seconds = {fork: whole * (1 - came_from.epoch / fork.config.epochs)}
        with self._lock:
            status = self.status(parent)
            job = next((job for job in self._running if parent in job.runs and status == "running"), None)
            able = ("running",) if job else RESUMABLE
            if status not in able:
                raise RunError(
                    f"Run {parent.name} is {status}: its regularizers can be changed while it trains, or once it is stopped."
                )
            if job and job.next:  # what waits there would never be trained
                raise RunError(
                    "The regularizers were changed a moment ago: wait until the run goes on with those, then change them again."
                )
            others = [run for run in (job.runs if job else beside) if run != parent and self.status(run) in able]
            if job is None:
                seconds |= self.admission.check_resumed(owner, [parent, *others])
            self.admission.charge(owner, seconds)
            if job is None:
                self._enqueue([[parent]], device, owner)
                job = next(job for job in (*self._queue, *self._running) if parent in job.runs)
            for run in others:
                run.ask_to_stop()
            parent.ask_to_stop(after=came_from.epoch)
            job.next, job.seconds = [*others, fork], seconds[fork]
            job.context = copy_context()  # of this request: that of the first may be too old by then
            self._changed()

    def _enqueue(
        self,
        jobs: Sequence[Sequence[Run]],
        device: str,
        owner: str,
        prune: bool = False,
        seconds: Mapping[Run, float] = MappingProxyType({}),
        memory: Mapping[Run, int] = MappingProxyType({}),
    ) -> None:
        batch = next(self._numbers)
        for runs in jobs:
            for run in runs:
                run.reopen()
        for runs in jobs:
            bounds = self.admission.bounds(owner)
            takes, holds = sum(seconds.get(run, 0.0) for run in runs), sum(memory.get(run, 0) for run in runs)
            self._queue.append(Job(list(runs), device, owner, next(self._numbers), batch, prune, bounds, takes, holds))
        self._changed()
        self._start_next()

    def _changed(self) -> None:
        """What is known of the queue holds no longer. Called with the lock held, whenever a job comes, moves or goes."""
        self._snapshot = None

    def stop_all(self, runs: Sequence[Run]) -> None:
        """Ask runs to stop, those that wait first, so that none of them begins because another has ended."""
        with self._lock:
            waiting = {run for job in self._queue for run in job.runs}
            for run in sorted(runs, key=lambda run: run not in waiting):
                self.stop(run)

    def stop(self, run: Run) -> None:
        """Ask a run to stop; one that still waits leaves the queue. Nothing happens to one that does neither."""
        with self._lock:
            for job in self._queue:
                if run in job.runs:
                    job.runs.remove(run)
                    conclude(run, Stopped(epoch=0, step=0))
            for job in (*self._queue, *self._running):
                if run in job.next:
                    job.next.remove(run)
                    if run not in job.runs and not self.store.view(run).is_over:
                        conclude(run, stopped_here(run))
            self._queue = [job for job in self._queue if job.runs]
            self._changed()
            running = next((job for job in self._running if run in job.runs), None)
            if running or run.is_locked():
                run.ask_to_stop()
            if running and running.worker:
                beside = [job for job in self._running if job.worker is running.worker]
                if all(each.should_stop() for job in beside for each in job.runs):
                    running.worker.asked_to_stop()

    # ---- looking
    def order(self) -> list[Job]:
        """The waiting jobs as they will be started."""
        with self._lock:
            return in_turn(self._queue, self._served)

    def snapshot(self) -> QueueSnapshot:
        """The queue as it is now; the same value while it does not change."""
        found = self._snapshot  # without the lock, which somebody may hold who makes folders
        hanging = [job for job in list(self._running) if job.worker and job.worker.is_stalled]
        stalled = frozenset(run.id for job in hanging for run in job.runs)
        if found is None or found.stalled != stalled:
            with self._lock:
                places = {run.id: place for place, job in enumerate(self.order(), 1) for run in (*job.runs, *job.next)}
                places |= {run.id: 1 for job in self._running for run in job.next}
                started = frozenset(run.id for job in self._running for run in job.runs)
                found = self._snapshot = QueueSnapshot(places, started, stalled)
        return found

    def place(self, run: Run) -> int | None:
        """How many jobs are before its own, itself included; None when it does not wait."""
        return self.snapshot().places.get(run.id)

    def status(self, run: Run) -> str:
        """The run's status, or `queued` where only this server knows of it."""
        return self.view(run).status

    def view(self, run: Run) -> RunView:
        """The run as it is now, with the status and the place that this queue knows."""
        now = (
            self.snapshot()
        )  # before the folder: a run that is started in between is seen as running, not as broken off
        return now.view(self.store.view(run))

    def is_busy(self, owner: str) -> bool:
        """Whether a job of theirs runs or waits."""
        with self._lock:
            return any(job.owner == owner for job in (*self._queue, *self._running))

    def running(self) -> list[Job]:
        """The jobs that have been handed to a worker."""
        with self._lock:
            return list(self._running)

    def counts(self) -> tuple[int, int]:
        """Jobs that run and jobs that wait."""
        with self._lock:
            return len(self._running), len(self._queue)

    # ---- doing
    def _start_next(self) -> None:
        waiting = self.order()
        while waiting:
            job, place = waiting[0], self._places[waiting[0].device]
            workers = {id(other.worker) for other in self._running if other.device == job.device}
            if self._closed or len(workers) >= place.at_once:
                del waiting[0]
                continue
            jobs = together(waiting, self.lookout.free(job.device))
            worker = place.worker(as_one(jobs))
            for job in jobs:
                job.worker = worker
                waiting.remove(job)
                self._queue.remove(job)
                self._running.append(job)
                serve(self._served, job.owner)
            self._changed()
            threading.Thread(target=self._see_through, args=(jobs, worker), daemon=True, name="reglab-job").start()

    def _see_through(self, jobs: Sequence[Job], worker: Worker | None) -> None:
        """Let the worker train these jobs, and another one what they go on with; then start the next."""
        try:
            while worker:
                worker.see_through()
                worker = self._relief(jobs)
        finally:
            with self._lock:
                self._running = [job for job in self._running if job not in jobs]
                self._changed()
                self._start_next()

    def _relief(self, jobs: Sequence[Job]) -> Worker | None:
        """Who trains what these jobs go on with, now that their worker has ended; None where there is no more."""
        with self._lock:
            for job in jobs:
                job.go_on(self.store, nothing=self._closed)
            self._running = [job for job in self._running if job.runs or job not in jobs]
            self._changed()
            if not (left := [job for job in jobs if job.runs]):
                return None
            worker = self._places[left[0].device].worker(as_one(left))
            for job in left:
                job.worker = worker
            return worker

    def close(self, patience: float = 5.0) -> None:
        """Ask all workers to stop at once, with their snapshots, and wait for them a little, `patience` in seconds."""
        end = time.monotonic() + patience
        with self._lock:
            self._closed, self._queue = True, []
            self._changed()
            workers = [job.worker for job in self._running if job.worker]
        for worker in workers:
            worker.halt()
        for worker in workers:
            worker.ended.wait(max(0.0, end - time.monotonic()))
        for place in self._places.values():
            place.close()
        self.lookout.close()
        self.admission.close()
