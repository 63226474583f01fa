"""The laws of the split: what is held out, which labels are wrong, and what cannot be asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hub_cache import own_cache_fixture  # noqa: F401  (for every test of this file)
from hypothesis import given, settings
from hypothesis import strategies as st

from reglab import data
from reglab.errors import ConfigError


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGLAB_CACHE", str(tmp_path_factory.mktemp("decoded")))
        return data.load("digits")


sizes = st.integers(10, 997)
val_sizes = st.integers(10, 290)
shares = st.floats(0, 1)
seeds = st.integers(0, 2**31)


@settings(max_examples=40, deadline=None)
@given(train_size=sizes, val_size=val_sizes, label_noise=shares, seed=seeds)
def test_the_laws_of_the_split(digits, train_size, val_size, label_noise, seed):
    split = data.split(digits, train_size, val_size, label_noise, seed)
    assert len(split.train_images) == len(split.train_labels) == len(split.train_indices) == train_size
    assert len(split.val_images) == len(split.val_labels) == len(split.val_indices) == val_size
    assert not set(split.train_indices) & set(split.val_indices)
    assert (np.diff(split.train_indices) > 0).all() and (np.diff(split.val_indices) > 0).all()

    np.testing.assert_array_equal(split.train_images, digits.images[split.train_indices])
    np.testing.assert_array_equal(split.true_labels, digits.labels[split.train_indices])
    np.testing.assert_array_equal(split.val_labels, digits.labels[split.val_indices])  # always clean
    np.testing.assert_array_equal(split.test_labels, digits.test_labels)

    share = np.bincount(digits.labels) / len(digits.labels)
    assert (abs(np.bincount(split.val_labels, minlength=10) - share * val_size) < 1).all()
    assert (abs(np.bincount(split.true_labels, minlength=10) - share * train_size) < 2).all()

    assert split.corrupted.sum() == round(label_noise * train_size)
    np.testing.assert_array_equal(split.train_labels != split.true_labels, split.corrupted)
    assert split.train_labels.dtype == np.int64 and set(split.train_labels) <= set(range(10))


@settings(max_examples=20, deadline=None)
@given(small=sizes, large=sizes, val_size=val_sizes, seed=seeds)
def test_a_smaller_training_set_lies_within_a_larger_one(digits, small, large, val_size, seed):
    small, large = sorted((small, large))
    one, other = data.split(digits, small, val_size, 0, seed), data.split(digits, large, val_size, 0, seed)
    assert set(one.train_indices) <= set(other.train_indices)
    np.testing.assert_array_equal(one.val_indices, other.val_indices)


def test_the_seed_decides_and_nothing_else(digits):
    one, same, other = (data.split(digits, 300, 300, 0.3, seed) for seed in (1, 1, 2))
    for name in ("train_indices", "val_indices", "train_labels", "corrupted"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert set(one.val_indices) != set(other.val_indices)


@pytest.mark.parametrize(
    ("test_images", "first"), [(510, [7, 12, 14, 16, 18, 22, 23, 26]), (500, [7, 10, 12, 14, 16, 23, 26, 28])]
)
def test_a_split_does_not_change_with_a_version_or_machine(test_images, first):
    split = data.split(data.load("digits", test_images=test_images), 300, 300, 0.3, 1)
    assert split.train_indices[:8].tolist() == first


def test_sizes_that_the_classes_divide_are_exactly_balanced(digits):
    balanced = replace(digits, labels=np.arange(1_287) % 10)
    split = data.split(balanced, 500, 200, 0, 0)
    assert (np.bincount(split.true_labels) == 50).all() and (np.bincount(split.val_labels) == 20).all()


def test_no_train_size_takes_all_that_is_left(digits):
    split = data.split(digits, None, 300, 0, 0)
    assert sorted([*split.train_indices, *split.val_indices]) == list(range(1_287))


def test_more_noise_keeps_the_wrong_labels_that_were_there(digits):
    little, much = (data.split(digits, 900, 300, noise, 0) for noise in (0.2, 0.6))
    assert much.corrupted[little.corrupted].all()
    np.testing.assert_array_equal(little.train_labels[little.corrupted], much.train_labels[little.corrupted])


def test_nine_tenths_of_noise_is_a_uniformly_random_label(digits):
    pairs = np.zeros((10, 10))
    for seed in range(30):
        split = data.split(digits, None, 300, 0.9, seed)
        np.add.at(pairs, (split.true_labels, split.train_labels), 1)
    np.testing.assert_allclose(pairs / pairs.sum(1, keepdims=True), 0.1, atol=0.02)


@pytest.mark.parametrize(
    ("train_size", "val_size", "label_noise", "sentence"),
    [
        (988, 300, 0, r"988 training images .* 987 remain when 300 of Digits' 1,287 .*: ask for at most 987\."),
        (9, 300, 0, "9 training images were asked for, but Digits has 10 classes: ask for at least 10"),
        (None, 9, 0, "9 validation images were asked for, .*: ask for at least 10"),
        (None, 1_290, 0, "1,290 validation images were asked for, .*: ask for at most 1,277"),
        (None, 300, -0.1, "label noise of -0.1 .* from 0 .none. to 1"),
        (None, 300, 1.1, "label noise of 1.1"),
        (None, 300, float("nan"), "label noise of nan"),
    ],
)
def test_what_cannot_be_split_is_refused_in_a_sentence(digits, train_size, val_size, label_noise, sentence):
    with pytest.raises(ConfigError, match=sentence):
        data.split(digits, train_size, val_size, label_noise, 0)


def test_too_many_training_images_of_cifar10():
    with pytest.raises(ConfigError) as refused:
        data.check_sizes(data.source("cifar10"), 50_000, 2_000)
    assert str(refused.value) == (
        "50,000 training images were asked for, but 48,000 remain when 2,000 of CIFAR-10's 50,000 are held out for "
        "validation: ask for at most 48,000."
    )


@given(size=st.integers(10, 600), more=st.integers(0, 600), seed=seeds)
@settings(max_examples=50, deadline=None)
def test_a_slice_has_the_classes_in_their_shares_and_lies_within_a_larger_one(digits, size, more, seed):
    labels = np.array(digits.labels)
    rows, larger = data.spread(labels, size, seed), data.spread(labels, size + more, seed)
    assert len(rows) == size and (np.diff(rows) > 0).all() and set(rows) <= set(larger)
    share = np.bincount(labels) / len(labels)
    assert (abs(np.bincount(labels[rows], minlength=10) - share * size) < 1).all()
    assert (rows == data.spread(labels, size, seed)).all()
