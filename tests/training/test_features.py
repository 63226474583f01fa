"""What a process keeps in mind of features is bounded, and what it forgets it finds again on the disk."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import make_split
from torch import nn

from reglab.training import features
from reglab.training.features import BATCH, Shelf


class Backbone(nn.Module):
    """Features (n, 8) of pictures: their means over bands of eight rows, twice; counts what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.asked = 0

    def features(self, images: torch.Tensor) -> torch.Tensor:
        self.asked += len(images)
        return images.mean(1).reshape(len(images), 4, -1).mean(2).repeat(1, 2) * self.scale


@pytest.fixture
def backbone() -> Backbone:
    return Backbone()


@pytest.fixture
def shelf(tmp_path, backbone) -> Shelf:
    return Shelf(tmp_path / "features-fp32", lambda: backbone, (np.zeros(3), np.ones(3)))


def filled(shelf: Shelf, pixels: np.ndarray) -> np.ndarray:
    for _ in shelf.fill(pixels):
        pass
    return shelf.features(pixels)


def test_what_is_kept_in_mind_is_bounded_and_found_again_on_the_disk(shelf, backbone, monkeypatch):
    pixels = make_split(train=6 * BATCH).train_images
    monkeypatch.setattr(features, "REMEMBERED", 2 * BATCH * 8 * 2)  # bytes of two batches
    parts = [filled(shelf, pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    assert shelf.remembered <= 2 * BATCH and backbone.asked == len(pixels)
    assert np.array_equal(filled(shelf, pixels), np.concatenate(parts))
    assert backbone.asked == len(pixels), "nothing is computed twice"


def test_two_that_fill_in_turn_share_the_work_though_one_drives_the_others_features_out(shelf, backbone, monkeypatch):
    pixels = make_split(train=4 * BATCH).train_images
    monkeypatch.setattr(features, "REMEMBERED", 0)
    one, other = shelf.fill(pixels), shelf.fill(pixels[: 2 * BATCH])
    next(one), next(one), next(other), next(other)
    list(other)
    first = shelf.features(pixels[: 2 * BATCH])
    list(one)
    assert np.array_equal(shelf.features(pixels)[: 2 * BATCH], first) and shelf.remembered == 0
