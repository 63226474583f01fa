"""Gaussian noise: add noise to every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Generator, Tensor


class GaussianNoise(Regularizer):
    """Adds random noise to every pixel, so that no exact value can be relied on.

    What you will see: on clean test pictures a little less accuracy and much the same gap: noise of this strength does not
    keep a network from learning its training pictures by heart. A network that has seen noise minds it less.

    When it helps: pictures that will be noisy when the network is used, such as photographs taken in the dark.

    When it does not: clean test pictures. Noise is not how two pictures of a cat differ.
    """

    title = "Gaussian noise"
    group = "Data"
    hint = "Add noise to every pixel"
    synonyms = ("data augmentation", "noise injection", "jitter")
    paper = "Bishop 1995, Training with noise is equivalent to Tikhonov regularization, Neural Computation 7"
    formula = r"x \leftarrow \mathrm{clip}_{[0, 1]}\big(x + \mathcal{N}(0, \sigma^2)\big)"
    order = 3  # after everything that moves or recolours pixels, so that the noise is what the setting says
    pytorch = "images = v2.GaussianNoise(sigma=0.1)(images)"
    keras = "x = keras.ops.clip(keras.layers.GaussianNoise(0.1)(x), 0, 1)  # in training only"
    off = {"sigma": 0}

    sigma: float = Field(
        0.1,
        ge=0,
        le=1,
        title="sigma",
        description="for pixels from 0 to 1",
        json_schema_extra={"slider": [0, 0.5, 0.01]},
    )

    def augment(self, images: Tensor, rng: Generator) -> Tensor:
        """Images (N, C, H, W) in 0..1, and again in 0..1."""
        import torch

        n, channels, height, width = images.shape
        noise = torch.randn(n, height, width, channels, generator=rng, device=images.device)
        return torch.add(images, noise.permute(0, 3, 1, 2), alpha=self.sigma).clamp_(0, 1)
