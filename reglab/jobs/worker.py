"""Trains runs, here and now or in a worker process: one event of each in turn, so that their curves grow side by side."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError, RunError
from reglab.jobs.bounds import UNBOUNDED, Bounds
from reglab.jobs.failures import in_words
from reglab.runs.clock import Clock
from reglab.runs.parent import from_parent
from reglab.runs.recording import conclude, record, stopped_here
from reglab.runs.run import Run
from reglab.training.events import Epoch, Event, Failed, Paused, Preparing, Snapshot, Step, Stopped

if TYPE_CHECKING:
    from reglab.data import Split
    from reglab.training.train import Resume


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
    folder and leaves the others alone. With `prune`, a run that cannot win against the others of its group is stopped early,
    and one that has had its time (`bounds`) with a snapshot. At the `deadline`, a moment of `time.monotonic()`, each has a
    snapshot and no last word, and the next call goes on to the bytes of an uninterrupted run. At least one of the runs gets
    on before, by a step or an evaluation, so whoever calls again and again comes to an end.
    """
    import torch

    from reglab import data, machine
    from reglab.jobs.pruning import pruned

    torch.set_num_threads(machine.cpu_count())
    moved = False

    def events_of(run: Run) -> Iterator[Event]:
        began = time.perf_counter()
        c, resume = run.config, run.resume() or from_parent(run)
        dataset = data.load(c.dataset, test_images=run.test_images)
        split = data.split(dataset, c.train_size, c.val_size, c.label_noise, c.seed)
        clock, place = Clock(run, loading=time.perf_counter() - began), Place(resume)

        def asked() -> bool:
            return stopped() or run.should_stop(place.epochs) or bounds.are_over(clock)

        def going(stop: Callable[[], bool]) -> Iterator[Event]:
            return place.followed(trained(c, split, resume, stop))

        events = bounds.told(limited(going, asked, is_over), clock)
        return record(run, pruned(events, run) if prune else events, clock)

    def is_over() -> bool:
        return moved and time.monotonic() > deadline

    with ExitStack() as owned:
        going: dict[Run, Any] = {}
        begun: set[Run] = set()  # the first that a run says of its preparing is what was done before
        for run in runs:
            owned.enter_context(run.locked())
        for run in runs:
            if run.status() == "finished":  # by somebody else, while this waited for the lock
                continue
            with told_to(run, listen):
                going[run] = events_of(run)
        while going:
            for run in list(going):
                event = None
                with told_to(run, listen):
                    event = next(going[run], None)
                if event is None:
                    del going[run]
                else:
                    moved = moved or isinstance(event, (Step, Epoch)) or (isinstance(event, Preparing) and run in begun)
                    begun.add(run)
                    listen(run, event)


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
        ready = yield from featured(config, split, stop)
    if ready is not None:
        yield from train_fork(config, ready, resume=resume, stop=stop)


@contextlib.contextmanager
def told_to(run: Run, listen: Callable[[Run, Event], None]) -> Any:
    """Turn what goes wrong with a run into its last event."""
    try:
        yield
    except Exception as error:
        failed = Failed(reason=in_words(error))
        conclude(run, failed)
        listen(run, failed)
        if not isinstance(error, (ConfigError, DataError, RunError, OSError, MemoryError)):
            sys.excepthook(type(error), error, error.__traceback__)  # ours to mend: let the log show where


def worker(root: str, ids: list[str], device: str, prune: bool, bounds: Bounds = UNBOUNDED) -> None:
    """The worker process: wait for the device, then train. Ends early and cleanly on SIGTERM.

    A snapshot is of a moment between two steps, so a step under way comes to its end. Before the first there is nothing to
    save, and what may take long there is broken off: imports, data, the features of pictures.
    """
    bounds.limit_memory(device)
    terminated, trains = threading.Event(), threading.Event()

    def terminate(number: int, frame: Any) -> None:
        first = not terminated.is_set()
        terminated.set()
        if first and not trains.is_set():
            raise Terminated

    def listen(run: Run, event: Event) -> None:
        if isinstance(event, Step):
            trains.set()

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then asks us to stop
    runs = [Run(Path(root) / run_id) for run_id in ids]
    try:
        while not (terminated.is_set() or all(run.should_stop() for run in runs)):
            # A worker that outlived an earlier server may still hold the device.
            with contextlib.suppress(Timeout), FileLock(Path(root) / f".{device}.lock", timeout=0.2):
                return work(runs, listen, terminated.is_set, prune, bounds=bounds)
    except Terminated:
        pass
    for run in runs:
        if not run.view().is_over:
            conclude(run, stopped_here(run))


class Terminated(BaseException):
    """Not an `Exception`: whoever mends what goes wrong with a run shall not take this for that."""
