"""Gaussian noise: its distribution, its bounds, and torchvision's transform with the same draws."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from scipy.stats import kstest
from small import batch, rng
from torchvision.transforms import v2

from reglab.regularizers import CATALOGUE

GaussianNoise = CATALOGUE["gaussian_noise"]


@pytest.mark.parametrize("sigma", [0.01, 0.1])
def test_it_is_normal_with_that_deviation(sigma):
    images = torch.full((20, 3, 32, 32), 0.5)
    noise = GaussianNoise(sigma=sigma).augment(images, rng()) - 0.5
    assert abs(noise.mean()) < 5 * sigma / sqrt(noise.numel())
    assert abs(noise.var().item() / sigma**2 - 1) < 5 * sqrt(2 / noise.numel())
    assert kstest(noise.flatten()[::7].numpy() / sigma, "norm").pvalue > 1e-4


def test_it_is_torchvisions_with_the_same_draws(monkeypatch):
    images = batch()
    draws = torch.randn(16, 32, 32, 3, generator=rng(4)).permute(0, 3, 1, 2)
    monkeypatch.setattr(torch, "randn_like", lambda *_, **__: draws.clone())
    theirs = v2.GaussianNoise(mean=0.0, sigma=0.3, clip=True)(images)
    torch.testing.assert_close(GaussianNoise(sigma=0.3).augment(images, rng(4)), theirs)


def test_pixels_stay_between_black_and_white():
    seen = GaussianNoise(sigma=1).augment(batch(), rng())
    assert seen.min() == 0 and seen.max() == 1


def test_every_pixel_channel_and_image_has_noise_of_its_own():
    seen = GaussianNoise(sigma=0.01).augment(torch.full((4, 3, 16, 16), 0.5), rng())
    assert len(seen.unique()) > 0.99 * seen.numel()


def test_at_sigma_zero_nothing_is_changed():
    assert torch.equal(GaussianNoise(sigma=0).augment(batch(), rng()), batch())
