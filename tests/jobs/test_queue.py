"""Who trains when: real worker processes, one job at a time, stopped, killed and taken up again."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import torch
from conftest import tiny_config

from reglab.errors import ConfigError, RunError
from reglab.jobs import failures
from reglab.jobs import queue as working
from reglab.jobs.isolation import IsolatedProcess
from reglab.jobs.processes import process_context
from reglab.jobs.queue import Jobs
from reglab.runs.run import Run
from reglab.runs.store import Store

ENDED = {"finished", "stopped", "failed", "interrupted"}


def quick(**changes):
    return tiny_config(**{"train_size": 60, "val_size": 60, "epochs": 1, **changes})


def long(**changes):
    """Trains until it is stopped."""
    return quick(epochs=1000, **changes)


@pytest.fixture
def jobs(store):
    jobs = Jobs(store)
    yield jobs
    for run in store.runs():
        run.ask_to_stop()
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


def worker_of(jobs: Jobs, run: Run) -> int:
    return next(job.process.pid for job in jobs._running.values() if run.id in job.ids)


def epochs_and_end(run: Run) -> tuple[list[int], str]:
    return [e.epoch for e in run.history()], run.status()


# ---- the queue ---------------------------------------------------------------------------------------------------
def test_two_jobs_train_one_after_the_other(jobs):
    first, second = (jobs.submit([quick(epochs=3, seed=seed)])[0] for seed in (0, 1))
    assert jobs.status(second) == "queued" and jobs.place(second.id) == 1 and jobs.place(first.id) is None
    together = 0
    while not ended(jobs, second):
        together += first.is_locked() and second.is_locked()
        time.sleep(0.02)
    assert together == 0
    assert epochs_and_end(first) == epochs_and_end(second) == ([0, 1, 2, 3], "finished")


def test_the_runs_of_one_job_are_trained_side_by_side_and_as_each_alone(jobs, tmp_path):
    configs = [quick(epochs=3), quick(epochs=3, seed=1)]
    pair = jobs.submit(configs, group="pair")
    wait_for(lambda: all(ended(jobs, run) for run in pair))
    alone = Jobs(Store(tmp_path / "alone"))
    for config, run in zip(configs, pair, strict=True):
        (single,) = alone.submit([config])
        wait_for(lambda single=single: ended(alone, single))
        for file in ("metrics.jsonl", "model.safetensors"):
            assert (single.path / file).read_bytes() == (run.path / file).read_bytes()
    alone.close()


def test_the_queue_takes_turns_between_visitors(jobs):
    """A has three jobs before B and C come; they need not wait for all of them."""
    (running,) = jobs.submit([long()], owner="a")
    waiting = [jobs.submit([quick(seed=i)], owner=owner)[0] for i, owner in enumerate("aaabc")]
    places = [jobs.place(run.id) for run in waiting]
    assert places == [3, 4, 5, 1, 2]
    assert [job.ids[0] for job in jobs.order()] == [waiting[i].id for i in (3, 4, 0, 1, 2)]
    for run in waiting:
        jobs.stop(run.id)
    assert jobs.order() == [] and {run.status() for run in waiting} == {"stopped"}
    assert jobs.status(running) == "running"


def test_a_full_queue_is_refused_in_words_and_makes_no_folder(jobs, store, monkeypatch):
    monkeypatch.setattr(working, "WAITING", 4)
    jobs.submit([long()], owner="a")
    for _ in range(working.WAITING_PER_OWNER):
        jobs.submit([quick()], owner="a")
    before = len(store.runs())
    with pytest.raises(ConfigError, match="You have 3 jobs waiting already"):
        jobs.submit([quick()], owner="a")
    jobs.submit([quick()], owner="b")
    with pytest.raises(ConfigError, match="The queue is full with 4 jobs"):
        jobs.submit([quick()], owner="c")
    assert len(store.runs()) == before + 1


# ---- stop, resume ------------------------------------------------------------------------------------------------
def test_a_running_job_stops_within_two_seconds_and_can_be_resumed(jobs):
    (run,) = jobs.submit([long()])
    wait_for(lambda: trains(run))
    began = time.monotonic()
    jobs.stop(run.id)
    wait_for(lambda: run.lines()[0][-1]["event"] == "stopped", 10)
    assert time.monotonic() - began <= 2.0
    wait_for(lambda: ended(jobs, run))
    assert run.status() == "stopped" and not run.should_stop()
    assert (run.path / "last.safetensors").exists() and run.weights()
    before = len(run.history())

    jobs.resume([run])
    wait_for(lambda: len(run.history()) > before + 1)
    assert jobs.status(run) == "running"
    assert [e.epoch for e in run.history()] == list(range(len(run.history())))


def test_stopping_right_after_starting_is_not_lost(jobs):
    (run,) = jobs.submit([long()])
    jobs.stop(run.id)
    wait_for(lambda: ended(jobs, run), 15)
    assert run.status() == "stopped"


def test_one_of_two_runs_of_a_job_can_be_stopped(jobs):
    stays, goes = jobs.submit([long(), long(seed=1)])
    wait_for(lambda: trains(stays) and trains(goes))
    jobs.stop(goes.id)
    wait_for(lambda: goes.lines()[0][-1]["event"] == "stopped", 10)
    epochs = len(stays.history())
    wait_for(lambda: len(stays.history()) > epochs)
    assert stays.status() == "running"


def test_only_what_has_stopped_can_be_resumed(jobs):
    (run,) = jobs.submit([quick()])
    with pytest.raises(RunError, match=r"is (running|queued)"):
        jobs.resume([run])
    wait_for(lambda: ended(jobs, run))
    with pytest.raises(RunError, match="is finished"):
        jobs.resume([run])


def test_a_job_that_fails_says_so_and_the_next_one_starts(jobs):
    (bad,) = jobs.submit([quick(optimizer="sgd", lr=1e6)])
    (good,) = jobs.submit([quick()])
    wait_for(lambda: ended(jobs, good))
    assert bad.status() == "failed" and "Diverged" in bad.summary()["reason"]
    assert good.status() == "finished"


REFUSALS = [
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    OSError(12, "Cannot allocate memory"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["python", "gpu", "cpu", "system"])
def test_too_little_memory_is_nobodys_fault_and_has_a_way_out(refusal):
    assert failures.in_words(refusal).startswith("Out of memory: use a smaller batch size")
    assert "fault of this program" in failures.in_words(RuntimeError("size mismatch"))
    assert failures.in_words(ConfigError("out of memory.png is no picture.")) == "out of memory.png is no picture."


# ---- crashes -----------------------------------------------------------------------------------------------------
def test_a_killed_worker_leaves_an_interrupted_run_and_the_next_one_starts(jobs):
    (killed,) = jobs.submit([long()])
    (following,) = jobs.submit([quick()])
    wait_for(lambda: trains(killed))
    os.kill(worker_of(jobs, killed), signal.SIGKILL)
    wait_for(lambda: jobs.status(killed) == "interrupted", 10)
    wait_for(lambda: ended(jobs, following))
    assert following.status() == "finished"
    jobs.resume([killed])
    wait_for(lambda: jobs.status(killed) == "running" and trains(killed))


def test_a_new_server_sees_a_running_run_and_can_stop_it(jobs, store):
    """What the new server knows it reads off the folder."""
    (run,) = jobs.submit([long()])
    wait_for(lambda: trains(run))
    restarted = Jobs(Store(store.root))
    same = restarted.store.open(run.id)
    assert restarted.status(same) == "running" and restarted.place(run.id) is None
    with pytest.raises(RunError, match="is running"):
        restarted.resume([same])
    with pytest.raises(RunError, match="being trained"):
        same.delete()
    began = time.monotonic()
    restarted.stop(run.id)
    wait_for(lambda: same.status() == "stopped", 10)
    assert time.monotonic() - began <= 3
    restarted.close()


def test_a_new_server_waits_for_the_worker_of_the_old_one(jobs, store):
    (run,) = jobs.submit([long()])
    wait_for(lambda: trains(run))
    restarted = Jobs(Store(store.root))
    (second,) = restarted.submit([quick()])
    time.sleep(1.5)
    assert run.is_locked() and not second.is_locked()
    jobs.stop(run.id)
    wait_for(lambda: ended(restarted, second))
    assert second.status() == "finished"
    restarted.close()


def test_closing_the_server_stops_its_runs_with_their_snapshots(jobs):
    (run,) = jobs.submit([long()])
    wait_for(lambda: trains(run))
    pid = worker_of(jobs, run)
    jobs.close(patience=10)
    assert run.status() == "stopped" and run.resume() is not None
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 5)
    with pytest.raises(RunError, match="shutting down"):
        jobs.submit([quick()])


# ---- calls in a process of their own -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def apart():
    apart = IsolatedProcess()
    yield apart
    apart.close()


def test_a_function_is_called_in_another_process(apart):
    assert apart.call(os.getpid) not in (os.getpid(), None)
    assert apart.call(os.getpid) == apart.call(os.getpid)


def test_what_the_function_raises_is_raised_here(apart):
    with pytest.raises(FileNotFoundError):
        apart.call(os.stat, "/no/such/file")
    assert apart.call(abs, -3) == 3


DEATHS = {"exit": (os._exit, 3), "kill": (signal.raise_signal, signal.SIGKILL), "abort": (os.abort,)}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_the_death_of_the_other_process_is_heard_of_and_survived(apart, death):
    with pytest.raises(RunError, match="broken off"):
        apart.call(*death)
    assert apart.call(abs, -3) == 3


def test_a_call_that_takes_too_long_is_broken_off(apart):
    apart.call(abs, 1)
    pid = apart.call(os.getpid)
    began = time.monotonic()
    with pytest.raises(RunError, match="too long"):
        apart.call(time.sleep, 60, timeout=0.5)
    assert time.monotonic() - began < 3
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 5)
    assert apart.call(abs, -3) == 3


TOO_MUCH = {"python": (bytearray, 1 << 60), "torch": (torch.empty, 1 << 45)}  # more than any machine has


@pytest.mark.parametrize("hunger", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_call_that_needs_too_much_memory_is_refused_and_its_process_lives(apart, hunger):
    pid = apart.call(os.getpid)
    with pytest.raises(RunError, match="too much memory"):
        apart.call(*hunger)
    assert apart.call(os.getpid) == pid


def test_a_call_that_needs_more_memory_than_it_may_have_is_broken_off():
    bounded = IsolatedProcess(memory=1 << 31)
    with pytest.raises(RunError, match="too much memory"):
        bounded.call(bytearray, 1 << 33)
    assert bounded.call(len, b"abc") == 3
    bounded.close()


def test_those_who_wait_hear_of_it_when_everything_is_closed(apart):
    apart.call(abs, 1)
    begun = threading.Semaphore(0)

    def wait() -> None:
        begun.release()
        apart.call(time.sleep, 60)

    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(wait) for _ in range(4)]
        for _ in calls:
            assert begun.acquire(timeout=10)
        time.sleep(0.5)  # from there into the queue
        apart.close()
        for call in calls:
            with pytest.raises(RunError, match="broken off"):
                call.result(10)
    apart.call(abs, 1)
    apart._pool.shutdown()  # as when it is closed between a caller's look at it and the call
    with pytest.raises(RunError, match="broken off"):
        apart.call(abs, 1)
    assert apart.call(abs, -3) == 3


def test_who_waits_in_the_queue_has_all_its_time_still_and_hurts_nobody(apart):
    apart.call(abs, 1)
    with ThreadPoolExecutor(2) as callers:
        slow = callers.submit(apart.call, time.sleep, 2, timeout=60)
        wait_for(lambda: apart._turn.locked())
        assert apart.call(abs, -3, timeout=1) == 3
        assert slow.result(10) is None
    with ThreadPoolExecutor(1) as callers:
        slow = callers.submit(apart.call, time.sleep, 60, timeout=0.5)
        wait_for(lambda: apart._turn.locked())
        assert apart.call(abs, -3) == 3, "in a process of its own"
        with pytest.raises(RunError, match="too long"):
            slow.result(10)


def test_workers_start_from_a_server_with_torch_loaded():
    assert process_context().get_start_method() in ("forkserver", "spawn")


def test_the_machine_is_looked_at_in_another_process(jobs):
    assert jobs.machine() == {}
    jobs.warm()
    seen = jobs.machine(timeout=60)
    assert seen["device"] in ("cpu", "cuda") and seen["threads"] >= 1 and seen["name"]
