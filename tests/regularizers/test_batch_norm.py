"""Batch normalization: where the layers stand, what they compute, and with what they cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import tiny_config
from small import rng

from reglab import models
from reglab.errors import ConfigError
from reglab.teaching.cards import card

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", models.MODELS)
def test_it_follows_every_convolution_and_leaves_it_without_a_bias(name):
    network = models.build(tiny_config(model=name, regularizers={"batch_norm": True}).spec(10))
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m.weight.requires_grad]
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert [c.out_channels for c in convolutions] == [n.num_features for n in norms]
    assert all(c.bias is None for c in convolutions)


def test_a_layer_computes_what_the_paper_writes():
    """Algorithm 1, slowly: over the batch in training; over the running statistics afterwards."""
    network = models.build(tiny_config(regularizers={"batch_norm": True}).spec(10))
    layer = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    x = torch.randn(8, layer.num_features, 5, 5, generator=rng())
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = (x - mean).square().mean((0, 2, 3), keepdim=True)
    gamma, beta = layer.weight.view(1, -1, 1, 1), layer.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer.train()(x), gamma * (x - mean) / (variance + layer.eps).sqrt() + beta)
    running_mean, running_var = layer.running_mean.view(1, -1, 1, 1), layer.running_var.view(1, -1, 1, 1)
    expected = gamma * (x - running_mean) / (running_var + layer.eps).sqrt() + beta
    torch.testing.assert_close(layer.eval()(x), expected)


def test_one_image_has_no_statistics_so_batch_size_one_is_refused():
    with pytest.raises(ConfigError, match=r"batch_norm .* batch size"):
        tiny_config(batch_size=1, regularizers={"batch_norm": True})


def test_the_card_says_what_was_measured_on_the_digits():
    told = json.loads((ROOT / "benchmarks/digits_narrow.json").read_text())
    plain, normalized = (told["rows"]["noise"][row]["memorised"]["mean"] for row in ("plain", "batch_norm"))
    said = f"learned {plain:.0%} of the wrong labels by heart without it, and {normalized:.0%} with it (5 seeds)"
    assert said.replace("%", " %") in card("batch_norm").not_helps
    assert (told["conditions"]["width"], told["conditions"]["seeds"]) == (0.25, [0, 1, 2, 3, 4])
