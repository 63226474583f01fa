"""One process trains many jobs: to the bytes of a process of their own, and no longer than it is as good as that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment, tiny_config
from filelock import FileLock
from servers import is_gone
from test_queue import (
    jobs_fixture,  # noqa: F401  (a fixture of this file)
    long,
    quick,
    submit,
    trains,
    wait_for,
    worker_of,
)

from reglab.deployment import LIMITS
from reglab.jobs import worker as plain
from reglab.jobs.places import process
from reglab.jobs.places.process import LocalPlace
from reglab.jobs.queue import Jobs
from reglab.runs.run import Run
from reglab.runs.store import Store

pytestmark = pytest.mark.usefixtures("workers_begin_sooner")
REPRODUCIBLE = ("metrics.jsonl", "model.safetensors", "last.safetensors", "state.json", "right.json")


def trained(jobs: Jobs, config=None, owner: str = "") -> tuple[Run, int]:
    """A run, trained to its end, and the process that did it."""
    jobs.store.root.mkdir(parents=True, exist_ok=True)
    with FileLock(jobs.store.root / ".cpu.lock"):  # it has not ended before somebody has looked
        [run] = submit(jobs, [config or quick()], owner)
        [job] = jobs.running()
    pid = wait_for(lambda: job.worker.process.pid)
    wait_for(lambda: not jobs.running())
    return run, pid


# ---- the same bytes ------------------------------------------------------------------------------------------------
EVERYTHING = {
    "batch_norm": {},
    "dropout": {},
    "ema": {},
    "flip_crop": {},
    "manifold_mixup": {},
    "sam": {},
    "spectral_norm": {},
    "stochastic_depth": {},
    "gradient_noise": {},
    "weight_decay": {},
}
AFTER_ONE_ANOTHER = (
    {"model": "resnet20", "precision": "auto", "regularizers": EVERYTHING, "batch_size": 60},
    {"regularizers": {"dropout": {}, "swa": {}}, "batch_size": 7},
    {"model": "vgg11", "width": 0.25, "optimizer": "sgd", "lr": 0.05, "regularizers": {"group_norm": {}, "mixup": {}}},
    {"optimizer": "sgd", "lr": 1e6},  # comes to nothing but numbers that are none
    {},
)


def test_runs_in_one_process_come_to_the_bytes_of_runs_in_processes_of_their_own(jobs, tmp_path):
    configs = [tiny_config(**{"train_size": 60, "val_size": 60, "epochs": 2, **one}) for one in AFTER_ONE_ANOTHER]
    together = [trained(jobs, config) for config in configs]
    assert len({pid for _, pid in together}) == 1, "one process"
    pids = set()
    for (run, _), config in zip(together, configs, strict=True):
        alone = Jobs(Store(tmp_path / "alone"))
        other, pid = trained(alone, config)
        alone.close()
        pids.add(pid)
        assert run.status() == other.status() == ("failed" if config.lr > 1 else "finished")
        for file in REPRODUCIBLE:
            ours, theirs = (
                path.read_bytes() if path.exists() else None for path in (run.path / file, other.path / file)
            )
            assert ours == theirs, (file, config)
    assert len(pids) == len(configs), "a process each"


# ---- who trains with whom ------------------------------------------------------------------------------------------
def test_where_memory_is_bounded_a_process_trains_the_runs_of_one_visitor(store):
    jobs = Jobs(store, limits=LIMITS["public"])
    try:
        whose = ["10.0.0.1/ann", "10.0.0.1/ann", "10.0.0.1/ben", "10.0.0.2/ann", "", ""]
        pids = [trained(jobs, owner=owner)[1] for owner in whose]
        assert pids[0] == pids[1] and pids[4] == pids[5] and len(set(pids)) == 4
        wait_for(lambda: all(map(is_gone, set(pids[:4]))))  # at once, and not when they have been idle for a while
    finally:
        jobs.close()


def test_a_class_shares_one(store):
    jobs = Jobs(store, limits=LIMITS["class"])
    try:
        assert len({trained(jobs, owner=owner)[1] for owner in ("ann", "ben")}) == 1
    finally:
        jobs.close()


def test_a_run_that_was_stopped_leaves_its_process_to_the_next(jobs):
    [run] = submit(jobs, [long()])
    wait_for(lambda: trains(run))
    pid = worker_of(jobs, run)
    jobs.stop(run)
    wait_for(lambda: not jobs.running())
    assert run.status() == "stopped" and trained(jobs)[1] == pid
    jobs.resume([run])
    wait_for(lambda: jobs.running() and len(run.history()) > 2)
    assert worker_of(jobs, run) == pid


# ---- ended and replaced --------------------------------------------------------------------------------------------
def replaced_after_two(*arguments) -> None:
    plain.JOBS = 2
    plain.worker(*arguments)


def replaced_as_soon_as_it_grows(*arguments) -> None:
    plain.LEFT_BEHIND = -(2**40)
    plain.worker(*arguments)


def that_foresees_nothing(*arguments) -> None:
    from reglab import data

    def split(*_):
        raise ZeroDivisionError

    data.split = split
    plain.worker(*arguments)


@pytest.mark.parametrize(
    ("worker", "processes"), [(replaced_after_two, 2), (replaced_as_soon_as_it_grows, 4), (that_foresees_nothing, 4)]
)
def test_a_process_is_replaced_after_some_jobs_when_it_has_grown_and_when_something_goes_wrong(
    store, monkeypatch, worker, processes
):
    monkeypatch.setattr(process, "worker", worker)
    jobs = Jobs(store)
    try:
        runs, pids = zip(*(trained(jobs) for _ in range(4)), strict=True)
        assert len(set(pids)) == processes
        wanted = "failed" if worker is that_foresees_nothing else "finished"
        assert {run.status() for run in runs} == {wanted}
        wait_for(lambda: all(map(is_gone, pids)))
    finally:
        jobs.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)])
def test_one_that_is_told_to_end_as_it_waits_ends_at_once_and_the_next_job_has_another(jobs, number):
    _, pid = trained(jobs)
    kept = jobs._places["cpu"]._kept["cpu"].process
    os.kill(pid, number)
    kept.join(2)
    assert not kept.is_alive()
    run, other = trained(jobs)
    assert other != pid and run.status() == "finished"


def test_one_that_has_no_job_for_a_while_ends(store):
    jobs = Jobs(store, {"cpu": LocalPlace(store.root, idle=1.0)})
    try:
        _, pid = trained(jobs)
        assert not is_gone(pid)
        wait_for(lambda: is_gone(pid), 10)
        assert trained(jobs)[0].status() == "finished"
    finally:
        jobs.close()


def test_none_stays_when_the_server_is_closed(store):
    jobs = Jobs(store)
    _, pid = trained(jobs)
    jobs.close()
    wait_for(lambda: is_gone(pid), 10)


SERVER = """
import os, signal, sys, time
from reglab.config import RunConfig
from reglab.jobs.queue import Jobs
from reglab.runs.store import Store

if __name__ == "__main__":
    jobs = Jobs(Store(sys.argv[1]))
    run = jobs.store.create(RunConfig.parse({"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 1}))
    jobs.submit([run])
    [job] = jobs.running()
    while jobs.running():
        time.sleep(0.01)
    print(job.worker.process.pid, flush=True)
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("how", ["killed", "at its end"])
def test_one_that_waits_outlives_no_server_and_keeps_none_from_ending(tmp_path, how):
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "runs", how],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (-signal.SIGKILL if how == "killed" else 0), done.stderr
    wait_for(lambda: is_gone(int(done.stdout)), 10)
    [run] = Store(Path(tmp_path / "runs")).runs()
    assert run.status() == "finished"
