"""Training by the queue of a server: an experiment goes in, its runs come back at once and are trained in their turn."""

from __future__ import annotations

from collections.abc import Sequence

from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.experiments.executors.local import is_left
from reglab.experiments.experiment import Experiment
from reglab.jobs.queue import Jobs
from reglab.runs.run import Run
from reglab.runs.store import Store


def train(experiment: Experiment, jobs: Jobs, owner: str = "", store: Store | None = None) -> list[Run]:
    """Queue what is left of it, for that visitor. All its runs, those of before among them.

    `store`: the runs of `jobs.store` that may be gone on with, and whose the new ones are. Two who start the same experiment
    in it at once get the same runs, and each of these is queued once. Raises `ConfigError` where the queue or the visitor's
    part of it is full, where this is more than they may ask for, or the device is not here, and `RunError` while the server
    ends; no run is made then.
    """
    store = store or jobs.store
    jobs.admit(owner)
    with experiment.locked(store):
        made = experiment.made(store)
        before = {run.id for run in made.values()}

        def is_new(config: RunConfig) -> bool:
            run = made.get(config.model_dump_json())
            return run is None or is_left(run, jobs.status(run), experiment.prune)

        jobs.admit(owner, [config for config in experiment.configs if is_new(config)], keep=list(made.values()))
        runs: list[Run] = []
        try:
            runs = experiment.folders_while_locked(store)
            left = [run for run in runs if is_left(run, jobs.status(run), experiment.prune)]
            submit = jobs.submit if experiment.is_one_job else jobs.submit_each
            submit(left, owner=owner, prune=experiment.prune)
        except (ConfigError, RunError):
            for run in {*runs, *experiment.made(store).values()}:
                if run.id not in before:
                    run.delete()
            raise
    return runs


def go_on(parent: Run, config: RunConfig, beside: Sequence[Run], jobs: Jobs, owner: str, store: Store) -> Run:
    """Queue a fork that goes on where its parent is, with the regularizers of that config; see `Jobs.go_on_with`.

    Raises as `train`; no run is made then.
    """
    jobs.admit(owner, Experiment.change(parent, config).configs, keep=[parent, *beside], whole=False)
    # Where it forks is said last: the parent trains on while this is checked, and may have come to the end of its epoch.
    [run] = Experiment.change(parent, config).folders(store)
    try:
        jobs.go_on_with(run, parent, beside, owner=owner)
    except (ConfigError, RunError):
        run.delete()
        raise
    return run
