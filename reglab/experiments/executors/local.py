"""Training here and now: in this process, one run after the other or a step of each in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from reglab.errors import RunError
from reglab.experiments.experiment import Experiment
from reglab.jobs.worker import work
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.view import LIVE
from reglab.training.events import Event


def train(
    experiment: Experiment,
    store: Store,
    listen: Callable[[Run, Event], None] = lambda run, event: None,
    ended: Callable[[Run], None] = lambda run: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Run]:
    """Train what is not finished yet; a run that fails leaves the others alone. Its runs, as far as they were begun.

    `listen` hears of every event, and `ended` of every run at its end, at once of those that were finished before. Where
    the experiment is pruned, runs that cannot win are stopped early; where it is not, those that were stopped so go on.
    """
    runs: list[Run] = []
    each = [experiment.configs] if experiment.is_one_job else [[config] for config in experiment.configs]
    for configs in each:
        if stop():
            break
        found = experiment.folders(store, configs)
        if left := [run for run in found if is_left(run, run.status(), experiment.prune)]:
            with contextlib.suppress(RunError):  # in use after all: that process sees it through
                for run in left:
                    run.reopen()
                work(left, listen, stop, experiment.prune)
        for run in found:
            runs.append(Run(run.path))
            ended(runs[-1])
    return runs


def is_left(run: Run, status: str, prune: bool) -> bool:
    """Whether an experiment still has to train this run."""
    return status not in ("finished", *LIVE) and not (prune and run.was_pruned)
