"""Batches: the order of an epoch, the pixels of a picture, and randomness that depends on nothing but its purpose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reglab.training.batches import ImageSet, Normalize, derived_seed, epoch_order, generator

CPU = torch.device("cpu")
words = st.lists(st.integers(0, 2**31) | st.text("abcde", min_size=1, max_size=5), min_size=1, max_size=4)


@given(words, words)
def test_a_derived_seed_is_a_function_of_its_words_alone(one, other):
    assert derived_seed(*one) == derived_seed(*one)
    assert (derived_seed(*one) == derived_seed(*other)) == (list(map(str, one)) == list(map(str, other)))


def test_derived_seeds_are_the_same_on_every_machine_and_in_every_version():
    assert derived_seed(0, "weights") == 68_607_889_885_859_432
    assert 0 <= derived_seed(2**31 - 1, "order", 1_000) < 2**63


@given(images=st.integers(1, 300), seed=st.integers(0, 2**31 - 1), epoch=st.integers(0, 1_000))
def test_the_order_of_an_epoch_holds_every_image_once(images, seed, epoch):
    order = epoch_order(images, seed, epoch)
    assert sorted(order.tolist()) == list(range(images))
    assert torch.equal(order, epoch_order(images, seed, epoch))


def test_every_epoch_and_every_seed_has_its_own_order():
    orders = {tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_drawing_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    epoch_order(100, 0, 1)
    torch.rand(5, generator=generator(CPU, 0, "x"))
    assert torch.equal(torch.rand(3), expected)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)


def test_a_batch_has_the_pixels_of_its_pictures(pictures):
    images = ImageSet.to_device(pictures, np.arange(12), CPU)
    index = torch.tensor([3, 0, 3, 11])
    batch = images.images(index)
    assert batch.shape == (4, 3, 32, 32) and batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for row, i in zip(batch, index.tolist(), strict=True):
        for channel in range(3):
            np.testing.assert_allclose(row[channel].numpy(), pictures[i, :, :, channel] / 255, rtol=1e-6)


def test_a_batch_can_be_changed_without_changing_the_pictures(pictures):
    before = pictures.copy()
    pictures.flags.writeable = False  # as a memory-mapped set is
    images = ImageSet.to_device(pictures, np.arange(12), CPU)
    images.images(slice(0, 5)).zero_()
    images.pixels.zero_()
    assert np.array_equal(pictures, before) and len(images) == 12


def test_normalizing_gives_every_channel_mean_zero_and_deviation_one(pictures):
    mean, std = pictures.mean((0, 1, 2)) / 255, pictures.std((0, 1, 2)) / 255
    images = ImageSet.to_device(pictures, np.arange(12), CPU).images(slice(None))
    seen = Normalize.to_device(mean, std, CPU)(images)
    assert seen.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert seen.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], rel=1e-4)
