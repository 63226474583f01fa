"""What a frozen backbone makes of the pictures is computed once, kept, and shared."""

from __future__ import annotations

import numpy as np
import torch
from conftest import make_split
from weights import (  # noqa: F401  (fixtures among them)
    TINY,
    flipped,
    hub_fixture,
    offline_fixture,
    on_tiny,
)

from reglab import models
from reglab.models import ModelSpec
from reglab.training import features
from reglab.training.features import BATCH, Shelf, featured, features_of


def counted(monkeypatch) -> list[int]:
    """How many pictures went through the backbone, call by call."""
    seen, compute = [], Shelf.compute

    def count(self, pixels):
        seen.append(len(pixels))
        return compute(self, pixels)

    monkeypatch.setattr(Shelf, "compute", count)
    return seen


def another_process(monkeypatch) -> None:
    """Forget what this process knows, so that only what is on the disk counts."""
    monkeypatch.setattr(features, "KEPT", {})


def test_features_are_those_of_the_network_and_are_computed_once(monkeypatch):
    seen, config, pixels = counted(monkeypatch), on_tiny(), make_split(train=70).train_images
    first = features_of(config, pixels)
    assert first.shape == (70, 96) and first.dtype == np.float16 and sum(seen) == 70
    network = models.build(config.spec(10).replace(head_only=False)).eval()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in models.statistics(ModelSpec(TINY)))
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        expected = network.features((images - mean) / std).numpy()
    assert np.allclose(first, expected, rtol=2e-3, atol=2e-3)
    another_process(monkeypatch)
    again = features_of(config, pixels[::-1].copy())  # from the disk, by their pixels
    assert np.array_equal(again, first[::-1]) and sum(seen) == 70
    features_of(on_tiny(side=64), pixels[:5])
    assert sum(seen) == 75  # another size is another shelf


def test_a_pictures_features_do_not_depend_on_its_neighbours(monkeypatch, tmp_path):
    pixels = make_split(train=80).train_images
    together = features_of(on_tiny(), pixels)
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "another"))
    alone = features_of(on_tiny(), pixels[7:8])
    assert np.array_equal(alone[0], together[7])


def test_a_computation_that_was_cut_off_goes_on_and_a_damaged_file_is_computed_again(monkeypatch, tmp_path):
    seen, config, data = counted(monkeypatch), on_tiny(), make_split(train=3 * BATCH)
    asked = iter([False, False, True])
    events = list(featured(config, data, stop=lambda: next(asked)))
    assert [e.name for e in events] == ["preparing"] * 3 + ["stopped"] and sum(seen) == 2 * BATCH
    another_process(monkeypatch)
    total = len(data.train_images) + len(data.val_images) + len(data.test_images)
    events = list(featured(config, data))
    assert events[0].done == 2 * BATCH and (events[-1].done, events[-1].total) == (total, total)
    assert sum(seen) == total
    good = features_of(config, data.train_images)
    damaged = next((tmp_path / "cache" / "features").rglob("*.npz"))
    damaged.write_bytes(flipped(damaged.read_bytes()))
    another_process(monkeypatch)
    list(featured(config, data))
    assert total < sum(seen) <= total + 2 * BATCH and np.array_equal(features_of(config, data.train_images), good)


def test_runs_that_are_compared_share_the_work(monkeypatch):
    seen, config, data = counted(monkeypatch), on_tiny(), make_split(train=4 * BATCH)
    for one, other in zip(featured(config, data), featured(config, data), strict=True):
        assert one.total == other.total
    assert sum(seen) == len(data.train_images) + len(data.val_images) + len(data.test_images)
