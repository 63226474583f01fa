"""What came of a run, for whoever judges it: lessons score predictions by it, publications compare it with a paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reglab.training.events import Epoch


@dataclass(frozen=True)
class Outcome:
    """The summary of a run and its epochs, 0 included. Accuracies and gaps are fractions from 0 to 1, losses are in nats."""

    summary: Mapping[str, Any]
    history: tuple[Epoch, ...]

    @property
    def last(self) -> Epoch:
        """The last epoch."""
        return self.history[-1]

    @property
    def fit(self) -> float:
        """Accuracy on training images against the labels that were given, right or wrong."""
        return self.last.train_accuracy if self.last.fit_accuracy is None else self.last.fit_accuracy

    @property
    def test(self) -> float:
        """Test accuracy after the last epoch, from 0 to 1."""
        return float(self.summary["last"]["test_accuracy"])

    def first(self, reached: Callable[[Epoch], bool]) -> int | None:
        """The first epoch of which something holds."""
        return next((e.epoch for e in self.history if e.epoch and reached(e)), None)
