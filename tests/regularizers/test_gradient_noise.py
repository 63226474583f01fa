"""Gradient noise: the variance of step t is eta / (1 + t)^gamma, in every component, for itself."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from scipy.stats import kstest
from small import gradients, network, pass_over, rng

from reglab.regularizers import CATALOGUE, Progress

GradientNoise = CATALOGUE["gradient_noise"]


def noise(eta: float, gamma: float, step: int, seeds: int = 20) -> torch.Tensor:
    """What is added to the gradients of a network, (seeds, parameters)."""
    model = network()
    pass_over(model)()
    plain = torch.cat([g.flatten() for g in gradients(model)])
    rows = []
    for seed in range(seeds):
        GradientNoise(eta=eta, gamma=gamma).compute_gradients(
            model, pass_over(model), rng(seed), Progress(step, 1_000, 10)
        )
        rows.append(torch.cat([g.flatten() for g in gradients(model)]) - plain)
    return torch.stack(rows)


@pytest.mark.parametrize(("eta", "gamma", "step"), [(0.01, 0.55, 0), (0.3, 0.55, 9), (1.0, 0.55, 500), (0.5, 0, 500)])
def test_it_is_normal_with_the_papers_variance(eta, gamma, step):
    """Equations 1 and 2 of Neelakantan et al. 2015."""
    added = noise(eta, gamma, step)
    deviation = sqrt(eta / (1 + step) ** gamma)
    n = added.numel()
    assert abs(added.mean()) < 5 * deviation / sqrt(n)
    assert abs(added.var().item() / deviation**2 - 1) < 5 * sqrt(2 / n)
    assert kstest(added.flatten().numpy() / deviation, "norm").pvalue > 1e-4


def test_every_component_of_every_parameter_gets_noise_of_its_own():
    added = noise(1.0, 0.55, 0, seeds=400)
    correlation = torch.corrcoef(added[:, ::37].T)
    off = correlation[~torch.eye(len(correlation), dtype=torch.bool)]
    assert off.abs().max() < 6 / sqrt(400)
    assert (added.var(0) > 0.5).all()


def test_without_eta_the_gradients_are_the_plain_ones():
    assert not noise(0, 0.55, 3, seeds=2).any()


def test_the_same_draws_give_the_same_noise():
    one, other = noise(0.1, 0.55, 3, seeds=2), noise(0.1, 0.55, 3, seeds=2)
    assert torch.equal(one, other) and not torch.equal(one[0], one[1])
