"""What an experiment costs before it is trained: how many runs are left, and about how many seconds they take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reglab import data
from reglab.config import RunConfig
from reglab.experiments.experiment import Experiment
from reglab.regularizers import Regularizer
from reglab.runs import index
from reglab.runs.cost import Cost, cost_of
from reglab.runs.run import Run
from reglab.runs.store import Store


@dataclass(frozen=True)
class Price:
    """How many runs are left to train, and the seconds they will take, where runs like them were timed here before."""

    runs: int
    seconds: float | None

    def __str__(self) -> str:
        runs = f"{self.runs} {'run' if self.runs == 1 else 'runs'} to train"
        if self.seconds is None:
            return f"{runs}; how long they take is known after the first."
        return f"{runs}, about {clock(self.seconds)} on this machine."


def price(experiment: Experiment, store: Store) -> Price:
    """From what the newest finished run of the same kind cost; nothing is trained.

    None is known from a run of fewer than `cost.LEAST_STEPS` steps: there all is start.
    """
    done = {key for key, run in experiment.made(store).items() if store.view(run).status == "finished"}
    left = [config for config in experiment.configs if config.model_dump_json() not in done]
    known: dict[tuple[Any, ...], Cost] = {}
    wanted = {_kind(config) for config in left}
    for summary in index.summaries(store):
        if len(known) == len(wanted):
            break
        if summary["status"] != "finished":
            continue
        run = store.open(summary["run"])
        kind = _kind_of(run)
        if kind in wanted and kind not in known and (cost := cost_of(run, summary)):
            known[kind] = cost
    if wanted - known.keys():
        return Price(len(left), None)
    return Price(len(left), sum(_seconds(config, known[_kind(config)]) for config in left))


def _seconds(c: RunConfig, cost: Cost) -> float:
    return cost.seconds(c.epochs, c.train_images, c.val_size, data.source(c.dataset).test_images)


def _kind(c: RunConfig) -> tuple[Any, ...]:
    """What decides how long an image takes; SAM, which takes every step twice, among it."""
    twice = any(type(r).compute_gradients is not Regularizer.compute_gradients for r in c.regularizers.values())
    return c.dataset, c.model, c.width, c.side, c.pretrained and c.finetune, c.batch_size, c.precision, c.device, twice


@lru_cache(maxsize=2_000)
def _kind_of(run: Run) -> tuple[Any, ...]:
    """Of a run, whose config never changes."""
    return _kind(run.config)


def clock(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`."""
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5_400
        else f"{seconds / 3_600:.1f} h"
    )
