"""What every lesson is: questions, arms, and two plain functions of what came of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments.experiment import Experiment
from reglab.teaching.lessons.scoring import Mark, Outcomes

Answers = Mapping[str, Any]  # question -> the chosen option, or a number; what a browser remembers, so JSON


@dataclass(frozen=True)
class Question:
    """What the learner must predict: one of `options`, or, without any, a percentage."""

    key: str
    text: str
    options: tuple[str, ...] = ()

    def takes(self, answer: Any) -> bool:
        """Whether this is an answer to it."""
        if self.options:
            return answer in self.options
        number = isinstance(answer, (int, float)) and not isinstance(answer, bool)
        return number and 0 <= answer <= 100  # NaN is neither


class Lesson:
    """One lesson. `changes` are the arms as dotted changes of the base run; `small` changes them for the digits."""

    key: ClassVar[str]
    title: ClassVar[str]
    background: ClassVar[str]
    look: ClassVar[tuple[str, ...]]
    paper: ClassVar[str]
    questions: ClassVar[tuple[Question, ...]]
    base: ClassVar[dict[str, Any]] = {}
    changes: ClassVar[dict[str, dict[str, Any]]]
    digits: ClassVar[dict[str, Any]] = {}  # instead of the same entries of `base`, where CIFAR-10 is not at hand

    def arms(self, dataset: str = "cifar10", seed: int = 0) -> dict[str, RunConfig]:
        """The runs by their short names; the first is what the others are compared with."""
        values = {**BASE[dataset], **self.base, **(self.digits if dataset == "digits" else {})}
        base = RunConfig.parse({**values, "dataset": dataset, "seed": seed})
        return {name: base.override(changes) for name, changes in self.changes.items()}

    def experiment(self, dataset: str = "cifar10", seed: int = 0) -> Experiment:
        """Its arms, trained side by side. Raises `ConfigError` for a seed that cannot be."""
        arms = self.arms(dataset, seed)
        return Experiment(
            kind="lesson", arms=arms, seeds=(seed,), group=os.urandom(6).hex(), title=self.title, subject=self.key
        )

    def checked(self, answers: Any) -> dict[str, Any]:
        """The answers to this lesson's questions. Raises `ConfigError` when one is missing or cannot be."""
        given = answers if isinstance(answers, Mapping) else {}
        for question in self.questions:
            if not question.takes(given.get(question.key)):
                raise ConfigError(f"Predict first: “{question.text}” has no answer yet.")
        return {question.key: given[question.key] for question in self.questions}

    def marks(self, answers: Answers, runs: Outcomes) -> list[Mark]:
        """One for each question. `runs` holds every arm."""
        raise NotImplementedError

    def takeaway(self, runs: Outcomes) -> list[str]:
        """What these runs have shown, as far as they have shown it."""
        raise NotImplementedError


# Small enough for about a minute on two cores: judging counts too, twice 10,000 test images for every arm of CIFAR-10.
BASE: dict[str, dict[str, Any]] = {
    "cifar10": {"train_size": 1_000, "val_size": 1_000, "epochs": 12, "batch_size": 32},
    "digits": {"train_size": 100, "val_size": 300, "epochs": 12, "batch_size": 8},
}
