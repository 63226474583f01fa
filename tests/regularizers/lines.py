"""What the lines on the cards may take for granted, written down once: they are run as they stand, by their own names.

PyTorch, `torch_context`: torch, torchvision, timm, nn, F (torch.nn.functional), v2 (torchvision.transforms.v2), copy;
`model` (convolution, batch normalization, dense layer), `images` (N, 3, 32, 32) from 0 to 1, `labels` (N,), one-hot
`targets` (N, 10), `logits = model(images)`, `loss` their cross-entropy, `optimizer`; a card may name a part that is
only its own: `x` (what one layer hands to the next), `branch`, `blocks`, `backbone`, `head`, `early_layers`, `step`.

Keras, `keras_context`: keras; the same names, but images are (N, 32, 32, 3), `x` is symbolic, and `model` is compiled.
"""

from __future__ import annotations

import copy
import inspect
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from small import rng
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2

from reglab.regularizers import CATALOGUE
from reglab.training.events import Epoch

N, CLASSES, SIDE = 16, 10, 32
SOFTENERS = ("label_smoothing", "bootstrapping")  # these are tested together, and so are
NORMALIZERS = ("batch_norm", "group_norm")
Lines = Callable[..., dict[str, Any]]


def torch_context(**more: Any) -> dict[str, Any]:
    """The names that every PyTorch line may use, and `more`; new objects each time."""
    with torch.random.fork_rng(devices=[]):  # whoever draws in a line decides over its seed
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, CLASSES)
        )
    images = torch.rand(N, 3, SIDE, SIDE, generator=rng())
    labels = torch.arange(N) % CLASSES
    logits = model(images)
    names = {"torch": torch, "torchvision": torchvision, "timm": timm, "nn": nn, "F": F, "v2": v2, "copy": copy}
    names |= {"model": model, "images": images, "labels": labels, "targets": F.one_hot(labels, CLASSES).float()}
    names |= {"logits": logits, "loss": F.cross_entropy(logits, labels)}
    names |= {"optimizer": torch.optim.SGD(model.parameters(), lr=0.1)}
    return names | more


def run(text: str, names: dict[str, Any], folder: Path) -> dict[str, Any]:
    """All names after the lines have been run with these, as a file of their own."""
    file = folder / "line.py"
    file.write_text(inspect.cleandoc(text), "utf-8")
    return runpy.run_path(str(file), init_globals=names)


def usual(key: str, **settings: Any) -> Any:
    """The lab's technique, at its defaults but for these settings: what the lines are compared with."""
    return CATALOGUE[key](**settings)


def runner(request: Any, folder: Path, language: str, context: Callable[[], dict[str, Any]]) -> Lines:
    """Runs the lines of the technique that a test is named after; gives all names as they are afterwards."""
    technique = CATALOGUE.get(request.node.originalname.removeprefix("test_"))

    def ran(names: dict[str, Any] | None = None, text: str = "") -> dict[str, Any]:
        return run(text or getattr(technique, language), context() if names is None else names, folder)

    return ran


def after(seed: int, act: Callable[[], Any]) -> Any:
    """What something does with these draws."""
    torch.manual_seed(seed)
    return act()


def keys_of(*modules: dict[str, Any]) -> set[str]:
    """The techniques that have a test of their own in these modules."""
    return {name.removeprefix("test_") for module in modules for name in module} & set(CATALOGUE)


def epochs(losses: list[float]) -> list[Epoch]:
    """A history of these validation losses, in which the accuracy falls as the loss rises."""
    usual = {"lr": 0.1, "train_loss": 1, "train_accuracy": 0.5, "ece": 0, "gap": 0}
    return [Epoch(epoch=i, step=i, val_loss=x, val_accuracy=1 - x, **usual) for i, x in enumerate(losses, 1)]


def variants(image: torch.Tensor) -> dict[bytes, int]:
    """Shifted by up to four pixels each way into black, and mirrored or not: all 162 of them, the slow obvious way."""
    found: dict[bytes, int] = {}
    for flipped in (image, image.flip(2)):
        padded = F.pad(flipped, (4, 4, 4, 4))
        for top in range(9):
            for left in range(9):
                found[padded[:, top : top + SIDE, left : left + SIDE].contiguous().numpy().tobytes()] = len(found)
    return found
