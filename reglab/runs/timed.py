"""What runs of the same kind cost here: the newest finished one of each kind tells."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from reglab.config import RunConfig
from reglab.regularizers import Regularizer
from reglab.runs import index
from reglab.runs.cost import Cost, cost_of
from reglab.runs.run import Run
from reglab.runs.store import Store

Kind = tuple[Any, ...]


def timed(configs: Iterable[RunConfig], store: Store) -> dict[Kind, Cost]:
    """Kind -> what the newest finished run of it cost, as far as there is one that took enough steps to tell."""
    known: dict[Kind, Cost] = {}
    wanted = {kind(config) for config in configs}
    for summary in index.summaries(store) if wanted else ():
        if len(known) == len(wanted):
            break
        if summary["status"] != "finished":
            continue
        run = store.open(summary["run"])
        of = _kind_of(run)
        if of in wanted and of not in known and (cost := cost_of(run, summary)):
            known[of] = cost
    return known


def kind(c: RunConfig) -> Kind:
    """What decides how long an image takes; SAM, which takes every step twice, among it."""
    tuned = c.pretrained and c.finetune
    return c.dataset, c.model, c.width, c.side, tuned, c.batch_size, c.precision, c.device, takes_steps_twice(c)


def takes_steps_twice(c: RunConfig) -> bool:
    """Whether a technique computes every gradient twice, as SAM does."""
    return any(type(r).compute_gradients is not Regularizer.compute_gradients for r in c.regularizers.values())


@lru_cache(maxsize=2_000)
def _kind_of(run: Run) -> Kind:
    """Of a run, whose config never changes."""
    return kind(run.config)
