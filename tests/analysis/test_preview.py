"""What the network sees: the pictures shown are those trained on, and what is marked as hidden is hidden."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from reglab import data
from reglab.analysis.preview import HIDDEN, SHOWN, look
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.regularizers import Regularizer
from reglab.training.events import Step
from reglab.training.train import train
from reglab.ui.views.preview import sees_html

DIGITS = {"dataset": "digits", "train_size": 60, "val_size": 60, "batch_size": 30, "epochs": 1, "precision": "fp32"}


class Spy(Regularizer):
    """Keeps what comes out of every batch's preparation, and what goes into the network's last layers."""

    title, group, order = "Spy", "Data", 99
    seen: ClassVar[list[torch.Tensor]] = []

    def mix(self, images: torch.Tensor, targets: torch.Tensor, rng: Any) -> tuple[torch.Tensor, torch.Tensor]:
        self.seen.append(images.clone())
        return images, targets


def test_the_pictures_are_those_of_the_first_training_step(technique):
    Spy.seen.clear()
    asked = {
        **DIGITS,
        "regularizers": {"flip_crop": True, "cutout": True, "gaussian_noise": True, technique(Spy): True},
    }
    shown, config = look(asked), RunConfig.parse(asked)
    split = data.split(data.load("digits"), 60, 60, 0.0, 0)
    next(event for event in train(config, split) if isinstance(event, Step))
    looked, trained = Spy.seen
    assert torch.equal(looked, trained)
    mean, std = (torch.tensor(v, dtype=torch.float32).view(1, 3, 1, 1) for v in (split.mean, split.std))
    pixels = (trained * std + mean).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    assert all(np.array_equal(picture.pixels, pixels[i]) for i, picture in enumerate(shown.batch))
    assert len(shown.batch) == SHOWN


def test_a_caption_names_the_classes_and_their_shares():
    plain = look(DIGITS).batch
    assert all(picture.caption in data.source("digits").classes for picture in plain)
    mixed = look({**DIGITS, "regularizers": {"mixup": {"alpha": 1.0}}}).batch
    shares = [list(map(int, re.findall(r"(\d+) %", picture.caption))) for picture in mixed]
    assert sum(len(share) == 2 for share in shares) > SHOWN / 2, "most are blends of two classes"
    assert all(99 <= sum(share) <= 101 for share in shares if share)
    smooth = look({**DIGITS, "regularizers": {"label_smoothing": {"smoothing": 0.2}}}).batch
    assert all("82 %" in picture.caption for picture in smooth)


def test_wrong_labels_are_told():
    told = [picture.about for picture in look({**DIGITS, "label_noise": 0.5}).batch]
    assert 5 < sum(bool(about) for about in told) < 20
    assert all(about.startswith("the label says ") and ", but it is " in about for about in told if about)


def hidden(pixels: np.ndarray) -> int:
    return int((pixels == HIDDEN).all(-1).sum())


@pytest.mark.parametrize(
    ("key", "words", "pictures", "model"),
    [
        ("dropout", r"dropout: (\d+) of 128 units switched off", 1, "basic_cnn"),
        ("spatial_dropout", r"spatial dropout: (\d+) of (32|64|128) maps switched off", 3, "basic_cnn"),
        ("dropblock", r"DropBlock: (\d+) % of (16 x 16|8 x 8) maps hidden", 2, "basic_cnn"),
        ("stochastic_depth", r"stochastic depth: (\d+) of 9 branches left out", 1, "resnet20"),
    ],
)
def test_what_is_hidden_inside_is_shown_in_colour(key, words, pictures, model):
    on, off = (look({**DIGITS, "model": model, "regularizers": {key: {"rate": rate}}}).inside for rate in (0.5, 0.0))
    assert len(on) == pictures
    numbers = [int(re.fullmatch(words, picture.caption)[1]) for picture in on]
    assert sum(numbers) > 0 and any(hidden(picture.pixels) for picture in on)
    assert all(hidden(picture.pixels) == 0 for picture in off)


def test_the_number_of_dropped_units_is_the_number_of_coloured_squares():
    [units] = look({**DIGITS, "regularizers": {"dropout": {"rate": 0.3}}}).inside
    told = int(re.match(r"dropout: (\d+)", units.caption)[1])
    assert hidden(units.pixels[::5, ::5]) == told


def test_looking_twice_shows_the_same_and_another_seed_something_else():
    asked = {**DIGITS, "regularizers": {"dropout": True, "flip_crop": True}}
    one, again, other = look(asked), look(asked), look({**asked, "seed": 1})
    assert all(
        np.array_equal(a.pixels, b.pixels)
        for a, b in zip(one.batch + one.inside, again.batch + again.inside, strict=True)
    )
    assert any(not np.array_equal(a.pixels, b.pixels) for a, b in zip(one.batch, other.batch, strict=True))


def test_what_cannot_be_trained_cannot_be_looked_at():
    with pytest.raises(ConfigError, match="residual branches"):
        look({**DIGITS, "regularizers": {"stochastic_depth": True}})


def test_the_page_escapes_and_names_every_picture():
    page = sees_html(look({**DIGITS, "label_noise": 0.5}))
    assert page.count("<figure") == SHOWN == page.count("alt=") and 'class="wrong"' in page
    assert f"{SHOWN} of the 30 images" in page
