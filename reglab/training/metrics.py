"""What the numbers mean: loss, accuracy, calibration and the like from logits; the diagnosis of a run in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from reglab.training.events import Epoch

BINS = 15


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of images whose highest logit is the label; logits (N, classes), labels (N,)."""
    return (logits.argmax(1) == labels).double().mean().item()


def loss(logits: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy in nats."""
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
    """A bin each of `calibration_error`: count, mean confidence, and accuracy (both None in an empty one)."""
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
    """Loss, accuracy and calibration error together."""
    return {
        "loss": loss(logits, labels),
        "accuracy": accuracy(logits, labels),
        "ece": calibration_error(logits, labels),
    }


@dataclass(frozen=True)
class Diagnosis:
    """What the curves say: a kind for the colour, and a sentence with the numbers that led to it."""

    kind: str  # wait, diverged, memorising, overfitting, underfitting, fine
    text: str

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "text": self.text}


# The thresholds of the diagnosis. They are conventions of this lab, chosen on its own curves: a validation loss wobbles
# by about 0.05 from epoch to epoch on 2,000 images, and a gap under 10 points is what well regularized networks keep.
RISE = 0.1
WIDE_GAP = 0.15
LOW_FIT = 0.6
LEVEL = 0.02


def diagnose(
    history: Sequence[Epoch], regularizers: Sequence[str] = (), failed: str = "", done: bool = False
) -> Diagnosis:
    """What the curves of a run say so far; `regularizers` are the keys that are on, so that advice is new advice."""
    if failed:
        return Diagnosis("diverged", failed)
    if len(history) < 3:
        return Diagnosis("wait", "Too early to tell: the diagnosis begins after two epochs.")
    last = history[-1]
    lowest = min(history, key=lambda e: e.val_loss)
    rose = last.val_loss - lowest.val_loss
    fell = _fit_loss(lowest) - _fit_loss(last)
    if last.memorised is not None and last.memorised > 0.5:
        text = (
            f"Memorising: {last.memorised:.0%} of the wrong labels are learned by heart"
            f" and validation accuracy is {last.val_accuracy:.1%}. {_try(_MORE, regularizers)}"
        )
        return Diagnosis("memorising", text)
    if rose > RISE and fell > 0 and lowest.epoch > 0:
        text = (
            f"Overfitting since epoch {lowest.epoch}: validation loss rose {rose:.2f} while training loss fell {fell:.2f}."
            f" {_try(_MORE, regularizers)}"
        )
        return Diagnosis("overfitting", text)
    if last.gap > WIDE_GAP and last.train_accuracy > LOW_FIT:
        text = (
            f"Overfitting: training accuracy is {last.train_accuracy:.1%}, validation {last.val_accuracy:.1%},"
            f" a gap of {last.gap * 100:.1f} points. {_try(_MORE, regularizers)}"
        )
        return Diagnosis("overfitting", text)
    if rose > RISE and fell <= 0:
        text = (
            f"Unstable: validation loss rose {rose:.2f} and training loss {-fell:.2f} since epoch {lowest.epoch}."
            " Try a third of the learning rate."
        )
        return Diagnosis("diverged", text)
    if _fit_accuracy(last) < LOW_FIT:
        if not done:
            text = f"Still learning: training accuracy {last.train_accuracy:.1%}, gap {last.gap * 100:.1f} points."
            return Diagnosis("wait", text)
        less = "less regularization, " if regularizers else ""
        text = (
            f"Underfitting: training accuracy only reached {last.train_accuracy:.1%}"
            f" with a gap of {last.gap * 100:.1f} points. Try {less}more epochs or a higher learning rate."
        )
        return Diagnosis("underfitting", text)
    text = f"Looks fine: the gap is {last.gap * 100:.1f} points and validation loss is" + (
        " at its lowest." if rose < LEVEL else f" {rose:.2f} above its lowest."
    )
    if done and last.epoch >= 4 and history[-3].val_accuracy + LEVEL < last.val_accuracy:
        text += " It was still rising at the end: more epochs would help."
    return Diagnosis("fine", text)


_MORE = ("flip_crop", "dropout", "weight_decay", "label_smoothing", "early_stopping")


def _fit_loss(e: Epoch) -> float:
    return e.train_loss if e.fit_loss is None else e.fit_loss


def _fit_accuracy(e: Epoch) -> float:
    return e.train_accuracy if e.fit_accuracy is None else e.fit_accuracy


def _try(candidates: Sequence[str], on: Sequence[str]) -> str:
    """Advice that is not being followed already."""
    from reglab.regularizers import CATALOGUE

    new = [CATALOGUE[key].title.lower() for key in candidates if key in CATALOGUE and key not in on][:2]
    return f"Try {' or '.join(new)}." if new else "Try stronger settings, or more training images."


def bought(plain: dict[str, Any], regularized: dict[str, Any]) -> str:
    """One sentence on what the regularizers changed, from the summaries of two finished runs on the same split."""
    test = (regularized["test_accuracy"] - plain["test_accuracy"]) * 100
    gained = f"{'bought' if test >= 0 else 'cost'} {abs(test):.1f} points of test accuracy"
    if "memorised" in plain and "memorised" in regularized:
        fewer = plain["memorised"] - regularized["memorised"]
        kept = (
            f"kept {fewer:.0%} of the wrong labels from being"
            if fewer >= 0
            else f"let {-fewer:.0%} more wrong labels be"
        )
        return f"Regularization {gained} and {kept} learned by heart."
    gap = (plain["gap"] - regularized["gap"]) * 100
    return f"Regularization {gained} and {'closed' if gap >= 0 else 'widened'} the gap by {abs(gap):.1f} points."
