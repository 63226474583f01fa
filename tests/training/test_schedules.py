"""The learning rate: torch's, but for a few steps, which learn as well."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import epochs, narrow

from reglab.training.schedules import lr_at
from reglab.training.train import train


def by_torch(scheduler: str, total: int, peak: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    kinds = torch.optim.lr_scheduler
    if scheduler == "one_cycle":
        # Torch's final rate is a share of the initial one: 1/25 of the peak, divided by 10,000.
        schedule = kinds.OneCycleLR(optimizer, peak, total_steps=total, cycle_momentum=False)
    else:
        schedule = kinds.CosineAnnealingLR(optimizer, T_max=total)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < total else None
    return rates


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
@given(total=st.integers(1, 400), peak=st.floats(1e-5, 10))
@settings(max_examples=40, deadline=None)
def test_the_learning_rate_is_that_of_torch(schedule, total, peak):
    """But for one_cycle in fewer than four steps, of which torch's has none left that learns."""
    total += 3 * (schedule == "one_cycle")
    ours = [lr_at(step, total, peak, schedule) for step in range(total)]
    assert ours == pytest.approx(by_torch(schedule, total, peak), rel=1e-9, abs=1e-9 * peak)


def test_one_cycle_in_fewer_than_four_steps_is_the_cosine():
    for total in (1, 2, 3):
        rates = [lr_at(step, total, 0.1, "one_cycle") for step in range(total)]
        assert rates == [lr_at(step, total, 0.1, "cosine") for step in range(total)] and rates[0] == 0.1


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
@pytest.mark.parametrize("total", [*range(1, 13), 1_000])
def test_however_few_the_steps_the_rate_is_a_quarter_of_the_peak_on_average(schedule, total):
    rates = [lr_at(step, total, 1.0, schedule) for step in range(total)]
    assert sum(rates) / total >= 0.25 and max(rates) > 0.7


def test_a_run_of_one_step_learns(tiny_split):
    config = tiny_config(epochs=1, batch_size=64)
    untrained, trained = epochs(train(config, tiny_split))
    assert trained.lr == 1e-3 and trained.train_loss < untrained.train_loss - 0.01


def test_a_constant_learning_rate_is_constant():
    assert {lr_at(step, 10, 0.1, "constant") for step in range(10)} == {0.1}


def test_every_epoch_tells_the_rate_of_its_last_step(tiny_split):
    rates = by_torch("one_cycle", 8, 1e-3)
    told_rates = [e.lr for e in epochs(train(narrow(epochs=2), tiny_split))]
    assert told_rates == pytest.approx([rates[0], rates[3], rates[7]])
