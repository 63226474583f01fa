"""What a run may take while it is trained: the clock stops it with a snapshot, and too little memory is said as such."""

from __future__ import annotations

import sys
import time

import pytest
from conftest import tiny_config

from reglab.deployment import LIMITS, Limits
from reglab.jobs.bounds import Bounds
from reglab.jobs.queue import Jobs
from reglab.jobs.worker import work


def test_a_run_that_goes_on_past_its_time_is_stopped_with_a_snapshot_and_a_sentence(store):
    run = store.create(tiny_config(train_size=300, val_size=60, epochs=1_000))
    work([run], bounds=Bounds(seconds=1.5))
    view = store.view(run)
    assert view.status == "stopped" and not view.was_pruned
    assert "it has used up the 0.025 minutes that a run may train here" in view.summary()["reason"]
    assert 1.4 < sum(view.last_timing[part] for part in ("seconds", "loading", "saving")) < 6
    assert run.resume() is not None, "it can be gone on from"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there is data bounded so")
def test_a_worker_that_wants_more_memory_than_it_may_have_says_so(store, workers_begin_sooner):
    """As another process: the limit would stay with this one."""
    jobs = Jobs(store, limits=Limits(memory=3 * 2**29))
    (run,) = [store.create(tiny_config(model="vgg16", width=4, train_size=60, val_size=60, epochs=1))]
    try:
        jobs.submit([run], owner="10.0.0.1/")
        end = time.monotonic() + 60
        while jobs.running():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert run.status() == "failed" and "Out of memory" in run.summary()["reason"]
    finally:
        jobs.close()


def test_the_host_is_not_bounded(store):
    jobs = Jobs(store, limits=LIMITS["public"])
    assert jobs.admission.bounds("") == Bounds() and jobs.admission.bounds("10.0.0.1/").seconds == 600
    jobs.close()
