"""CutMix against torchvision's: the same rectangle from the same draws, the same images and labels."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from small import batch, rng, targets
from torchvision.transforms import v2

from reglab.regularizers import CATALOGUE

CutMix = CATALOGUE["cutmix"]


def torchvisions(images: torch.Tensor, labels: torch.Tensor, alpha: float, prob: float, seed: int):
    """One image after the other, its partner put before it, with the rectangle that torchvision makes of these draws."""
    n, _, height, width = images.shape
    host, other = np.random.default_rng(seed), torch.randperm(n, generator=rng(seed))
    if host.random() >= prob:
        return images, labels
    half = 0.5 * sqrt(1 - host.beta(alpha, alpha))
    y, x = host.integers(height), host.integers(width)
    h, w = int(half * height), int(half * width)
    left, right, top, bottom = max(x - w, 0), min(x + w, width), max(y - h, 0), min(y + h, height)
    kept = 1 - (right - left) * (bottom - top) / (height * width)
    out = [[], []]
    for i in range(n):
        pair, pair_labels = images[[int(other[i]), i]], labels[[int(other[i]), i]]
        params = {"box": (left, top, right, bottom), "lam_adjusted": kept, "labels": pair_labels, "batch_size": 2}
        out[0].append(v2.CutMix().transform(pair, params)[1])
        out[1].append(v2.CutMix().transform(pair_labels, params)[1])
    return torch.stack(out[0]), torch.stack(out[1])


@given(
    alpha=st.floats(0.1, 8),
    prob=st.floats(0, 1),
    seed=st.integers(0, 2**31),
    n=st.integers(1, 6),
    size=st.sampled_from([(12, 12), (9, 14)]),
)
@settings(max_examples=60, deadline=None)
def test_it_is_torchvisions(alpha, prob, seed, n, size):
    images, labels = torch.rand(n, 3, *size, generator=rng(1)).to(memory_format=torch.channels_last), targets(n)
    mixed, softened = CutMix(alpha=alpha, prob=prob).mix(images, labels, rng(seed))
    expected = torchvisions(images, labels, alpha, prob, seed)
    assert torch.equal(mixed, expected[0])
    torch.testing.assert_close(softened, expected[1])


def areas(mixes: int = 1_500) -> tuple[np.ndarray, np.ndarray]:
    """Which share of an image is pasted in: read off the pixels, and off the labels."""
    images = torch.eye(2).view(2, 2, 1, 1).expand(2, 2, 32, 32)
    pixels, labels = [], []
    for seed in range(mixes):
        mixed, softened = CutMix(prob=1).mix(images, torch.eye(2), rng(seed))
        if torch.randperm(2, generator=rng(seed)).tolist() == [1, 0]:
            pixels.append(mixed[0, 1].mean().item())
            labels.append(softened[0, 1].item())
    return np.array(pixels), np.array(labels)


def test_labels_are_mixed_by_the_area_that_was_really_pasted():
    pixels, labels = areas(200)
    np.testing.assert_allclose(labels, pixels, atol=1e-6)


def test_the_areas_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    theirs = [
        1 - v2.CutMix(num_classes=2).make_params([torch.zeros(2, 3, 32, 32)])["lam_adjusted"] for _ in range(1_500)
    ]
    assert ks_2samp(areas()[0], theirs).pvalue > 1e-4


@pytest.mark.parametrize("prob", [0.0, 0.5, 1.0])
def test_a_share_of_the_batches_is_mixed(prob):
    drawn = [CutMix(prob=prob).rectangle(np.random.default_rng(seed), 32, 32) for seed in range(400)]
    mixed = [rectangle != (0, 0, 0, 0, 1) for rectangle in drawn]
    assert abs(np.mean(mixed) - prob) <= 5 * sqrt(prob * (1 - prob) / 400)


def test_the_others_stay_as_they_are_to_the_byte():
    images, labels = batch(8, 8), targets(8) * 0.9 + 0.01
    for seed in range(20):
        same, same_labels = CutMix(prob=0).mix(images, labels, rng(seed))
        assert torch.equal(same, images) and torch.equal(same_labels, labels)
