"""The best of several set-ups, chosen by validation, so that the test images only judge what has been chosen.

    found = choose(grid.cells, "test_accuracy")
    found.sentence()    "Highest validation accuracy: dropout rate 0.5 (57.2 %); its test accuracy is 56.1 %."

The best of twelve equal set-ups by their test accuracy is quoted 0.66 points too high where seeds scatter by 0.7 (three seeds,
10,000 test images), and by about half of that where 2,000 validation images choose: what is left is the luck of its seeds, in which
both sets of images agree. Only new seeds take that away (`tests/experiments/test_choice.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from reglab.config import listed
from reglab.experiments import stats
from reglab.experiments.grid import LESS_IS_BETTER, METRICS_OF_A_SWEEP
from reglab.experiments.tables import number

if TYPE_CHECKING:
    import numpy as np

ON_TEST = ("test_accuracy", "test_loss", "ece")  # numbers of the test images, which must not choose
MANY = 4  # of more set-ups the luckiest is to be expected to be lucky
NAMED = 3  # of those that share the best number


class Candidate(Protocol):
    """A set-up with several seeds: a cell of a sweep, or a group of a comparison."""

    @property
    def label(self) -> str:
        """What it is called among the others."""

    def values(self, metric: str) -> dict[int, float]:
        """Seed -> value, in the unit of the metric; of the runs that have the number."""

    def answers(self, metric: str) -> dict[int, np.ndarray]:
        """Seed -> which test images the run got right, where that is known and what the metric counts."""


@dataclass(frozen=True)
class Choice:
    """What was chosen of so many, by which number, and what to report of it."""

    by: str
    reported: str  # the number of the chosen one that is told, and compared with that of the next
    best: tuple[Candidate, ...]  # those whose mean is exactly the best; where they are several, none is chosen
    next: Candidate | None
    of: int

    @property
    def chosen(self) -> Candidate | None:
        """The one that is better than all others; None where several share the best number."""
        return self.best[0] if len(self.best) == 1 else None

    @property
    def parts(self) -> tuple[str, str, str]:
        """The sentences as what stands before the name of the chosen one, the name, and what comes after it."""
        what = f"{'lowest' if self.by in LESS_IS_BETTER else 'highest'} {METRICS_OF_A_SWEEP[self.by].title}"
        if self.chosen is None:
            return f"A tie for the {what} ({_mean(self.best[0], self.by)}): {_named(self.best)}.", "", ""
        after = [f" ({_mean(self.chosen, self.by)})"]
        if self.reported != self.by and self.chosen.values(self.reported):
            title = METRICS_OF_A_SWEEP[self.reported].title
            after.append(f"; its {title} is {_mean(self.chosen, self.reported)}")
        after.append(f".{self._against_the_next()}")
        if self.of > MANY:
            after.append(f" The best of {self.of} had lucky seeds, too: run it again with new ones.")
        return f"{what.capitalize()}: ", self.chosen.label, "".join(after)

    def _against_the_next(self) -> str:
        metric = self.reported if self.by == "val_accuracy" else self.by
        ours, theirs = (c.values(metric) if c else {} for c in (self.chosen, self.next))
        if self.next is None or not ours or not theirs:
            return ""
        m = METRICS_OF_A_SWEEP[metric]
        right = [c.answers(metric) if c else {} for c in (self.next, self.chosen)]
        d = stats.difference(theirs, ours, (right[0], right[1]))
        verdict = f"{stats.verdict(d, m.unit, m.digits)} {stats.covers([d])}".rstrip()
        return f" Its {m.title} minus that of the next, {self.next.label}: {verdict}"

    def sentence(self) -> str:
        """In words: what was chosen by which number, its test number, what it has more than the next."""
        return "".join(self.parts)

    def to_json(self) -> dict[str, Any]:
        """As `sweep --json` prints it; values in the unit of their metric."""
        told: Mapping[str, Any] = {
            "by": self.by,
            "value": stats.interval(list(self.best[0].values(self.by).values())).mean,
        }
        if self.chosen is None:
            return {**told, "chosen": None, "shared_by": [each.label for each in self.best]}
        values = list(self.chosen.values(self.reported).values())
        return {**told, "chosen": self.chosen.label, self.reported: stats.interval(values).mean if values else None}


def choose(candidates: Sequence[Candidate], metric: str = "test_accuracy") -> Choice | None:
    """The best by validation accuracy where the metric is one of the test images, else by the metric itself.

    None where fewer than two have that number. Means are compared as they are told by the runs, so that set-ups which are all
    at chance level share the best number, and none is chosen.
    """
    by = "val_accuracy" if metric in ON_TEST else metric
    sign = 1 if by in LESS_IS_BETTER else -1
    means = [(sign * stats.interval(list(values.values())).mean, c) for c in candidates if (values := c.values(by))]
    if len(means) < 2:
        return None
    means.sort(key=lambda pair: pair[0])
    best = tuple(c for mean, c in means if abs(mean - means[0][0]) <= 1e-9 * max(1.0, abs(mean)))
    rest = means[len(best) :]
    reported = metric if metric in ON_TEST else "test_accuracy"
    return Choice(by, reported, best, rest[0][1] if rest else None, len(means))


def warning(metric: str, of: int) -> str:
    """For whoever sorts set-ups by a number of the test images; empty for other numbers."""
    if metric not in ON_TEST or of < 2:
        return ""
    title = METRICS_OF_A_SWEEP[metric].title
    return (
        f"Sorted by {title}: the first of {of} owes its place partly to luck with these test images,"
        " so quote the one that validation chooses."
    )


def _mean(c: Candidate, metric: str) -> str:
    return number(stats.interval(list(c.values(metric).values())).mean, METRICS_OF_A_SWEEP[metric])


def _named(candidates: Sequence[Candidate]) -> str:
    names = [c.label for c in candidates]
    if len(names) > NAMED:
        names = [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"]
    return listed(names)
