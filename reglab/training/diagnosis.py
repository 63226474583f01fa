"""What the curves of a run say, in one sentence: "Overfitting since epoch 7: validation loss rose ..."."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reglab.training.events import Epoch


@dataclass(frozen=True)
class Diagnosis:
    """What the curves say: a kind for the colour, and a sentence with the numbers that led to it."""

    kind: str  # wait, diverged, memorising, overfitting, underfitting, fine
    text: str

    def to_json(self) -> dict[str, str]:
        """As the page and the command line take it."""
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
