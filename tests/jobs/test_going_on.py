"""Regularizers changed while it trains: the parent ends with its epoch, the fork takes its turn, and plain goes on beside it."""

from __future__ import annotations

import json
import threading
from contextvars import ContextVar, copy_context
from dataclasses import replace
from types import SimpleNamespace

import pytest
from test_queue import (
    ended,
    jobs_fixture,  # noqa: F401  (a fixture of this file)
    long,
    quick,
    submit,
    trains,
    wait_for,
    worker_of,
)

from reglab.deployment import LIMITS
from reglab.errors import ConfigError, DiskFull, RunError
from reglab.experiments.executors.queue import go_on
from reglab.experiments.experiment import Experiment
from reglab.jobs.job import Job
from reglab.jobs.queue import Jobs
from reglab.jobs.worker import work
from reglab.runs.owner import hashed
from reglab.runs.run import Run

pytestmark = pytest.mark.usefixtures("workers_begin_sooner")
DROPOUT = {"dropout": {"rate": 0.5}}


def change(jobs: Jobs, run: Run, beside: list[Run], owner: str = "", **config) -> Run:
    """The run goes on with dropout."""
    config = type(run.config).parse({**run.config.model_dump(), "regularizers": DROPOUT, **config})
    return go_on(run, config, beside, jobs, owner, jobs.store)


def test_it_goes_on_in_the_same_turn_from_the_end_of_the_epoch_and_plain_beside_it(jobs):
    plain, run = submit(jobs, [long(), long(regularizers={"l1": {}})], group="pair")
    [waits] = submit(jobs, [quick()])
    wait_for(lambda: trains(run))
    fork = change(jobs, run, [])
    assert jobs.status(fork) == "queued" and jobs.view(fork).place == 1 and fork.described["parent"] == run.id
    wait_for(lambda: fork.status() == "running" and len(fork.history()) > len(run.history()))
    epoch = fork.config.fork.epoch
    assert run.status() == "stopped" and run.history()[-1].epoch == epoch, "the parent ended with that epoch"
    assert fork.history()[: epoch + 1] == run.history(), "and the fork has its epochs"
    assert jobs.status(waits) == "queued", "whoever waited still waits"
    wait_for(lambda: plain.status() == "running" and worker_of(jobs, plain) == worker_of(jobs, fork))
    jobs.stop_all([plain, run, fork])
    wait_for(lambda: ended(jobs, plain) and ended(jobs, fork))
    assert not run.should_stop(), "the parent's folder is left as it was"
    wait_for(lambda: jobs.status(waits) == "finished")


def test_one_that_was_stopped_comes_to_the_end_of_its_epoch_first(jobs):
    plain, run = submit(jobs, [long(), long(regularizers={"l1": {}})], group="pair")
    wait_for(lambda: trains(run))
    jobs.stop_all([plain, run])
    wait_for(lambda: ended(jobs, plain) and ended(jobs, run))
    before = len(plain.history())
    fork = change(jobs, run, [plain])
    wait_for(lambda: fork.status() == "running" and len(fork.history()) > len(run.history()))
    wait_for(lambda: len(plain.history()) > before)
    assert run.history()[-1].epoch == fork.config.fork.epoch and run.status() == "stopped"
    jobs.stop_all([plain, fork])


def test_it_comes_to_the_bytes_of_a_fork_of_its_own(jobs, store):
    config = quick(epochs=300, width=0.125)
    [run] = submit(jobs, [config])
    wait_for(lambda: trains(run))
    fork = change(jobs, run, [])
    wait_for(lambda: len(fork.history()) > fork.config.fork.epoch + 2)
    jobs.stop(fork)
    wait_for(lambda: ended(jobs, fork))
    again = store.create(fork.config)
    work([again], stopped=lambda: len(again.history()) >= len(fork.history()))
    length = len((fork.path / "metrics.jsonl").read_bytes().splitlines()[:-1])
    first, second = ((each.path / "metrics.jsonl").read_bytes().splitlines() for each in (fork, again))
    assert first[:length] == second[:length]


def test_stop_before_the_parent_has_ended_stops_the_fork_as_well(jobs):
    [run] = submit(jobs, [long(train_size=300, batch_size=4, width=0.125)])
    wait_for(lambda: trains(run))
    fork = change(jobs, run, [])
    jobs.stop_all([run, fork])
    wait_for(lambda: ended(jobs, run) and ended(jobs, fork))
    assert fork.status() == "stopped" and not fork.history()
    jobs.resume([fork])
    wait_for(lambda: len(fork.history()) > fork.config.fork.epoch + 1)
    jobs.stop(fork)


def test_what_cannot_be_is_refused_and_nothing_is_made_or_stopped(jobs, store):
    [run] = submit(jobs, [long()])
    [waits] = submit(jobs, [quick(epochs=3)])
    wait_for(lambda: trains(run))
    for refused, words in (
        (lambda: change(jobs, run, [], lr=0.5), "nothing else"),
        (lambda: change(jobs, run, [], regularizers={"batch_norm": {}}), "other weights"),
        (lambda: change(jobs, run, [], regularizers={}), "nothing else"),
        (lambda: change(jobs, waits, []), "is queued: its regularizers can be changed"),
    ):
        with pytest.raises((ConfigError, RunError), match=words):
            refused()
    assert {each.id for each in store.runs()} == {run.id, waits.id} and not run.should_stop(10**6)
    jobs.stop_all([waits, run])


def test_in_its_last_epoch_there_is_nothing_left_to_change(store):
    run = store.create(quick(epochs=2))
    run.ask_to_stop(after=2)
    work([run])
    with pytest.raises(ConfigError, match="last epoch"):
        Experiment.change(run, quick(epochs=2, regularizers=DROPOUT))


def test_a_visitor_pays_for_what_is_left_of_the_fork(store, monkeypatch):
    jobs = Jobs(store, limits=LIMITS["public"])
    monkeypatch.setattr(jobs.admission, "seconds", lambda configs: [100.0] * len(configs))
    owner = f"10.0.0.1/{hashed('the key that ann has')}"
    try:
        [run] = submit(jobs, [quick(epochs=200, width=0.125)], owner)
        wait_for(lambda: trains(run))
        fork = change(jobs, run, [], owner)
        [whole, left] = [each for _, each in jobs.admission._had(owner)]
        assert whole == 100 and left == pytest.approx(100 * (1 - fork.config.fork.epoch / 200))
    finally:
        jobs.stop_all(store.runs())
        jobs.close(patience=10)


def test_the_hour_is_asked_for_what_is_left_of_the_fork_alone(store, monkeypatch):
    jobs = Jobs(store, limits=replace(LIMITS["public"], hour_minutes=997 / 60))
    monkeypatch.setattr(jobs.admission, "seconds", lambda configs: [500.0] * len(configs))
    owner = f"10.0.0.1/{hashed('the key that ann has')}"
    try:
        [run] = submit(jobs, [quick(epochs=200, width=0.125)], owner)
        wait_for(lambda: trains(run))
        assert change(jobs, run, [], owner).config.fork.epoch >= 2, "500 seconds more would be too much, 495 are not"
    finally:
        jobs.stop_all(store.runs())
        jobs.close(patience=10)


def test_it_leaves_at_an_epoch_that_is_still_to_end_however_long_it_was_checked(jobs, monkeypatch):
    [run] = submit(jobs, [long(width=0.125)])
    wait_for(lambda: trains(run))
    admit, seen = jobs.admit, []

    def slowly(*asked, **more):
        admit(*asked, **more)
        began = len(run.history())
        wait_for(lambda: len(run.history()) > began + 5)
        seen.append(run.history()[-1].epoch)

    monkeypatch.setattr(jobs, "admit", slowly)
    fork = change(jobs, run, [])
    assert fork.config.fork.epoch > seen[-1]
    wait_for(lambda: ended(jobs, run))
    assert run.history()[-1].epoch == fork.config.fork.epoch
    state = json.loads((run.path / "state.json").read_text())
    assert (state["epoch"], state["batch"]) == (fork.config.fork.epoch + 1, 0), "between two epochs"
    jobs.stop(fork)


# ---- without anybody who trains ------------------------------------------------------------------------------------
class Idle:
    """A place whose workers train nothing, and end when they are told to."""

    at_once = 1

    def __init__(self) -> None:
        self.go = threading.Event()
        self.whose: list[str] = []

    def worker(self, job: Job) -> SimpleNamespace:
        self.whose.append(job.context.run(ASKS.get))
        ended = threading.Event()

        def see_through() -> None:
            self.go.wait(60)
            self.go.clear()
            ended.set()

        return SimpleNamespace(
            see_through=see_through, ended=ended, is_stalled=False, asked_to_stop=lambda: None, halt=self.go.set
        )

    def close(self) -> None:
        """Nobody waits here."""


ASKS = ContextVar("asks", default="nobody")


@pytest.fixture
def idle(store):
    place = Idle()
    made = Jobs(store, {"cpu": place})
    yield made, place
    made.close(patience=0)
    wait_for(lambda: place.go.set() or not made.running())


def test_a_second_change_before_the_first_has_happened_is_refused_and_drops_nobody(idle):
    jobs, place = idle
    plain, run = submit(jobs, [long(), long(regularizers={"l1": {}})], group="pair")
    fork = change(jobs, run, [])
    [job] = jobs.running()
    assert job.next == [plain, fork]
    with pytest.raises(RunError, match="changed a moment ago"):
        change(jobs, run, [], regularizers={"dropout": {"rate": 0.1}})
    assert job.next == [plain, fork] and len(jobs.store.runs()) == 3
    place.go.set()
    wait_for(lambda: jobs.running() and job.runs == [plain, fork])


def test_the_request_of_the_change_says_who_asks_from_then_on(idle):
    jobs, place = idle
    [run] = submit(jobs, [long()])
    context = copy_context()
    context.run(ASKS.set, "a request of now")
    context.run(change, jobs, run, [])
    place.go.set()
    wait_for(lambda: len(place.whose) == 2)
    assert place.whose == ["nobody", "a request of now"]


def test_what_cannot_go_on_for_the_disk_is_full_says_so(idle, monkeypatch):
    jobs, place = idle
    [run] = submit(jobs, [long()])
    fork = change(jobs, run, [])

    def full(run: Run) -> None:
        raise DiskFull

    monkeypatch.setattr(Run, "reopen", full)
    place.go.set()
    wait_for(lambda: not jobs.running())
    assert fork.status() == "failed" and fork.summary()["reason"] == "The disk is full: free some space, then resume."
