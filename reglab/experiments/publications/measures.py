"""What a publication measured: numbers of one run, in percent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reglab.experiments.outcome import Outcome


@dataclass(frozen=True)
class Measure:
    """A number of one run, in percent; a relative one compares it with the run of the first row with the same seed."""

    title: str
    of: Callable[[Outcome, Outcome], float]
    relative: bool = False


def steps(own: Outcome, first: Outcome) -> float:
    """Steps until validation is where the first row's network has its best, as a share of those which that one took.

    A run that never gets there counts with all its steps, so this is a lower bound then.
    """
    target = max(e.val_accuracy for e in first.history)

    def took(run: Outcome) -> int:
        return next((e.step for e in run.history if e.val_accuracy >= target), run.last.step)

    return 100 * took(own) / max(took(first), 1)


MEASURES = {
    "test": Measure("test accuracy", lambda own, _: 100 * own.test),
    "error": Measure("test error", lambda own, _: 100 - 100 * own.test),
    "best_error": Measure(
        "test error at the best epoch", lambda own, _: 100 - 100 * float(own.summary["best"]["test_accuracy"])
    ),
    "fit": Measure("training accuracy", lambda own, _: 100 * own.fit),
    "ece": Measure("calibration error", lambda own, _: 100 * float(own.summary["last"]["ece"])),
    "steps": Measure("steps it takes", steps, relative=True),
}
