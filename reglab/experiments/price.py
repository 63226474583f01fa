"""What an experiment costs before it is trained: how many runs are left, and about how many seconds they take."""

from __future__ import annotations

from dataclasses import dataclass

from reglab.experiments.experiment import Experiment
from reglab.numbers import counted
from reglab.runs.cost import clock
from reglab.runs.store import Store
from reglab.runs.timed import kind, timed


@dataclass(frozen=True)
class Price:
    """How many runs are left to train, and the seconds they will take, where runs like them were timed here before."""

    runs: int
    seconds: float | None

    def __str__(self) -> str:
        runs = f"{counted(self.runs, 'run')} to train"
        if self.seconds is None:
            return f"{runs}; how long they take is known after the first."
        return f"{runs}, about {clock(self.seconds)} on this machine."


def price(experiment: Experiment, store: Store) -> Price:
    """From what the newest finished run of the same kind cost; nothing is trained.

    None is known from a run of fewer than `cost.LEAST_STEPS` steps: there all is start.
    """
    done = {key for key, run in experiment.made(store).items() if store.view(run).status == "finished"}
    left = [config for config in experiment.configs if config.model_dump_json() not in done]
    costs = timed(left, store)
    told = [costs[kind(config)].of(config) for config in left if kind(config) in costs]
    return Price(len(left), sum(told) if len(told) == len(left) else None)
