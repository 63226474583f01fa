"""The recipes above the toggle board: which techniques they switch on, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A recipe for regularization; `about` says in one line where it comes from."""

    title: str
    about: str
    regularizers: dict[str, dict[str, Any]] = field(default_factory=dict)


PRESETS = (
    Preset("None", "nothing: the plain network"),
    Preset(
        "Classic",
        "what textbooks teach: dropout, an L2 penalty, batch normalization",
        {"dropout": {"rate": 0.5}, "weight_decay": {"mode": "l2"}, "batch_norm": {}},
    ),
    Preset(
        "Modern",
        "what recipes of today share: normalization, decoupled weight decay, strong augmentation, averaged weights",
        {
            "batch_norm": {},
            "weight_decay": {},
            "flip_crop": {},
            "cutmix": {},
            "label_smoothing": {},
            "ema": {},
        },
    ),
    Preset(
        "Noisy labels",
        "against labels that are wrong: blends of images and labels, trust in the network's own opinion",
        {
            "batch_norm": {},
            "weight_decay": {},
            "flip_crop": {},
            "mixup": {},
            "bootstrapping": {"beta": 0.8},
        },
    ),
)
