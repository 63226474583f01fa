"""Orthogonality against equation 1 of Bansal et al. 2018, written out pair by pair of filters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import network
from torch import nn

from reglab.regularizers import CATALOGUE

Orthogonality = CATALOGUE["orthogonality"]


def apart_slowly(weight: torch.Tensor) -> float:
    """The squared distance of all inner products of the rows (or columns, where these are fewer) from those wanted."""
    matrix = weight.detach().numpy().astype(float).reshape(len(weight), -1)
    vectors = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return sum((np.dot(a, b) - (i == j)) ** 2 for i, a in enumerate(vectors) for j, b in enumerate(vectors))


@given(strength=st.floats(0, 10), seed=st.integers(0, 100), shape=st.tuples(*[st.integers(1, 6)] * 2))
@settings(max_examples=20, deadline=None)
def test_it_is_the_equation_for_wide_and_for_tall_matrices(strength, seed, shape):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.Conv2d(12, 4, 3), nn.Linear(*shape))
    penalty = Orthogonality(strength=strength).penalty(model, torch.zeros(1, 10), {})
    expected = strength * sum(apart_slowly(model[i].weight) for i in (0, 2, 3))
    assert penalty.item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_its_gradient_is_four_times_the_distance_times_the_weight():
    """d ||W W' - I||^2 / dW = 4 (W W' - I) W for a wide matrix."""
    model = nn.Sequential(nn.Linear(6, 4))
    Orthogonality(strength=0.5).penalty(model, torch.zeros(1, 4), {}).backward()
    w = model[0].weight.detach()
    torch.testing.assert_close(model[0].weight.grad, 0.5 * 4 * (w @ w.T - torch.eye(4)) @ w)
    assert model[0].bias.grad is None


def test_orthogonal_layers_cost_nothing():
    model = network()
    for i in (0, 4):
        nn.init.orthogonal_(model[i].weight)
    assert Orthogonality(strength=1).penalty(model, torch.zeros(1, 10), {}).item() == pytest.approx(0, abs=1e-9)
