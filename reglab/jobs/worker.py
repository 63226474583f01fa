"""Trains runs, here and now or in a worker process: one event of each in turn, so that their curves grow side by side."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from reglab import machine
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError, RunError
from reglab.jobs.bounds import UNBOUNDED, Bounds
from reglab.jobs.failures import in_words, lacks_memory
from reglab.runs.clock import Clock
from reglab.runs.parent import from_parent
from reglab.runs.recording import conclude, record, stopped_here
from reglab.runs.run import Run
from reglab.training.events import Epoch, Event, Failed, Paused, Preparing, Snapshot, Step, Stopped

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from reglab.data import Split
    from reglab.training.train import Resume

JOBS = 100  # that a process trains before another takes its place
LEFT_BEHIND = 512 * 2**20  # bytes by which it may grow over them; what torch keeps ready takes 100 MiB


def work(
    runs: Sequence[Run],
    listen: Callable[[Run, Event], None] = lambda run, event: None,
    stopped: Callable[[], bool] = lambda: False,
    prune: bool = False,
    deadline: float = math.inf,
    bounds: Bounds = UNBOUNDED,
) -> None:
    """Train these runs in turn, here and now: one event of each, round and round.

    Those that have begun are resumed, those that are finished left alone. What goes wrong with one run is written into its
    folder and leaves the others alone; one that lacks memory beside others goes on when one of these has ended. With `prune`,
    a run that cannot win against the others of its group is stopped early, and one that has had its time (`bounds`) with a
    snapshot. At the `deadline`, a moment of `time.monotonic()`, each has a snapshot and no last word, and the next call goes
    on to the bytes of an uninterrupted run. At least one of the runs gets on before, by a step or an evaluation, so whoever
    calls again and again comes to an end. On a GPU the work of each waits in a lane of its own.
    """
    import torch

    from reglab import data
    from reglab.jobs.pruning import pruned

    torch.set_num_threads(machine.cpu_count())
    moved = False

    def events_of(run: Run) -> Iterator[Event]:
        began = time.perf_counter()
        c = run.config
        device, resume = machine.choose_device(c.device), run.resume() or from_parent(run)
        dataset = data.load(c.dataset, test_images=run.test_images)
        split = data.split(dataset, c.train_size, c.val_size, c.label_noise, c.seed)
        clock = Clock(run, time.perf_counter() - began, lambda: machine.memory_taken(device) // len(left))
        place = Place(resume)

        def asked() -> bool:
            return stopped() or run.should_stop(place.epochs) or bounds.are_over(clock)

        def going(stop: Callable[[], bool]) -> Iterator[Event]:
            return place.followed(trained(c, split, resume, stop))

        events = bounds.told(limited(going, asked, is_over), clock)
        return in_lane(record(run, pruned(events, run) if prune else events, clock), machine.lane(device))

    def is_over() -> bool:
        return moved and time.monotonic() > deadline

    with ExitStack() as owned:
        locks = {run: owned.enter_context(ExitStack()) for run in runs}
        for run in runs:
            locks[run].enter_context(run.locked())
        left = [run for run in runs if run.status() != "finished"]  # by somebody else, while this waited for the lock
        going: dict[Run, Iterator[Event]] = {}
        begun: set[Run] = set()  # the first that a run says of its preparing is what was done before
        put_off: list[Run] = []

        def begin(run: Run) -> None:
            with told_to(run, listen):
                going[run] = events_of(run)

        def waits(run: Run, error: Exception) -> bool:
            """Whether a run that found too little memory beside others goes on from its snapshot when one of these has ended."""
            if lacks := lacks_memory(error) and len(going) > 1:
                put_off.append(run)
            return lacks

        for run in left:
            begin(run)
        while going:
            for run in list(going):
                event = None
                with told_to(run, listen, waits):
                    event = next(going[run], None)
                if event is not None:
                    moved = moved or isinstance(event, (Step, Epoch)) or (isinstance(event, Preparing) and run in begun)
                    begun.add(run)
                    listen(run, event)
                    continue
                del going[run]
                if put_off:
                    machine.give_memory_back()
                if run not in put_off:
                    locks[run].close()  # whoever stopped it need not wait for the others
                    if put_off:
                        begin(put_off.pop(0))
    machine.give_memory_back()  # on a GPU also for the next one here: what was freed in one lane is of no use in another


class Place:
    """How many epochs of a run are done. One under way counts a half, until its snapshot: before that it is no whole one."""

    def __init__(self, resume: Resume | None) -> None:
        state = resume.state if resume else {"epoch": 0, "batch": 0}
        self.epochs = state["epoch"] - (0.5 if state["batch"] else 1.0)

    def followed(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events of the run."""
        for event in events:
            if isinstance(event, Step):
                self.epochs = event.epoch - 0.5
            elif isinstance(event, Snapshot):
                self.epochs = event.state["epoch"] - 1
            yield event


def limited(
    events: Callable[[Callable[[], bool]], Iterator[Event]], asked: Callable[[], bool], is_over: Callable[[], bool]
) -> Iterator[Event]:
    """What happens until somebody has asked to stop, or until the time is over: then the last event is `Paused`."""
    for event in events(lambda: asked() or is_over()):
        yield Paused() if isinstance(event, Stopped) and not asked() else event


def trained(config: RunConfig, split: Split, resume: Resume | None, stop: Callable[[], bool]) -> Iterator[Event]:
    """Everything that happens in one run: the features of its pictures where it wants those, then the training."""
    from reglab.training.features import featured
    from reglab.training.fork import train_fork

    ready: Split | None = split
    if config.on_features:
        ready = yield from featured(config, split, stop, resume.precision if resume else "")
    if ready is not None:
        yield from train_fork(config, ready, resume=resume, stop=stop)


def in_lane(events: Iterator[Event], lane: contextlib.AbstractContextManager[Any]) -> Iterator[Event]:
    """The events of a run whose work waits for the device in a lane of its own."""
    while True:
        with lane:
            event = next(events, None)
        if event is None:
            return
        yield event


@contextlib.contextmanager
def told_to(
    run: Run,
    listen: Callable[[Run, Event], None],
    waits: Callable[[Run, Exception], bool] = lambda run, error: False,
) -> Any:
    """Turn what goes wrong with a run into its last event, unless it waits for its turn to go on."""
    try:
        yield
    except Exception as error:
        if waits(run, error):
            return
        failed = Failed(reason=in_words(error))
        conclude(run, failed)
        listen(run, failed)
        if not isinstance(error, (ConfigError, DataError, RunError, OSError, MemoryError)):
            sys.excepthook(type(error), error, error.__traceback__)  # ours to mend: let the log show where


def worker(root: str, device: str, bounds: Bounds, jobs: Connection, idle: float) -> None:
    """The worker process: trains the jobs that it hears of, one after the other, and says when each is over.

    It ends when nobody has a job for it any more, or none for `idle` seconds, and without a word after a job in which
    something went wrong, or which has left too much behind: who has the next one then starts another.
    """
    bounds.limit_memory(device)
    sigterm, before = Sigterm(), resident()
    with contextlib.suppress(EOFError, ConnectionError, Terminated):  # the server has gone, or ends
        for job in count(1):
            sigterm.may_break_off()
            if sigterm.came() or not jobs.poll(idle):
                return
            ids, prune = jobs.recv()
            if not _trained([Run(Path(root) / run_id) for run_id in ids], device, prune, bounds, sigterm):
                return
            if job == JOBS or resident() - before > LEFT_BEHIND:
                return
            jobs.send(None)


def _trained(runs: Sequence[Run], device: str, prune: bool, bounds: Bounds, sigterm: Sigterm) -> bool:
    """Wait for the device, then train. Whether nothing went wrong, so that this process is as good as a new one.

    A snapshot is of a moment between two steps, so a step under way comes to its end. Before the first there is nothing to
    save, and what may take long there is broken off: imports, data, the features of pictures.
    """
    is_well = True

    def listen(run: Run, event: Event) -> None:
        nonlocal is_well
        if isinstance(event, Step):
            sigterm.must_wait()
        is_well = is_well and not (isinstance(event, Failed) and event.step is None)  # an exception, and no divergence

    try:
        while not (sigterm.came() or all(run.should_stop() for run in runs)):
            # A worker that outlived an earlier server may still hold the device.
            with contextlib.suppress(Timeout), FileLock(runs[0].path.parent / f".{device}.lock", timeout=0.2):
                work(runs, listen, sigterm.came, prune, bounds=bounds)
                return is_well and not sigterm.came()
    except Terminated:
        pass
    for run in runs:
        if not run.view().is_over:
            conclude(run, stopped_here(run))
    return not sigterm.came()


def resident() -> int:
    """Bytes of memory that this process takes; 0 where the system doesn't say."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # only Linux has it
        return 0


class Sigterm:
    """SIGTERM, which a worker is told to end by: it breaks off what may be, and is remembered where that must wait."""

    def __init__(self) -> None:
        self._came, self._waits = threading.Event(), threading.Event()
        self.came = self._came.is_set
        self.must_wait = self._waits.set
        self.may_break_off = self._waits.clear
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then asks us to stop

    def _handle(self, number: int, frame: Any) -> None:
        first = not self.came()
        self._came.set()
        if first and not self._waits.is_set():
            raise Terminated


class Terminated(BaseException):
    """Not an `Exception`: whoever mends what goes wrong with a run shall not take this for that."""
