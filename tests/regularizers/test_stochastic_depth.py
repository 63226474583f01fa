"""Stochastic depth against timm's DropPath, its linear rule, and its refusal where there are no branches."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import batch, rng
from timm.layers import DropPath

from reglab import models
from reglab.errors import ConfigError
from reglab.models import ModelSpec
from reglab.models.layers import StochasticDepth


@given(rate=st.floats(0, 0.9), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_layer_is_timms_drop_path(rate, seed):
    branch = torch.randn(16, 3, 4, 4, generator=rng(seed))
    outs = []
    for layer in (StochasticDepth(rate), DropPath(rate)):
        torch.manual_seed(seed)
        outs.append(layer.train()(branch))
        assert torch.equal(layer.eval()(branch), branch)
    torch.testing.assert_close(*outs)


def test_a_branch_is_left_out_for_a_share_of_the_images_and_otherwise_scaled_up():
    torch.manual_seed(0)
    factors = StochasticDepth(0.4).train()(torch.ones(5_000, 2, 3, 3))
    assert (factors.amax((1, 2, 3)) == factors.amin((1, 2, 3))).all(), "all of an image, or nothing"
    off = factors[:, 0, 0, 0] == 0
    assert abs(off.float().mean() - 0.4) < 5 * (0.4 * 0.6 / 5_000) ** 0.5
    torch.testing.assert_close(factors[:, 0, 0, 0][~off], torch.full((int((~off).sum()),), 1 / 0.6))


def test_the_rate_grows_linearly_from_branch_to_branch():
    """Equation 4 of the paper with p_L = 1 - rate: branch l of L is left out with l / L * rate."""
    config = tiny_config(model="resnet20", regularizers={"stochastic_depth": {"rate": 0.45}})
    rates = [m.drop_prob for m in models.build(config.spec(10)).modules() if isinstance(m, StochasticDepth)]
    assert rates == pytest.approx([0.45 * branch / 9 for branch in range(1, 10)])


def test_it_changes_nothing_in_the_network_that_is_judged():
    networks = []
    for rate in (0.0, 0.5):
        torch.manual_seed(0)
        networks.append(models.build(ModelSpec("resnet20", norm="batch", stochastic_depth=rate)).eval())
    assert torch.equal(networks[0](batch(4)), networks[1](batch(4)))
    assert not torch.equal(networks[1](batch(4)), networks[1].train()(batch(4)))


def test_a_network_without_branches_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match=r"basic_cnn has no residual branches.*resnet20"):
        tiny_config(model="basic_cnn", regularizers={"stochastic_depth": True})
