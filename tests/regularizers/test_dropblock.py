"""DropBlock against the literal algorithm of the paper, and against timm's in what both have in common."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import batch, rng
from timm.layers import DropBlock2d as Timms
from torchvision.ops import DropBlock2d as Torchvisions

from reglab import models
from reglab.models import ModelSpec
from reglab.models.layers import DropBlock2d
from reglab.regularizers.dropblock import DropBlock

SIDE, MAPS = 12, 4_000


def gamma(rate: float, size: int, side: int = SIDE) -> float:
    """Equation 1 of the paper."""
    return rate / size**2 * side**2 / (side - size + 1) ** 2


def hidden(layer: torch.nn.Module, seed: int = 0) -> torch.Tensor:
    """Which pixels of MAPS maps it hides."""
    torch.manual_seed(seed)
    return layer.train()(torch.ones(MAPS // 8, 8, SIDE, SIDE)) == 0


def test_every_block_is_whole():
    """What is hidden is what its own 3 x 3 corners cover: eroding and dilating by a block changes nothing."""
    off = hidden(DropBlock2d(0.2, 3)).float()
    corners = -torch.nn.functional.max_pool2d(-off, 3, stride=1)
    blocks = torch.nn.functional.max_pool2d(torch.nn.functional.pad(corners, (2, 2, 2, 2)), 3, stride=1)
    assert off.sum() > 0 and torch.equal(off, blocks)


@pytest.mark.parametrize(("rate", "size"), [(0.1, 3), (0.3, 5), (0.5, 2), (0.2, 1)])
def test_every_pixel_is_hidden_as_often_as_the_corners_that_cover_it(rate, size):
    """A pixel stays with (1 - gamma) to the power of the places of a block that cover it, fewer at the border."""
    covering = torch.nn.functional.conv_transpose2d(
        torch.ones(1, 1, SIDE - size + 1, SIDE - size + 1), torch.ones(1, 1, size, size)
    )[0, 0]
    expected = 1 - (1 - gamma(rate, size)) ** covering
    seen = hidden(DropBlock2d(rate, size)).float().mean((0, 1))
    assert ((seen - expected).abs() < 5 * (expected * (1 - expected) / MAPS).sqrt()).all()


@pytest.mark.parametrize(("rate", "size"), [(0.1, 3), (0.3, 5)])
def test_far_from_the_border_it_hides_as_much_as_timms(rate, size):
    """timm lets blocks hang over the border, where the paper wants them whole; in the middle both are the same."""
    middle = slice(size - 1, SIDE - size + 1)
    ours = hidden(DropBlock2d(rate, size))[:, :, middle, middle].float()
    theirs = hidden(Timms(rate, size, couple_channels=False))[:, :, middle, middle].float()
    share = 1 - (1 - gamma(rate, size)) ** size**2
    # Pixels of one block go together, so a map counts for few of them: the deviation is that of whole maps.
    deviation = sqrt(2 * ours.mean((2, 3)).var().item() / MAPS)
    assert abs(ours.mean() - theirs.mean()) < 5 * deviation
    assert abs(ours.mean() - share) < 5 * deviation


@pytest.mark.parametrize(("rate", "size"), [(0.1, 3), (0.3, 5)])
def test_it_hides_as_much_as_torchvisions_which_its_card_names(rate, size):
    """Theirs has whole blocks as well: every place of a map is hidden as often by both."""
    ours, theirs = (hidden(kind(rate, size)).float() for kind in (DropBlock2d, Torchvisions))
    share = (ours.mean((0, 1)) + theirs.mean((0, 1))) / 2
    difference = (ours.mean((0, 1)) - theirs.mean((0, 1))).abs()
    assert (difference < 5 * (2 * share * (1 - share) / MAPS).sqrt()).all()


def test_the_line_on_its_card_is_torchvisions_layer():
    p, size = (DropBlock().model_dump()[name] for name in ("rate", "block_size"))
    assert f"torchvision.ops.{Torchvisions.__name__}(p={p}, block_size={size})(x)" in DropBlock.pytorch


def test_channels_and_images_are_hidden_in_independently():
    off = hidden(DropBlock2d(0.3, 3)).float().mean((2, 3))
    first, second = off[:, 0] - off[:, 0].mean(), off[:, 1] - off[:, 1].mean()
    assert abs((first * second).mean() / (first.std() * second.std())) < 5 / sqrt(len(off))


@given(
    rate=st.floats(0, 0.9), size=st.integers(1, 8), seed=st.integers(0, 1000), shape=st.tuples(*[st.integers(1, 9)] * 4)
)
@settings(max_examples=50, deadline=None)
def test_what_is_left_is_scaled_up_by_count_over_count_of_ones(rate, size, seed, shape):
    """Line 6 and 7 of algorithm 1; and maps smaller than a block are no reason to fail."""
    maps = torch.rand(shape, generator=rng(seed)) + 1
    layer = DropBlock2d(rate, size)
    torch.manual_seed(seed)
    out = layer.train()(maps)
    mask = (out != 0).float()
    if mask.sum():
        torch.testing.assert_close(out, maps * mask * mask.numel() / mask.sum())
    assert torch.equal(layer.eval()(maps), maps)


@pytest.mark.parametrize("name", models.MODELS)
def test_it_stands_where_maps_have_room(name):
    config = tiny_config(model=name, regularizers={"dropblock": {"rate": 0.2, "block_size": 5}})
    network = models.build(config.spec(10)).train()
    layers = [m for m in network.modules() if isinstance(m, DropBlock2d)]
    assert layers and all((m.drop_prob, m.block_size) == (0.2, 5) for m in layers)
    sides = []
    for layer in layers:
        layer.register_forward_hook(lambda _, given, __: sides.append(min(given[0].shape[2:])))
    network(batch(2))
    assert len(sides) == len(layers) and min(sides) > 5


@pytest.mark.parametrize("name", models.MODELS)
def test_it_changes_nothing_in_the_network_that_is_judged(name):
    networks = []
    for rate in (0.0, 0.3):
        torch.manual_seed(0)
        networks.append(models.build(ModelSpec(name, norm="batch", dropblock=rate)).eval())
    assert torch.equal(networks[0](batch(4)), networks[1](batch(4)))
    assert not torch.equal(networks[1](batch(4)), networks[1].train()(batch(4)))
