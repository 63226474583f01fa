"""The images on the device as uint8; a batch at a time is gathered, augmented, normalised and mixed there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from reglab.regularizers import Regularizer, overriding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


def derived_seed(*words: int | str) -> int:
    """A seed that is a function of its words alone, so that nothing depends on what was drawn before.

    >>> derived_seed(0, "order", 3) == derived_seed(0, "order", 3) != derived_seed(0, "order", 4)
    True
    """
    digest = hashlib.blake2b("/".join(map(str, words)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


def generator(device: torch.device, *words: int | str) -> Generator:
    """A fresh random generator on the device for the purpose that the words name."""
    return Generator(device).manual_seed(derived_seed(*words))


class Draws:
    """The random generators of one step at `place` (seed, epoch, batch): what they draw is a function of it and of the purpose."""

    def __init__(self, device: torch.device, place: tuple[int, int, int]) -> None:
        self.device, self.place = device, place

    def epoch(self) -> Tensor:
        """Which epoch it is, counted from 1: ()."""
        return torch.full((), self.place[1], device=self.device)

    def generator(self, *purpose: str) -> Generator:
        """A generator that begins anew, at every call alike."""
        return generator(self.device, *self.place, *purpose)

    def seed_layers(self) -> None:
        """Let torch's global generator, which dropout draws from, begin anew, at every call alike."""
        torch.manual_seed(derived_seed(*self.place, "layers"))


def drawn_mixer(regularizers: Sequence[Regularizer], place: tuple[int, int, int]) -> Regularizer | None:
    """The technique that mixes the batch at `place`: one of those that do, or none."""
    mixers = overriding(regularizers, "mix")
    return mixers[derived_seed(*place, "mixer") % len(mixers)] if mixers else None


def epoch_order(images: int, seed: int, epoch: int) -> Tensor:
    """The order of an epoch: (images,) as int64. Drawn on the CPU, so that every device sees the same one."""
    return torch.randperm(images, generator=generator(torch.device("cpu"), seed, "order", epoch))


@dataclass(frozen=True)
class ImageSet:
    """A whole set of images on one device.

    pixels: uint8 (N, H, W, 3), so that a gathered batch is channels_last without copying; labels: int64 (N,).
    In their place there may be features of a frozen backbone, float16 (N, 1, 1, F).
    """

    pixels: Tensor
    labels: Tensor

    @classmethod
    def to_device(cls, pixels: np.ndarray, labels: np.ndarray, device: torch.device) -> ImageSet:
        """Pixels (N, H, W, 3) as uint8 and labels (N,) as int64, copied to the device."""
        # Memory-mapped arrays are read-only and torch would warn; nothing ever writes into them here, but copying
        # costs less than explaining, and a run wants its rows together in memory anyway.
        return cls(torch.from_numpy(pixels.copy()).to(device), torch.from_numpy(labels.copy()).to(device))

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, index: Tensor | slice) -> ImageSet:
        """Some of them."""
        return ImageSet(self.pixels[index], self.labels[index])

    def images(self, index: Tensor | slice) -> Tensor:
        """Float images in 0..1, (n, 3, H, W), channels_last; features as they are."""
        images = self.pixels[index].permute(0, 3, 1, 2).float()
        return images.div_(255) if self.pixels.dtype == torch.uint8 else images


@dataclass(frozen=True)
class Normalize:
    """Subtracts the channel mean and divides by the deviation, both (3,) in 0..1, or (1,) where one does for all."""

    mean: Tensor
    std: Tensor

    @classmethod
    def to_device(cls, mean: ArrayLike, std: ArrayLike, device: torch.device) -> Normalize:
        """Mean and standard deviation of each channel, for images whose values are 0..1."""

        def column(values: ArrayLike) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)

        return cls(column(mean), column(std))

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), float, with mean 0 and standard deviation 1 in each channel."""
        return (images - self.mean) / self.std


def prepare_batch(
    images: ImageSet,
    index: Tensor,
    classes: int,
    regularizers: Sequence[Regularizer],
    normalize: Normalize,
    draws: Draws,
    which: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The batch as the network gets it: inputs (n, 3, H, W), normalised and channels_last; targets (n, classes).

    All that is random here comes from `draws`. `which` of the training images these are is said where `images` are not all.
    """
    inputs = images.images(index)
    targets = (images.labels[index, None] == torch.arange(classes, device=index.device)).float()
    for r in overriding(regularizers, "view"):
        inputs = r.view(inputs, index if which is None else which, draws.epoch())
    for r in overriding(regularizers, "augment"):
        inputs = r.augment(inputs, draws.generator("augment", r.key))
    inputs = normalize(inputs)
    if mixer := drawn_mixer(regularizers, draws.place):
        inputs, targets = mixer.mix(inputs, targets, draws.generator("mix", mixer.key))
    return inputs.contiguous(memory_format=torch.channels_last), targets
