"""What the lessons of dropout and of weight decay share: one technique at several strengths, up to far too much."""

from __future__ import annotations

from typing import ClassVar

from reglab.teaching.lessons.lesson import Answers, Lesson
from reglab.teaching.lessons.scoring import Mark, Outcomes, guess, pick
from reglab.teaching.lessons.sentences import narrowing, starving


class OneDial(Lesson):
    """The same network at several strengths of one technique, up to far too much."""

    technique: ClassVar[str]
    strongest: ClassVar[str]  # the last of the runs
    too_much: ClassVar[str]  # how a sentence about it begins

    def marks(self, answers: Answers, runs: Outcomes) -> list[Mark]:
        accuracy = runs[self.strongest].last.train_accuracy
        return [
            pick(answers["gap"], {n: r.last.gap for n, r in runs.items()}, "gap", "narrowest", runs, best=min),
            pick(answers["test"], {n: r.test for n, r in runs.items()}, "test accuracy", "highest", runs),
            guess(answers["train"], accuracy, f"training accuracy at {self.strongest}"),
        ]

    def takeaway(self, runs: Outcomes) -> list[str]:
        return [*narrowing(runs, self.technique), *starving(runs, self.strongest, self.too_much)]
