"""Calls in processes of their own: what they return, what they raise, and who waits for whom."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import torch
from servers import is_gone

from reglab.errors import RunError
from reglab.jobs.isolation import IsolatedProcess, Lanes
from reglab.jobs.processes import process_context

pytestmark = pytest.mark.usefixtures("workers_begin_sooner")


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Gate:
    """A call that lasts until it is let through: it reads from a pipe into which nobody has written yet."""

    def __init__(self, folder: Path) -> None:
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no named pipes")
        self.path = folder / "gate"
        os.mkfifo(self.path)
        self.call = functools.partial(Path.read_text, self.path)

    def open(self) -> None:
        self.path.write_text("through")


@pytest.fixture
def gate(tmp_path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture(scope="module")
def process():
    process = IsolatedProcess()
    yield process
    process.close()


@pytest.fixture
def callers():
    callers = ThreadPoolExecutor(8)
    yield callers
    callers.shutdown(wait=False, cancel_futures=True)


# ---- one process -------------------------------------------------------------------------------------------------
def test_a_function_is_called_in_another_process(process):
    assert process.call(os.getpid) not in (os.getpid(), None)
    assert process.call(os.getpid) == process.call(os.getpid)


def test_what_the_function_raises_is_raised_here(process):
    with pytest.raises(FileNotFoundError):
        process.call(os.stat, "/no/such/file")
    assert process.call(abs, -3) == 3


DEATHS = {
    "exit": (os._exit, 3),
    "kill": (signal.raise_signal, getattr(signal, "SIGKILL", signal.SIGTERM)),
    "abort": (os.abort,),
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_the_death_of_the_other_process_is_heard_of_and_survived(process, death):
    with pytest.raises(RunError, match="broken off"):
        process.call(*death)
    assert process.call(abs, -3) == 3


def test_a_call_that_takes_too_long_is_broken_off(process, gate):
    pid = process.call(os.getpid)
    with pytest.raises(RunError, match="too long"):
        process.call(gate.call, timeout=0.2)  # which would last for ever
    wait_for(lambda: is_gone(pid))
    assert process.call(abs, -3) == 3


TOO_MUCH = {"python": (bytearray, 1 << 60), "torch": (torch.empty, 1 << 45)}  # more than any machine has


@pytest.mark.parametrize("hunger", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_call_that_needs_too_much_memory_is_refused_and_its_process_lives(process, hunger):
    pid = process.call(os.getpid)
    with pytest.raises(RunError, match="too much memory"):
        process.call(*hunger)
    assert process.call(os.getpid) == pid


def test_a_call_that_needs_more_memory_than_it_may_have_is_broken_off():
    bounded = IsolatedProcess(memory=1 << 31)
    with pytest.raises(RunError, match="too much memory"):
        bounded.call(bytearray, 1 << 33)
    assert bounded.call(len, b"abc") == 3
    bounded.close()


def test_those_who_wait_hear_of_it_when_everything_is_closed(process, gate, callers):
    calls = [callers.submit(process.call, gate.call) for _ in range(4)]
    wait_for(lambda: process.waiting == 4)
    process.close()
    for call in calls:
        with pytest.raises(RunError, match="broken off"):
            call.result(30)
    assert process.call(abs, -3) == 3


def test_who_waits_in_the_queue_has_all_its_time_still(process, gate, callers):
    process.call(abs, 1)
    slow = callers.submit(process.call, gate.call)
    wait_for(lambda: process.waiting == 1)
    quick = callers.submit(process.call, abs, -3, timeout=0.5)
    wait_for(lambda: process.waiting == 2)
    assert not quick.done()
    threading.Timer(1.0, gate.open).start()  # twice the time that the quick one has, once it is its turn
    assert (quick.result(30), slow.result(30)) == (3, "through")


def test_a_call_that_is_broken_off_hurts_none_of_those_who_wait(process, gate, callers):
    slow = callers.submit(process.call, gate.call, timeout=0.5)
    wait_for(lambda: process.waiting == 1)
    assert process.call(abs, -3) == 3, "in a process of its own"
    with pytest.raises(RunError, match="too long"):
        slow.result(30)


def test_a_process_that_nobody_calls_ends_and_comes_again():
    process = IsolatedProcess(idle=0.2)
    pid = process.call(os.getpid)
    wait_for(lambda: is_gone(pid))
    assert process.call(os.getpid) != pid
    process.close()


def test_workers_start_from_a_server_with_torch_loaded():
    assert process_context().get_start_method() in ("forkserver", "spawn")


# ---- lanes -------------------------------------------------------------------------------------------------------
@pytest.fixture
def lanes():
    lanes = Lanes("quick", "slow", "slower")
    yield lanes
    lanes.close()


def test_a_call_that_takes_long_delays_nothing_but_its_own_lane(lanes, gate, callers):
    """The answers of the quick lane are there while the slow call is under way, for it ends only afterwards."""
    slow = callers.submit(lanes.call, "slow", gate.call)
    behind = callers.submit(lanes.call, "slow", abs, -3)
    answers = [lanes.call("quick", abs, -n) for n in range(5)]
    assert answers == [0, 1, 2, 3, 4] and not slow.done() and not behind.done()
    gate.open()
    assert (slow.result(30), behind.result(30)) == ("through", 3)


def test_the_death_of_a_lane_leaves_the_others_alone(lanes):
    pid = lanes.call("quick", os.getpid)
    with pytest.raises(RunError, match="broken off"):
        lanes.call("slow", os._exit, 3)
    assert lanes.call("quick", os.getpid) == pid and lanes.call("slow", abs, -3) == 3


def test_each_lane_has_a_process_only_once_it_is_called(lanes):
    before = set(psutil.Process().children(recursive=True))
    pid = lanes.call("slow", os.getpid)
    new = {child.pid for child in set(psutil.Process().children(recursive=True)) - before}
    assert pid in new and lanes.call("slower", os.getpid) != pid
    lanes.close()
    wait_for(lambda: is_gone(pid))
