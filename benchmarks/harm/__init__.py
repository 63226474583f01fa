"""What can befall a lab, a kind of harm a file. `benchmarks/faults.py` does them all and says what was left.

Each has one function that takes `How` and returns figures: `n`, what it counted, and `met`, whether nothing was lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class How:
    """How often, and where."""

    folder: Path  # empty, and removed afterwards
    short: bool = False  # the form that tests run
    seed: int = 0
    most: int = 10**9  # where there is no time for all

    def times(self, whole: int, short: int) -> int:
        """One number for the record, another for tests."""
        return short if self.short else min(whole, self.most)


class NotHere(Exception):
    """This machine cannot do that kind of harm; the sentence says what it lacks."""
