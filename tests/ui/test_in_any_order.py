"""Whatever happens to a lab in whatever order, every run comes to the bytes of one that was left alone.

Hypothesis makes up what happens: visitors start, stop, resume, delete and bring back runs, and try the same with one
another's; workers and servers die; the disk is full, and has room again. Trained are real runs of the digits, in real
worker processes, a third of a second long.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

sys.path.insert(0, str(ROOT / "benchmarks"))
from harm import training

from reglab.deployment import Deployment
from reglab.errors import ConfigError, RunError
from reglab.experiments.experiment import Experiment
from reglab.jobs import worker as plain
from reglab.jobs.places import process
from reglab.runs import clock
from reglab.runs.owner import Visitor
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.ui.services.lab import Lab

pytestmark = [pytest.mark.usefixtures("workers_begin_sooner"), pytest.mark.skipif(os.name == "nt", reason="no limits")]
ANA, BEN = Visitor("a" * 32, "192.0.2.1"), Visitor("b" * 32, "192.0.2.2")
SEEDS = (0, 1)
FULL = 2_000  # bytes of a file, where the disk is full: a few lines fit, weights do not


def worker(root: str, *arguments) -> None:
    """The app's, with a snapshot after every epoch, and a disk that is full while there is a file of that name."""
    clock.SNAPSHOT_SECONDS = 0.0
    threading.Thread(target=_watch, args=(Path(root).parent / "full",), daemon=True).start()
    plain.worker(root, *arguments)


def _watch(full: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    while True:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL if full.exists() else most, most))
        time.sleep(0.005)


class Anything(RuleBasedStateMachine):
    """A shared lab on the internet, and what becomes of it."""

    runs = Bundle("runs")
    golden: dict[int, Run] = {}

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(self.folder / "runs")
        self.owners: dict[str, Visitor] = {}
        self.before: dict[str, str] = {}  # run -> its status at the last look; without those that were resumed since
        self.orphans: list = []  # processes of servers that are no more
        self.lab = self.server()

    def server(self) -> Lab:
        return Lab(Store(self.store.root), deployment=Deployment(kind="public", is_shared=True))

    def of(self, run: Run) -> Lab:
        return self.lab.seen_by(self.owners[run.id])

    # ---- what visitors do
    @rule(target=runs, visitor=st.sampled_from([ANA, BEN]), seed=st.sampled_from(SEEDS))
    def start(self, visitor, seed):
        try:
            [run] = self.lab.seen_by(visitor).training.start(Experiment.run(training.config(seed=seed)))
        except ConfigError as refused:
            assert "waiting" in str(refused) or "queue" in str(refused)
            return multiple()
        self.owners[run.id] = visitor
        return run

    @rule(run=runs)
    def step(self, run):
        """Until it has got on by an epoch, or ended."""
        reached, end = len(run.history()), time.monotonic() + 20
        while self.is_live(run) and len(run.history()) == reached:
            assert time.monotonic() < end, f"{run.id} does not get on"
            time.sleep(0.005)

    @rule(run=runs)
    def stop(self, run):
        with contextlib.suppress(RunError):  # it lies in the trash
            self.of(run).training.stop([self.of(run).stores.find(run.id)])

    @rule(run=runs)
    def resume(self, run):
        try:
            self.of(run).training.resume(self.of(run).stores.find(run.id))
        except (RunError, ConfigError) as refused:
            told = ("only a stopped", "There is no", "waiting", "queue is full")
            assert any(words in str(refused) for words in told), refused
        else:
            self.before.pop(run.id, None)

    @rule(run=runs)
    def delete(self, run):
        with contextlib.suppress(RunError):  # while it is trained, or where it was deleted before
            self.of(run).runs.delete(self.of(run).stores.find(run.id))

    @rule(run=runs)
    def undo(self, run):
        with contextlib.suppress(RunError):  # where it is not in the trash
            self.of(run).runs.restore(run.id)

    @rule(run=runs)
    def another_visitor_acts(self, run):
        lab = self.lab.seen_by(BEN if self.owners[run.id] is ANA else ANA)
        was_there = run.path.exists()
        for act in (
            lambda: lab.training.stop([run]),
            lambda: lab.training.resume(run),
            lambda: lab.runs.delete(run),
            lambda: lab.runs.rename(run, "mine"),
            lambda: lab.runs.restore(run.id),
        ):
            with pytest.raises(RunError):
                act()
        assert run.path.exists() == was_there and not run.given_name and run.id not in map(repr, lab.runs.deleted())

    # ---- what befalls the lab
    @rule()
    def kill_workers(self):
        for each in self.processes():
            with contextlib.suppress(ValueError, AttributeError):  # just beginning
                each.kill()
                each.join()

    @rule()
    def kill_server(self):
        """Its workers live on, its queue is forgotten; another one takes its place."""
        jobs = self.lab.training.jobs
        with jobs._lock:
            self.orphans, jobs._closed, jobs._queue = self.processes(), True, []
            jobs._places["cpu"].close()  # a process that waits hears of its end
        self.lab = self.server()

    @rule()
    def end_server(self):
        """As a host does it: what is trained stops, with a snapshot."""
        self.lab.close()
        self.lab = self.server()

    @rule()
    def fill_disk(self):
        (self.folder / "full").touch()

    @rule()
    def free_disk(self):
        (self.folder / "full").unlink(missing_ok=True)

    # ---- what holds all the while
    @invariant()
    def what_is_told_is_true(self):
        for run in self.store.runs():
            status, history = self.lab.training.views([run])[0].status, Run(run.path).history()
            assert [e.epoch for e in history] == [*range(len(history))]
            before = self.before.get(run.id, status)
            # What broke off may go on by itself: its worker has outlived the server, and was waiting for the device.
            assert before == status or before in ("queued", "running", "interrupted"), f"{before}, then {status}"
            self.before[run.id] = status
            if status == "finished":
                assert training.differences(run, self.left_alone(run)) == []
            if status == "failed":
                assert "disk is full" in run.summary()["reason"]

    @invariant()
    def nobody_trains_what_another_trains(self):
        held = [path for each in self.processes() for path in open_metrics(each.pid)]
        assert len(held) == len(set(held))

    def teardown(self):
        """In the end all runs are finished, whatever has happened to them."""
        try:
            self.free_disk()
            for visitor in (ANA, BEN):
                lab = self.lab.seen_by(visitor)
                for run in lab.runs.deleted():
                    lab.runs.restore(run.id)
            for run in self.store.runs():
                self.comes_to_its_end(run)
        finally:
            self.kill_workers()
            self.lab.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def comes_to_its_end(self, run):
        end = time.monotonic() + 60
        while (status := self.lab.training.views([run])[0].status) != "finished":
            assert time.monotonic() < end, f"{run.id} stays {status}"
            if status not in ("queued", "running"):
                with contextlib.suppress(ConfigError):
                    self.of(run).training.resume(run)
            time.sleep(0.01)
        assert training.differences(run, self.left_alone(run)) == []

    # ---- looking
    def is_live(self, run) -> bool:
        return run.path.exists() and self.lab.training.is_live([run])

    def processes(self) -> list:
        now = [job.worker.process for job in self.lab.training.jobs.running() if job.worker]
        return [each for each in (*now, *self.orphans) if each.pid and each.is_alive()]

    @classmethod
    def left_alone(cls, run: Run) -> Run:
        """The run of the same config to which nothing has happened."""
        seed = run.config.seed
        if seed not in cls.golden:
            cls.golden[seed], _ = training.golden(Path(tempfile.mkdtemp()), seed=seed)
        return cls.golden[seed]


def open_metrics(pid: int) -> set[str]:
    """The metrics that a process has open for writing; none where the system does not tell."""
    found = set()
    with contextlib.suppress(OSError):
        for handle in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{handle}"))
    return {path for path in found if path.endswith("metrics.jsonl")}


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.setattr(process, "worker", worker)
    for seed in SEEDS:
        Anything.golden.get(seed) or Anything.golden.update(
            {seed: training.golden(Path(tempfile.mkdtemp()), seed=seed)[0]}
        )
    yield


def happens(examples: int, steps: int) -> None:
    """The same ways in every run of the tests; `REGLAB_EXAMPLES` looks for new ones, for as long as one likes."""
    more = int(os.environ.get("REGLAB_EXAMPLES", 0))
    run_state_machine_as_test(
        Anything,
        settings=settings(
            max_examples=more or examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not more,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_happens_every_run_comes_to_its_bytes(workers):
    happens(4, 14)


@pytest.mark.slow
def test_whatever_happens_for_longer_every_run_comes_to_its_bytes(workers):
    happens(2, 25)
