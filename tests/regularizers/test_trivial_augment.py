"""TrivialAugment: each of the fourteen operations against torchvision's, and the draws against the paper's."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import batch, levels, rng
from torchvision.transforms import v2

from reglab import compat, data
from reglab.regularizers import CATALOGUE
from reglab.regularizers.trivial_augment import BINS, OPERATIONS, rotate

TrivialAugment = CATALOGUE["trivial_augment"]
THEIRS = v2.TrivialAugmentWide()
NAMES = dict(zip(OPERATIONS, compat.torchvision.operations(THEIRS), strict=True))  # both list them in the paper's order
BLENDS = ("brightness", "color", "contrast", "sharpness")  # fractions are cut off, so the last bit may cost a level

every = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)


def bins(operation) -> list[float]:
    """The strengths of an operation with their signs."""
    first, last, either_side = OPERATIONS[operation]
    values = torch.linspace(first, last, BINS).tolist()
    return values + [-v for v in values] if either_side else values


def by_torchvision(operation, images: torch.Tensor, strength: float) -> torch.Tensor:
    strength = round(strength) if operation.__name__ == "posterize" else strength  # it has whole bits
    return compat.torchvision.apply_operation(THEIRS, images, NAMES[operation], strength)


@every
def test_the_names_fit(operation):
    assert operation.__name__.replace("_", "") == NAMES[operation].lower()


@every
def test_the_strengths_are_torchvisions(operation):
    space, signed = compat.torchvision.operations(THEIRS)[NAMES[operation]]
    first, last, either_side = OPERATIONS[operation]
    theirs = space(31, 32, 32)
    assert BINS == 31 and either_side == signed
    if theirs is None:
        assert first == last == 0, "it has no strength"
    elif operation.__name__ == "posterize":
        assert torch.linspace(first, last, BINS).round().tolist() == theirs.tolist(), "bits are whole"
    else:
        assert torch.equal(torch.linspace(first, last, BINS), theirs)


@every
@pytest.mark.parametrize("size", [(32, 32), (20, 27)], ids=["square", "oblong"])
def test_an_operation_is_torchvisions_on_8_bit_images(operation, size):
    """To the last bit. Blends cut off fractions, so they may be off by one level, in less than two of a thousand pixels.

    At 45 and 135 degrees the pixels of a diagonal lie halfway between two others, and which is nearer is a matter of
    the last bit of a sine, so two diagonals of a square may differ there.
    """
    images = levels(16, *size)
    ours_in = images.float().to(memory_format=torch.channels_last)
    off, asked = 0, 0
    for strength in bins(operation):
        ours = operation(ours_in, torch.full((16,), strength, dtype=torch.double))
        theirs = by_torchvision(operation, images, strength).float()
        apart = (ours - theirs).abs()
        if operation.__name__ in BLENDS:
            assert apart.max() <= 1
            off, asked = off + int((apart > 0).sum()), asked + apart.numel()
        elif operation is rotate and abs(strength) in (45, 135):
            assert (apart > 0).any(1).sum((1, 2)).max() <= 2 * max(size)
        else:
            assert apart.max() == 0, strength
    assert off <= 0.002 * asked


@every
@given(seed=st.integers(0, 2**31), n=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_images_of_a_group_do_not_see_each_other(operation, seed, n):
    """Each with a strength of its own, together and one by one."""
    images = levels(9, 12, 14, seed)[:n].float()
    strength = torch.tensor(bins(operation), dtype=torch.double)
    strength = strength[torch.randint(len(strength), (n,), generator=rng(seed))]
    together = operation(images, strength)
    alone = torch.cat([operation(images[i : i + 1], strength[i : i + 1]) for i in range(n)])
    assert (together - alone).abs().max() <= (1 if operation.__name__ in BLENDS else 0)


@every
def test_no_operation_changes_the_images_it_was_given(operation):
    images = levels().float()
    kept = images.clone()
    seen = operation(images, torch.full((16,), bins(operation)[7], dtype=torch.double))
    assert torch.equal(images, kept)
    assert torch.equal(seen, seen.round()) and seen.min() >= 0 and seen.max() <= 255, "whole levels"


def the_one(images: torch.Tensor, seen: torch.Tensor, strengths: dict) -> set[tuple[str, float]]:
    """With which operations and strengths one image could have become the other."""
    return {
        (operation.__name__, s)
        for operation, values in strengths.items()
        for s in values
        if (operation(images, torch.tensor([s], dtype=torch.double)) - seen).abs().max() <= 1
    }


def test_every_image_went_through_one_operation_in_one_strength():
    images = levels(16, 12, 12)[:14].float()
    seen = TrivialAugment().augment((images / 255).to(memory_format=torch.channels_last), rng(5)) * 255
    strengths = {operation: bins(operation) for operation in OPERATIONS}
    found = [the_one(images[i : i + 1], seen[i : i + 1], strengths) for i in range(len(images))]
    assert all(found)
    assert len({name for names in found if len(names) == 1 for name, _ in names}) > 4, (
        "several were told apart for sure"
    )


def test_every_operation_bin_and_side_is_drawn_equally_often(monkeypatch):
    """The operations are replaced by ones that write down which they are and with what strength they were called."""
    n, told = 140_000, {}

    def spy(operation):
        def write_down(images, strength):
            told[operation] = strength
            return images

        return write_down

    monkeypatch.setattr(
        "reglab.regularizers.trivial_augment.OPERATIONS", {spy(o): settings for o, settings in OPERATIONS.items()}
    )
    TrivialAugment().augment(torch.zeros(n, 3, 1, 1), rng())
    assert set(told) == set(OPERATIONS)
    for operation, (first, last, either_side) in OPERATIONS.items():
        values = told[operation].numpy()
        share = 1 / 14
        assert abs(len(values) - n * share) < 5 * sqrt(n * share * (1 - share))
        if first != last:
            sizes, counts = np.unique(np.abs(values), return_counts=True)
            expected = len(values) / 31
            assert len(sizes) == 31 and np.abs(counts - expected).max() < 5 * sqrt(expected)
        negative = (values < 0).mean()
        assert abs(negative - (30 / 31 / 2 if either_side else 0)) < 5 * 0.5 / sqrt(len(values))


def test_the_images_that_are_left_alone_stay_as_they_were_to_the_bit():
    images = torch.arange(256).float().div(255).view(1, 1, 16, 16).expand(60, 3, -1, -1)
    seen = TrivialAugment().augment(images, rng())
    assert any(torch.equal(a, b) for a, b in zip(images, seen, strict=True))
    eight_bit = (seen * 255).round() / 255
    assert torch.equal(seen, eight_bit), "and all others are 8-bit images, too"


def test_what_lies_between_two_levels_is_rounded_first():
    images = batch(32, 16)
    rounded = (images * 255).round() / 255
    assert torch.equal(TrivialAugment().augment(images, rng(3)), TrivialAugment().augment(rounded, rng(3)))


@pytest.mark.parametrize("source", data.SOURCES.values(), ids=lambda s: s.key)
def test_what_means_something_else_when_turned_is_never_turned(source, monkeypatch):
    called = []

    def turned(images, degrees):
        called.append(len(images))
        return images

    suited = TrivialAugment().for_dataset(source)
    assert suited.rotate == source.mirror
    operations = {(turned if o is rotate else o): settings for o, settings in OPERATIONS.items()}
    monkeypatch.setattr("reglab.regularizers.trivial_augment.OPERATIONS", operations)
    monkeypatch.setattr("reglab.regularizers.trivial_augment.rotate", turned)
    suited.augment(torch.zeros(500, 3, 4, 4), rng())
    assert bool(called) == source.mirror


def test_the_draws_are_those_of_the_generators_seed():
    images = batch(64, 16)
    assert torch.equal(TrivialAugment().augment(images, rng(1)), TrivialAugment().augment(images, rng(1)))
    assert not torch.equal(TrivialAugment().augment(images, rng(1)), TrivialAugment().augment(images, rng(2)))
