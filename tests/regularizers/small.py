"""Small things the tests of the techniques share: draws, a batch, its labels, a network with a normalization."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from reglab.regularizers import Progress

START = Progress(step=0, total_steps=100, steps_per_epoch=10)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 16, side: int = 32) -> Tensor:
    """Images (n, 3, side, side) in 0..1, channels_last as in training."""
    return torch.rand(n, 3, side, side, generator=rng(n)).to(memory_format=torch.channels_last)


def levels(n: int = 16, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    """8-bit images (n, 3, height, width): smooth ones, noise, one all black, one all of one grey."""
    draws = rng(seed)
    smooth = torch.rand(n, 3, 4, 4, generator=draws)
    images = nn.functional.interpolate(smooth, (height, width), mode="bilinear")
    images[n // 2 :] = torch.rand(n - n // 2, 3, height, width, generator=draws)
    images[-2], images[-1] = 0, 0.3
    return (images * 255).round().byte()


def targets(n: int = 16, classes: int = 10) -> Tensor:
    return one_hot(torch.arange(n) % classes, classes).float()


def network(seed: int = 0, classes: int = 10) -> nn.Sequential:
    """A convolution, batch normalization and a dense layer for images of 8 x 8 pixels."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, classes))


def pass_over(model: nn.Module, n: int = 8) -> Callable[[], None]:
    """What the loop hands to `gradients`: one forward and backward pass over a batch that stays the same."""

    def closure() -> None:
        model.zero_grad()
        cross_entropy(model(batch(n, 8)), targets(n)).backward()

    return closure


def gradients(model: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in model.parameters()]
