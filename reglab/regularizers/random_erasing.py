"""Random erasing: paint a random rectangle over with noise."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Generator, Tensor

SCALE_MIN = 0.02
RATIO = (0.3, 3.3)
TRIES = 10  # as torchvision: a rectangle that does not fit is drawn anew, after ten of them the image stays whole
MEAN = (125 / 255, 122 / 255, 114 / 255)  # the paper's: of ImageNet; CIFAR-10's differs by less than one level of 255


class RandomErasing(Regularizer):
    """Paints a random rectangle of an image over with noise, so that no single part of an object can be relied upon.

    What you will see: the training curve rises more slowly and ends lower, the gap narrows, and the validation loss climbs
    later and less. Noise brings new edges and colors into the images, so it disturbs more than a gray patch.

    When it helps: in long runs on photographs, beside shifting and mirroring rather than instead of them; and where
    objects are partly hidden when the network is used.

    When it does not: in runs of a few epochs, for a network too small for its training images, and where one small
    part of the picture decides over the class, as with digits: what has been erased cannot be told apart by anyone.

    As in torchvision the aspect ratio is drawn on a logarithmic scale, so that lying and standing rectangles are
    equally frequent; the paper draws it on a linear one.
    """

    title = "Random erasing"
    group = "Data"
    hint = "Paint over a random rectangle with noise"
    synonyms = ("data augmentation", "overfitting", "occlusion")
    paper = "Zhong et al. 2017, Random erasing data augmentation, arXiv:1708.04896"
    formula = (
        r"x_R \leftarrow u,\quad |R| = s\,HW,\ \tfrac{h}{w} = r,"
        r"\quad s \sim U(0.02,\, s_{\max}),\ \ln r \sim U(\ln 0.3,\, \ln 3.3)"
    )
    order = 2  # after the pictures have been moved and recoloured, so that the rectangle keeps its shape and its noise
    advice = {
        "cutout": "Random erasing and cutout both hide a part of the image: together little may be left to see, so one "
        "of them is usually enough.",
        "cutmix": "CutMix already replaces a rectangle, and with one that teaches something: random erasing beside it "
        "rarely adds much.",
    }
    pytorch = """
        erase = v2.RandomErasing(p=0.5, scale=(0.02, 0.4), value=1)
        inside = torch.stack([erase(mask) for mask in torch.zeros_like(images[:, :1])]) > 0
        images = torch.where(inside, torch.rand_like(images), images)
    """
    keras = """
        # the nearest there is: sides drawn apart from each other, and noise of another distribution
        images = keras.layers.RandomErasing((0.5, 0.5), scale=(0.02, 0.4), value_range=(0, 1))(images)
    """
    off = {"p": 0}

    p: float = Field(
        0.5,
        ge=0,
        le=1,
        title="p",
        description="share of images with a rectangle",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )
    scale_max: float = Field(
        0.4,
        ge=SCALE_MIN,
        le=1,
        title="largest scale",
        description="share of the image, at least 0.02",
        json_schema_extra={"slider": [0.05, 0.8, 0.05]},
    )
    value: Literal["random", "mean"] = Field("random", title="value", description="noise, or an even gray")

    def augment(self, images: Tensor, rng: Generator) -> Tensor:
        """Images (N, 3, H, W); in a share `p` of them one rectangle is noise or the mean colour.

        The noise is from 0 to 1, the paper's best value.
        """
        import torch

        inside = self.rectangles(images, rng)
        if self.value == "mean":
            # Made on the device, as a replayed step needs it.
            mean = torch.stack([images.new_full((1, 1), value) for value in MEAN])
            return torch.where(inside, mean, images)
        noise = torch.rand(images.permute(0, 2, 3, 1).shape, generator=rng, device=images.device)
        return torch.where(inside, noise.permute(0, 3, 1, 2), images)

    def rectangles(self, images: Tensor, rng: Generator) -> Tensor:
        """Where to erase, as a mask (N, 1, H, W).

        All ten tries of all images are drawn at once, and the first that fits counts.
        """
        import torch

        n, _, height, width = images.shape
        at = images.device

        def draw(*shape: int) -> Tensor:
            return torch.rand(n, *shape, generator=rng, device=at, dtype=torch.double)

        chosen = draw() < self.p
        area = height * width * (SCALE_MIN + (self.scale_max - SCALE_MIN) * draw(TRIES))
        ratio = torch.exp(log(RATIO[0]) + log(RATIO[1] / RATIO[0]) * draw(TRIES))
        h, w = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
        fits = (h < height) & (w < width)
        first = fits.byte().argmax(1, keepdim=True)  # 0 where none fits, which `chosen` then leaves out
        chosen &= fits.any(1)
        h, w = h.gather(1, first), w.gather(1, first)
        top, left = (draw(1) * (height - h + 1)).floor(), (draw(1) * (width - w + 1)).floor()
        y, x = torch.arange(height, device=at), torch.arange(width, device=at)
        rows = (y >= top) & (y < top + h) & chosen[:, None]
        columns = (x >= left) & (x < left + w)
        return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
