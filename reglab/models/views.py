"""Test-time augmentation: a network that is unsure of an image looks at other views of it, and answers with the mean."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from reglab import compat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reglab.models.spec import ModelSpec


class Views:
    """Listens to a network's answers in eval mode, and replaces those that it is not sure of."""

    def __init__(self, spec: ModelSpec) -> None:
        self.shift, self.mirror, self.below = spec.view_shift, spec.view_mirror, spec.view_below
        self.is_on = True

    def __call__(self, network: Any, inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        if network.training or not self.is_on:
            return logits
        if compat.torch.is_written_down():  # a file of fixed operations asks for all of them
            mean = mean_answer(network, views_of(inputs[0], self.shift, self.mirror))
            return torch.where((logits.softmax(1).amax(1) < self.below)[:, None], mean, logits)
        return asked_again(network, inputs[0], logits, self.shift, self.mirror, self.below)


def look_again(network: Any, spec: ModelSpec) -> None:
    """Let the network answer by several views, as the spec says. It keeps its layers and their names."""
    network.views = Views(spec)
    network.register_forward_hook(network.views)


def asked_again(network: Any, images: Tensor, logits: Tensor, shift: int, mirror: bool, below: float) -> Tensor:
    """The logits (N, classes) of images (N, 3, H, W); the mean over the views where the largest probability is below `below`.

    Each image by its own probability, so that no answer depends on what else is in the batch.
    """
    unsure = logits.float().softmax(1).amax(1) < below
    if not unsure.any():
        return logits
    answers = logits.clone()
    answers[unsure] = mean_answer(network, views_of(images[unsure], shift, mirror))
    return answers


def mean_answer(network: Any, views: list[Tensor]) -> Tensor:
    """The mean of the logits over the views of the same images."""
    return torch.stack([network.forward(view) for view in views]).mean(0)


def views_of(images: Tensor, shift: int, mirror: bool) -> list[Tensor]:
    """The images as they are, and moved up and left and down and right by so many pixels; and the mirror images of these."""
    height, width = images.shape[2:]
    views = [images]
    if shift:
        padded = pad(images, [shift] * 4, mode="reflect")
        views += [padded[:, :, :height, :width], padded[:, :, 2 * shift :, 2 * shift :]]
    return views + [view.flip(3) for view in views] if mirror else views


@contextmanager
def single_view(network: nn.Module) -> Iterator[None]:
    """While it runs, the network answers by the image itself: for whoever asks what one pass does."""
    views: Any = getattr(network, "views", None)
    if views is None:
        yield
        return
    views.is_on, was_on = False, views.is_on
    try:
        yield
    finally:
        views.is_on = was_on
