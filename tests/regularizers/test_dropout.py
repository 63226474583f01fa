"""Dropout: where the layer stands, and what it does there."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from small import batch, rng

from reglab import models
from reglab.models import ModelSpec


@pytest.mark.parametrize("name", models.MODELS)
def test_it_is_one_layer_before_the_classifier(name):
    config = tiny_config(model=name, regularizers={"dropout": {"rate": 0.4}})
    layers = [m for m in models.build(config.spec(10)).modules() if not list(m.children())]
    assert [m.p for m in layers if isinstance(m, torch.nn.Dropout)] == [0.4]
    assert isinstance(layers[-1], torch.nn.Linear) and isinstance(layers[-2], torch.nn.Dropout)


def test_it_changes_nothing_in_the_network_that_is_judged():
    torch.manual_seed(0)
    plain = models.build(ModelSpec())
    dropped = models.build(ModelSpec(dropout=0.5))
    dropped.load_state_dict(dict(zip(dropped.state_dict(), plain.state_dict().values(), strict=True)))
    assert torch.equal(plain.eval()(batch(4)), dropped.eval()(batch(4)))
    assert not torch.equal(plain(batch(4)), dropped.train()(batch(4)))


def test_units_are_switched_off_and_the_others_scaled_up():
    """Inverted dropout, m * h / (1 - p): what reaches the classifier is zero or a 1 / (1 - p) of what it was."""
    layer = next(m for m in models.build(ModelSpec(dropout=0.3)).modules() if isinstance(m, torch.nn.Dropout))
    units = torch.rand(200, 128, generator=rng()) + 1
    torch.manual_seed(0)
    out = layer.train()(units)
    off = out == 0
    assert abs(off.float().mean() - 0.3) < 5 * (0.3 * 0.7 / units.numel()) ** 0.5
    torch.testing.assert_close(out[~off], units[~off] / 0.7)
