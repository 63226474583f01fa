"""SAM against the two steps of its paper, written out: algorithm 1 of Foret et al. 2021."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import START, batch, gradients, network, pass_over, rng, targets
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from reglab.regularizers import CATALOGUE
from reglab.training.events import Epoch
from reglab.training.train import train

SAM = CATALOGUE["sam"]


def gradient_at(model: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The gradient of the loss with these weights in place of the network's, which is not touched."""
    weights = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    untouched = {name: b.clone() for name, b in model.named_buffers()}
    loss = cross_entropy(functional_call(model, {**weights, **untouched}, batch(8, 8)), targets(8))
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


@given(rho=st.floats(0, 2), seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_the_gradient_is_that_of_the_worst_point_nearby(rho, seed):
    model = network(seed).train()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    first = gradient_at(model, start)
    norm = sum(g.double().square().sum() for g in first.values()).sqrt()
    worst = {name: w + (rho * first[name] / norm).float() for name, w in start.items()}
    expected = gradient_at(model, worst)
    SAM(rho=rho).compute_gradients(model, pass_over(model), rng(), START)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, expected[name], rtol=1e-3, atol=1e-5)
        assert torch.equal(p, start[name]), "the weights are where they were, to the bit"


def test_the_climb_is_rho_long_over_all_parameters_together():
    model, seen = network(), []
    start = [p.detach().clone() for p in model.parameters()]

    def closure() -> None:
        seen.append([p.detach() - s for p, s in zip(model.parameters(), start, strict=True)])
        pass_over(model)()

    SAM(rho=0.7).compute_gradients(model, closure, rng(), START)
    assert len(seen) == 2 and not any(step.any() for step in seen[0])
    climbed = torch.cat([step.flatten() for step in seen[1]]).norm()
    assert climbed.item() == pytest.approx(0.7, rel=1e-4)


def test_the_statistics_of_batch_normalization_are_those_of_the_first_pass():
    model = network().train()
    once = deepcopy(model)
    pass_over(once)()
    SAM(rho=1).compute_gradients(model, pass_over(model), rng(), START)
    for (name, ours), expected in zip(model.named_buffers(), once.buffers(), strict=True):
        assert torch.equal(ours, expected), name
    pass_over(model)()
    assert model[1].num_batches_tracked == 2, "and they go on from there"


def test_the_second_pass_normalises_by_the_batch_too():
    """Frozen statistics are remembered no further, but they are not used either: the network stays in training mode."""
    model, outputs = network().train(), []
    with torch.no_grad():
        model[1].running_mean.fill_(100)
    model[1].register_forward_hook(lambda _, __, out: outputs.append(out.detach()))
    SAM(rho=0).compute_gradients(model, pass_over(model), rng(), START)
    assert torch.equal(outputs[0], outputs[1]) and abs(outputs[1].mean()) < 1e-4


def test_at_rho_zero_the_gradient_is_the_plain_one_to_the_bit():
    plain, model = network(), network()
    pass_over(plain)()
    SAM(rho=0).compute_gradients(model, pass_over(model), rng(), START)
    assert all(torch.equal(a, b) for a, b in zip(gradients(model), gradients(plain), strict=True))


@pytest.mark.parametrize("others", [{}, {"dropout": {"rate": 0.5}, "batch_norm": True}], ids=["alone", "with dropout"])
def test_in_a_run_too_rho_zero_is_the_plain_run(others, tiny_split):
    """Both passes see the same images with the same units dropped."""
    curves = []
    for on in ({}, {"sam": {"rho": 0}}):
        config = tiny_config(width=0.125, epochs=1, regularizers=others | on)
        curves.append([e.to_json() for e in train(config, tiny_split) if isinstance(e, Epoch)])
    assert curves[0] == curves[1]
