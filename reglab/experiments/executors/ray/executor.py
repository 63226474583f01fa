"""Training on a Ray cluster, as seen from this machine: who waits for which run, and what happens when a node is lost."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, fields
from typing import Any

from reglab import compat, data
from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.experiments.executors.local import is_left
from reglab.experiments.executors.ray.connection import connected
from reglab.experiments.executors.ray.node import TELL_SECONDS
from reglab.experiments.executors.ray.packing import packed_resume, plain, unpacked
from reglab.experiments.executors.ray.places import needed, places_for
from reglab.experiments.executors.ray.relay import Relay
from reglab.experiments.experiment import Experiment
from reglab.jobs.pruning import pruned
from reglab.jobs.worker import told_to
from reglab.runs import clock as clocks
from reglab.runs.clock import Clock
from reglab.runs.recording import conclude, record
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Event, Failed, Finished, Stopped

TRIES = 4  # of a run whose node is lost
AT_ONCE = 64  # runs in Ray's hands; each keeps a thread here waiting, and one of the 100 that serve ray:// on the head


class Lost(Exception):
    """The node of a run, or its process there, is gone."""


class Gone(Exception):
    """The cluster itself is gone, or nobody waits for it any more."""


def train(
    experiment: Experiment,
    store: Store,
    address: str = "",
    *,
    gpus: float | None = None,
    listen: Callable[[Run, Event], None] = lambda run, event: None,
    ended: Callable[[Run], None] = lambda run: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Run]:
    """As `local.train`, on the cluster at `ray://HOST:PORT`, or on Ray started on this machine. All its runs.

    `gpus` is the share of a GPU for each run; by default a whole one where the cluster has any and the config wants it.
    A run whose node is lost goes on elsewhere from the last snapshot that came back. Raises `ConfigError` where the
    cluster cannot be reached or has no place for such a run, and `RunError` when it is gone in the middle.
    """
    configs = experiment.configs
    with connected(address) as ray:
        needs = {c.device: needed(c, gpus, ray.cluster_resources().get("GPU", 0)) for c in configs}
        places = min(places_for(need, [n["Resources"] for n in ray.nodes() if n["Alive"]]) for need in needs.values())
        training = Training(ray, listen, stop, experiment.prune)
        for key in {c.dataset for c in configs}:
            training.datasets[key, data.source(key).edition] = ray.put(_arrays(data.load(key)))

        def see_through(config: RunConfig) -> Run | None:
            if training.over.is_set() or stop():
                return None
            (run,) = experiment.folders(store, [config])
            if is_left(run, run.status(), experiment.prune):
                with contextlib.suppress(RunError), run.locked():  # in use after all: that process sees it through
                    if run.status() != "finished":
                        run.reopen()
                        training.train(run, needs[config.device])
            return Run(run.path)

        # Some more than fit: a place that becomes free is taken at once, and a cluster that grows sees what is waiting.
        pool = ThreadPoolExecutor(min(AT_ONCE, 2 * places))
        told: dict[str, Run] = {}
        try:
            futures = {pool.submit(see_through, config): config.model_dump_json() for config in configs}
            for future in as_completed(futures):
                if run := future.result():
                    told[futures[future]] = run
                    with training.telling:
                        ended(run)
        finally:
            training.over.set()
            pool.shutdown(cancel_futures=True)
    if training.gone:
        where = address or "this machine"
        raise RunError(
            f"The Ray cluster at {where} is gone ({training.gone}): what came back is kept, the same command goes on from there."
        )
    return [told[key] for c in configs if (key := c.model_dump_json()) in told]


def _arrays(whole: data.Dataset) -> dict[str, Any]:
    """The pictures and labels of a data set, as they travel."""
    return {f.name: plain(getattr(whole, f.name)) for f in fields(whole) if f.name != "source"}


@dataclass
class Training:
    """One experiment under way: the connection, and who is told."""

    ray: Any
    listen: Callable[[Run, Event], None]
    stop: Callable[[], bool]
    prune: bool = False
    datasets: dict[tuple[str, str], Any] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    telling: threading.Lock = field(default_factory=threading.Lock)  # one at a time, though each run has its thread
    gone: str = ""
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        on_head = {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}
        self.relay = self.ray.remote(**on_head)(Relay).remote()
        try:
            self.ray.get(self.relay.is_asked_to_stop.remote(-1), timeout=120)
        except Exception as error:
            raise ConfigError(
                f"The head of the Ray cluster cannot load reglab ({compat.ray.last_word(error)}): `pip install reglab` on every node."
            ) from None

    def tell(self, run: Run, event: Event) -> None:
        """One event at a time, whichever thread it comes from."""
        with self.telling:
            self.listen(run, event)

    def train(self, run: Run, need: Mapping[str, float]) -> None:
        """See a run through, wherever; the caller holds its lock."""
        end: Event
        with told_to(run, self.tell):
            for _ in range(TRIES):
                try:
                    return self.attempt(run, need)
                except Gone as gone:
                    self.gone = self.gone or str(gone)
                    return self.over.set()
                except Lost as lost:
                    if self.asked_to_stop(run):
                        epochs = run.history()
                        epoch, step = (epochs[-1].epoch, epochs[-1].step) if epochs else (0, 0)
                        end = Stopped(epoch=epoch, step=step)
                        break
                    why = str(lost)
            else:
                end = Failed(
                    reason=f"The run was lost {TRIES} times with the process that trained it ({why}):"
                    " look at the node's memory and its logs, then start the same command again."
                )
            conclude(run, end)
            self.tell(run, end)

    def attempt(self, run: Run, need: Mapping[str, float]) -> None:
        """Train from where the run stands to its end. Raises `Lost`."""
        number = next(self.numbers)
        resume = packed_resume(run)  # may leave the run at its beginning, and then it sees the set as it is today
        job = run.config.model_dump(mode="json"), [self.dataset_of(run)], resume
        self._ask(self.relay.begin.remote(number, dict(need), *job, clocks.SNAPSHOT_SECONDS), run)
        item = self._next(number, run, begun=False)  # may take long: until Ray has a place for it
        clock = NodeClock(run)

        def events() -> Iterator[Event]:
            nonlocal item
            while item:
                clock.told = item["seconds"]
                yield unpacked(item)
                item = self._next(number, run)

        event: Event | None = None
        for event in record(run, pruned(events(), run) if self.prune else events(), clock):
            self.tell(run, event)
        if isinstance(event, Stopped) and event.reason:
            self.relay.stop.remote(number, False)  # the node does not know yet that it is of no use any more
        if not isinstance(event, (Finished, Stopped, Failed)):
            raise Lost("it ended without a word")

    def dataset_of(self, run: Run) -> Any:
        """Where the pictures of the run lie on the cluster: a run that goes on has those that it began with."""
        name, test_images = run.config.dataset, run.test_images
        key = name, data.source(name, test_images).edition
        if key not in self.datasets:
            self.datasets[key] = self.ray.put(_arrays(data.load(name, test_images=test_images)))
        return self.datasets[key]

    def _next(self, number: int, run: Run, begun: bool = True) -> dict[str, Any]:
        """What the run has to tell next, empty at its end. Asks it to stop when somebody wants that."""
        item = self._ask(self.relay.next.remote(number), run, lambda: self.relay.stop.remote(number, begun))
        if "lost" in item:
            raise Lost(item["lost"])
        return item

    def _ask(self, answer: Any, run: Run, halt: Callable[[], Any] = lambda: None) -> Any:
        halted = False
        while not self.over.is_set():
            if not halted and self.asked_to_stop(run):
                halted = True
                halt()
            try:
                return self.ray.get(answer, timeout=TELL_SECONDS)
            except self.ray.exceptions.GetTimeoutError:
                continue
            except Exception as error:  # runs that are lost are told of as such: this is the head, or the way to it
                raise Gone(compat.ray.last_word(error)) from None
        raise Gone("")

    def asked_to_stop(self, run: Run) -> bool:
        """Whether the whole sweep, or this run, is to stop."""
        return self.stop() or run.should_stop()


class NodeClock(Clock):
    """The time that a node spent on a run: neither waiting for a place nor the way of what it told is in it."""

    told = 0.0

    def spent(self, event: Event | None, seconds: float) -> None:
        """The seconds that the node told, in place of those that passed here."""
        super().spent(event, self.told if event else 0.0)

    def snapshot_due(self) -> bool:
        """Always, for the node sends no more than are due."""
        return True
