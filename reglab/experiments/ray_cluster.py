"""Past one machine: each run of a sweep is a task on a Ray cluster, and what happens in it flows back and is recorded here.

The nodes compute and this machine keeps the run folders. So the nodes need neither a shared disk nor the data set, and
with a node nothing is lost but what was trained since its last snapshot came back. Ray decides what runs where, and when.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from reglab import ROOT, machine
from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.experiments.sweep import folders, is_left, names_of
from reglab.jobs.failures import in_words
from reglab.jobs.pruning import pruned
from reglab.jobs.worker import told_to, trained
from reglab.runs import clock as clocks
from reglab.runs.clock import Clock
from reglab.runs.recording import conclude, record
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.tensors import tensor_bytes
from reglab.training.events import Best, Epoch, Event, Failed, Finished, Preparing, Snapshot, Step, Stopped

TRIES = 4  # of a run whose node is lost
CPUS = 1  # a run, and as many threads: runs side by side use the cores better than threads of one run do
AT_ONCE = 64  # runs in Ray's hands; each keeps a thread here waiting, and one of the 100 that serve ray:// on the head
TELL_SECONDS = 0.5  # between two steps that are told of, and between two looks whether to stop
REACH_SECONDS = 8.0
GRPC = [("grpc.enable_http_proxy", 0)]  # as Ray itself connects


class Lost(Exception):
    """The node of a run, or its process there, is gone."""


class Gone(Exception):
    """The cluster itself is gone, or nobody waits for it any more."""


# ---- here --------------------------------------------------------------------------------------------------------
def train_on_ray(
    configs: Sequence[RunConfig],
    store: Store,
    group: str,
    address: str = "",
    *,
    gpus: float | None = None,
    listen: Callable[[Run, Event], None] = lambda run, event: None,
    ended: Callable[[Run], None] = lambda run: None,
    stop: Callable[[], bool] = lambda: False,
    prune: bool = False,
) -> list[Run]:
    """As `sweep.train_all`, on the cluster at `ray://HOST:PORT`, or on Ray started on this machine. All its runs.

    `gpus` is the share of a GPU for each run; by default a whole one where the cluster has any and the config wants it.
    A run whose node is lost goes on elsewhere from the last snapshot that came back. Raises `ConfigError` where the
    cluster cannot be reached or has no place for such a run, and `RunError` when it is gone in the middle.
    """
    from reglab import data

    with connected(address) as ray:
        needs = {c.device: needed(c, gpus, ray.cluster_resources().get("GPU", 0)) for c in configs}
        places = min(places_for(need, [n["Resources"] for n in ray.nodes() if n["Alive"]]) for need in needs.values())
        sweep, names = Sweep(ray, listen, stop, prune), names_of(configs)
        for key in {c.dataset for c in configs}:
            d = data.load(key)
            arrays = {f.name: getattr(d, f.name) for f in fields(d) if f.name != "source"}
            sweep.datasets[key] = ray.put({k: _plain(v) for k, v in arrays.items()})

        def see_through(config: RunConfig) -> Run | None:
            if sweep.over.is_set() or stop():
                return None
            run = folders([config], store, group, names)[0]
            if is_left(run, run.status(), prune):
                with contextlib.suppress(RunError), run.locked():  # in use after all: that process sees it through
                    if run.status() != "finished":
                        run.reopen()
                        sweep.train(run, needs[config.device])
            return Run(run.path)

        # Some more than fit: a place that becomes free is taken at once, and a cluster that grows sees what is waiting.
        pool = ThreadPoolExecutor(min(AT_ONCE, 2 * places))
        told: dict[str, Run] = {}
        try:
            futures = {pool.submit(see_through, config): config.model_dump_json() for config in configs}
            for future in as_completed(futures):
                if run := future.result():
                    told[futures[future]] = run
                    with sweep.telling:
                        ended(run)
        finally:
            sweep.over.set()
            pool.shutdown(cancel_futures=True)
    if sweep.gone:
        where = address or "this machine"
        raise RunError(
            f"The Ray cluster at {where} is gone ({sweep.gone}): what came back is kept, the same command goes on from there."
        )
    return [told[key] for c in configs if (key := c.model_dump_json()) in told]


@dataclass
class Sweep:
    """One sweep under way: the connection, and who is told."""

    ray: Any
    listen: Callable[[Run, Event], None]
    stop: Callable[[], bool]
    prune: bool = False
    datasets: dict[str, Any] = field(default_factory=dict)
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
                f"The head of the Ray cluster cannot load reglab ({_in_short(error)}): `pip install reglab` on every node."
            ) from None

    def tell(self, run: Run, event: Event) -> None:
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
        job = run.config.model_dump(mode="json"), [self.datasets[run.config.dataset]], packed_resume(run)
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
                raise Gone(_in_short(error)) from None
        raise Gone("")

    def asked_to_stop(self, run: Run) -> bool:
        return self.stop() or run.should_stop()


class NodeClock(Clock):
    """The time that a node spent on a run: neither waiting for a place nor the way of what it told is in it."""

    told = 0.0

    def spent(self, event: Event | None, seconds: float) -> None:
        super().spent(event, self.told if event else 0.0)

    def snapshot_due(self) -> bool:
        return True  # the node sends no more than are due


# ---- the way there -----------------------------------------------------------------------------------------------
def address_of(place: str) -> str:
    """`ray` is this machine, told as an empty address; `ray://HOST:PORT` a cluster. Raises `ConfigError` for anything else."""
    if place == "ray":
        return ""
    try:
        parts = urlsplit(place)
        if parts.scheme == "ray" and parts.hostname and parts.port:
            return f"ray://{parts.netloc}"
    except ValueError:
        pass
    raise ConfigError(
        f"{place[:80]!r} is no place to train: choose local, ray (this machine) or ray://HOST:PORT (a cluster)."
    )


def check(address: str) -> None:
    """Raises `ConfigError` where Ray is not installed, or nothing that speaks Ray's language answers there in time."""
    if not all(map(find_spec, ("ray", "grpc"))):
        raise ConfigError(
            'Ray was asked for, but is not installed here: `pip install "reglab[ray]"`, or leave --on away.'
        )
    if not address:
        return
    found: list[str] = []
    threading.Thread(target=lambda: found.append(_knock(address)), daemon=True).start()
    deadline = time.monotonic() + REACH_SECONDS  # a name may take longer to look up than any timeout of a socket
    while not found and time.monotonic() < deadline:
        time.sleep(0.02)
    if not found or found[0]:
        raise ConfigError(
            f"The Ray cluster at {address} cannot be reached ({found[0] if found else 'no answer'}):"
            " see that it runs and serves clients on that port (10001 unless changed), or leave --on away."
        )


def _knock(address: str) -> str:
    """Why there is no cluster to be had; empty if there is one."""
    parts = urlsplit(address)
    host, port = str(parts.hostname), int(parts.port or 0)
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return ""  # left to Ray, which has the certificates
    import grpc

    with grpc.insecure_channel(f"{parts.netloc}", options=GRPC) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=3)
            if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
                channel.unary_unary("/ray.rpc.RayletDriver/ClusterInfo")(b"", timeout=1)
        except grpc.FutureTimeoutError:
            return "something answers there, but it is not Ray"
        except grpc.RpcError as error:  # any other answer is for Ray to understand
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                return "it wants a token: set RAY_AUTH_MODE=token, and the token in RAY_AUTH_TOKEN or ~/.ray/auth_token"
    return ""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, once it is there; this copy of reglab goes along, so that the nodes need only what it is built on.

    Raises `ConfigError`.
    """
    check(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of a change that is none for us
    import ray

    settings: dict[str, Any] = {"runtime_env": {"py_modules": [str(ROOT / "reglab")]}, "log_to_driver": False}
    if not address:
        settings |= {"address": "local", "num_cpus": machine.cpu_count(), "include_dashboard": False}
    else:
        settings |= {"address": address}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    logging.getLogger("ray.util.client.logsclient").disabled = True  # what the head logs is for the head
    for tries_left in (1, 0):
        try:
            logging.getLogger("ray").setLevel(logging.ERROR)
            with warnings.catch_warnings(action="ignore"):
                ray.init(**settings, logging_level=logging.ERROR)
            logging.getLogger("ray").setLevel(logging.ERROR)  # Ray Client has set it back
            break
        except Exception as error:
            # Ray's proxy forks while its own threads run, and now and then the fork dies.
            if tries_left and isinstance(error, ConnectionAbortedError):
                continue
            raise ConfigError(
                f"Ray {f'at {address}' if address else 'on this machine'} does not let us in ({_in_short(error)}):"
                " see that both sides have the same versions of Python and Ray, or leave --on away."
            ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray would exit at once; we stop with a snapshot
    try:
        yield ray
    finally:
        ray.shutdown()


def _in_short(error: BaseException) -> str:
    """The one line of Ray's that says what happened: of a traceback the last, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if any(line.startswith('File "') for line in lines) else 0][:200].rstrip(".")


def needed(config: RunConfig, gpus: float | None, there: float) -> dict[str, float]:
    """What to ask Ray for, for a run of that config. Raises `ConfigError`."""
    if gpus is not None and not 0 <= gpus <= 1:
        raise ConfigError(f"{gpus:g} GPUs per run were asked for, but a run trains on one: give a share from 0 to 1.")
    if config.device == "cpu":
        gpus = 0.0
    elif gpus is None:
        gpus = 1.0 if there or config.device != "auto" else 0.0
    if config.device not in ("cpu", "auto") and not gpus:
        raise ConfigError(f"device {config.device} was asked for, but no GPU for each run: give --gpus-per-run.")
    return {"num_cpus": CPUS, "num_gpus": gpus}


def places_for(need: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> int:
    """How many such runs fit at once. Raises `ConfigError` where none does, since Ray would wait for ever."""
    cpus, gpus = need["num_cpus"], need["num_gpus"]
    places = sum(
        int(min(node.get("CPU", 0) / cpus, node.get("GPU", 0) / gpus + 1e-9 if gpus else 1e9)) for node in nodes
    )
    if not places:
        asked = f"{cpus:g} CPU and {gpus:g} GPU" if gpus else f"{cpus:g} CPU"
        instead = "choose --device auto or cpu, or --gpus-per-run 0" if gpus else "add a node that has one"
        raise ConfigError(f"Each run asks for {asked}, but no node of the cluster has that: {instead}.")
    return places


# ---- on the cluster's head ---------------------------------------------------------------------------------------
class Relay:
    """Holds the streams of all runs, on the head: Ray Client, which is what ray:// speaks, refuses to hold a stream."""

    def __init__(self) -> None:
        self.streams: dict[int, Any] = {}
        self.asked: set[int] = set()

    def begin(self, number: int, need: dict[str, float], config: dict[str, Any], data: list[Any], *rest: Any) -> None:
        import ray

        me = ray.get_runtime_context().current_actor
        # No retries by Ray: it would repeat what has been recorded. A node waits when nobody takes what it tells.
        options = {"num_returns": "streaming", "max_retries": 0, "_generator_backpressure_num_objects": 16}
        remote: Any = ray.remote
        task = remote(**options, **need)(told)
        self.streams[number] = task.remote(me, number, config, data[0], *rest)

    async def next(self, number: int) -> dict[str, Any]:
        """The next thing that run has to tell; empty at its end."""
        import ray

        try:
            return await (await anext(self.streams[number]))
        except StopAsyncIteration:
            last: dict[str, Any] = {}
        except ray.exceptions.RayError as error:
            last = {"lost": f"{type(error).__name__}: {_in_short(error)}"}
        del self.streams[number]
        self.asked.discard(number)
        return last

    def stop(self, number: int, begun: bool) -> None:
        """Let the run come to a stop; one of which nothing was heard may still be waiting for a place, and is called off."""
        import ray

        self.asked.add(number)
        if not begun and number in self.streams:
            ray.cancel(self.streams[number])

    def is_asked_to_stop(self, number: int) -> bool:
        return number in self.asked


# ---- on a node ---------------------------------------------------------------------------------------------------
def told(
    relay: Any, number: int, config: dict[str, Any], dataset: dict[str, Any], resume: dict[str, Any], snapshots: float
) -> Iterator[dict[str, Any]]:
    """The task: train, and tell of it in plain values. What goes wrong in the training is told as its last event."""
    import ray

    looked, asked = time.monotonic(), False

    def stop() -> bool:
        nonlocal looked, asked
        if not asked and time.monotonic() - looked > TELL_SECONDS:
            asked, looked = ray.get(relay.is_asked_to_stop.remote(number)), time.monotonic()
        return asked

    try:
        import torch

        import reglab.training.features
        import reglab.training.train  # noqa: F401  loading them is no part of the training's time
        from reglab import data
        from reglab.models import pretrained

        torch.set_num_threads(CPUS)
        c = RunConfig.parse(config)
        if not ray.get_gpu_ids():
            c = c.model_copy(update={"device": "cpu"})  # a GPU that is there belongs to others
        if c.pretrained:
            pretrained.fetch(c.model)
        whole = data.Dataset(source=data.source(c.dataset), **dataset)
        split = data.split(whole, c.train_size, c.val_size, c.label_noise, c.seed)
        yield from thinned(trained(c, split, unpacked_resume(resume), stop), snapshots)
    except ImportError as error:
        why = f"The node that was to train it cannot load {error.name or error}: `pip install reglab` on every node."
        yield packed(Failed(reason=why), 0.0)
    except Exception as error:
        yield packed(Failed(reason=in_words(error)), 0.0)
        sys.excepthook(type(error), error, error.__traceback__)  # into the node's log


def thinned(events: Iterator[Event], snapshots: float) -> Iterator[dict[str, Any]]:
    """Events with the seconds each took. Of steps and snapshots only as many as are of use; their time is in the next."""
    told = saved = time.monotonic()
    seconds, images = 0.0, 0
    kept: Snapshot | None = None
    while True:
        began = time.perf_counter()
        event = next(events, None)
        seconds += time.perf_counter() - began
        if event is None:
            return
        now = time.monotonic()
        if isinstance(event, Step):
            images += event.images
            event = replace(event, images=images)
            if event.batch < event.batches and now - told < TELL_SECONDS:
                continue
            told, images = now, 0
        elif isinstance(event, Preparing):
            if event.done < event.total and now - told < TELL_SECONDS:
                continue
            told = now
        elif isinstance(event, Snapshot):
            if now - saved < snapshots:
                kept = event
                continue
            saved, kept = now, None
        elif isinstance(event, (Stopped, Finished)) and kept:
            yield packed(kept, 0.0)  # still live: nothing was trained since
        yield packed(event, seconds)
        seconds = 0.0


# ---- what travels ------------------------------------------------------------------------------------------------
EVENTS = {kind.name: kind for kind in Event.__subclasses__()}


def packed(event: Event, seconds: float) -> dict[str, Any]:
    """Numbers and words as they are, tensors as the bytes of a safetensors file."""
    if isinstance(event, Snapshot):
        return {"event": event.name, "state": event.state, "tensors": tensor_bytes(event.tensors), "seconds": seconds}
    item = {**event.to_json(), "seconds": seconds}
    return {**item, "weights": tensor_bytes(event.weights)} if isinstance(event, Best) else item


def unpacked(item: Mapping[str, Any]) -> Event:
    """The inverse of `packed`."""
    from safetensors.torch import load

    values = {k: v for k, v in item.items() if k not in ("event", "seconds")}
    return EVENTS[item["event"]](**{k: load(v) if k in ("tensors", "weights") else v for k, v in values.items()})


def packed_resume(run: Run) -> dict[str, Any]:
    """Where the run stands, read from its folder here; empty at the beginning."""
    if (resume := run.resume()) is None:
        return {}
    tensors, best = tensor_bytes(resume.tensors), tensor_bytes(resume.best_weights)
    history = [json.dumps(epoch.to_json()) for epoch in resume.history]
    return {"state": dict(resume.state), "tensors": tensors, "history": history, "best": best}


def unpacked_resume(told: Mapping[str, Any]) -> Any:
    from safetensors.torch import load

    from reglab.training.events import epoch_from_json
    from reglab.training.train import Resume

    if not told:
        return None
    history: list[Epoch] = [epoch_from_json(json.loads(line)) for line in told["history"]]
    return Resume(state=told["state"], tensors=load(told["tensors"]), history=history, best_weights=load(told["best"]))


def _plain(value: Any) -> Any:
    """An array that is no memory map any more, since its file lies on this machine only."""
    import numpy as np

    return np.asarray(value) if isinstance(value, np.ndarray) else value
