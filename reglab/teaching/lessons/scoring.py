"""What a prediction was worth: two points for each answer that was right, or close, or that the images cannot tell from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

from reglab.config import listed
from reglab.experiments.outcome import Outcome

Outcomes = Mapping[str, Outcome]  # by the name of the arm, in the order of the arms


@dataclass(frozen=True)
class Mark:
    """What one answer was worth, and why."""

    points: int
    sentence: str
    of: int = 2


@dataclass(frozen=True)
class Score:
    """What a prediction was worth, and a sentence on each of its answers."""

    points: int
    of: int
    sentences: tuple[str, ...]


CLOSE, NEAR = 0.05, 0.15  # how far a guessed percentage may be off for two points and for one


def guess(said: float, was: float, what: str) -> Mark:
    """A percentage that was guessed: two points when close, one when near."""
    off = abs(said / 100 - was)
    worth = 2 if off <= CLOSE + 1e-9 else 1 if off <= NEAR + 1e-9 else 0
    return Mark(worth, f"You said {said:g} % {what}; it was {percent(was)}. {worth} of 2 points.")


def right(said: str, was: str, what: str) -> Mark:
    """An option that was chosen, and a fact."""
    worth = 2 if said == was else 0
    you = ", as you said" if worth else f"; you said “{said}”"
    return Mark(worth, f"{what} “{was}”{you}. {worth} of 2 points.")


def pick(
    said: str,
    values: Mapping[str, float],
    what: str,
    most: str,
    runs: Outcomes,
    best: Callable[..., str] = max,
) -> Mark:
    """An arm that was chosen. Those that the images cannot tell from the best one are right too."""
    winner = best(values, key=values.__getitem__)
    images = "test_images" if what == "test accuracy" else "val_images"
    apart = abs(values[said] - values[winner])
    shown = percent if what.endswith("accuracy") else points
    equal = [name for name, value in values.items() if value == values[winner]]  # as at chance level
    has = f"{quoted(equal)} share the" if len(equal) > 1 else f"“{winner}” had the"
    fact = f"{has} {most} {what} ({shown(values[winner])})"
    if said in equal:
        return Mark(2, f"{fact}, as you said. 2 of 2 points." if len(equal) == 1 else f"{fact}. 2 of 2 points.")
    if apart <= chance(runs[said].last.val_accuracy, runs[winner].last.val_accuracy, runs[said], images):
        n = runs[said].summary[images]
        return Mark(2, f"{fact}, but {n:,} images cannot tell it from “{said}” ({shown(values[said])}). 2 of 2 points.")
    return Mark(0, f"{fact}; you said “{said}” ({shown(values[said])}). 0 of 2 points.")


def chance(one: float, other: float, run: Outcome, images: str = "val_images") -> float:
    """The difference of two accuracies that the choice of the images alone could make: two standard errors.

    Both networks see the same images, so this is on the careful side; that another seed may matter as much is not in it.
    """
    p = (one + other) / 2
    return 2 * sqrt(2 * p * (1 - p) / run.summary[images])


def percent(share: float) -> str:
    """0.5 -> "50.0 %"."""
    return f"{share * 100:.1f} %"


def points(share: float) -> str:
    """0.031 -> "3.1 points"."""
    return f"{round(share * 100, 1) + 0.0:.1f} points".replace("-", "−")  # + 0.0: there is no minus zero


def quoted(names: list[str]) -> str:
    """Names in quotes, with "and" before the last."""
    return listed([f"“{name}”" for name in names])
