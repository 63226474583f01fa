"""Flip and crop against the slow version of one image at a time, and never on digits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import rng

from reglab import data
from reglab.regularizers import CATALOGUE, in_order
from reglab.training.batches import Draws, ImageSet, epoch_order, prepare_batch

FlipCrop = CATALOGUE["flip_crop"]


def flipped_and_cropped_slowly(
    images: np.ndarray, padding: int, flip: bool, reflect: bool, draws: torch.Generator
) -> np.ndarray:
    """One image at a time: put into a frame, black or of its reflection, cut out at the place that was drawn, and mirror the outcome."""
    n, _, height, width = images.shape
    down, right = (torch.randint(0, 2 * padding + 1, (n, 1), generator=draws) for _ in range(2))
    mirrored = torch.randint(0, 2, (n, 1), generator=draws) if flip else torch.zeros(n, 1)
    out = np.empty_like(images)
    for i, image in enumerate(images):
        frame = np.pad(image, ((0, 0), (padding, padding), (padding, padding)), "reflect" if reflect else "constant")
        cut = frame[:, down[i] : down[i] + height, right[i] : right[i] + width]
        out[i] = cut[:, :, ::-1] if mirrored[i] else cut
    return out


@given(
    padding=st.integers(0, 8),
    flip=st.booleans(),
    reflect=st.booleans(),
    seed=st.integers(0, 2**31),
    n=st.integers(1, 12),
)
@settings(max_examples=80, deadline=None)
def test_it_is_the_slow_version_of_one_image_at_a_time(padding, flip, reflect, seed, n):
    images = torch.rand(n, 3, 12, 10, generator=rng(1))
    technique = FlipCrop(padding=padding, flip=flip, reflect=reflect)
    ours = technique.augment(images.to(memory_format=torch.channels_last), rng(seed)).numpy()
    assert np.array_equal(ours, flipped_and_cropped_slowly(images.numpy(), padding, flip, reflect, rng(seed)))


def all_cuts(image: np.ndarray, padding: int, flip: bool):
    _, height, width = image.shape
    for picture in (image, image[:, :, ::-1]) if flip else (image,):
        frame = np.pad(picture, ((0, 0), (padding, padding), (padding, padding)))
        for y in range(2 * padding + 1):
            for x in range(2 * padding + 1):
                yield np.ascontiguousarray(frame[:, y : y + height, x : x + width])


def test_it_mirrors_half_of_the_images_and_uses_every_shift():
    image = torch.arange(3 * 32 * 32.0).view(1, 3, 32, 32) / 4000
    seen = FlipCrop(padding=2).augment(image.expand(4_000, -1, -1, -1), rng()).numpy()
    upright = {cut.tobytes() for cut in all_cuts(image[0].numpy(), 2, False)}
    share = np.mean([picture.tobytes() in upright for picture in seen])
    assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(4_000)
    assert len({picture.tobytes() for picture in seen}) == 2 * 5 * 5


@pytest.mark.parametrize("source", [s for s in data.SOURCES.values() if not s.mirror], ids=lambda s: s.key)
def test_it_never_mirrors_what_means_something_else_in_a_mirror(source):
    suited = FlipCrop().for_dataset(source)
    image = torch.rand(3, 32, 32, generator=rng())
    cuts = {cut.tobytes() for cut in all_cuts(image.numpy(), 4, False)}
    seen = suited.augment(image.expand(500, -1, -1, -1), rng())
    assert all(picture.numpy().tobytes() in cuts for picture in seen)


@given(n=st.integers(1, 40), epoch=st.integers(1, 30), seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_in_turn_every_image_is_mirrored_every_other_epoch(n, epoch, seed):
    images, index = torch.rand(n, 3, 6, 5, generator=rng(seed)), torch.randperm(50_000, generator=rng(seed))[:n]
    technique = FlipCrop(alternate=True, padding=0)
    this, following, again = (technique.augment(technique.view(images, index, epoch + i), rng()) for i in range(3))
    mirrored = (this != images).flatten(1).any(1)
    assert torch.equal(this[mirrored], images[mirrored].flip(3))
    assert torch.equal(following, this.flip(3)) and torch.equal(again, this)


def test_in_turn_half_of_the_images_begin_with_their_mirror_image():
    """Whichever batch they are in: what is drawn for a batch decides the shift alone."""
    images = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(50_000, 3, 1, 2)
    first = FlipCrop(alternate=True).view(images, torch.arange(50_000), 1)[:, 0, 0, 0]
    assert abs(first.mean().item() - 0.5) < 0.01
    neighbors = torch.stack([first[:-1], first[1:]]).T.unique(dim=0, return_counts=True)[1]
    assert neighbors.min() > 10_000, "images one after the other do not begin alike"


def test_digits_are_not_mirrored_in_turn_either():
    suited = FlipCrop(alternate=True).for_dataset(data.source("digits"))
    images = torch.rand(4, 3, 6, 5, generator=rng())
    assert torch.equal(suited.view(images, torch.arange(4), 1), images)


def test_a_run_sees_each_image_in_turn(tiny_split):
    """Of two epochs without any other change the second has the mirror images of the first."""
    tiny = replace(tiny_split, train_images=tiny_split.train_images[:32], train_labels=tiny_split.train_labels[:32])
    config = tiny_config(
        dataset="cifar10", train_size=32, batch_size=16, regularizers={"flip_crop": {"padding": 0, "alternate": True}}
    )
    images, nothing = ImageSet.to_device(tiny.train_images, tiny.train_labels, torch.device("cpu")), lambda x: x
    seen = []
    for epoch in (1, 2):
        order = epoch_order(32, 0, epoch)
        shown = torch.empty(32, 3, *tiny.train_images.shape[1:3])
        for number in range(2):
            index = order[number * 16 : number * 16 + 16]
            shown[index] = prepare_batch(
                images,
                index,
                10,
                in_order(config.regularizers.values()),
                nothing,
                Draws(torch.device("cpu"), (0, epoch, number)),
            )[0]
        seen.append(shown)
    assert torch.equal(seen[0], seen[1].flip(3)) and not torch.equal(seen[0], seen[1])
