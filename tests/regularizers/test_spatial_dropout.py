"""Spatial dropout: whole feature maps, between the blocks."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from small import batch, rng
from torch import nn

from reglab import models
from reglab.models import ModelSpec


@pytest.mark.parametrize(("name", "places"), [("basic_cnn", 3), ("resnet20", 9)])
def test_there_is_one_layer_in_every_block(name, places):
    config = tiny_config(model=name, regularizers={"spatial_dropout": {"rate": 0.2}})
    network = models.build(config.spec(10))
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout2d)] == [0.2] * places


@pytest.mark.parametrize("name", models.MODELS)
def test_a_map_is_switched_off_or_scaled_up_as_a_whole(name):
    """As Tompson et al. 2015: one draw for a channel of an image, whatever its pixels."""
    network = models.build(ModelSpec(name, spatial_dropout=0.25)).train()
    layer = next(m for m in network.modules() if isinstance(m, nn.Dropout2d))
    maps = torch.rand(64, 100, 4, 4, generator=rng()) + 1
    torch.manual_seed(0)
    factors = layer(maps) / maps
    assert (factors.amax((2, 3)) - factors.amin((2, 3))).max() < 1e-6
    off = factors[:, :, 0, 0] == 0
    assert abs(off.float().mean() - 0.25) < 5 * (0.25 * 0.75 / off.numel()) ** 0.5
    torch.testing.assert_close(factors[:, :, 0, 0][~off], torch.full((int((~off).sum()),), 1 / 0.75))


@pytest.mark.parametrize("name", models.MODELS)
def test_it_changes_nothing_in_the_network_that_is_judged(name):
    networks = []
    for rate in (0.0, 0.5):
        torch.manual_seed(0)
        networks.append(models.build(ModelSpec(name, norm="batch", spatial_dropout=rate)).eval())
    assert torch.equal(networks[0](batch(4)), networks[1](batch(4)))
    assert not torch.equal(networks[1](batch(4)), networks[1].train()(batch(4)))
