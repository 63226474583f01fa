"""A worker that hangs is noticed, ended, and its run can be resumed; one that is merely slow is left in peace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import tiny_config

from reglab.jobs.places import pulse
from reglab.jobs.places.pulse import Pulse, processor_time
from reglab.jobs.queue import Jobs
from reglab.jobs.worker import work
from reglab.runs.store import Store
from reglab.runs.view import LIVE

ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of processor time")
DEADLOCK = "import threading; lock = threading.Lock(); lock.acquire(); print(flush=True); lock.acquire()"
BUSY = "print(flush=True)\nwhile True: pass"


def silence_of(code: str, folder, seconds: float, meanwhile=lambda: None) -> float:
    """Of a process that runs this code, after that time."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            heart, end = Pulse([folder], process.pid), time.monotonic() + seconds
            while time.monotonic() < end:
                silent = heart.look()
                meanwhile()
                time.sleep(0.05)
            return silent
        finally:
            process.kill()


@ON_LINUX
def test_a_deadlock_is_silence_and_a_long_computation_without_a_word_is_none(tmp_path):
    assert silence_of(DEADLOCK, tmp_path, 1.0) > 0.7
    assert silence_of(BUSY, tmp_path, 1.0) < 0.5


def test_what_is_written_is_an_answer_and_without_processor_time_one_is_ten_times_as_patient(tmp_path, monkeypatch):
    monkeypatch.setattr(pulse, "processor_time", lambda pid: None)
    assert 0.05 < silence_of(DEADLOCK, tmp_path, 1.0) < 0.15
    lines = tmp_path / "timing.jsonl"
    assert silence_of(DEADLOCK, tmp_path, 0.5, lambda: lines.open("a").write("{}\n")) < 0.02


def test_whoever_was_asleep_takes_nobody_for_silent(tmp_path, monkeypatch):
    """A container that was paused for an hour goes on, server and worker at once."""
    now = [1_000.0]
    monkeypatch.setattr(pulse.time, "monotonic", lambda: now[0])
    heart = Pulse([tmp_path], os.getpid())
    monkeypatch.setattr(pulse, "processor_time", lambda pid: 7)
    heart.look()
    now[0] += 3_600
    assert heart.look() == pulse.GLANCE


@ON_LINUX
def test_processor_time_is_that_of_the_process_whatever_it_is_called():
    before = processor_time(os.getpid())
    began = time.process_time()
    while time.process_time() - began < 0.1:
        pass
    assert processor_time(os.getpid()) - before >= 0.08 * os.sysconf("SC_CLK_TCK")
    assert processor_time(2**22 + 1) is None  # no such process


@pytest.mark.usefixtures("workers_begin_sooner")
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
def test_a_worker_that_stops_answering_is_said_to_be_stalled_then_ended_and_its_run_comes_to_the_same_bytes(
    store, tmp_path, monkeypatch
):
    config = tiny_config(train_size=60, val_size=60, epochs=15)
    monkeypatch.setattr(pulse, "STALLED", 1.0)
    monkeypatch.setattr(pulse, "ENDED", 3.0)
    jobs = Jobs(store)
    hung, after = store.create(config), store.create(tiny_config(train_size=60, val_size=60, epochs=1))
    jobs.submit([hung])
    jobs.submit([after])
    wait_for(lambda: len(hung.history()) > 2)
    [job] = jobs.running()
    os.kill(job.worker.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    wait_for(lambda: jobs.status(hung) == "stalled")
    assert jobs.view(hung).is_live and jobs.status(after) == "queued"
    wait_for(lambda: jobs.status(hung) not in LIVE)
    assert 2.5 < time.monotonic() - began < 10
    assert hung.status() == "stopped" and "did not answer for 3 seconds" in hung.summary()["reason"]
    assert not hung.view().was_pruned
    wait_for(lambda: jobs.status(after) == "finished")  # it has the device
    jobs.resume([hung])
    wait_for(lambda: jobs.status(hung) == "finished")
    alone = Store(tmp_path / "alone").create(config)
    work([alone])
    assert (alone.path / "metrics.jsonl").read_bytes() == (hung.path / "metrics.jsonl").read_bytes()


@pytest.mark.usefixtures("workers_begin_sooner")
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
def test_a_worker_that_hangs_does_not_keep_the_server_from_ending(store, monkeypatch):
    monkeypatch.setattr(pulse, "STALLED", 1.0)
    jobs = Jobs(store)
    run = store.create(tiny_config(train_size=60, val_size=60, epochs=1_000))
    jobs.submit([run])
    wait_for(lambda: len(run.history()) > 1)
    [job] = jobs.running()
    os.kill(job.worker.process.pid, signal.SIGSTOP)
    jobs.close(patience=5)
    assert job.worker.ended.is_set() and run.status() == "interrupted"


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
