"""Five short lessons: a prediction first, then a real experiment, then a score and what the runs have shown. A lesson a file.

Read first: `lesson.py` (what every lesson is), then `overfitting.py`; `scoring.py` and `sentences.py` are what they share.
A lesson is a handful of runs (its arms) of one network, a few questions that must be answered before they start, and two
plain functions of what came of them: `marks` scores the answers, `takeaway` says what was seen. Nothing here claims what
the runs did not show: every sentence of a takeaway is chosen by comparing their numbers.
May import: `experiments` and the floors below.
"""

from __future__ import annotations

import difflib

from reglab.errors import ConfigError
from reglab.teaching.lessons.arms import arms_of, made_arms, outcomes, score
from reglab.teaching.lessons.batch_norm import BatchNormOnAndOff
from reglab.teaching.lessons.dropout import DropoutRates
from reglab.teaching.lessons.lesson import Lesson, Question
from reglab.teaching.lessons.memorising import Memorising
from reglab.teaching.lessons.overfitting import Overfitting
from reglab.teaching.lessons.weight_decay import WeightDecays

__all__ = ["LESSONS", "Lesson", "Question", "arms_of", "lesson", "made_arms", "outcomes", "score"]

LESSONS: dict[str, Lesson] = {
    each.key: each for each in (Overfitting(), DropoutRates(), WeightDecays(), BatchNormOnAndOff(), Memorising())
}


def lesson(key: str) -> Lesson:
    """The lesson of that name. Raises `ConfigError`."""
    if key not in LESSONS:
        near = difflib.get_close_matches(str(key), LESSONS, n=1)
        instead = f"did you mean {near[0]}?" if near else f"choose from {', '.join(LESSONS)}."
        raise ConfigError(f"There is no lesson called {str(key)[:80]!r}: {instead}")
    return LESSONS[key]
