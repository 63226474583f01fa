"""Who trains when: real worker processes, one job at a time, stopped, killed and taken up again."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest
import torch
from conftest import tiny_config
from filelock import FileLock
from servers import is_gone

from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.jobs.bounds import UNBOUNDED
from reglab.jobs.processes import process_context
from reglab.jobs.queue import Jobs
from reglab.jobs.worker import work, worker
from reglab.runs.run import Run
from reglab.runs.store import Store

pytestmark = pytest.mark.usefixtures("workers_begin_sooner")
ENDED = {"finished", "stopped", "failed", "interrupted"}


def quick(**changes):
    return tiny_config(**{"train_size": 60, "val_size": 60, "epochs": 1, **changes})


def long(**changes):
    """Trains until it is stopped."""
    return quick(epochs=1000, **changes)


@pytest.fixture(name="jobs")
def jobs_fixture(store):
    jobs = Jobs(store)
    yield jobs
    jobs.stop_all(store.runs())
    jobs.close(patience=10)


def wait_for(condition, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def trains(run: Run) -> bool:
    return len(run.history()) >= 2


def ended(jobs: Jobs, run: Run) -> bool:
    return jobs.status(run) in ENDED


def submit(jobs: Jobs, configs: list[RunConfig], owner: str = "", group: str = "") -> list[Run]:
    """New runs as one job; none is made where the queue refuses."""
    jobs.admit(owner)
    runs = [jobs.store.create(config, group=group) for config in configs]
    jobs.submit(runs, owner=owner)
    return runs


def worker_of(jobs: Jobs, run: Run) -> int:
    return next(job.worker.process.pid for job in jobs.running() if run in job.runs)


def epochs_and_end(run: Run) -> tuple[list[int], str]:
    return [e.epoch for e in run.history()], run.status()


# ---- the queue ---------------------------------------------------------------------------------------------------
def began_after(later: Run, earlier: Run) -> bool:
    """Whether the one was taken up after the other was sealed, which their folders tell."""
    taken, sealed = later.path / ".lock", earlier.path / "manifest.json"
    return taken.stat().st_mtime_ns >= sealed.stat().st_mtime_ns


def test_jobs_train_one_after_the_other_and_one_that_fails_says_so(jobs):
    (first,) = submit(jobs, [quick(epochs=3)])
    (bad,) = submit(jobs, [quick(optimizer="sgd", lr=1e6)])
    (last,) = submit(jobs, [quick(epochs=3, seed=1)])
    assert [jobs.status(run) for run in (bad, last)] == ["queued", "queued"]
    assert [jobs.place(run) for run in (first, bad, last)] == [None, 1, 2]
    wait_for(lambda: ended(jobs, last))
    assert began_after(bad, first) and began_after(last, bad)
    assert epochs_and_end(first) == epochs_and_end(last) == ([0, 1, 2, 3], "finished")
    assert bad.status() == "failed" and "Diverged" in bad.summary()["reason"]


@pytest.fixture
def threads():
    """Training in this process takes as many threads as a worker does; tests that follow have theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_runs_of_one_job_are_trained_side_by_side_and_as_each_alone(jobs, tmp_path, threads):
    configs = [quick(epochs=3), quick(epochs=3, seed=1)]
    pair = submit(jobs, configs, group="pair")
    wait_for(lambda: all(ended(jobs, run) for run in pair))
    for config, run in zip(configs, pair, strict=True):
        alone = Store(tmp_path / "alone").create(config)
        work([alone])
        for file in ("metrics.jsonl", "model.safetensors"):
            assert (alone.path / file).read_bytes() == (run.path / file).read_bytes()


@pytest.fixture
def taken(store):
    """The device is taken: whatever is queued waits, and nothing is trained."""
    store.root.mkdir(parents=True)
    with FileLock(store.root / ".cpu.lock"):
        yield


def test_a_sweep_that_several_ask_for_at_once_is_queued_once(jobs, store, taken):
    runs = [store.create(quick(seed=seed)) for seed in range(6)]
    with ThreadPoolExecutor(4) as visitors:
        list(visitors.map(lambda owner: jobs.submit_each(runs, owner=owner), "abcd"))
    assert jobs.counts() == (1, 5)
    assert sorted(run.id for job in (*jobs.running(), *jobs.order()) for run in job.runs) == sorted(
        run.id for run in runs
    )
    jobs.submit_each([*runs, *runs], owner="e")
    assert jobs.counts() == (1, 5)
    jobs.stop_all(runs)


def test_the_queue_tells_of_all_runs_at_once_what_it_tells_of_each(jobs, store, taken):
    runs = [store.create(quick(seed=seed)) for seed in range(5)]
    jobs.submit_each(runs)
    told = jobs.snapshot()
    assert jobs.snapshot() is told, "while nothing changes"
    assert [jobs.place(run) for run in runs] == [told.places.get(run.id) for run in runs] == [None, 1, 2, 3, 4]
    assert [jobs.status(run) for run in runs] == ["running"] + 4 * ["queued"]
    assert [jobs.view(run).place for run in runs] == [None, 1, 2, 3, 4]
    jobs.stop(runs[1])
    assert [jobs.place(run) for run in runs] == [None, None, 1, 2, 3] and jobs.status(runs[1]) == "stopped"
    jobs.stop_all(runs)


def test_the_queue_takes_turns_between_visitors(jobs):
    """A has three jobs before B and C come; they need not wait for all of them."""
    (running,) = submit(jobs, [long()], owner="a")
    waiting = [submit(jobs, [quick(seed=i)], owner=owner)[0] for i, owner in enumerate("aaabc")]
    places = [jobs.place(run) for run in waiting]
    assert places == [3, 4, 5, 1, 2]
    assert [job.runs[0] for job in jobs.order()] == [waiting[i] for i in (3, 4, 0, 1, 2)]
    for run in waiting:
        jobs.stop(run)
    assert jobs.order() == [] and {run.status() for run in waiting} == {"stopped"}
    assert jobs.status(running) == "running"


def test_a_full_queue_is_refused_in_words_and_makes_no_folder(jobs, store):
    jobs.limits = replace(jobs.limits, waiting=4)
    submit(jobs, [long()], owner="a")
    for _ in range(jobs.limits.waiting_each):
        submit(jobs, [quick()], owner="a")
    before = len(store.runs())
    with pytest.raises(ConfigError, match="You have 3 jobs waiting already"):
        submit(jobs, [quick()], owner="a")
    submit(jobs, [quick()], owner="b")
    with pytest.raises(ConfigError, match="The queue is full with 4 jobs"):
        submit(jobs, [quick()], owner="c")
    assert len(store.runs()) == before + 1


# ---- stop, resume ------------------------------------------------------------------------------------------------
def test_a_running_job_stops_and_can_be_resumed(jobs):
    (run,) = submit(jobs, [long()])
    wait_for(lambda: trains(run))
    jobs.stop(run)
    wait_for(lambda: run.lines()[0][-1]["event"] == "stopped", 10)
    wait_for(lambda: ended(jobs, run))
    assert run.status() == "stopped" and not run.should_stop()
    assert (run.path / "last.safetensors").exists() and run.weights()
    before = len(run.history())

    jobs.resume([run])
    wait_for(lambda: len(run.history()) > before + 1)
    assert jobs.status(run) == "running"
    assert [e.epoch for e in run.history()] == list(range(len(run.history())))


def test_stopping_right_after_starting_is_not_lost(jobs):
    (run,) = submit(jobs, [long()])
    jobs.stop(run)
    wait_for(lambda: ended(jobs, run), 15)
    assert run.status() == "stopped"


def test_one_of_two_runs_of_a_job_can_be_stopped(jobs):
    stays, goes = submit(jobs, [long(), long(seed=1)])
    wait_for(lambda: trains(stays) and trains(goes))
    jobs.stop(goes)
    wait_for(lambda: goes.lines()[0][-1]["event"] == "stopped", 10)
    epochs = len(stays.history())
    wait_for(lambda: len(stays.history()) > epochs)
    assert stays.status() == "running"


def test_only_what_has_stopped_can_be_resumed(jobs):
    (run,) = submit(jobs, [quick()])
    with pytest.raises(RunError, match=r"is (running|queued)"):
        jobs.resume([run])
    wait_for(lambda: ended(jobs, run))
    with pytest.raises(RunError, match="is finished"):
        jobs.resume([run])


# ---- crashes -----------------------------------------------------------------------------------------------------
def test_a_killed_worker_leaves_an_interrupted_run_and_the_next_one_starts(jobs):
    (killed,) = submit(jobs, [long()])
    (following,) = submit(jobs, [quick()])
    wait_for(lambda: trains(killed))
    os.kill(worker_of(jobs, killed), signal.SIGKILL)
    wait_for(lambda: jobs.status(killed) == "interrupted", 10)
    wait_for(lambda: ended(jobs, following))
    assert following.status() == "finished"
    jobs.resume([killed])
    wait_for(lambda: jobs.status(killed) == "running" and trains(killed))


def test_a_new_server_sees_a_running_run_and_can_stop_it(jobs, store):
    """What the new server knows it reads off the folder."""
    (run,) = submit(jobs, [long()])
    wait_for(lambda: trains(run))
    restarted = Jobs(Store(store.root))
    same = restarted.store.open(run.id)
    assert restarted.status(same) == "running" and restarted.place(run) is None
    with pytest.raises(RunError, match="is running"):
        restarted.resume([same])
    with pytest.raises(RunError, match="being trained"):
        same.delete()
    restarted.stop(run)
    wait_for(lambda: same.status() == "stopped", 10)
    restarted.close()


def test_a_new_server_waits_for_the_worker_of_the_old_one(jobs, store):
    (run,) = submit(jobs, [long()])
    wait_for(lambda: trains(run))
    restarted = Jobs(Store(store.root))
    (second,) = submit(restarted, [quick()])
    wait_for(lambda: restarted.running()[0].worker.begun.is_set())
    assert run.is_locked() and not second.is_locked()
    jobs.stop(run)
    wait_for(lambda: ended(restarted, second))
    assert second.status() == "finished" and began_after(second, run)
    restarted.close()


def test_closing_the_server_stops_its_runs_with_their_snapshots(jobs):
    (run,) = submit(jobs, [long()])
    wait_for(lambda: trains(run))
    pid = worker_of(jobs, run)
    jobs.close(patience=10)
    assert run.status() == "stopped" and run.resume() is not None
    wait_for(lambda: is_gone(pid), 5)
    with pytest.raises(RunError, match="shutting down"):
        submit(jobs, [quick()])


@pytest.mark.parametrize("taken_up", [False, True])
def test_what_takes_long_before_the_first_step_is_broken_off_at_once_and_the_run_comes_to_the_same_bytes(
    jobs, tmp_path, monkeypatch, threads, taken_up
):
    """As the import of timm does, a large data set, or the features of pictures: none of them knows of being stopped."""
    run = jobs.store.create(quick(epochs=3))
    if taken_up:
        asked = iter([False] * 9)
        work([run], stopped=lambda: next(asked, True))
        run = Run(run.path)
        assert run.status() == "stopped" and run.history()
        run.reopen()
    started = run.path.parent / "started"
    process = process_context().Process(target=worker_that_loads_for_a_minute, args=(str(started), run))
    process.start()
    wait_for(started.exists)
    began = time.monotonic()
    process.terminate()
    process.join(30)
    assert time.monotonic() - began < 2.5 and process.exitcode == 0
    assert run.status() == "stopped" and not run.view().was_pruned
    jobs.resume([run])
    wait_for(lambda: ended(jobs, run))
    alone = Store(tmp_path / "alone").create(run.config)
    work([alone])
    for file in ("metrics.jsonl", "model.safetensors"):
        assert (alone.path / file).read_bytes() == (run.path / file).read_bytes()


def worker_that_loads_for_a_minute(started: str, run: Run) -> None:
    from reglab import data

    def load(*_, **__):
        Path(started).touch()
        time.sleep(60)

    data.load = load
    ours, theirs = Pipe()
    ours.send(([run.id], False))
    worker(str(run.path.parent), "cpu", UNBOUNDED, theirs, idle=60.0)


def test_closing_the_server_reaches_a_worker_that_is_just_starting(jobs):
    (run,) = submit(jobs, [long()])
    jobs.close(patience=60)
    wait_for(lambda: not jobs.running())
    assert not run.is_locked() and jobs.status(run) in ("stopped", "interrupted")


# ---- the machine -------------------------------------------------------------------------------------------------
def test_the_machine_is_looked_at_in_another_process(jobs):
    assert jobs.machine() == {}
    jobs.warm()
    seen = jobs.machine(timeout=60)
    assert seen["device"] in ("cpu", "cuda") and seen["threads"] >= 1 and seen["name"]
