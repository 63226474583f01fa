"""Group normalization: where the layers stand, what they compute, and with what they cannot be."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import batch, rng

from reglab import models
from reglab.errors import ConfigError
from reglab.models import ModelSpec
from reglab.models.group_norm import GroupNorm, Normalized


def norms(network: torch.nn.Module) -> list[torch.nn.GroupNorm]:
    return [m for m in network.modules() if isinstance(m, torch.nn.GroupNorm)]


@pytest.mark.parametrize("name", models.MODELS)
def test_it_follows_every_convolution_and_leaves_it_without_a_bias(name):
    network = models.build(tiny_config(model=name, regularizers={"group_norm": {"num_groups": 4}}).spec(10))
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m.weight.requires_grad]
    assert [n.num_channels for n in norms(network)][: len(convolutions)] == [c.out_channels for c in convolutions]
    assert all(c.bias is None for c in convolutions) and all(n.num_groups == 4 for n in norms(network))


@given(groups=st.integers(1, 64), name=st.sampled_from(list(models.MODELS)))
@settings(max_examples=12, deadline=None)
def test_any_number_of_groups_is_made_to_divide_the_channels(groups, name):
    for norm in norms(models.build(ModelSpec(name, norm="group", num_groups=groups))):
        divisors = [d for d in range(1, groups + 1) if norm.num_channels % d == 0 and groups % d == 0]
        assert norm.num_groups == max(divisors)


def test_a_layer_computes_what_the_paper_writes():
    """Section 3.1, slowly: mean and deviation over a group of channels and all pixels of one image."""
    layer = norms(models.build(ModelSpec(norm="group", num_groups=8)))[0]
    with torch.no_grad():
        layer.weight.uniform_(0.5, 2), layer.bias.uniform_(-1, 1)
    x = torch.randn(3, layer.num_channels, 5, 4, generator=rng())
    out, size = torch.empty_like(x), layer.num_channels // 8
    for image in range(3):
        for first in range(0, layer.num_channels, size):
            group = x[image, first : first + size]
            variance = (group - group.mean()).square().mean()
            out[image, first : first + size] = (group - group.mean()) / (variance + layer.eps).sqrt()
    expected = out * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("name", models.MODELS)
def test_an_image_is_judged_the_same_alone_and_in_a_batch_in_training_too(name):
    network = models.build(ModelSpec(name, norm="group")).train()
    torch.testing.assert_close(network(batch(4))[:1], network(batch(4)[:1]), rtol=1e-4, atol=1e-5)


def test_it_works_where_batch_norm_does_not_and_never_beside_it():
    tiny_config(batch_size=1, regularizers={"group_norm": True})
    for order in (["batch_norm", "group_norm"], ["group_norm", "batch_norm"]):
        with pytest.raises(ConfigError, match=r"batch_norm.* both .*switch one of them off"):
            tiny_config(regularizers=dict.fromkeys(order, True))


# ---- computed otherwise than by torch ----------------------------------------------------------------------------
SHAPES = {"wide maps": (3, 8, 32, 32), "small maps": (5, 16, 4, 6), "four places": (2, 8, 2, 2)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_its_gradients_are_the_slopes_of_what_it_computes(shape):
    draws = rng()
    x = torch.randn(shape, generator=draws, dtype=torch.double)
    weight, bias = (torch.randn(shape[1], generator=draws, dtype=torch.double) for _ in range(2))
    values = [t.requires_grad_() for t in (x, weight, bias)]
    assert torch.autograd.gradcheck(lambda *given: Normalized.apply(*given, 4, 1e-5), values, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_comes_as_near_to_the_exact_numbers_as_torchs_own_layer(shape, channels_last, dtype):
    draws = rng()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = (2 * torch.randn(shape, generator=draws) + 3).to(dtype).contiguous(memory_format=layout)
    g = torch.randn(shape, generator=draws).to(dtype)
    ours, theirs = GroupNorm(4, shape[1]), torch.nn.GroupNorm(4, shape[1])
    with torch.no_grad():
        theirs.weight.uniform_(0.5, 2, generator=draws), theirs.bias.uniform_(-1, 1, generator=draws)
    ours.load_state_dict(theirs.state_dict())
    exact = torch.nn.GroupNorm(4, shape[1]).double()
    exact.load_state_dict(theirs.state_dict())

    def computed(layer, kind):
        given = x.detach().to(kind).requires_grad_()
        out = layer(given)
        out.backward(g.to(kind))
        return out, given.grad, layer.weight.grad, layer.bias.grad

    told = [computed(layer, kind) for layer, kind in ((ours, dtype), (theirs, dtype), (exact, torch.double))]
    for own, other, right in zip(*told, strict=True):
        assert own.dtype == other.dtype and own.stride() == other.stride()
        far, allowed = ((t.double() - right).abs().max() for t in (own, other))
        assert far <= 3 * allowed + 3e-6 * right.abs().max()


def test_many_images_are_computed_in_parts_and_come_to_the_same(monkeypatch):
    x = torch.randn(6, 8, 4, 4, generator=rng())
    whole = GroupNorm(2, 8)(x)
    monkeypatch.setattr("reglab.models.group_norm.CACHED", 2 * 8 * 4 * 4)
    torch.testing.assert_close(GroupNorm(2, 8)(x), whole, rtol=0, atol=0)
