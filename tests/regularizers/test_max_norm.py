"""Max norm against torch's renorm and Keras' formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import START, network

from reglab.config import RunConfig
from reglab.models import build, weight_layers
from reglab.regularizers import CATALOGUE
from reglab.training.events import Snapshot
from reglab.training.train import train

MaxNorm = CATALOGUE["max_norm"]


def lengths(weight: torch.Tensor) -> torch.Tensor:
    """Of the vector that leads into each unit."""
    return weight.detach().flatten(1).norm(dim=1)


@given(limit=st.floats(0.05, 3), scale=st.floats(0.1, 5), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_it_is_torchs_renorm_and_keras_formula(limit, scale, seed):
    """Keras: w * clip(norm, 0, limit) / (norm + 1e-7), over all axes of a kernel but that of its outputs."""
    model = network(seed)
    with torch.no_grad():
        for p in model.parameters():
            p *= scale
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    MaxNorm(max_value=limit).on_step_end(model, {}, START)
    for name, p in model.named_parameters():
        old = before[name]
        if p.ndim == 1:
            assert torch.equal(p, old), "biases and normalization parameters are spared"
            continue
        torch.testing.assert_close(p.detach(), torch.renorm(old, 2, 0, limit))
        w = old.numpy().astype(float)
        norm = np.sqrt((w**2).sum(axis=tuple(range(1, w.ndim)), keepdims=True))
        np.testing.assert_allclose(p.detach().numpy(), w * np.clip(norm, 0, limit) / (norm + 1e-7), rtol=1e-5)
        assert (lengths(p) <= limit * (1 + 1e-6)).all()


def test_shorter_vectors_stay_as_they_are_to_the_bit_and_twice_is_once():
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    MaxNorm(max_value=100).on_step_end(model, {}, START)
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    MaxNorm(max_value=0.1).on_step_end(model, {}, START)
    once = [p.detach().clone() for p in model.parameters()]
    MaxNorm(max_value=0.1).on_step_end(model, {}, START)
    for p, old in zip(model.parameters(), once, strict=True):
        torch.testing.assert_close(p.detach(), old)


def test_the_default_acts_from_the_first_step_on_dense_rows_and_a_limit_of_2_on_nothing_yet():
    """As the card says of the network that is trained when nobody chooses another."""
    layers = {name: lengths(layer.weight) for name, layer in weight_layers(build(RunConfig().spec(10))).items()}
    dense = torch.cat([rows for name, rows in layers.items() if name.startswith("head")])
    filters = torch.cat([rows for name, rows in layers.items() if not name.startswith("head")])
    assert dense.mean() == pytest.approx(1.4, abs=0.05) and filters.max() < 1.1
    assert (dense > MaxNorm().max_value).all() and dense.max() < 2


def test_the_weights_of_a_run_keep_to_it(tiny_split):
    config = tiny_config(epochs=2, lr=0.01, regularizers={"max_norm": {"max_value": 0.5}})
    snapshot = [e for e in train(config, tiny_split) if isinstance(e, Snapshot)][-1]
    kernels = [v for k, v in snapshot.tensors.items() if k.startswith("model/") and v.ndim > 1]
    longest = max(lengths(w).max().item() for w in kernels)
    assert len(kernels) == 8 and longest == pytest.approx(0.5, rel=1e-5)
