"""Test-time augmentation against views that are made and asked for one by one."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from conftest import tiny_config
from small import rng
from techniques import story

from reglab import data, models
from reglab.models import ModelSpec
from reglab.models.views import asked_again, single_view, views_of
from reglab.regularizers import CATALOGUE

TTA = CATALOGUE["test_time_augmentation"]


def spec(**settings) -> ModelSpec:
    return TTA(**settings).configure_model(ModelSpec("speed_cnn", width=0.125, norm="batch"))


def network_and_images(**settings):
    torch.manual_seed(0)
    return models.build(spec(**settings)).eval(), torch.rand(12, 3, 32, 32, generator=rng())


def half_sure() -> float:
    """The largest probability that half of the images do not have."""
    network, images = network_and_images()
    with torch.no_grad(), single_view(network):
        return network(images).softmax(1).amax(1).median().item()


def slowly(image: np.ndarray, shift: int, mirror: bool) -> list[np.ndarray]:
    """The views of an image (C, H, W), one after the other."""
    _, height, width = image.shape
    frame = np.pad(image, ((0, 0), (shift, shift), (shift, shift)), mode="reflect")
    at = [(shift, shift), (0, 0), (2 * shift, 2 * shift)] if shift else [(0, 0)]
    cuts = [frame[:, y : y + height, x : x + width] for y, x in at]
    return cuts + [cut[:, :, ::-1] for cut in cuts] if mirror else cuts


@pytest.mark.parametrize(("shift", "mirror", "count"), [(1, True, 6), (3, False, 3), (0, True, 2), (0, False, 1)])
def test_the_views_are_those_of_one_image_at_a_time(shift, mirror, count):
    images = torch.rand(3, 3, 9, 7, generator=rng())
    views = views_of(images, shift, mirror)
    assert len(views) == count
    for number, image in enumerate(images.numpy()):
        for ours, theirs in zip(views, slowly(image, shift, mirror), strict=True):
            assert np.array_equal(ours[number].numpy(), theirs)


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_unsure_is_the_mean_over_its_views_and_all_else_as_it_was(whole):
    below = 1.0 if whole else half_sure()
    network, images = network_and_images(below=below, shift=2)
    with torch.no_grad():
        with single_view(network):
            alone = network(images)
            means = torch.stack([network(view) for view in views_of(images, 2, True)]).mean(0)
        told = network(images)
    unsure = alone.softmax(1).amax(1) < below
    assert unsure.sum() == (12 if whole else 5)
    torch.testing.assert_close(told, torch.where(unsure[:, None], means, alone))


def test_an_answer_does_not_depend_on_what_else_is_in_the_batch():
    network, images = network_and_images(below=half_sure())
    with torch.no_grad():
        torch.testing.assert_close(network(images), torch.cat([network(image[None]) for image in images]))


def test_in_training_and_where_one_pass_is_asked_for_there_is_one_view():
    network, images = network_and_images()
    plain = models.build(spec(below=0))
    plain.load_state_dict(network.state_dict())
    for ours in (network, deepcopy(network)):
        assert torch.equal(ours.train()(images), plain.train()(images))
        plain.load_state_dict(ours.state_dict())
        with single_view(ours.eval()):
            assert torch.equal(ours(images), plain.eval()(images))
        assert not torch.equal(ours(images), plain(images)), "and then several again"


def test_a_run_trains_the_same_and_is_judged_by_several_views(tiny_split):
    config = tiny_config(width=0.125, epochs=2, regularizers={"test_time_augmentation": {"shift": 2}})
    (told, ours), (plain, theirs) = (story(c, tiny_split) for c in (config, config.plain()))
    assert ours == theirs
    points = [[e for e in events if e["event"] == "epoch"] for events in (told, plain)]
    assert [e.get("running_loss") for e in points[0]] == [e.get("running_loss") for e in points[1]]
    assert all(a["val_loss"] != b["val_loss"] for a, b in zip(*points, strict=True))
    assert told[-1]["last"]["test_loss"] != plain[-1]["last"]["test_loss"]


@pytest.mark.parametrize("source", data.SOURCES.values(), ids=lambda s: s.key)
def test_mirror_images_are_among_the_views_where_they_mean_the_same(source):
    assert TTA().for_dataset(source).mirror == source.mirror


def test_nothing_is_asked_again_where_all_is_sure():
    logits, images = torch.eye(4) * 20, torch.rand(4, 3, 8, 8, generator=rng())
    assert asked_again(None, images, logits, 1, True, 0.9) is logits  # which asks no network
