"""Random erasing against torchvision's: image by image with the same draws, and in distribution."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from small import batch, rng
from torchvision.transforms import v2

from reglab.regularizers import CATALOGUE
from reglab.regularizers.random_erasing import MEAN

RandomErasing = CATALOGUE["random_erasing"]


def erased_slowly(images: np.ndarray, technique, draws: torch.Generator) -> np.ndarray:
    """One image at a time, one try after the other, as torchvision does, with the draws of the batch handed out."""

    def draw(*shape: int) -> list:
        return torch.rand(len(images), *shape, generator=draws, dtype=torch.double).tolist()

    chosen, areas, ratios, tops, lefts = draw(), draw(10), draw(10), draw(1), draw(1)
    n, channels, height, width = images.shape
    noise = torch.rand(n, height, width, channels, generator=draws).numpy() if technique.value == "random" else None
    out = images.copy()
    for i in range(n):
        if chosen[i] >= technique.p:
            continue
        for a, r in zip(areas[i], ratios[i], strict=True):
            area = height * width * (0.02 + (technique.scale_max - 0.02) * a)
            ratio = exp(log(0.3) + (log(3.3) - log(0.3)) * r)
            h, w = round(sqrt(area * ratio)), round(sqrt(area / ratio))
            if h < height and w < width:
                top, left = int(tops[i][0] * (height - h + 1)), int(lefts[i][0] * (width - w + 1))
                for y in range(top, top + h):
                    for x in range(left, left + w):
                        out[i, :, y, x] = MEAN if noise is None else noise[i, y, x]
                break
    return out


@given(
    p=st.floats(0, 1),
    scale=st.floats(0.02, 1),
    value=st.sampled_from(["random", "mean"]),
    seed=st.integers(0, 2**31),
    size=st.sampled_from([(12, 12), (9, 16)]),
)
@settings(max_examples=30, deadline=None)
def test_it_is_the_slow_version_of_one_image_at_a_time(p, scale, value, seed, size):
    images = torch.rand(12, 3, *size, generator=rng(1))
    technique = RandomErasing(p=p, scale_max=scale, value=value)
    ours = technique.augment(images.to(memory_format=torch.channels_last), rng(seed)).numpy()
    assert np.array_equal(ours, erased_slowly(images.numpy(), technique, rng(seed)))


N = 6_000


@pytest.fixture(scope="module")
def rectangles() -> dict[str, np.ndarray]:
    """Top, left, height and width of what is erased in N images of 32 x 32, ours and torchvision's, 0 where nothing."""

    def corners(inside: np.ndarray) -> np.ndarray:
        rows, columns = inside.any(2), inside.any(1)
        return np.stack([rows.argmax(1), columns.argmax(1), rows.sum(1), columns.sum(1)], 1)

    ours = RandomErasing().rectangles(torch.zeros(N, 3, 32, 32), rng())[:, 0]
    torch.manual_seed(0)
    theirs = v2.RandomErasing(p=0.5, scale=(0.02, 0.4), ratio=(0.3, 3.3), value=1)
    images = torch.stack([theirs(torch.zeros(1, 32, 32))[0] for _ in range(N)])
    return {"ours": corners(ours.numpy()), "torchvision": corners(images.numpy() > 0)}


def test_a_share_p_of_the_images_is_erased_in(rectangles):
    for found in rectangles.values():
        assert abs((found[:, 2] > 0).mean() - 0.5) < 5 * 0.5 / sqrt(N)


@pytest.mark.parametrize("what", ["area", "aspect", "height", "width", "top", "left", "room above"])
def test_areas_aspects_and_places_are_distributed_as_torchvisions(rectangles, what):
    """The two-sample test of Kolmogorov and Smirnov. A tie makes it milder, so what is nearly continuous is asked too."""

    def measured(found: np.ndarray) -> np.ndarray:
        top, left, h, w = found[found[:, 2] > 0].T
        return {
            "area": h * w,
            "aspect": h / w,
            "height": h,
            "width": w,
            "top": top,
            "left": left,
            "room above": top / (32 - h),
        }[what]

    ours, theirs = measured(rectangles["ours"]), measured(rectangles["torchvision"])
    assert ks_2samp(ours, theirs).pvalue > 1e-4


def test_the_test_of_distributions_would_notice_a_linear_ratio(rectangles):
    """What the paper draws on a linear scale differs, and is seen to: the test above can fail."""
    h, w = rectangles["torchvision"][rectangles["torchvision"][:, 2] > 0].T[2:]
    linear = np.random.default_rng(0).uniform(0.3, 3.3, len(h))
    assert ks_2samp(linear, h / w).pvalue < 1e-4


def test_noise_is_uniform_and_different_in_every_pixel_and_image():
    seen = RandomErasing(p=1).augment(torch.full((64, 3, 32, 32), 2.0), rng())
    noise = seen[seen < 2]
    assert len(noise) > 5_000 and len(noise.unique()) > 0.99 * len(noise)
    assert ks_2samp(noise.numpy(), np.random.default_rng(0).random(20_000)).pvalue > 1e-4


def test_at_p_zero_nothing_is_changed():
    images = batch()
    assert torch.equal(RandomErasing(p=0).augment(images, rng()), images)


def test_where_no_rectangle_fits_the_image_stays_whole():
    """Two pixels in height: a rectangle must be lower than that and wide, yet narrower than the image."""
    images = torch.full((500, 3, 2, 2), 0.5)
    technique = RandomErasing(p=1, scale_max=1)
    seen = technique.augment(images, rng())
    changed = (seen != images).any(1).sum((1, 2))
    assert set(changed.tolist()) <= {0, 1}, "only one pixel by one pixel is smaller than two by two"
    assert np.array_equal(seen.numpy(), erased_slowly(images.numpy(), technique, rng()))
