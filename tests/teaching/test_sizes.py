"""How large the proposed comparison is, by how fast the machine is."""

from __future__ import annotations

import pytest

from reglab.config import RunConfig
from reglab.data import SOURCES
from reglab.teaching.sizes import MINUTE, known, preset, proposed, sizes


def at(images_per_second: float):
    """Seconds of the pair on a machine that learns so many images a second at full width."""
    return lambda configs: [5 + 2 * c.epochs * c.train_images * c.width / images_per_second for c in configs]


@pytest.mark.parametrize(
    ("images_per_second", "images", "width"),
    [
        (1, 1_000, 0.5),
        (400, 1_000, 0.5),
        (600, 1_500, 0.5),
        (800, 2_000, 0.5),
        (1_900, 5_000, 0.5),
        (5_000, 5_000, 1.0),
        (1e5, 48_000, 1.0),
    ],
)
def test_the_largest_that_takes_a_minute_is_proposed(images_per_second, images, width):
    seconds = at(images_per_second)
    told = known("cifar10", seconds)
    config = proposed("cifar10", told)
    assert (config.train_images, config.width) == (images, width)
    assert seconds([config])[0] <= MINUTE or images == 1_000
    assert [size.config for size in told if size.is_proposed] == [config]


def test_nothing_is_chosen_where_nothing_is_known_or_there_is_nothing_to_choose():
    assert known("cifar10", lambda configs: [0.0] * len(configs)) == [] == known("digits", at(1))
    assert proposed("cifar10", []) == preset("cifar10") and proposed("digits", []) == preset("digits")


@pytest.mark.parametrize("dataset", SOURCES)
def test_every_size_is_a_run_of_its_data_set_and_the_preset_one_of_them(dataset):
    found = sizes(dataset)
    assert preset(dataset) in found and all(RunConfig.parse(config.model_dump()) == config for config in found)
    assert dataset == "digits" or all(config.train_images // config.batch_size >= 31 for config in found)
    effort = [config.train_images * config.width**2 * config.epochs for config in found]
    assert effort == sorted(effort)


def test_a_run_is_of_a_size_by_how_much_it_learns_not_by_how():
    *_, whole = known("cifar10", at(1))
    assert whole.is_of(whole.config.override({"train_size": 48_000, "dropout": False, "lr": 0.01, "seed": 3}))
    for other in ({"train_size": 20_000}, {"batch_size": 64}, {"epochs": 30}, {"dataset": "fashion_mnist"}):
        assert not whole.is_of(whole.config.override(other)), other
