"""Techniques together: pairs and threes are trained or refused, and in any order they say the same."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
import torch
from conftest import make_split, tiny_config
from techniques import TRAINABLE, batch, config_with, logits, rng, story, targets

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE
from reglab.training.batches import Draws, ImageSet, Normalize, prepare_batch
from reglab.training.events import Epoch, Failed
from reglab.training.train import train

FEW = make_split(train=32, val=16, test=16)


def first_steps(*keys: str) -> None:
    """Two steps with these on, and finite numbers; or a refusal that says what to do."""
    try:
        config = config_with(*keys, epochs=1, batch_size=16)
    except ConfigError as error:
        assert any(way in str(error) for way in ("switch one of them off.", "switch it off.")), error
        return
    for event in train(config, FEW):
        assert not isinstance(event, Failed), event
        if isinstance(event, Epoch) and event.epoch == 1:
            assert event.step == 2
            return
    raise AssertionError("the first epoch never ended")


PAIRS = list(itertools.combinations(CATALOGUE, 2))
THREES = list(itertools.combinations(TRAINABLE, 3))


@pytest.mark.parametrize("part", range(10))
def test_in_random_pairs_and_threes_two_steps_are_finite_or_it_is_refused(part):
    """As many as take a moment, every technique among them; the next two ask all pairs and many threes."""
    paired = [(key, random.Random(key).choice([other for other in CATALOGUE if other != key])) for key in CATALOGUE]
    for keys in [*paired, *random.Random(1).sample(THREES, 20)][part::10]:
        first_steps(*keys)


@pytest.mark.slow
@pytest.mark.parametrize("key", CATALOGUE)
def test_with_every_other_technique_two_steps_are_finite_or_it_is_refused(key):
    for pair in PAIRS:
        if pair[1] == key:
            first_steps(*pair)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_in_many_threes_two_steps_are_finite_or_it_is_refused(part):
    for keys in random.Random(0).sample(THREES, 200)[part::10]:
        first_steps(*keys)


def test_both_normalizations_at_once_are_refused():
    with pytest.raises(ConfigError, match=r"batch_norm and group_norm|group_norm and batch_norm"):
        RunConfig.parse({"regularizers": {"batch_norm": True, "group_norm": True}})


def test_the_order_in_the_config_changes_no_byte_of_the_result(tiny_split):
    keys = ["mixup", "cutmix", "flip_crop", "gaussian_noise", "label_smoothing", "bootstrapping", "sam", "ema"]
    keys += ["gradient_clipping", "gradient_noise", "l1", "max_norm"]
    one, other = (tiny_config(width=0.125, epochs=2, regularizers=dict.fromkeys(k, True)) for k in (keys, keys[::-1]))
    assert story(one, tiny_split) == story(other, tiny_split)


def batches_of(config: RunConfig, n: int = 40) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    images = ImageSet(torch.from_numpy(FEW.train_images), torch.from_numpy(FEW.train_labels))
    cpu = torch.device("cpu")
    normalize, techniques = Normalize.to_device(FEW.mean, FEW.std, cpu), list(config.regularizers.values())
    for i in range(n):
        yield prepare_batch(images, torch.arange(32), 10, techniques, normalize, Draws(cpu, (0, 1, i)))


def test_with_mixup_and_cutmix_every_batch_is_mixed_by_one_of_them():
    """Mixup leaves no pixel as it was, CutMix leaves those outside its rectangle."""
    both = {"mixup": {"alpha": 1.0}, "cutmix": {"prob": 1.0}}
    plain = [inputs for inputs, _ in batches_of(tiny_config())]
    pasted = 0
    for (inputs, labels), before in zip(batches_of(tiny_config(regularizers=both)), plain, strict=True):
        same = (inputs == before).float().mean().item()
        moved = (inputs[:, None] == before[None]).all(2).flatten(2).any(1).all(1)  # every pixel is somebody's
        pasted += bool(moved.all())
        assert labels.sum(1).allclose(torch.ones(32)) and (moved.all() or same < 0.5)
    assert 10 < pasted < 30, "each of the two is drawn about half of the time"


def test_smoothing_before_mixing_is_smoothing_after_it():
    mixed = CATALOGUE["mixup"]().mix(batch(), targets(), rng(3))[1]
    smooth = CATALOGUE["label_smoothing"](smoothing=0.2).soft_targets
    torch.testing.assert_close(
        smooth(mixed, logits()), CATALOGUE["mixup"]().mix(batch(), smooth(targets(), logits()), rng(3))[1]
    )
