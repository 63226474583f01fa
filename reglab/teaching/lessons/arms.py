"""The runs of a lesson: which of them is which arm, what came of each, and what a prediction of it was worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.experiments.outcome import Outcome
from reglab.runs.run import Run
from reglab.runs.view import RunView
from reglab.teaching.lessons.lesson import Answers, Lesson
from reglab.teaching.lessons.scoring import Outcomes, Score


@lru_cache(maxsize=64)
def made_arms(lesson: Lesson, dataset: str, seed: int) -> Mapping[str, RunConfig]:
    """The arms of a lesson, made once: a page that follows runs asks for the same ones at every look."""
    return lesson.arms(dataset, seed)


def arms_of(lesson: Lesson, runs: Iterable[Run]) -> dict[str, Run]:
    """Which run is which arm, in the order of the arms; recognised by its config, whatever a browser says it is."""
    found: dict[str, Run] = {}
    for run in runs:
        try:
            arms = made_arms(lesson, run.config.dataset, run.config.seed)
        except (ConfigError, RunError, KeyError):  # damaged, or of a data set that lessons are not made for
            continue
        found |= {name: run for name, config in arms.items() if config == _judged_as(config, run.config)}
    return {name: found[name] for name in lesson.changes if name in found}


def _judged_as(config: RunConfig, run: RunConfig) -> RunConfig:
    """The run's config with points judged on as many images: that changes nothing about what it learned, nor what it reports."""
    return run.model_copy(update={"judged_size": config.judged_size})


def outcomes(lesson: Lesson, runs: Iterable[Run], view: Callable[[Run], RunView] = Run.view) -> dict[str, Outcome]:
    """What came of every arm; empty until all of them are finished.

    Whoever looks again and again gives `Store.view`, which reads on from its last look.
    """
    seen = {name: view(run) for name, run in arms_of(lesson, runs).items()}
    whole = list(seen) == list(lesson.changes) and all(each.status == "finished" for each in seen.values())
    return (
        {name: Outcome(each.summary(), each.history, each.run.config) for name, each in seen.items()} if whole else {}
    )


def score(lesson: Lesson, prediction: Answers, runs: Outcomes) -> Score:
    """What the prediction was worth, with a sentence on every answer."""
    marks = lesson.marks(lesson.checked(prediction), runs)
    return Score(sum(m.points for m in marks), sum(m.of for m in marks), tuple(m.sentence for m in marks))
