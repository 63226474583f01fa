"""When the numbers run away: the step is noticed, and what is told is never a number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import tiny_config
from stories import epochs

from reglab.regularizers import Regularizer
from reglab.training.divergence import Diverged, FiniteWatch
from reglab.training.events import Best, Failed, Step
from reglab.training.train import train

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def until_failed(config, data):
    events = list(train(config, data))
    assert isinstance(events[-1], Failed), events[-1]
    return events, events[-1]


def test_a_rate_of_a_million_fails_within_a_step_of_diverging_and_says_where(tiny_split):
    events, failed = until_failed(tiny_config(optimizer="sgd", lr=1e6, schedule="constant"), tiny_split)
    assert failed.step <= 3 and failed.epoch == 1
    assert f"step {failed.step}" in failed.reason and "batch normalization" in failed.reason
    assert sum(isinstance(e, Step) for e in events) == failed.step - 1
    best = [e for e in events if isinstance(e, Best)][-1]
    assert all(weights.isfinite().all() for weights in best.weights.values())


def test_divergence_in_the_last_step_of_an_epoch_is_told_as_such_and_never_as_a_number(tiny_split):
    """One step an epoch: the loss of the step is still finite, that of the network after it no longer is."""
    config = tiny_config(optimizer="sgd", lr=1e6, schedule="constant", batch_size=64)
    events, _failed = until_failed(config, tiny_split)
    for epoch in epochs(events):
        assert all(np.isfinite(v) for v in epoch.to_json().values() if isinstance(v, float)), epoch


class Poison(Regularizer):
    """Puts a NaN into one picture of the third batch."""

    def augment(self, images, rng):
        batches.append(1)
        if len(batches) == 3:
            images[5, 0, 7, 7] = float("nan")
        return images


batches: list[int] = []


def test_a_single_nan_in_a_picture_ends_the_run_in_that_step(tiny_split, technique):
    batches.clear()
    events, failed = until_failed(tiny_config(regularizers={technique(Poison): True}), tiny_split)
    assert (failed.epoch, failed.step) == (1, 3)
    assert [e.batch for e in events if isinstance(e, Step)] == [1, 2]


@needs_cuda
def test_divergence_on_cuda_is_noticed_one_step_late(tiny_split):
    config = tiny_config(device="cuda", optimizer="sgd", lr=1e6, schedule="constant")
    _events, failed = until_failed(config, tiny_split)
    assert failed.step <= 3


@needs_cuda
def test_the_watch_on_cuda_tells_one_step_late_which_step_it_was():
    watch, fine = FiniteWatch(), torch.ones(3, device="cuda", dtype=torch.double)
    watch.look(1, fine)
    watch.look(2, fine * float("nan"))  # not known yet
    with pytest.raises(Diverged) as diverged:
        watch.look(3, fine)
    assert diverged.value.step == 2


@needs_cuda
def test_the_watch_on_cuda_knows_at_the_end_of_an_epoch():
    watch = FiniteWatch()
    watch.look(7, torch.full((3,), float("inf"), device="cuda", dtype=torch.double))
    with pytest.raises(Diverged) as diverged:
        watch.last()
    assert diverged.value.step == 7


def test_the_watch_on_the_cpu_tells_at_once():
    watch, fine = FiniteWatch(), torch.ones(3, dtype=torch.double)
    watch.look(1, fine)
    with pytest.raises(Diverged) as diverged:
        watch.look(2, fine * float("inf"))
    assert diverged.value.step == 2
    watch.last()
