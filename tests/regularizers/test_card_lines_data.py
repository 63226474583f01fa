"""The PyTorch lines on the cards that change pictures, run as they stand: they do what the lab does.

Where both draw at random, what they draw is compared in its distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lines import CLASSES, SIDE, Lines, N, after, runner, torch_context, usual, variants
from scipy.stats import chisquare, ks_2samp
from small import rng
from torch import Tensor, nn
from torch.nn import functional as F

from reglab.models import ModelSpec
from reglab.models.views import Views
from reglab.training.batches import Draws
from reglab.training.forward import forward

same = torch.testing.assert_close


@pytest.fixture
def lines(request, tmp_path) -> Lines:
    return runner(request, tmp_path, "pytorch", torch_context)


def drawn(
    key: str, lines: Lines, times: int, kind: Callable[[dict[str, Tensor]], float]
) -> tuple[list[float], list[float]]:
    """A number of each of many draws, by the lines and by the lab."""
    theirs, ours = [], []
    for seed in range(times):
        theirs.append(kind(after(seed, lines)))
        names = torch_context()
        images, targets = usual(key).mix(names["images"], names["targets"], rng(seed))
        ours.append(kind(names | {"images": images, "targets": targets}))
    return theirs, ours


def weight_of(told: dict[str, Any]) -> float:
    """Lambda: how much of its own label the first image keeps. Its pixels are mixed by the same share."""
    before = torch_context()
    return float((told["targets"] * before["targets"]).sum(1).min())


def test_mixup(lines):
    theirs, ours = drawn("mixup", lines, 150, weight_of)
    assert ks_2samp(theirs, ours).pvalue > 0.01
    names = torch_context()
    told = lines(names)
    weight = weight_of(told)
    same(told["images"], names["images"] * weight + names["images"].roll(1, 0) * (1 - weight))


def test_cutmix(lines):
    """Half of the batches, and the same areas; the labels by what is really there."""
    theirs, ours = drawn("cutmix", lines, 200, weight_of)
    assert ks_2samp(theirs, ours).pvalue > 0.01 and 0.4 < np.mean(np.array(theirs) == 1) < 0.65
    names = torch_context()
    told = next(t for t in (lines() for _ in range(20)) if weight_of(t) < 0.9)
    kept = (told["images"] == names["images"]).float().mean((1, 2, 3))
    same(kept, torch.full((N,), weight_of(told)))


def test_manifold_mixup(lines, monkeypatch):
    """The same loss as the lab's for the layer, the lambda and the partners that the lines have drawn."""
    blocks = [
        nn.Conv2d(3, 4, 3, stride=4),
        nn.Conv2d(4, 5, 3),
        nn.Sequential(nn.Flatten(), nn.Linear(5 * 6 * 6, CLASSES)),
    ]
    seen = set()
    for seed in range(12):
        names = torch_context(blocks=blocks, model=nn.Sequential(*blocks))
        torch.manual_seed(seed)
        told = lines(names)
        layer = blocks.index(told["block"])
        draws = type(
            "draws", (), {"integers": lambda _, n, layer=layer: layer, "beta": lambda *_, w=float(told["lam"]): w}
        )
        with monkeypatch.context() as patch:
            patch.setattr(np.random, "default_rng", lambda _, draws=draws: draws())
            patch.setattr(torch, "randperm", lambda *_, other=told["other"], **__: other)
            technique = usual("manifold_mixup")
            drawn = Draws(torch.device("cpu"), (0, 1, 0))
            logits, targets = forward(names["model"], names["images"], names["targets"], [technique], drawn)
        same(told["loss"], F.cross_entropy(logits, targets))
        seen.add(layer)
    assert seen == set(range(technique.deepest + 1)) and technique.alpha == 2.0


def test_flip_crop(lines):
    """All 162 variants, each as often as the others."""
    image = torch_context()["images"][0]
    known = variants(image)
    many = image.expand(1_620, -1, -1, -1)
    for seen in (lines(torch_context() | {"images": many})["images"], usual("flip_crop").augment(many, rng())):
        counts = np.bincount([known[i.contiguous().numpy().tobytes()] for i in seen], minlength=len(known))
        assert chisquare(counts).pvalue > 0.01


def test_trivial_augment(lines):
    """Each picture is one of the 868 that the lab could have made, but for the levels that torchvision rounds another way."""
    from reglab.regularizers.trivial_augment import BINS, OPERATIONS

    levels = (torch_context()["images"][:1] * 255).round()
    could = []
    for operation, (first, last, either_side) in OPERATIONS.items():
        strengths = torch.linspace(first, last, BINS).double()
        strengths = torch.cat([strengths, -strengths]) if either_side else strengths
        could.append(operation(levels.expand(len(strengths), -1, -1, -1), strengths))
    made = torch.cat(could).flatten(1)
    seen = (lines(torch_context() | {"images": levels.expand(150, -1, -1, -1) / 255})["images"] * 255).round()
    off = torch.stack([((made - image.flatten()).abs() > 1).float().mean(1).min() for image in seen])
    assert off.max() < 0.04, "two diagonals of a turned picture at most"
    assert (off == 0).float().mean() > 0.9 and len({i.numpy().tobytes() for i in seen}) > 60


def test_cutout(lines):
    """The mean colour in a square of 16 pixels, whose middle is anywhere: how much is covered, and where, is alike."""
    names = torch_context() | {"images": torch.rand(1_000, 3, SIDE, SIDE, generator=rng())}
    mean = names["images"].mean((0, 2, 3)).view(3, 1, 1)
    before = names["images"].clone()
    ours = usual("cutout").augment(before, rng())
    areas = []
    for seen in (lines(names)["images"], ours):
        covered = (seen != before).any(1)
        same(seen, torch.where(covered[:, None], mean, before))
        rows, columns = covered.any(2).sum(1), covered.any(1).sum(1)
        assert torch.equal(rows * columns, covered.sum((1, 2))) and rows.max() == columns.max() == 16
        areas.append((rows * columns).numpy())
        assert (covered.float().mean(0)[[0, 16], [0, 16]] - torch.tensor([1 / 16, 1 / 4])).abs().max() < 0.05
    assert ks_2samp(*areas).pvalue > 0.01


def test_random_erasing(lines):
    """As many images, as large rectangles, and even noise from 0 to 1 in them."""
    before = torch.full((1_000, 3, SIDE, SIDE), 2.0)
    seen = [lines(torch_context() | {"images": before})["images"], usual("random_erasing").augment(before, rng())]
    areas = [(out != 2).any(1).sum((1, 2)).numpy() for out in seen]
    assert ks_2samp(*areas).pvalue > 0.01 and 0.45 < (areas[0] > 0).mean() < 0.55
    assert ks_2samp(*(out[out != 2][:5_000].numpy() for out in seen)).pvalue > 0.01


def test_gaussian_noise(lines):
    grey = torch.full((N, 3, SIDE, SIDE), 0.9)
    seen = [lines(torch_context() | {"images": grey})["images"], usual("gaussian_noise").augment(grey, rng())]
    assert ks_2samp(*(out.flatten()[:5_000].numpy() for out in seen)).pvalue > 0.01
    assert all(out.max() == 1 and (out == 1).any() for out in seen), "cut off at white"


def test_test_time_augmentation(lines):
    """The lines leave the mean over all views, which the lab's network answers with by itself."""
    names = torch_context()
    told = lines(names)
    ours = names["model"].eval()
    ours.register_forward_hook(Views(usual("test_time_augmentation").configure_model(ModelSpec())))
    same(told["logits"], ours(names["images"]))
