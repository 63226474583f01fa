"""Sentences that more than one lesson needs; each is chosen by comparing numbers, and claims no more than these show."""

from __future__ import annotations

from reglab.experiments.outcome import Outcome
from reglab.teaching.lessons.scoring import Outcomes, chance, percent, points
from reglab.training.diagnosis import change


def path_of_loss(run: Outcome) -> str:
    """What the validation loss did; what the diagnosis beside the curves takes for wobbling is no rise."""
    did = change(run.history, run.config)
    if did.since == 0:
        return "never fall"
    return "fall, then rise" if did.has_risen else "keep falling"


def narrowing(runs: Outcomes, technique: str) -> list[str]:
    """What a stronger and stronger technique did to the gap and to test accuracy."""
    plain, *_ = runs.values()
    narrow = min(runs, key=lambda name: runs[name].last.gap)
    fell = plain.last.gap - runs[narrow].last.gap
    said = []
    if fell <= chance(plain.last.val_accuracy, runs[narrow].last.val_accuracy, plain):
        said.append(f"Here {technique} did not clearly narrow the gap, which was {points(plain.last.gap)} without it.")
    else:
        said.append(
            f"The gap fell from {points(plain.last.gap)} without {technique} to {points(runs[narrow].last.gap)} at "
            f"{narrow}."
        )
    # Validation chooses whose test accuracy is told: the highest of several would flatter the technique.
    best, second, *_ = sorted(list(runs)[1:], key=lambda name: runs[name].last.val_accuracy, reverse=True)
    if runs[best].last.val_accuracy > runs[second].last.val_accuracy:
        said.append(f"Of the networks with {technique}, validation chooses {best}.")
    said.append(compared(runs[best], plain, "test accuracy", best))
    return said


def starving(runs: Outcomes, name: str, subject: str) -> list[str]:
    """Whether too much of a technique kept the network from learning at all."""
    plain, most = next(iter(runs.values())), runs[name]
    lost = plain.test - most.test
    if lost <= chance(plain.test, most.test, plain, "test_images"):
        return [f"{subject} ({name}) did not cost test accuracy here: {percent(most.test)}."]
    cost = f"{subject} ({name}) cost {points(lost)} of test accuracy"
    fitted, before = most.last.train_accuracy, plain.last.train_accuracy
    if fitted >= before:
        return [f"{cost}."]
    return [
        f"{cost}: on its own training images the network reached {percent(fitted)} instead of {percent(before)}, and what "
        "has not been learned cannot generalize. A narrow gap alone is no success."
    ]


def compared(run: Outcome, plain: Outcome, what: str, name: str) -> str:
    """Two test accuracies, and whether the test images can tell them apart."""
    more = run.test - plain.test
    numbers = f"({percent(run.test)} with, {percent(plain.test)} without)"
    if abs(more) <= chance(run.test, plain.test, run, "test_images"):
        return f"With {name} {what} did not clearly change {numbers}."
    return f"{what[0].upper()}{what[1:]} {'rose' if more > 0 else 'fell'} by {points(abs(more))} with {name} {numbers}."
