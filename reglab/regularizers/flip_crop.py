"""Flip and crop: shift and mirror the training images at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from reglab.data import Source


class FlipCrop(Regularizer):
    """Shifts every training image by a few pixels and mirrors half of them, so that no image is seen twice the same.

    What you will see: the gap closes more than with any penalty, and the curves still rise when the plain network's
    have long gone flat.

    When it helps: photographs in trainings long enough to overfit; the more epochs, the more. Wrong labels are hardly
    learned by heart.

    When it does not: for accuracy in short trainings, since images that change take longer to learn; and for data where the
    place or the mirror image means something.

    A mirrored photo of a cat is a cat; a mirrored 3 is no digit at all. For data where the mirror image means
    something else (the handwritten digits) flipping is switched off by itself and only the shift remains.
    """

    title = "Flip and crop"
    group = "Data"
    hint = "Shift and mirror the training images at random"
    synonyms = ("data augmentation", "overfitting", "translation", "horizontal", "random crop")
    paper = "He et al. 2016, Deep residual learning for image recognition, section 4.2, arXiv:1512.03385"
    formula = r"x \leftarrow \mathrm{crop}_{32}\big(\mathrm{pad}_p(\mathrm{flip}(x))\big)"
    pytorch = """
        augment = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()])
        images = torch.stack([augment(image) for image in images])  # another draw for each
    """
    keras = """
        # by whole pixels: up to 4.5 of 32, to the nearest one
        shift = keras.layers.RandomTranslation(4.5 / 32, 4.5 / 32, "constant", "nearest")
        images = keras.layers.RandomFlip("horizontal")(shift(images))
    """
    default_on = True
    off = {"padding": 0, "flip": False}

    padding: int = Field(
        4, ge=0, le=16, title="padding", description="largest shift in pixels", json_schema_extra={"slider": [0, 8, 1]}
    )
    flip: bool = Field(True, title="mirror", description="half of the images; digits never")
    alternate: bool = Field(False, title="in turn", description="mirrors an image every other epoch")
    reflect: bool = Field(False, title="reflect", description="borders mirror what they border, not black")

    def for_dataset(self, source: Source) -> FlipCrop:
        """Without mirroring where a mirrored picture means something else."""
        return self if source.mirror else self.model_copy(update={"flip": False})

    def view(self, images: Tensor, index: Tensor, epoch: Tensor) -> Tensor:
        """Every other epoch the mirror image, where the mirror images come in turn; which comes first is the image's own."""
        import torch

        if not (self.flip and self.alternate):
            return images
        mirrored = ((index * 2_654_435_761 >> 16) + epoch) % 2 == 1  # Knuth's multiplicative hash, one bit of it
        return torch.where(mirrored[:, None, None, None], images.flip(3), images)

    def augment(self, images: Tensor, rng: Generator) -> Tensor:
        """Images (N, C, H, W), each shifted by up to `padding` pixels, and mirrored or not.

        What comes in at the border is black, or the image's own reflection, as in Zagoruyko and Komodakis 2016,
        arXiv:1605.07146, section 3.
        """
        import torch
        from torch.nn.functional import pad

        n, _, height, width = images.shape
        at = images.device

        def draw(high: int) -> Tensor:
            return torch.randint(0, high, (n, 1), generator=rng, device=at)

        rows = draw(2 * self.padding + 1) + torch.arange(height, device=at)
        columns = torch.arange(width, device=at).expand(n, width)
        shift = draw(2 * self.padding + 1)
        if self.flip and not self.alternate:
            columns = torch.where(draw(2).bool(), width - 1 - columns, columns)
        columns = columns + shift
        # One gather over NHWC moves whole pixels, and its result is channels_last again for free.
        padded = images.permute(0, 2, 3, 1)
        if self.reflect:
            rows, columns = (reflected(x - self.padding, size) for x, size in ((rows, height), (columns, width)))
        else:
            padded = pad(padded, (0, 0, *[self.padding] * 4))
        picked = padded[torch.arange(n, device=at)[:, None, None], rows[:, :, None], columns[:, None, :]]
        return picked.permute(0, 3, 1, 2)


def reflected(places: Tensor, size: int) -> Tensor:
    """Places within 0 .. size - 1 of places that may lie up to `size - 1` beyond: the pixel at the edge is not repeated."""
    return (size - 1) - ((size - 1) - places.abs()).abs()
