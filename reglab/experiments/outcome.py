"""What came of a run, for whoever judges it: lessons score predictions by it, publications compare it with a paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reglab.config import RunConfig
from reglab.training.events import Epoch, as_reported


@dataclass(frozen=True)
class Outcome:
    """The summary of a run and its epochs, 0 included. Accuracies and gaps are fractions from 0 to 1, losses are in nats."""

    summary: Mapping[str, Any]
    history: tuple[Epoch, ...]
    config: RunConfig | None = None  # says on how many images the epochs were judged; None: on all

    @property
    def last(self) -> Epoch:
        """The last epoch, as it was judged at the end of the run, on everything."""
        return as_reported(self.history[-1], self.summary["last"])

    @property
    def point(self) -> Epoch:
        """The last epoch as the others were judged, to be compared with them."""
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
