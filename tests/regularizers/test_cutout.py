"""Cutout against the paper's loop over images: a square around a centre that may be any pixel, cut off at the border."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import batch, rng

from reglab.regularizers import CATALOGUE

Cutout = CATALOGUE["cutout"]


def covered_slowly(images: np.ndarray, length: int, draws: torch.Generator) -> np.ndarray:
    """Section 3 of DeVries and Taylor 2017, pixel by pixel."""
    n, _, height, width = images.shape
    rows = torch.randint(height, (n, 1, 1), generator=draws).flatten().tolist()
    columns = torch.randint(width, (n, 1, 1), generator=draws).flatten().tolist()
    fill = images.astype(float).mean((0, 2, 3))
    out = images.copy()
    for i in range(n):
        for y in range(rows[i] - length // 2, rows[i] - length // 2 + length):
            for x in range(columns[i] - length // 2, columns[i] - length // 2 + length):
                if 0 <= y < height and 0 <= x < width:
                    out[i, :, y, x] = fill
    return out


@given(length=st.integers(0, 20), seed=st.integers(0, 2**31), n=st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_it_is_the_slow_version_of_one_image_at_a_time(length, seed, n):
    images = torch.rand(n, 3, 12, 10, generator=rng(1))
    ours = Cutout(length=length).augment(images.to(memory_format=torch.channels_last), rng(seed)).numpy()
    np.testing.assert_allclose(ours, covered_slowly(images.numpy(), length, rng(seed)), rtol=1e-5)


def test_every_pixel_can_be_the_centre():
    """A square of one pixel is its own centre."""
    images = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 3, 6, 5).repeat(1_000, 1, 1, 1)
    seen = Cutout(length=1).augment(images, rng())
    covered = (seen != images)[:, 0]
    assert (covered.sum((1, 2)) == 1).all()
    expected = len(images) / 30
    assert (covered.sum(0) - expected).abs().max() < 5 * expected**0.5


def test_the_square_hangs_over_the_border_and_never_covers_more_than_itself():
    images = batch(500) + 1
    covered = (Cutout(length=16).augment(images, rng()) != images).all(1).sum((1, 2))
    assert covered.max() == 16 * 16 and covered.min() < 16 * 16
    assert covered.min() >= 8 * 8, "half of it in each direction, at least"


def test_its_colour_is_zero_for_the_network():
    """The mean of the batch is what normalization with that mean turns into zero."""
    images = batch(64)
    mean = images.mean((0, 2, 3), keepdim=True)
    seen = Cutout(length=8).augment(images, rng()) - mean
    assert ((seen.abs() < 1e-6).all(1).sum((1, 2)) >= 16).all()


def test_at_length_zero_nothing_is_changed():
    assert torch.equal(Cutout(length=0).augment(batch(), rng()), batch())
