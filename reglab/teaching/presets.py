"""The recipes above the toggle board, and the questions above the sweep: what each press of a button sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

COURSE = ("dropout", "weight_decay", "batch_norm")  # the techniques with which everybody begins


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
        "against labels that are wrong: blends of images and labels, a little trust in the network's own opinion",
        {
            "batch_norm": {},
            "weight_decay": {},
            "flip_crop": {},
            "mixup": {},
            "bootstrapping": {},
        },
    ),
)


@dataclass(frozen=True)
class Question:
    """A sweep that answers a question: its axes, what it needs to be so, and the number to look at."""

    title: str
    about: str
    over: tuple[str, ...]
    metric: str = "test_accuracy"
    changes: dict[str, Any] = field(default_factory=dict)


QUESTIONS = (
    Question("Dropout rates", "how much dropout is too much?", ("dropout.rate=0,0.1,0.25,0.5,0.75",)),
    Question(
        "Weight decay values",
        "how hard should weights be pulled to zero?",
        ("weight_decay.strength=0,0.5,1.5,5,15",),
    ),
    Question(
        "Dropout x weight decay",
        "do two regularizers help more than one?",
        ("dropout.rate=0,0.25,0.5", "weight_decay.strength=0,1.5,5"),
    ),
    Question(
        "Batch norm x learning rate",
        "which networks diverge, and how soon do the others get there?",
        ("batch_norm=off,on", "lr=0.01,0.1,0.5,2"),
        "steps_until",
        {"optimizer": "sgd"},
    ),
    Question("Training images", "is more data the best regularizer?", ("train_size=100,300,900",), "gap"),
    Question("Wrong labels", "how much nonsense can the labels hold?", ("label_noise=0,0.2,0.4,0.6",)),
)
