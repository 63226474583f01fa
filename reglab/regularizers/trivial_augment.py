"""TrivialAugment: one random operation on every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from reglab.data import Source


class TrivialAugment(Regularizer):
    """Changes every training image by one of fourteen operations, drawn at random and as strong as chance has it.

    What you will see: the training curve rises slowly, since many images are changed beyond easy recognition, and the
    gap narrows a lot; the validation curve starts lower, and keeps rising when the plain network's has gone flat. Wrong
    labels are hardly learned by heart.

    When it helps: with photographs and long runs, beside shifting and mirroring. There is nothing to tune.

    When it does not: in short runs, and for small networks, which can learn less than they are shown; and wherever
    color, brightness or position tell the classes apart.

    The operations are those of the paper's wide space: shears, shifts, rotation, brightness, color, contrast,
    sharpness, posterizing, solarizing, stretched contrast, equalizing, and none. Each has 31 strengths; half of the
    images go to the other side (a rotation to the left, less contrast). Some strengths do nothing, some leave an image
    black. That is the paper's point: the mixture works without anything to search for.

    A 6 turned by 135 degrees is nearly a 9. For data that mean something else when turned or mirrored (the handwritten
    digits) rotation is switched off by itself, and the other thirteen operations remain.
    """

    title = "TrivialAugment"
    group = "Data"
    hint = "One random operation on every image"
    synonyms = ("data augmentation", "overfitting", "AutoAugment", "RandAugment", "rotation", "colour", "color")
    paper = (
        "Müller and Hutter 2021, TrivialAugment: tuning-free yet state-of-the-art data augmentation, arXiv:2103.10158"
    )
    formula = r"x \leftarrow a_m(x),\quad a \sim U(\{a_1, \dots, a_{14}\}),\ m \sim U(\{0, \dots, 30\})"
    order = 1  # after shifting and mirroring, as in the paper; before parts are hidden and noise is added
    advice = {
        "cutout": "TrivialAugment and cutout go together: on CIFAR its paper covers a square of 16 pixels as well, after "
        "the operation.",
    }
    pytorch = """
        augment = v2.TrivialAugmentWide()
        images = torch.stack([augment(image) for image in (images * 255).round().byte()]) / 255
    """
    keras = """
        # not in Keras; the nearest there is: one operation of ten, all of the same strength
        images = keras.layers.RandAugment(value_range=(0, 1), num_ops=1, factor=0.5)(images)
    """

    rotate: bool = Field(True, title="rotate", description="up to 135 degrees; digits never")

    def for_dataset(self, source: Source) -> TrivialAugment:
        """Without rotation where a turned picture means something else."""
        return self if source.mirror else self.model_copy(update={"rotate": False})

    def augment(self, images: Tensor, rng: Generator) -> Tensor:
        """Images (N, 3, H, W), each through one operation; those with the same operation go through it together.

        The operations are defined on 8-bit images, so these are rounded to whole levels from 0 to 255 first.
        """
        import torch

        # Which image goes where has to be known on the host, and reading it from a GPU would make the host wait for
        # all that is queued there. So the host draws, seeded by the generator: the same draws on every device.
        host = torch.Generator().manual_seed(rng.initial_seed())
        operations = [o for o in OPERATIONS if self.rotate or o is not rotate]
        chosen = torch.randint(len(operations), (len(images),), generator=host)
        bins = torch.randint(BINS, (len(images),), generator=host)
        signs = 1 - 2 * torch.randint(2, (len(images),), generator=host)

        levels = (images * 255).round_()
        seen = levels.clone()
        for i, operation in enumerate(operations):
            members = (chosen == i).nonzero().flatten()
            if len(members):
                weakest, strongest, either_side = OPERATIONS[operation]
                strength = torch.linspace(weakest, strongest, BINS)[bins[members]].double()
                at = members.to(images.device, non_blocking=True)
                seen[at] = operation(levels[at], strength * signs[members] if either_side else strength)
        return seen.div_(255)


# ---- the operations: levels (n, 3, H, W), whole numbers from 0 to 255, and on the host one strength (n,) for each ----
def identity(levels: Tensor, strength: Tensor) -> Tensor:
    """The picture as it is."""
    return levels


def shear_x(levels: Tensor, slope: Tensor) -> Tensor:
    """Every row is moved to the left by `slope` times its place from the top; new pixels are black."""
    return _warp(levels, (1, slope, slope * levels.shape[2] / 2), (0, 1, 0))


def shear_y(levels: Tensor, slope: Tensor) -> Tensor:
    """Every column is moved upwards by `slope` times its place from the left; new pixels are black."""
    return _warp(levels, (1, 0, 0), (slope, 1, slope * levels.shape[3] / 2))


def translate_x(levels: Tensor, pixels: Tensor) -> Tensor:
    """To the right by whole pixels."""
    return _warp(levels, (1, 0, -pixels.trunc()), (0, 1, 0))


def translate_y(levels: Tensor, pixels: Tensor) -> Tensor:
    """Downwards by whole pixels."""
    return _warp(levels, (1, 0, 0), (0, 1, -pixels.trunc()))


def rotate(levels: Tensor, degrees: Tensor) -> Tensor:
    """Around the centre, counter-clockwise."""
    angle = degrees.deg2rad()
    return _warp(levels, (angle.cos(), -angle.sin(), 0), (angle.sin(), angle.cos(), 0))


def brightness(levels: Tensor, strength: Tensor) -> Tensor:
    """Black at strength -1, the picture at 0, twice as bright at +1."""
    return _blend(levels, levels.new_zeros(()), strength)


def color(levels: Tensor, strength: Tensor) -> Tensor:
    """Grey at strength -1, the picture at 0, twice as colourful at +1."""
    return _blend(levels, _gray(levels), strength)


def contrast(levels: Tensor, strength: Tensor) -> Tensor:
    """Evenly its mean grey at strength -1, the picture at 0, twice as far from that grey at +1."""
    return _blend(levels, _gray(levels).mean((1, 2, 3), keepdim=True), strength)


def sharpness(levels: Tensor, strength: Tensor) -> Tensor:
    """Away from, or toward, the image smoothed by the kernel (1 1 1, 1 5 1, 1 1 1) / 13; the border stays."""
    from torch.nn.functional import avg_pool2d

    inner = levels[:, :, 1:-1, 1:-1]
    smooth = ((avg_pool2d(levels, 3, 1, divisor_override=1) + 4 * inner) / 13).round_()
    out = levels.clone()
    out[:, :, 1:-1, 1:-1] = _blend(inner, smooth, strength)
    return out


def posterize(levels: Tensor, bits: Tensor) -> Tensor:
    """Only the highest bits of every level are kept."""
    unit = _column(2 ** (8 - bits.round()), levels)
    return (levels / unit).floor_() * unit


def solarize(levels: Tensor, threshold: Tensor) -> Tensor:
    """What is at least as bright as the threshold, a share of full brightness, is inverted."""
    import torch

    return torch.where(levels >= _column(255 * threshold, levels), 255 - levels, levels)


def auto_contrast(levels: Tensor, strength: Tensor) -> Tensor:
    """Every channel is stretched to 0..255, unless it is all of one level."""
    import torch

    low, high = levels.amin((2, 3), keepdim=True), levels.amax((2, 3), keepdim=True)
    stretched = ((levels - low) / ((high - low) * (1 / 255))).floor_()
    return torch.where(high > low, stretched, levels)


def equalize(levels: Tensor, strength: Tensor) -> Tensor:
    """Every channel gets a flat histogram, in the whole-number arithmetic of PIL's ImageOps.equalize."""
    import torch

    flat = levels.flatten(2).long()
    counts = flat.new_zeros(*flat.shape[:2], 256).scatter_add_(2, flat, torch.ones_like(flat))
    brightest = counts.gather(2, flat.amax(2, keepdim=True))
    step = (flat.shape[2] - brightest) // 255
    below = counts.cumsum(2) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    return torch.where(step > 0, table.gather(2, flat), flat).view_as(levels).to(levels.dtype)


def _warp(levels: Tensor, x: Sequence[Tensor | float], y: Sequence[Tensor | float]) -> Tensor:
    """Fetch pixel (column, row), counted from the centre, from the nearest to (x, y) . (column, row, 1).

    Black comes in from outside. The arithmetic is torchvision's, so that halves are rounded as there.
    """
    import torch
    from torch.nn.functional import grid_sample

    n, _, height, width = levels.shape
    device = levels.device
    theta = torch.empty(n, 3, 2, dtype=torch.double)
    for axis, factors in enumerate((x, y)):
        for i, factor in enumerate(factors):
            theta[:, i, axis] = factor
    half = torch.tensor([width / 2, height / 2])  # grid_sample counts from -1 to 1
    places = torch.ones(height, width, 3, device=device)
    places[..., 0] = torch.arange(width, device=device) - (width - 1) / 2
    places[..., 1] = torch.arange(height, device=device)[:, None] - (height - 1) / 2
    grid = places.view(1, -1, 3) @ (theta.float() / half).to(device, non_blocking=True)
    return grid_sample(levels, grid.view(n, height, width, 2), mode="nearest", align_corners=False)


def _blend(levels: Tensor, other: Tensor, strength: Tensor) -> Tensor:
    """The image at strength 0, `other` at -1, as far beyond the image at +1; fractions are cut off as in PIL."""
    return (levels + (levels - other) * _column(strength, levels)).clamp_(0, 255).floor_()


def _gray(levels: Tensor) -> Tensor:
    red, green, blue = levels.split(1, 1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).floor_()


def _column(values: Tensor, levels: Tensor) -> Tensor:
    """One value an image, on the device of the images."""
    return values.to(levels.device, levels.dtype, non_blocking=True).view(-1, 1, 1, 1)


BINS = 31
# Each with its strength in the first and in the last bin, and whether half of the images go to the other side.
OPERATIONS: dict[Callable[[Tensor, Tensor], Tensor], tuple[float, float, bool]] = {
    identity: (0, 0, False),
    shear_x: (0, 0.99, True),
    shear_y: (0, 0.99, True),
    translate_x: (0, 32, True),
    translate_y: (0, 32, True),
    rotate: (0, 135, True),
    brightness: (0, 0.99, True),
    color: (0, 0.99, True),
    contrast: (0, 0.99, True),
    sharpness: (0, 0.99, True),
    posterize: (8, 2, False),
    solarize: (1, 0, False),
    auto_contrast: (0, 0, False),
    equalize: (0, 0, False),
}
