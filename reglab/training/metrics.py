"""What the numbers mean: loss, accuracy, calibration and the like. What they say in words: `diagnosis.py`.

Everywhere logits are (N, classes) of any float type, labels (N,) as int64, confidences (N,) from 0 to 1; shares are from 0 to 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

BINS = 15


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of images whose highest logit is the label; logits (N, classes), labels (N,)."""
    return (logits.argmax(1) == labels).double().mean().item()


def loss(logits: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy in nats; logits (N, classes), labels (N,)."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits.double(), labels).item()


def calibration_error(logits: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Expected calibration error over equally wide bins of confidence (Guo et al. 2017, arXiv:1706.04599).

    The mean distance between how sure the network is and how often it is right, weighted by the images in each bin.
    """
    import torch

    confidence, predicted = logits.double().softmax(1).max(1)
    correct = (predicted == labels).double()
    zeros = torch.zeros(bins, dtype=torch.double, device=logits.device)
    apart = zeros.index_add(0, bin_of(confidence, bins), correct - confidence)
    return (apart.abs().sum() / len(labels)).item()


def bin_of(confidence: Tensor, bins: int = BINS) -> Tensor:
    """The bin of each confidence, all equally wide and open on the left: (0, 1/bins], ..., (1 - 1/bins, 1]."""
    return (confidence * bins).ceil().long().clamp(1, bins) - 1


def reliability(confidence: Tensor, right: Tensor, bins: int = BINS) -> list[dict[str, Any]]:
    """A bin each of `calibration_error`: count, mean confidence, and accuracy (both None in an empty one).

    `confidence` (N,) is how sure the network is, `right` (N,) whether it is right, as bool.
    """
    place, shown = bin_of(confidence, bins), []
    for number in range(bins):
        sure, correct = confidence[place == number], right[place == number].double()
        mean = {"confidence": sure.mean().item(), "accuracy": correct.mean().item()} if len(sure) else {}
        shown.append({"count": len(sure), "confidence": None, "accuracy": None, **mean})
    return shown


COLDEST, HOTTEST = 0.05, 20.0


def temperature(logits: Tensor, labels: Tensor) -> float:
    """What to divide the logits by so that they are as sure as they are right (Guo et al. 2017, arXiv:1706.04599).

    The loss is lowest there; more than 1 tempers a network that is too sure. The loss is convex in 1 / temperature, so
    its slope changes sign once, and halving the interval finds where. Bounded to COLDEST..HOTTEST, for without an error
    among the labels no temperature is cold enough. The order of the classes stays, and with it the accuracy.
    """
    spread = logits.double() - logits.double().max(1, keepdim=True).values
    wanted = spread.gather(1, labels[:, None])[:, 0]

    def slope(degrees: float) -> float:
        """Of the loss, by 1 / temperature: the mean logit that the network expects, less that of the label."""
        return ((spread * (spread / degrees).softmax(1)).sum(1) - wanted).mean().item()

    if slope(1.0) == 0:
        return 1.0  # nothing to gain, as where all logits are alike
    low, high = COLDEST, HOTTEST
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if slope(middle) < 0 else (middle, high)
    return low


def energy(logits: Tensor) -> Tensor:
    """How familiar each picture is: the log of its summed exponentials, (N,), high for pictures like those of training.

    It is the negative of what Liu et al. 2020 (arXiv:2010.03759) call energy, and tells more of strange pictures than
    the largest probability does, because the softmax forgets how large the logits were.
    """
    return logits.double().logsumexp(1)


def confusion(logits: Tensor, labels: Tensor, classes: int) -> Tensor:
    """How many images of each class (rows) are taken for which (columns): counts, (classes, classes)."""
    pairs = labels * classes + logits.argmax(1)
    return pairs.bincount(minlength=classes**2).reshape(classes, classes)


def per_class(logits: Tensor, labels: Tensor, classes: int) -> list[float | None]:
    """The accuracy among the images of each class; None where there are none."""
    counts = confusion(logits, labels, classes)
    rows = zip(counts.diagonal().tolist(), counts.sum(1).tolist(), strict=True)
    return [right / images if images else None for right, images in rows]


def wilson(share: float, images: int, level: float = 0.95) -> tuple[float, float]:
    """Where the true share may lie when it was `share` of so many images (Wilson 1927, JASA 22:209).

    It covers the draw of the test images only, not what another seed of training would change.
    """
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z / (1 + z**2 / images) * (share * (1 - share) / images + z**2 / (4 * images**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def judge(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Loss in nats, accuracy and calibration error from 0 to 1, together; logits (N, classes), labels (N,)."""
    return {
        "loss": loss(logits, labels),
        "accuracy": accuracy(logits, labels),
        "ece": calibration_error(logits, labels),
    }
