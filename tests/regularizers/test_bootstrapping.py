"""Soft bootstrapping against equation 6 of Reed et al. 2014, its value and its gradient."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import rng, targets
from torch.nn.functional import cross_entropy

from reglab.regularizers import CATALOGUE

Bootstrapping = CATALOGUE["bootstrapping"]


@given(beta=st.floats(0, 1), classes=st.integers(2, 30), seed=st.integers(0, 1000), scale=st.floats(0, 5))
@settings(max_examples=50, deadline=None)
def test_the_loss_is_the_papers_and_so_is_its_gradient(beta, classes, seed, scale):
    """L = sum over k of -[beta t_k + (1 - beta) q_k] log q_k, differentiated by hand: the gradient of the logits is
    beta (q - t) for the labels, and (1 - beta) q_j (sum over k of q_k log q_k - log q_j) for the entropy."""
    logits = (scale * torch.randn(8, classes, generator=rng(seed), dtype=torch.double)).requires_grad_()
    t = targets(8, classes).double()
    loss = cross_entropy(logits, Bootstrapping(beta=beta).soft_targets(t, logits))
    with torch.no_grad():
        q = logits.exp() / logits.exp().sum(1, keepdim=True)
        expected = -((beta * t + (1 - beta) * q) * q.log()).sum(1).mean()
        entropy = -(q * q.log()).sum(1, keepdim=True)
        slope = (beta * (q - t) - (1 - beta) * q * (q.log() + entropy)) / 8
    torch.testing.assert_close(loss.detach(), expected)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], slope)


def test_at_beta_one_the_labels_are_believed_to_the_bit():
    logits = torch.randn(16, 10, generator=rng())
    assert torch.equal(Bootstrapping(beta=1).soft_targets(targets(), logits), targets())


def test_it_makes_a_wrong_label_cost_less_where_the_network_is_sure():
    """What it is for: the pull of a wrong label on a network that knows better is weaker than without it."""
    logits = torch.tensor([[6.0, 0.0, 0.0]], requires_grad=True)
    wrong = torch.tensor([[0.0, 1.0, 0.0]])
    pull = {}
    for beta in (1.0, 0.8):
        loss = cross_entropy(logits, Bootstrapping(beta=beta).soft_targets(wrong, logits))
        pull[beta] = torch.autograd.grad(loss, logits)[0].norm()
    assert pull[0.8] < 0.9 * pull[1.0]
