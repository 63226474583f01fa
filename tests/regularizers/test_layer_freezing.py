"""Layer freezing on a small network that counts as pretrained: what is frozen does not move, all else does."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from small import START, network, pass_over, rng
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from reglab import models
from reglab.errors import ConfigError
from reglab.models import ModelSpec
from reglab.regularizers import CATALOGUE

LayerFreezing = CATALOGUE["layer_freezing"]


def deep(layers: int = 4) -> nn.Sequential:
    """So many convolutions, each followed by batch normalization, in blocks; and a classifier."""
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU()) for _ in range(layers)]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(3 * 8 * 8, 10))


def train_two_steps(model: nn.Module, technique) -> dict[str, torch.Tensor]:
    """What has changed in the network: the largest difference of every parameter and buffer."""
    technique.on_train_begin(model, {})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    for _ in range(2):
        model.train()
        technique.compute_gradients(model, pass_over(model), rng(), START)
        optimizer.step()
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize(("share", "frozen"), [(0, 0), (0.2, 1), (0.5, 2), (0.8, 4), (1, 4)])
def test_the_first_share_of_the_layers_stays_with_its_statistics_and_the_rest_moves(share, frozen):
    """Of four convolutions and a classifier; the classifier always moves."""
    model = deep()
    changed = train_two_steps(model, LayerFreezing(share=share))
    still = {name for name in model.state_dict() if name.split(".")[0] in map(str, range(frozen))}
    assert changed == model.state_dict().keys() - still


def test_what_is_frozen_needs_no_gradient():
    model = deep()
    LayerFreezing(share=0.5).on_train_begin(model, {})
    assert [all(not p.requires_grad for p in model[i].parameters()) for i in range(4)] == [True, True, False, False]
    pass_over(model)()
    assert all((p.grad is None) == (not p.requires_grad) for p in model.parameters())


def test_a_layer_with_a_parametrized_weight_can_be_frozen_too():
    model = deep()
    for block in model[:4]:
        spectral_norm(block[0])
    spectral_norm(model[5])
    changed = train_two_steps(model, LayerFreezing(share=0.5))
    assert changed and not any(name.startswith(("0.", "1.")) for name in changed)


def test_a_network_of_one_layer_keeps_its_classifier_free():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
    assert train_two_steps(model, LayerFreezing(share=1)) == {"1.weight", "1.bias"}


@pytest.mark.parametrize("name", models.MODELS)
def test_real_networks_are_frozen_from_the_input_on(name):
    model = models.build(ModelSpec(name, norm="batch"))
    LayerFreezing(share=0.5).on_train_begin(model, {})
    frozen = [not layer.weight.requires_grad for layer in models.weight_layers(model).values()]
    half = len(frozen) // 2
    assert frozen == [True] * half + [False] * (len(frozen) - half)


@pytest.mark.parametrize("name", models.MODELS)
def test_a_network_from_scratch_is_refused_with_the_way_out(name):
    with pytest.raises(ConfigError, match=f"layer_freezing .*{name} are random at the start.*switch it off"):
        tiny_config(model=name, regularizers={"layer_freezing": True})


def test_a_pretrained_one_is_not():
    spec = ModelSpec(pretrained=True)
    assert LayerFreezing().configure_model(spec) == spec


def test_nothing_of_a_network_that_is_not_asked_about_changes():
    """`network()` has one convolution and a classifier: half of two layers is the convolution and its normalization."""
    assert train_two_steps(network(), LayerFreezing(share=0.5)) == {"4.weight", "4.bias"}
