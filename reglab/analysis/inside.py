"""What regularizers leave behind in a trained network: its weights by layer, and how sure it is of what it says.

`look` returns plain values, so that it can be called in another process and its answer kept.
"""

from __future__ import annotations

from math import floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab import data
from reglab.analysis.networks import logits_of, network_of
from reglab.errors import RunError
from reglab.models import pretrained
from reglab.runs.run import Run
from reglab.training import metrics

if TYPE_CHECKING:
    from torch import Tensor, nn

NEAR_ZERO = 1e-3  # in size, as the weights are
RELATIVELY_ZERO = 0.01  # of the layer's RMS weight: stays the same when a layer merely shrinks; 0.8 % for a Gaussian
CONFIDENCE_BINS = 20
LOGIT_BINS = 60  # at most; rounding their width up leaves 24 at least
IMAGES = 5_000  # of a large validation set the first ones are enough, and take seconds
ENLARGED = 500  # the same for a network of timm, which sees them larger


def look(run_path: str) -> dict[str, Any]:
    """What the best weights of a run are like, and what the network says to its validation images; JSON-able.

    run, layers (see `layers_of`); and, of the validation images, what `answers_of` tells. Where the images are not on
    this machine, `problem` says so instead. Raises `RunError` when there are no weights, or none that can be read.
    """
    run = Run(Path(run_path))
    network, _, _ = network_of(run)
    seen: dict[str, Any] = {"run": run.id, "layers": layers_of(network)}
    if not all(layer["finite"] for layer in seen["layers"]):
        raise RunError(f"The weights of run “{run.name}” are not all finite numbers: choose another run.")
    config = run.config
    if not data.is_local(config.dataset):
        title = data.source(config.dataset).title
        return seen | {
            "problem": f"Only the weights of run “{run.name}” are shown, because {title} is not on this machine:"
            f" choose {title} on the Train tab to fetch it."
        }
    import torch

    dataset = data.load(config.dataset, test_images=run.test_images)
    split = data.split(dataset, config.train_size, config.val_size, config.label_noise, config.seed)
    count = ENLARGED if pretrained.is_timm(config.model) and not config.on_features else IMAGES
    logits = logits_of(run, split.val_images[:count])
    if not torch.isfinite(logits).all():
        return seen | {
            "problem": f"Only the weights of run “{run.name}” are shown: it does not answer in finite numbers."
        }
    return seen | answers_of(logits, torch.from_numpy(split.val_labels[:count]))


def layers_of(network: nn.Module) -> list[dict[str, Any]]:
    """Every kernel and matrix, from the images to the classes.

    name, weights (how many), norm (L2), rms, near_zero (share smaller than NEAR_ZERO in size), relatively_zero (share
    smaller than RELATIVELY_ZERO of the layer's RMS), finite. Weights as the network uses them: divided by their
    spectral norm where that is asked for.
    """
    import torch

    from reglab.models import weight_layers

    layers: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    with torch.no_grad():
        for module in weight_layers(network).values():
            kind = "linear" if isinstance(module, torch.nn.Linear) else "conv"
            counts[kind] = counts.get(kind, 0) + 1
            kernel: Any = module.weight  # computed, where it is parametrized
            weight: Tensor = kernel.double()
            size, rms = weight.abs(), weight.square().mean().sqrt()
            layers.append(
                {
                    "name": f"{kind} {counts[kind]} ({'x'.join(map(str, weight.shape))})",
                    "weights": weight.numel(),
                    "norm": weight.norm().item(),
                    "rms": rms.item(),
                    "near_zero": _share(size < NEAR_ZERO),
                    "relatively_zero": _share(size < RELATIVELY_ZERO * rms) if rms else 1.0,
                    "finite": bool(torch.isfinite(weight).all()),
                }
            )
    return layers


def answers_of(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """How sure the network is, and how often it is right; logits (N, classes), labels (N,).

    images, accuracy, confidence (mean of the largest probability), ece; sure_and_wrong (share of all images that are
    answered wrongly with more than 90 %); confidences: counts of right and wrong answers by confidence, in equal bins
    from 0 to 1; logits: counts of all logits and of the largest of each image, in bins of `width` from `start`;
    reliability: as `metrics.reliability` tells it.
    """
    logits = logits.double()
    confidence, predicted = logits.softmax(1).max(1)
    right = predicted == labels
    return {
        "images": len(labels),
        "accuracy": metrics.accuracy(logits, labels),
        "confidence": confidence.mean().item(),
        "ece": metrics.calibration_error(logits, labels),
        "sure_and_wrong": _share((confidence > 0.9) & ~right),
        "confidences": {
            "right": _counts(metrics.bin_of(confidence[right], CONFIDENCE_BINS), CONFIDENCE_BINS),
            "wrong": _counts(metrics.bin_of(confidence[~right], CONFIDENCE_BINS), CONFIDENCE_BINS),
        },
        "logits": logit_histogram(logits),
        "reliability": metrics.reliability(confidence, right),
    }


def logit_histogram(logits: Tensor) -> dict[str, Any]:
    """Bins whose width is 1, 2 or 5 times a power of ten, and which begin at a multiple of it; logits (N, classes)."""
    low, high = logits.min().item(), logits.max().item()
    width = _nice((high - low) / LOGIT_BINS)
    first = floor(low / width)
    bins = floor(high / width) - first + 1

    def counts(values: Tensor) -> list[int]:
        return _counts((values / width).floor().long().flatten() - first, bins)

    return {"start": first * width, "width": width, "all": counts(logits), "largest": counts(logits.max(1).values)}


def _nice(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    if least <= 0:
        return 1.0
    power: float = 10.0 ** floor(log10(least))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= least), 10 * power)


def _counts(bin_of: Tensor, bins: int) -> list[int]:
    counts: list[int] = bin_of.clamp(0, bins - 1).bincount(minlength=bins).tolist()
    return counts


def _share(mask: Tensor) -> float:
    return float(mask.double().mean().item())
