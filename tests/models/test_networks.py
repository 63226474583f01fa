"""The networks: known numbers of parameters, logits whatever the memory format, a sane beginning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import tiny_config

from reglab import models
from reglab.models import ModelSpec
from reglab.training.events import Epoch
from reglab.training.train import train

COUNTS = {
    ("basic_cnn", "none"): 550_570,  # the tutorials' count
    ("basic_cnn", "batch"): 551_146,  # 576 channels and units: a scale and a shift each, but no bias
    ("resnet20", "batch"): 269_722,  # as in other implementations of the paper's option A
    ("resnet20", "none"): 269_034,  # 688 channels: a bias each, but no scale and shift
}


@pytest.mark.parametrize(("name", "norm"), COUNTS)
def test_the_number_of_parameters_is_the_known_one(name, norm):
    network = models.build(ModelSpec(name, norm=norm))
    assert sum(p.numel() for p in network.parameters()) == COUNTS[name, norm]


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("classes", [10, 100])
def test_a_network_turns_pictures_into_logits_whatever_the_memory_format(name, norm, classes):
    torch.manual_seed(0)
    network = models.build(ModelSpec(name, norm=norm, classes=classes)).eval()
    x = torch.randn(3, 3, 32, 32)
    plain = network(x)
    assert plain.shape == (3, classes)
    last = network.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("norm", [{}, {"batch_norm": True}])
def test_resnet20_trains_with_and_without_normalization(norm, tiny_split):
    events = list(train(tiny_config(model="resnet20", epochs=6, lr=3e-3, regularizers=norm), tiny_split))
    losses = [e.running_loss for e in [e for e in events if isinstance(e, Epoch)][1:]]
    assert losses[-1] < 0.95 * losses[0]


def test_the_untrained_network_is_undecided(tiny_split):
    """A sane initialization begins near the loss of guessing, ln 10."""
    for name in models.MODELS:
        untrained = next(e for e in train(tiny_config(model=name), tiny_split) if isinstance(e, Epoch))
        assert untrained.val_loss < 2 * np.log(10), name
