"""Mixup against torchvision's MixUp with the same partner and the same lambda."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from small import batch, rng, targets
from torchvision.transforms import v2

from reglab.regularizers import CATALOGUE

Mixup = CATALOGUE["mixup"]


def draws(alpha: float, seed: int, n: int) -> tuple[float, torch.Tensor]:
    """Lambda, and who is mixed with whom: what the technique draws."""
    return float(np.random.default_rng(seed).beta(alpha, alpha)), torch.randperm(n, generator=rng(seed))


@given(alpha=st.floats(0.05, 8), seed=st.integers(0, 2**31), n=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_it_is_torchvisions(alpha, seed, n):
    """torchvision mixes with the image before in the batch; so each image gets its partner put before it."""
    images, labels = batch(n, 8), targets(n)
    weight, other = draws(alpha, seed, n)
    mixed, softened = Mixup(alpha=alpha).mix(images, labels, rng(seed))
    for i in range(n):
        pair, pair_labels = images[[int(other[i]), i]], labels[[int(other[i]), i]]
        params = {"lam": weight, "labels": pair_labels, "batch_size": 2}
        torch.testing.assert_close(mixed[i], v2.MixUp().transform(pair, params)[1])
        torch.testing.assert_close(softened[i], v2.MixUp().transform(pair_labels, params)[1])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_lambda_has_the_beta_distribution(alpha):
    """Read off the labels: two images of different classes, in batches that exchange them."""
    labels = torch.eye(2)
    weights = []
    for seed in range(600):
        _, mixed = Mixup(alpha=alpha).mix(batch(2, 4), labels, rng(seed))
        if draws(alpha, seed, 2)[1].tolist() == [1, 0]:
            weights.append(mixed[0, 0].item())
    assert len(weights) > 200 and kstest(weights, "beta", (alpha, alpha)).pvalue > 1e-4


def test_images_and_labels_are_mixed_alike():
    """An image that is its own label stays its own label."""
    labels = torch.rand(16, 10, generator=rng())
    images = labels.view(16, 10, 1, 1).expand(-1, -1, 3, 3)
    mixed, softened = Mixup().mix(images, labels, rng(3))
    torch.testing.assert_close(mixed[:, :, 1, 1], softened)
    assert not torch.equal(softened, labels)


def test_at_alpha_zero_nothing_is_mixed():
    images, labels = Mixup(alpha=0).mix(batch(), targets(), rng())
    assert torch.equal(images, batch()) and torch.equal(labels, targets())
