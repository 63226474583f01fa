"""The L1 penalty against the sum written out, which is Keras' `regularizers.L1` over all kernels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import network

from reglab.regularizers import CATALOGUE

L1 = CATALOGUE["l1"]


@given(strength=st.floats(0, 1), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_it_is_the_sum_of_absolute_values_and_its_gradient_the_sign(strength, seed):
    model = network(seed)
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = 0
    penalty = L1(strength=strength).penalty(model, torch.zeros(1, 10), {})
    kernels = [p for p in model.parameters() if p.ndim > 1]
    expected = strength * sum(abs(p.detach().numpy().astype(float)).sum() for p in kernels)
    assert penalty.item() == pytest.approx(expected, rel=1e-5)
    penalty.backward()
    for p in model.parameters():
        if p.ndim > 1:
            torch.testing.assert_close(p.grad, strength * p.detach().sign())
        else:
            assert p.grad is None, "biases and normalization parameters are spared"


def test_what_is_frozen_costs_nothing():
    model = network()
    model[0].weight.requires_grad_(False)
    penalty = L1(strength=1).penalty(model, torch.zeros(1, 10), {})
    assert penalty.item() == pytest.approx(model[4].weight.abs().sum().item(), rel=1e-6)


def test_gradient_steps_on_it_alone_make_small_weights_zero_or_smaller_than_a_step():
    model = network()
    for _ in range(100):
        model.zero_grad()
        L1(strength=1).penalty(model, torch.zeros(1, 10), {}).backward()
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p -= 0.005 * p.grad
    assert max(p.abs().max().item() for p in model.parameters() if p.ndim > 1) <= 0.005 + 1e-6
