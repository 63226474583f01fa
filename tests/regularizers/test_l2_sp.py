"""L2-SP against equation 4 of Li et al. 2018, on a small network that counts as pretrained."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import network

from reglab import models
from reglab.errors import ConfigError
from reglab.models import ModelSpec
from reglab.regularizers import CATALOGUE

L2SP = CATALOGUE["l2_sp"]
NO_LOGITS = torch.zeros(1, 10)


def moved(model: torch.nn.Module) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p += torch.randn_like(p)


@given(alpha=st.floats(0, 10), beta=st.floats(0, 10), seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_it_is_the_equation_and_its_gradient_points_back(alpha, beta, seed):
    """alpha / 2 times the squared way from the start, and beta / 2 times the squared length of the new classifier."""
    model, state, technique = network(seed), {}, L2SP(alpha=alpha, beta=beta)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    technique.on_train_begin(model, state)
    moved(model)
    penalty = technique.penalty(model, NO_LOGITS, state)
    expected, slopes = 0.0, {}
    for name, p in model.named_parameters():
        new = name.startswith("4.")
        strength, way = (beta, p.detach()) if new else (alpha, p.detach() - start[name])
        expected += strength / 2 * (way.numpy().astype(float) ** 2).sum()
        slopes[name] = strength * way
    assert penalty.item() == pytest.approx(expected, rel=1e-5)
    penalty.backward()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, slopes[name])


def test_at_the_start_only_the_new_classifier_costs_something():
    model, state, technique = network(), {}, L2SP(alpha=1, beta=0.5)
    technique.on_train_begin(model, state)
    classifier = sum(p.square().sum().item() for p in model[4].parameters())
    assert technique.penalty(model, NO_LOGITS, state).item() == pytest.approx(0.25 * classifier, rel=1e-5)


def test_the_start_is_remembered_whatever_becomes_of_the_weights():
    """So it must be saved with the run: resuming begins with other weights, and takes the state from the snapshot."""
    model, state = network(), {}
    L2SP().on_train_begin(model, state)
    start = {name: value.clone() for name, value in state.items()}
    assert start.keys() == {name for name, _ in model.named_parameters() if not name.startswith("4.")}
    moved(model)
    assert all(torch.equal(state[name], value) for name, value in start.items())


def test_frozen_layers_cost_nothing():
    model, state, technique = network(), {}, L2SP(alpha=1, beta=0)
    technique.on_train_begin(model, state)
    moved(model)
    for p in model.parameters():
        p.requires_grad_(False)
    assert technique.penalty(model, NO_LOGITS, state).item() == 0


@pytest.mark.parametrize("name", models.MODELS)
def test_a_network_from_scratch_is_refused_with_the_way_out(name):
    with pytest.raises(ConfigError, match=f"l2_sp .*{name} is trained from scratch.*weight_decay.*switch it off"):
        tiny_config(model=name, regularizers={"l2_sp": True})


def test_a_pretrained_one_is_not():
    spec = ModelSpec(pretrained=True)
    assert L2SP().configure_model(spec) == spec
