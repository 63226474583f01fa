"""Gradient clipping against the formula, and its place behind SAM and before gradient noise."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import START, gradients, network, pass_over, rng

from reglab.regularizers import CATALOGUE

GradientClipping = CATALOGUE["gradient_clipping"]


def total(grads: list[torch.Tensor]) -> float:
    """The length of all gradients as one vector."""
    return torch.cat([g.flatten() for g in grads]).double().norm().item()


@given(limit=st.floats(1e-3, 10), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_all_gradients_together_are_shortened_to_the_limit(limit, seed):
    model = network(seed)
    pass_over(model)()
    plain = gradients(model)
    GradientClipping(max_norm=limit).compute_gradients(model, pass_over(model), rng(), START)
    factor = min(1.0, limit / total(plain))
    for clipped, g in zip(gradients(model), plain, strict=True):
        torch.testing.assert_close(clipped, g * factor, rtol=1e-4, atol=1e-7)
    assert total(gradients(model)) <= limit * (1 + 1e-5)


def test_shorter_gradients_stay_as_they_are_to_the_bit():
    model = network()
    pass_over(model)()
    plain = gradients(model)
    GradientClipping(max_norm=1e6).compute_gradients(model, pass_over(model), rng(), START)
    assert all(torch.equal(a, b) for a, b in zip(gradients(model), plain, strict=True))


def test_it_clips_what_sam_has_found_and_noise_comes_on_top():
    """The loop wraps one around the other in their order: the last one called sees the gradients of all others."""
    keys = sorted(["gradient_noise", "gradient_clipping", "sam"], key=lambda k: (CATALOGUE[k].order, k))
    assert keys == ["sam", "gradient_clipping", "gradient_noise"]
    model = network()
    fill = pass_over(model)
    for technique in (CATALOGUE["sam"](rho=0.5), GradientClipping(max_norm=0.01)):
        fill = partial(technique.compute_gradients, model, fill, rng(), START)
    fill()
    clipped = gradients(model)
    assert total(clipped) == pytest.approx(0.01, rel=1e-4)
    CATALOGUE["sam"](rho=0.5).compute_gradients(model, pass_over(model), rng(), START)
    found = torch.cat([g.flatten() for g in gradients(model)])
    together = torch.cat([g.flatten() for g in clipped])
    torch.testing.assert_close(together / together.norm(), found / found.norm(), rtol=1e-4, atol=1e-6)
