"""What a server knows of its machine: what it is at once, and how fast it trains a little later."""

from __future__ import annotations

import threading

import pytest

from reglab.errors import RunError
from reglab.jobs.lookout import Lookout
from reglab.jobs.pace import Pace, measured
from reglab.jobs.places import here

PACE = Pace(layer=1e-4, parameter=1e-9, multiply_add=1e-11, activation=1e-9)


class Elsewhere:
    """In the place of the process that looks: it measures the pace once it may."""

    def __init__(self, fails: object = None) -> None:
        self.fails, self.may_measure, self.closed = fails, threading.Event(), threading.Event()

    def call(self, function, *args, timeout):
        if function is self.fails:
            raise RunError("It died in /home/ada/lab.")
        if function is measured:
            assert self.may_measure.wait(60)
            return PACE
        return {"device": "cpu", "name": "A machine", "capacity": None}

    def close(self) -> None:
        self.closed.set()


def looking(process: Elsewhere) -> Lookout:
    lookout = Lookout()
    lookout._process = process
    return lookout


def test_whoever_wants_to_train_need_not_wait_for_the_pace():
    process = Elsewhere()
    lookout = looking(process)
    assert lookout.machine() == {} and lookout.pace() is None, "nobody has asked for it to be looked at"
    assert lookout.machine(timeout=60)["name"] == "A machine"
    assert lookout.pace() is None and not process.closed.is_set()
    process.may_measure.set()
    assert lookout.pace(timeout=60) == PACE
    assert process.closed.wait(60), "a process with torch in it is not kept for nothing"


@pytest.mark.parametrize(("fails", "told"), [(here.look, "error"), (measured, "name")])
def test_a_machine_that_cannot_be_looked_at_is_said_to_have_no_gpu_and_one_without_a_pace_is_what_it_is(fails, told):
    lookout = looking(Elsewhere(fails))
    assert lookout.pace(timeout=60) is None
    assert lookout.machine()["device"] == "cpu" and lookout.machine()[told]
    assert "ada" not in str(lookout.machine())
