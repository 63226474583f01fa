"""The confidence penalty against the entropy of torch's categorical distribution."""

from __future__ import annotations

from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import network, rng
from torch.distributions import Categorical

from reglab.regularizers import CATALOGUE

ConfidencePenalty = CATALOGUE["confidence_penalty"]


@given(beta=st.floats(0, 10), classes=st.integers(2, 100), seed=st.integers(0, 1000), scale=st.floats(0, 20))
@settings(max_examples=50, deadline=None)
def test_it_is_minus_beta_times_the_entropy_and_a_constant(beta, classes, seed, scale):
    """L - beta * H(p), the paper's section 3; the constant makes it zero for a network that knows nothing."""
    logits = (scale * torch.randn(8, classes, generator=rng(seed), dtype=torch.double)).requires_grad_()
    penalty = ConfidencePenalty(beta=beta).penalty(network(), logits, {})
    theirs = -beta * Categorical(logits=logits).entropy().mean()
    torch.testing.assert_close(penalty, theirs + beta * log(classes))
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (penalty, theirs)))


def test_it_is_between_nothing_and_beta_times_the_log_of_the_classes():
    ignorant, certain = torch.zeros(4, 10), torch.eye(10)[:4] * 1_000
    technique = ConfidencePenalty(beta=0.5)
    assert technique.penalty(network(), ignorant, {}).item() == pytest.approx(0, abs=1e-6)
    assert technique.penalty(network(), certain, {}).item() == pytest.approx(0.5 * log(10))
