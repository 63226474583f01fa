"""Several small jobs on one device at once: as many as its memory holds, each as if it were alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
import torch
from conftest import tiny_config
from filelock import FileLock
from test_queue import ended, submit, trains, wait_for, worker_of
from test_queue import quick as wide

from reglab import machine
from reglab.deployment import GIB
from reglab.jobs.bounds import UNBOUNDED, Bounds
from reglab.jobs.job import Job
from reglab.jobs.packing import AT_ONCE, as_one, together
from reglab.jobs.queue import Jobs
from reglab.jobs.worker import work
from reglab.regularizers import Regularizer
from reglab.runs.cost import cost_of, pictures
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Epoch, Finished

pytestmark = pytest.mark.usefixtures("workers_begin_sooner")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
REPRODUCIBLE = ("metrics.jsonl", "model.safetensors", "last.safetensors", "state.json")


def quick(**changes):
    return wide(width=0.125, **changes)


def long(**changes):
    """Trains until it is stopped."""
    return quick(epochs=1000, **changes)


def job(memory: int, number: int = 1, runs: int = 1, owner: str = "", **more) -> Job:
    settings = {"device": "cuda", "prune": False, "bounds": UNBOUNDED, **more}
    return Job(
        [Run(f"{number}-{i}") for i in range(runs)], owner=owner, number=number, batch=0, memory=memory, **settings
    )


# ---- which -------------------------------------------------------------------------------------------------------
def test_as_many_are_trained_at_once_as_the_memory_holds_and_who_does_not_fit_keeps_nobody_back():
    jobs = [job(30, 1), job(40, 2), job(50, 3), job(15, 4, runs=2), job(1, 5)]
    assert together(jobs, free=100) == [jobs[0], jobs[1], jobs[3], jobs[4]], "of 100 bytes a tenth is left to others"
    assert as_one([jobs[0], jobs[3]]).runs == [*jobs[0].runs, *jobs[3].runs]
    assert together(jobs, free=0) == jobs[:1] == [as_one(jobs[:1])]
    assert together([job(200, 1), *jobs], free=100)[0].memory == 200, "the first has its turn, whatever it takes"


def test_no_more_are_trained_at_once_than_there_are_streams():
    jobs = [job(1, number, runs=3) for number in range(20)]
    assert sum(len(each.runs) for each in together(jobs, free=10**6)) == 3 * (AT_ONCE // 3)


@pytest.mark.parametrize(
    "other",
    [
        {"memory": 0},
        {"device": "cpu"},
        {"prune": True},
        {"bounds": Bounds(seconds=60)},
    ],
)
def test_what_takes_an_unknown_part_or_is_trained_in_another_way_waits(other):
    first, last = job(10, 1), job(10, 3)
    assert together([first, job(**{"memory": 10, "number": 2, **other}), last], free=100) == [first, last]
    assert together([job(0), last], free=100) == [job(0)]


def test_a_class_shares_the_device_and_strangers_whose_memory_is_bounded_do_not():
    ann, ben = (job(10, number, owner=owner) for number, owner in enumerate(("ann", "ben")))
    assert together([ann, ben], free=100) == [ann, ben]
    ann, ben = (job(10, number, owner=owner, bounds=Bounds(memory=GIB)) for number, owner in enumerate(("ann", "ben")))
    assert together([ann, ben], free=100) == [ann]


# ---- in the queue ------------------------------------------------------------------------------------------------
@pytest.fixture
def jobs(store) -> Iterator[Jobs]:
    """A queue that takes the CPU for a device with a memory of its own."""
    jobs = Jobs(store)
    jobs.lookout._machine = {**jobs.machine(timeout=60), "device": "cpu", "memory": 64 * GIB}
    yield jobs
    jobs.stop_all(store.runs())
    jobs.close(patience=10)


def submit_each(jobs: Jobs, configs, owner: str = "") -> list[Run]:
    runs = [jobs.store.create(config) for config in configs]
    jobs.submit_each(runs, owner=owner)
    return runs


def test_the_runs_of_a_sweep_are_trained_at_once_and_come_to_the_bytes_of_each_alone(jobs, tmp_path):
    configs = [quick(epochs=2, seed=seed, regularizers={"dropout": {}, "flip_crop": {}}) for seed in range(2)]
    configs.append(quick(optimizer="sgd", lr=1e6))
    runs = submit_each(jobs, configs)
    assert jobs.counts() == (3, 0) and {jobs.status(run) for run in runs} == {"running"}
    assert len({id(job.worker) for job in jobs.running()}) == 1
    wait_for(lambda: all(ended(jobs, run) for run in runs))
    assert [run.status() for run in runs] == ["finished"] * 2 + ["failed"], (
        "what goes wrong with one leaves the others alone"
    )
    for config, run in zip(configs[:2], runs, strict=False):
        alone = Store(tmp_path / "alone").create(config)
        work([alone])
        for file in REPRODUCIBLE:
            assert (alone.path / file).read_bytes() == (run.path / file).read_bytes(), file


def test_each_is_stopped_and_goes_on_without_the_others_and_the_next_turn_is_anothers(jobs):
    jobs.store.root.mkdir(parents=True)
    with FileLock(jobs.store.root / ".cpu.lock"):
        one, two, three = submit_each(jobs, [long(), long(seed=1), quick(epochs=2)], owner="ann")
        [later] = submit(jobs, [quick()], owner="ben")
        assert jobs.counts() == (3, 1) and jobs.place(later) == 1, "who comes later waits"
    wait_for(lambda: trains(one) and trains(two) and three.status() == "finished")
    process = worker_of(jobs, one)
    jobs.stop(one)
    wait_for(lambda: one.status() == "stopped")
    epochs = len(two.history())
    wait_for(lambda: len(two.history()) > epochs)
    assert (
        worker_of(jobs, two) == process
        and not next(job for job in jobs.running() if two in job.runs).worker._asked_to_stop
    )
    jobs.stop(two)
    wait_for(lambda: later.status() == "finished")
    jobs.resume([one])
    wait_for(lambda: one.status() == "running")


def test_one_that_is_changed_goes_on_when_those_beside_it_have_ended(jobs):
    from reglab.experiments.executors.queue import go_on

    run, beside = submit_each(jobs, [long(), long(seed=1)])
    wait_for(lambda: trains(run) and trains(beside))
    fork = go_on(run, run.config.override({"dropout.rate": 0.5}), [], jobs, "", jobs.store)
    wait_for(lambda: run.status() == "stopped")
    assert jobs.status(fork) == "queued" and jobs.place(fork) == 1
    jobs.stop(beside)
    wait_for(lambda: fork.status() == "running" and jobs.counts() == (1, 0))


def test_on_a_device_without_a_memory_of_its_own_one_follows_another(store):
    jobs = Jobs(store)
    try:
        assert bool(jobs.machine(timeout=60)["memory"]) == torch.cuda.is_available()
        runs = submit_each(jobs, [quick(device="cpu", seed=seed) for seed in range(2)])
        assert jobs.counts() == (1, 1)
        wait_for(lambda: all(run.status() == "finished" for run in runs))
    finally:
        jobs.close(patience=10)


# ---- memory ------------------------------------------------------------------------------------------------------
def test_what_a_run_takes_is_what_the_last_of_its_kind_took_else_an_estimate(jobs, monkeypatch):
    config = quick(epochs=8)
    larger = config.model_copy(update={"train_size": 900})
    [estimated] = jobs.admission.memory([config])
    assert estimated > 650 * 2**20
    monkeypatch.setattr(machine, "memory_taken", lambda device: 2 * GIB)  # of both
    runs = [jobs.store.create(each) for each in (config, config.model_copy(update={"seed": 1}))]
    work(runs)
    assert [run.last_timing()["memory"] for run in runs] == [GIB, GIB]
    assert cost_of(runs[0], runs[0].summary()).memory_of(config) == GIB
    more = pictures(900, larger) - pictures(60, config)
    assert jobs.admission.memory([config, larger, larger.override({"model": "vgg11"})]) == [
        GIB, GIB + more, pytest.approx(700 * 2**20, rel=0.5)
    ]  # fmt: skip


@pytest.fixture
def crowded(technique) -> type[Regularizer]:
    """A technique that finds no memory where there is another."""

    class Crowded(Regularizer):
        title, group = "Crowded", "Structure"
        room: ClassVar[bool] = False

        def augment(self, images, rng):
            if not Crowded.room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
            return images

    technique(Crowded)
    return Crowded


def test_one_that_lacks_memory_beside_others_goes_on_when_one_has_ended(crowded, store, tmp_path):
    other, hungry = (
        tiny_config(width=0.125, train_size=60),
        tiny_config(width=0.125, train_size=60, regularizers={"crowded": {}}, seed=1),
    )
    runs = [store.create(config) for config in (other, hungry)]
    said = []

    def listen(run, event):
        crowded.room = crowded.room or isinstance(event, Finished)
        if isinstance(event, (Epoch, Finished)):
            said.append((run.id, event.name))

    work(runs, listen)
    assert [run.status() for run in runs] == ["finished", "finished"]
    mine = [name for run, name in said if run == runs[1].id]
    assert mine == ["epoch", *["epoch"] * 4, "finished"], "it began anew, for nothing but epoch 0 had been there"
    alone = Store(tmp_path / "alone").create(hungry)
    work([alone])
    for file in REPRODUCIBLE:
        assert (alone.path / file).read_bytes() == (runs[1].path / file).read_bytes()


def test_one_that_lacks_memory_alone_says_so(crowded, store):
    runs = [
        store.create(tiny_config(width=0.125, train_size=60, regularizers={"crowded": {}}, seed=seed))
        for seed in range(2)
    ]
    work(runs)
    assert [run.status() for run in runs] == ["failed", "failed"]
    assert all(run.summary()["reason"].startswith("Out of memory: use a smaller batch size") for run in runs)


# ---- on a GPU ----------------------------------------------------------------------------------------------------
@needs_cuda
def test_on_cuda_runs_at_once_tell_the_story_of_each_alone(store, tmp_path):
    configs = [
        tiny_config(
            device="cuda", precision="auto", seed=seed, regularizers={"batch_norm": {}, "dropout": {}, "flip_crop": {}}
        )
        for seed in range(4)
    ]
    runs = [store.create(config) for config in configs]
    work(runs)
    for config, run in zip(configs, runs, strict=True):
        alone = Store(tmp_path / "alone").create(config)
        work([alone])
        assert run.status() == "finished" and run.last_timing()["memory"] > 0
        assert (alone.path / "metrics.jsonl").read_bytes() == (run.path / "metrics.jsonl").read_bytes()
        assert run.weights().keys() == alone.weights().keys()
        assert all(torch.equal(mine, alone.weights()[name]) for name, mine in run.weights().items())


@needs_cuda
def test_on_cuda_what_one_run_took_is_not_counted_for_the_next(store):
    runs = [store.create(tiny_config(device="cuda", train_size=60, seed=seed)) for seed in range(3)]
    for run in runs:
        work([run])
    first, *others = (run.last_timing()["memory"] for run in runs)
    assert max(others) < 1.5 * first


@needs_cuda
def test_on_cuda_one_that_lacks_memory_leaves_the_others_alone(store):
    fits = tiny_config(device="cuda", train_size=60)
    huge = tiny_config(device="cuda", train_size=900, batch_size=900, model="vgg11", width=4)
    runs = [store.create(config) for config in (fits, huge, fits.model_copy(update={"seed": 1}))]
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((1.5 * GIB) / whole)
    try:
        work(runs)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert [run.status() for run in runs] == ["finished", "failed", "finished"]
    assert runs[1].summary()["reason"].startswith("Out of memory")


@needs_cuda
def test_a_lane_on_cuda_is_a_stream_of_its_own():
    lanes = [machine.lane(torch.device("cuda")) for _ in range(2)]
    streams = []
    for lane in (*lanes, *lanes):
        with lane:
            streams.append(torch.cuda.current_stream())
    assert streams[:2] == streams[2:] and streams[0] != streams[1] != torch.cuda.default_stream()
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
