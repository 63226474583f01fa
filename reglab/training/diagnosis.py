"""What the curves of a run say, in one sentence: "Overfitting since epoch 7: validation loss rose ...".

One epoch says little, since curves wobble: whatever is judged here is a median of three epochs, and a rise counts only as
far as it is larger than the falls beside it. A point is judged on a slice of the images, so that a bar must be passed by one
standard error of that; at the end of a run, where everything was judged, by none.
What counts as learning depends on the classes: of a hundred, 55 % is much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import hypot, log, log10, sqrt
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from reglab import data
from reglab.config import USUAL_LR, listed, standard_error
from reglab.numbers import percent, points
from reglab.regularizers import CATALOGUE, lowered
from reglab.training.divergence import NORMALIZING, is_normalized

if TYPE_CHECKING:
    from reglab.config import RunConfig
    from reglab.training.events import Epoch


@dataclass(frozen=True)
class Diagnosis:
    """What the curves say: a kind for the colour, and a sentence with the numbers that led to it."""

    kind: str  # one of KINDS
    text: str
    changes: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What it names first to do about it, as overrides of the config; empty where that is no single setting."""


KINDS = ("wait", "diverged", "dead", "unstable", "memorising", "overfitting", "underfitting", "fine")

# The thresholds of the diagnosis. They are conventions of this lab, chosen on its own curves: a validation loss wobbles
# by about 0.05 from epoch to epoch on 2,000 images, and a gap under 10 points is what well regularized networks keep.
WINDOW = 3  # epochs of a median: one bad epoch does not move it
RISE = 0.1  # nats
WOBBLE = 2.0  # nats by which the loss of one image changes between two epochs: 0.05 for the mean of 2,000
JUMP = 0.3  # nats from one epoch to the next
WIDE_GAP = 0.15
LOW_FIT = 0.6  # with ten classes; times itself for every ten times as many, which makes 0.36 with a hundred
LITTLE_TOLD = 0.75  # a loss above this share of that of guessing: right answers, but hardly more likely than the others
LEVEL = 0.02
FEW_STEPS = 50


def diagnose(
    history: Sequence[Epoch], config: RunConfig, failed: str = "", done: bool = False, last: Epoch | None = None
) -> Diagnosis:
    """What the curves of a run say so far; a fork is judged by the epochs since it left the other run.

    `failed` is why the run could not go on, `done` whether all of it was trained, and `last` its last epoch as it was judged
    at its end, on everything.
    """
    if failed:
        return Diagnosis("diverged", failed)
    start = config.fork.epoch if config.fork else 0
    own = [e for e in history if e.epoch >= start]
    if len(own) <= WINDOW:
        since = f" after the fork at epoch {start}" if start else ""
        said = "Too short to tell: the diagnosis needs" if done else "Too early to tell: the diagnosis waits for"
        longer = {"epochs": max(2 * config.epochs, 2 * WINDOW)} if done else {}
        return Diagnosis("wait", f"{said} {WINDOW} epochs{since}.", longer)
    curves = Curves(own, config, done, last or own[-1])
    told = (finding(curves) for finding in FINDINGS)  # the first that has something to say
    return next((said for said in told if said is not None), None) or fine(curves)


class Curves:
    """The epochs of a run as they are judged: where they ended, as medians, and what guessing would give.

    `last` is the last of them as the run reports it. A slice is the same in every epoch, so by how much it errs there it errs in
    those before, and what is said of the end is put right by that much.
    """

    def __init__(self, history: Sequence[Epoch], config: RunConfig, done: bool, last: Epoch) -> None:
        self.history, self.config, self.done, self.last = history, config, done, last
        self.classes = len(data.source(config.dataset).classes)
        self.judged = config.judgeable if last is not history[-1] else config.judged
        self.fit_loss, self.fit_accuracy = self.end(_fit_loss), self.end(_fit_accuracy)
        self.train_accuracy, self.val_accuracy = self.end(_train_accuracy), self.end(_val_accuracy)
        self.gap = self.train_accuracy - self.val_accuracy
        self.change = change(history, config)

    def end(self, value: Callable[[Epoch], float], back: int = 0) -> float:
        """The median of the last epochs, or of those that end `back` epochs earlier."""
        until = len(self.history) - back
        middle = median(value(e) for e in self.history[until - WINDOW : until])
        return middle + value(self.last) - value(self.history[-1])

    def error(self, share: float, part: int, images: float = 1.0) -> float:
        """How far an accuracy may be off that on all training (part 0) or all validation images (1), for its slice.

        One standard error; of the accuracy on some of the `images`, a share of them, alone.
        """
        return standard_error(share, images * self.judged[part], images * self.config.judgeable[part])

    @property
    def gap_error(self) -> float:
        """The same for the gap."""
        return hypot(self.error(self.train_accuracy, 0), self.error(self.val_accuracy, 1))

    @property
    def guessing(self) -> float:
        """The loss of giving each class the same probability, in nats."""
        return log(self.classes)

    @property
    def learned(self) -> bool:
        """Whether it knows its training images well, for so many classes.

        By their true labels or by those that were given: under label noise a network can be right about either.
        """
        return self.is_right and self.fit_loss < LITTLE_TOLD * self.guessing

    @property
    def is_right(self) -> bool:
        """The same, whatever its loss."""
        return max(self.fit_accuracy, self.train_accuracy) >= LOW_FIT ** log10(self.classes)

    @property
    def is_rising(self) -> bool:
        """Whether validation accuracy still grew in the last epochs."""
        if len(self.history) <= 2 * WINDOW:
            return False
        grown = self.val_accuracy - self.end(_val_accuracy, back=WINDOW)  # both on one slice, also after the end
        return grown > LEVEL + standard_error(self.val_accuracy, self.config.judged[1], self.config.judgeable[1])


@dataclass(frozen=True)
class Change:
    """What the losses did since validation loss was lowest, all as running medians, in nats."""

    since: int  # the epoch in which it was lowest
    val_rose: float
    fit_fell: float
    wobble: float  # the largest rise before that was made good again, or fall since
    error: float = 0.0  # by how much a slice of the validation images makes the loss rise or fall by itself

    @property
    def has_risen(self) -> bool:
        """Whether validation loss rose, and by more than it wobbles."""
        return self.val_rose > RISE + self.wobble + self.error


def change(history: Sequence[Epoch], config: RunConfig | None = None) -> Change:
    """What the losses of at least one epoch did since the lowest validation loss; `config` says on how many images."""
    val, fit = _smooth([e.val_loss for e in history]), _smooth([_fit_loss(e) for e in history])
    low = min(range(len(val)), key=lambda i: (val[i], history[i].val_loss))  # of equal medians the lowest itself
    before, after = val[1 : low + 1], val[low:]  # the untrained network is no part of a wobble
    wobble = max(_largest_rise(before), _largest_rise([-v for v in after]))
    images, of = (config.judged[1], config.judgeable[1]) if config else (1, 1)
    error = WOBBLE * sqrt((1 - images / of) / images)
    return Change(history[low].epoch, val[-1] - val[low], fit[low] - fit[-1], wobble, error)


# ---- the findings, in the order in which they are looked for ---------------------------------------------------------
def exploding(c: Curves) -> Diagnosis | None:
    """Worse than guessing on the very images that it learns."""
    if c.fit_loss <= (2 * c.guessing if _at_chance(c) else c.guessing + 0.5):
        return None
    text = f"Unstable: training loss is {c.fit_loss:.3g}, and guessing would give {c.guessing:.2f}."
    return _with("unstable", text, _smaller_lr(c))


def dead(c: Curves) -> Diagnosis | None:
    """No better than guessing, on training images as on others."""
    if not _at_chance(c):
        return None
    chance = f"accuracy is at chance ({percent(c.val_accuracy)} among {c.classes} classes)"
    usual, steps = USUAL_LR[c.config.optimizer], c.history[-1].step
    if c.config.lr <= usual / 10 or (steps < FEW_STEPS and c.config.lr <= 3 * usual):
        text = f"Not learning yet: after {steps:,} steps {chance}."
        return _with("underfitting", text, _more_progress(c)) if c.done else Diagnosis("wait", text)
    best = max(c.history, key=_fit_accuracy)
    collapsed = _fit_accuracy(best) > 2 / c.classes and _fit_loss(best) < c.guessing - RISE
    if not (c.done or collapsed or c.history[-1].epoch > c.config.epochs / 2):
        return Diagnosis("wait", f"Not learning yet: {chance}.")
    reached = f" It had reached {percent(_fit_accuracy(best))} in epoch {best.epoch}." if collapsed else ""
    guessing = f"ln({c.classes}) = {c.guessing:.2f}, that of guessing"
    text = f"Dead network: {chance} and training loss {c.fit_loss:.2f} no better than {guessing}.{reached}"
    return _with("dead", text, _revive(c))


def memorising(c: Curves) -> Diagnosis | None:
    """Wrong labels learned by heart."""
    if c.history[-1].memorised is None:
        return None
    share = c.end(lambda e: e.memorised or 0.0)
    if share <= 0.5 + c.error(share, 0, c.config.label_noise or 1.0):
        return None
    text = f"Memorizing: {percent(share, 0)} of the wrong labels are learned by heart and validation accuracy is {percent(c.val_accuracy)}."
    return _with("memorising", text, _more_regularization(c))


def overfitting(c: Curves) -> Diagnosis | None:
    """Validation loss rises while training loss falls."""
    now = c.change
    if not (now.has_risen and now.fit_fell > 0):
        return None
    since = f"since epoch {now.since}" if now.since else "from the start"
    text = f"Overfitting {since}: validation loss rose {now.val_rose:.2f} while training loss fell {now.fit_fell:.2f}."
    return _with("overfitting", text, _more_regularization(c))


def unstable(c: Curves) -> Diagnosis | None:
    """Both losses rise, or training loss jumps up again and again."""
    now = c.change
    if now.has_risen and now.fit_fell <= 0:
        rose = f"validation loss rose {now.val_rose:.2f} and training loss {-now.fit_fell:.2f} since epoch {now.since}"
        return _with("unstable", f"Unstable: {rose}.", _smaller_lr(c))
    last = [_fit_loss(e) for e in c.history[-6:]]
    jumps = sum(b - a > JUMP for a, b in pairwise(last))
    if jumps < 2:
        return None
    text = f"Unstable: training loss jumped up by more than {JUMP} in {jumps} of the last {len(last) - 1} epochs."
    return _with("unstable", text, _smaller_lr(c))


def wide_gap(c: Curves) -> Diagnosis | None:
    """Much better on the images that it has seen. Where it has not learned much yet, this is judged at the end only."""
    if c.gap <= WIDE_GAP + c.gap_error or not (c.learned or c.done):
        return None
    text = (
        f"Overfitting: training accuracy is {percent(c.train_accuracy)}, validation {percent(c.val_accuracy)},"
        f" a gap of {points(c.gap)} over the last {WINDOW} epochs."
    )
    return _with("overfitting", text, _more_regularization(c))


def underfitting(c: Curves) -> Diagnosis | None:
    """It knows not even its training images."""
    if c.learned:
        return None
    reached = max(c.fit_accuracy, c.train_accuracy)
    if not c.done:
        return Diagnosis("wait", f"Still learning: training accuracy {percent(reached)}, gap {points(c.gap)}.")
    text = f"Underfitting: training accuracy only reached {percent(reached)} with a gap of {points(c.gap)}"
    if c.is_right:
        text = f"Underfitting: training loss only reached {c.fit_loss:.2f}, where guessing gives {c.guessing:.2f}"
    return _with("underfitting", f"{text}.", _more_progress(c))


FINDINGS = (exploding, dead, memorising, overfitting, unstable, wide_gap, underfitting)


def fine(c: Curves) -> Diagnosis:
    """Nothing of all that."""
    rose, last = c.change.val_rose, c.history[-1]
    # Of a wide gap, the error is what keeps it from being called overfitting.
    error = f" ± {points(c.gap_error)}" if c.gap > WIDE_GAP else ""
    text = f"Looks fine: the gap is {points(c.gap)}{error} over the last {WINDOW} epochs and validation loss is" + (
        " at its lowest." if rose < LEVEL else f" {rose:.2f} above its lowest."
    )
    if last.val_loss > c.end(lambda e: e.val_loss) + JUMP:
        text += f" The last epoch alone was a bad one: validation accuracy {percent(last.val_accuracy)}."
    elif c.done and c.is_rising:
        text += " Validation accuracy was still rising at the end: more epochs may help."
        return Diagnosis("fine", text, _longer(c))
    return Diagnosis("fine", text)


def _at_chance(c: Curves) -> bool:
    """Within three standard errors of guessing, with the loss of whoever knows how frequent each class is, and no more."""
    chance = 1 / c.classes
    near = all(
        accuracy <= chance + 3 * sqrt(chance * (1 - chance) / n)
        for accuracy, n in zip((c.fit_accuracy, c.val_accuracy), c.judged, strict=True)
    )
    return near and c.fit_loss > c.guessing - 0.01 - c.classes / c.judged[0]


# ---- what to do about it -----------------------------------------------------------------------------------------
class Advice(NamedTuple):
    """A sentence, and what it names first as overrides of the config."""

    text: str
    changes: dict[str, Any]


def _with(kind: str, finding: str, advice: Advice) -> Diagnosis:
    return Diagnosis(kind, f"{finding} {advice.text}", advice.changes)


_MORE = ("flip_crop", "dropout", "weight_decay", "label_smoothing", "early_stopping")


def _more_regularization(c: Curves) -> Advice:
    """Advice that is not being followed already, and can be: features of a frozen backbone cannot be flipped."""
    on, possible = c.config.regularizers, [CATALOGUE[key] for key in _MORE if key in CATALOGUE]
    new = [r for r in possible if r.key not in on and not (c.config.on_features and r.needs_images)][:2]
    if new:
        return Advice(f"Try {' or '.join(lowered(r.title) for r in new)}.", {new[0].key: True})
    images = c.config.train_size
    return Advice("Try stronger settings, or more training images.", {"train_size": 2 * images} if images else {})


def _is_regularized(c: Curves) -> bool:
    """By something that holds it back, which normalization does not."""
    return any(key not in NORMALIZING for key in c.config.regularizers)


def _smaller_lr(c: Curves) -> Advice:
    normalization = "" if is_normalized(c.config) else ", or add normalization"
    third = f"{c.config.lr / 3:.1g}"
    return Advice(f"Lower the learning rate to a third, {third}{normalization}.", {"lr": float(third)})


def _longer(c: Curves) -> dict[str, Any]:
    return {"epochs": 2 * c.config.epochs}


def _revive(c: Curves) -> Advice:
    """What usually helps a network that gives every picture the same answer."""
    usual, lr = USUAL_LR[c.config.optimizer], c.config.lr
    too_high = f" ({lr:g} is {_times(lr / usual)} the usual)" if lr > usual else ""
    ways = [f"lower the learning rate{too_high}", *([] if is_normalized(c.config) else ["add normalization"])]
    if _is_regularized(c):
        ways.insert(len(ways) if too_high else 0, "use less regularization")
    told = listed(ways, "or")
    lower = usual if lr > usual else float(f"{lr / 3:.1g}")
    return Advice(f"{told[0].upper()}{told[1:]}.", {"lr": lower})


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.2g} times"


def _more_progress(c: Curves) -> Advice:
    """What usually helps a network that has learned too little. What takes nothing back is the first to be done."""
    usual, lr = USUAL_LR[c.config.optimizer], c.config.lr
    ways: dict[str, dict[str, Any]] = {}
    if c.is_rising or c.history[-1].step < FEW_STEPS or lr <= usual:
        ways["more epochs"] = _longer(c)
    if lr < usual:
        ways[f"a higher learning rate ({usual:g} is usual)"] = {"lr": usual}
    elif lr > 3 * usual:
        ways[f"a lower learning rate ({usual:g} is usual)"] = {"lr": usual}
    elif c.config.width < 1:
        ways["a wider network"] = {"width": min(1.0, 2 * c.config.width)}
    else:
        ways["a larger network"] = {}
    less = ["less regularization"] if _is_regularized(c) else []
    return Advice(f"Try {listed([*less, *ways], 'or')}.", next(filter(None, ways.values()), {}))


# ---- reading curves ----------------------------------------------------------------------------------------------
def _fit_loss(e: Epoch) -> float:
    return e.train_loss if e.fit_loss is None else e.fit_loss


def _fit_accuracy(e: Epoch) -> float:
    return e.train_accuracy if e.fit_accuracy is None else e.fit_accuracy


def _train_accuracy(e: Epoch) -> float:
    return e.train_accuracy


def _val_accuracy(e: Epoch) -> float:
    return e.val_accuracy


def _smooth(values: Sequence[float]) -> list[float]:
    """The running median of three: the first as it is, for the last the median of the last three.

    Three values and fewer, of which the first is the untrained network's, stay as they are.
    """
    if len(values) <= WINDOW:
        return list(values)
    inner = [median(values[i - 1 : i + 2]) for i in range(1, len(values) - 1)]
    return [values[0], *inner, median(values[-WINDOW:])]


def _largest_rise(values: Sequence[float]) -> float:
    """From any value to a later one; 0 where they only fall."""
    lowest, rose = float("inf"), 0.0
    for value in values:
        lowest = min(lowest, value)
        rose = max(rose, value - lowest)
    return rose


# ---- what regularization bought ----------------------------------------------------------------------------------
def bought(plain: dict[str, Any], regularized: dict[str, Any]) -> str:
    """One sentence on what the regularizers changed, from the summaries of two finished runs on the same split.

    What is equal in the digits that are told was neither bought nor closed.
    """
    test = regularized["test_accuracy"] - plain["test_accuracy"]
    gained = f"{'bought' if test >= 0 else 'cost'} {points(abs(test))} of test accuracy"
    if abs(test) < 0.0005:
        gained = "left test accuracy as it was"
    if "memorised" in plain and "memorised" in regularized:
        fewer = plain["memorised"] - regularized["memorised"]
        kept = (
            f"kept {percent(fewer, 0)} of the wrong labels from being"
            if fewer >= 0
            else f"let {percent(-fewer, 0)} more wrong labels be"
        )
        if abs(fewer) < 0.005:
            kept = "let as many wrong labels be"
        return f"Regularization {gained} and {kept} learned by heart."
    gap = plain["gap"] - regularized["gap"]
    narrowed = f"{'narrowed' if gap >= 0 else 'widened'} the gap by {points(abs(gap))}"
    return f"Regularization {gained} and {narrowed if abs(gap) >= 0.0005 else 'left the gap as it was'}."
