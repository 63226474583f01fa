"""Spectral normalization against torch's parametrization, the paper's algorithm, and the singular values themselves."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from small import batch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from reglab import models
from reglab.models import ModelSpec
from reglab.regularizers import CATALOGUE


def built(name: str = "basic_cnn", iterations: int = 1) -> nn.Module:
    torch.manual_seed(0)
    spec = CATALOGUE["spectral_norm"](n_power_iterations=iterations).configure_model(ModelSpec(name, width=0.125))
    return models.build(spec)


def largest_stretch(weight: torch.Tensor) -> float:
    """The largest singular value of the kernel as a matrix of (outputs) x (everything else)."""
    return torch.linalg.svdvals(weight.detach().flatten(1))[0].item()


@pytest.mark.parametrize("name", models.MODELS)
def test_every_layer_with_a_kernel_is_divided_by_its_largest_singular_value(name):
    network = built(name)
    network.train()
    for _ in range(100):  # each pass is one more power iteration
        network(batch(2))
    network.eval()
    for layer in models.weight_layers(network).values():
        if not layer.weight.requires_grad:  # speed_cnn's first, which is set from the images and never learns
            continue
        original = layer.parametrizations.weight.original
        if original.any():  # the last convolution of a residual branch starts at zero where nothing normalizes
            assert largest_stretch(layer.weight) == pytest.approx(1, abs=0.02)
            expected = original / largest_stretch(original)
            torch.testing.assert_close(layer.weight, expected, rtol=0.02, atol=1e-4)


@pytest.mark.parametrize("iterations", [1, 3])
def test_it_is_torchs_parametrization(iterations):
    network = built(iterations=iterations)
    torch.manual_seed(0)
    twin = models.build(ModelSpec(width=0.125))
    for layer in models.weight_layers(twin).values():
        spectral_norm(layer, n_power_iterations=iterations)
    assert network.state_dict().keys() == twin.state_dict().keys()
    for _ in range(2):
        torch.testing.assert_close(network.train()(batch(2)), twin.train()(batch(2)), rtol=0, atol=0)


def vectors_of(layer) -> dict[str, torch.Tensor]:
    """u and v, as they are saved with the network."""
    return dict(layer.parametrizations.weight[0].named_buffers())


def test_a_pass_in_training_is_one_power_iteration_and_none_when_it_is_judged():
    """Algorithm 1 of the paper, where torch begins with the other half: u = Wv / |Wv|, v = W'u / |W'u|, sigma = u'Wv."""
    layer = next(iter(models.weight_layers(built()).values()))
    w = layer.parametrizations.weight.original.detach().flatten(1)
    v = vectors_of(layer)["_v"].clone()
    u = w @ v / (w @ v).norm()
    v = w.T @ u / (w.T @ u).norm()
    seen = layer.train().weight
    torch.testing.assert_close(vectors_of(layer), {"_u": u, "_v": v})
    torch.testing.assert_close(seen.detach().flatten(1), w / (u @ w @ v))
    layer.eval()
    kept = vectors_of(layer)["_u"].clone()
    torch.testing.assert_close(layer.weight, seen)
    assert torch.equal(vectors_of(layer)["_u"], kept)


def test_the_vectors_of_the_iteration_are_saved_with_the_network():
    network = built().train()
    network(batch(2))
    twin = built()
    twin.load_state_dict(network.state_dict())
    assert torch.equal(network.eval()(batch(2)), twin.eval()(batch(2)))


def test_the_setting_reaches_the_layers():
    config = tiny_config(regularizers={"spectral_norm": {"n_power_iterations": 4}})
    layers = models.weight_layers(models.build(config.spec(10))).values()
    assert [layer.parametrizations.weight[0].n_power_iterations for layer in layers] == [4] * 8
