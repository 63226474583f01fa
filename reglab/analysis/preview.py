"""What the network sees: the first batch of a run that has not been trained yet, and what is hidden inside the network.

The pictures go through the same code as in training, so what is shown is what will be trained on, to the pixel (on the
CPU: a GPU draws other random numbers from the same seed).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from reglab import data
from reglab.config import RunConfig
from reglab.numbers import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from reglab.data import Split

SHOWN = 24  # pictures of the batch
MAPS = 16  # feature maps of a layer
HIDDEN = np.array([230, 97, 0], dtype=np.uint8)  # the colour of what is switched off


@dataclass(frozen=True)
class Picture:
    """RGB pixels (H, W, 3) uint8, and what to write under them."""

    pixels: np.ndarray
    caption: str
    about: str = ""  # a smaller word below that
    is_wrong: bool = False  # the label that training will ask for is not the true one


@dataclass(frozen=True)
class Look:
    """The beginning of the first batch, and the layers that hide something from its first picture."""

    batch: tuple[Picture, ...]
    inside: tuple[Picture, ...]
    images: int  # in the whole batch


def look(values: Mapping[str, Any]) -> Look:
    """The first batch of the run with this config. Raises `ConfigError` or `DataError`."""
    import torch

    from reglab import models
    from reglab.regularizers import in_order
    from reglab.training.batches import Draws, ImageSet, Normalize, derived_seed, epoch_order, prepare_batch
    from reglab.training.forward import forward

    config = RunConfig.parse(values)
    split = _split(config.dataset, config.train_size, config.val_size, config.label_noise, config.seed)
    classes = len(split.classes)
    order = epoch_order(len(split.train_labels), config.seed, 1)[: config.batch_size]
    first = order.numpy()
    cpu = torch.device("cpu")
    draws = Draws(cpu, (config.seed, 1, 0))
    images = ImageSet.to_device(split.train_images[first], split.train_labels[first], cpu)
    # Whatever is trained of it, the whole network stands for what it does; random weights will do, and are always here.
    spec = config.spec(classes).replace(pretrained=False, head_only=False)
    mean, std = models.statistics(spec) or (split.mean, split.std)
    normalize = Normalize.to_device(mean, std, cpu)
    regularizers = in_order(config.regularizers.values())
    inputs, targets = prepare_batch(images, torch.arange(len(images)), classes, regularizers, normalize, draws, order)

    torch.manual_seed(derived_seed(config.seed, "weights"))
    network = models.build(spec).train()
    draws.seed_layers()
    with torch.no_grad(), _watched(network) as layers:
        logits, targets = forward(network, inputs, targets, regularizers, draws)
    for r in regularizers:
        targets = r.soft_targets(targets, logits)
    pixels = (inputs * normalize.std + normalize.mean).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    batch = [
        Picture(pixels[i], _label(targets[i], split.classes), fate := _fate(split, int(first[i])), bool(fate))
        for i in range(min(SHOWN, len(images)))
    ]
    return Look(tuple(batch), tuple(_inside(layers)), len(images))


@lru_cache(maxsize=1)
def _split(dataset: str, train_size: int | None, val_size: int, label_noise: float, seed: int) -> Split:
    """The last split stays in memory: a toggle that is clicked does not change it."""
    return data.split(data.load(dataset), train_size, val_size, label_noise, seed)


def _label(target: Tensor, classes: tuple[str, ...]) -> str:
    """`cat`, or `cat 70 %, ship 30 %`: the classes that have a share worth mentioning, the largest first."""
    shares = sorted(((float(share), name) for share, name in zip(target, classes, strict=True)), reverse=True)
    if shares[0][0] > 0.995:
        return shares[0][1]
    return ", ".join(f"{name} {percent(share, 0)}" for share, name in shares[:2] if share >= 0.05)


def _fate(split: Split, i: int) -> str:
    true, given = split.classes[split.true_labels[i]], split.classes[split.train_labels[i]]
    return f"the label says {given}, but it is {true}" if true != given else ""


# ---- inside the network ------------------------------------------------------------------------------------------
@dataclass
class Watched:
    """A layer that drops something: what went in, and its mask for the whole batch (0 where something is hidden)."""

    layer: nn.Module
    inputs: Tensor
    mask: Tensor


@contextmanager
def _watched(network: nn.Module) -> Iterator[list[Watched]]:
    """Collects what the dropping layers do during a forward pass, in the order in which they do it.

    A mask is seen by giving the layer ones: with the random state of the pass it hides the same places again.
    """
    import torch
    from torch import nn

    from reglab.models.layers import DropBlock2d, StochasticDepth

    seen: list[Watched] = []
    states: dict[nn.Module, Tensor] = {}
    handles = []

    def before(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        states[layer] = torch.get_rng_state()

    def after(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        now = torch.get_rng_state()
        torch.set_rng_state(states[layer])
        mask = layer.forward(torch.ones_like(inputs[0]))
        torch.set_rng_state(now)
        seen.append(Watched(layer, inputs[0], mask > 0))

    for layer in network.modules():
        if isinstance(layer, (nn.Dropout, nn.Dropout2d, DropBlock2d, StochasticDepth)):
            handles += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _inside(layers: list[Watched]) -> Iterator[Picture]:
    """A picture of each layer for the first image, the branches of stochastic depth together in one."""
    from torch import nn

    from reglab.models.layers import DropBlock2d, StochasticDepth

    for seen in layers:
        mask, inputs = seen.mask[0].numpy(), seen.inputs[0].float().numpy()
        if isinstance(seen.layer, nn.Dropout2d):
            off = int((~mask.any((1, 2))).sum())
            caption = f"spatial dropout: {off} of {len(mask)} maps switched off"
            yield Picture(_maps(inputs, mask), caption, f"the first {MAPS} maps of {mask.shape[1]} x {mask.shape[2]}")
        elif isinstance(seen.layer, DropBlock2d):
            caption = (
                f"DropBlock: {percent(1 - float(mask.mean()), 0)} of {mask.shape[1]} x {mask.shape[2]} maps hidden"
            )
            yield Picture(_maps(inputs, mask), caption, f"the first {MAPS} of {len(mask)} maps")
        elif isinstance(seen.layer, nn.Dropout):
            caption = f"dropout: {int((~mask).sum())} of {mask.size} units switched off"
            yield Picture(
                _units(inputs, mask), caption, "one square per unit before the classifier, bright where it is active"
            )
    branches = [seen for seen in layers if isinstance(seen.layer, StochasticDepth) and seen.layer.drop_prob]
    if branches:
        kept = np.array([bool(seen.mask[0].any()) for seen in branches])
        caption = f"stochastic depth: {int((~kept).sum())} of {len(kept)} branches left out"
        yield Picture(_units(np.ones(len(kept)), kept, columns=len(kept)), caption, "one square a residual branch")


def _grey(values: np.ndarray) -> np.ndarray:
    """Values of any shape as RGB, the lowest black and the highest white."""
    low, high = values.min(), values.max()
    level = ((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=-1)


def _maps(maps: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Feature maps (C, H, W) in two rows with lines between, what is hidden in colour."""
    shown = np.stack([_grey(m) for m in maps[:MAPS]])
    shown[~mask[:MAPS]] = HIDDEN
    framed = np.pad(shown, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=255)
    half = -(-len(framed) // 2)
    rows = [np.concatenate(list(part), axis=1) for part in (framed[:half], framed[half : 2 * half])]
    return np.concatenate(rows, axis=0)[:-1, :-1]


def _units(values: np.ndarray, mask: np.ndarray, columns: int = 16) -> np.ndarray:
    """Units (n,) as squares in rows of 16, those switched off in colour."""
    shown = _grey(values) if np.ptp(values) else np.full((len(values), 3), 200, dtype=np.uint8)
    shown[~mask] = HIDDEN
    rows = -(-len(shown) // columns)
    grid = np.full((rows * columns, 3), 255, dtype=np.uint8)
    grid[: len(shown)] = shown
    cell = grid.reshape(rows, columns, 3).repeat(5, 0).repeat(5, 1)
    cell[4::5], cell[:, 4::5] = 255, 255
    return cell[:-1, :-1]
