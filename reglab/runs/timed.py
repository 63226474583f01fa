"""What runs of the same kind cost here: the newest finished one of each kind tells."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import prod
from typing import Any

from reglab.config import RunConfig
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
    """What decides how long an image takes; SAM, with two passes in a step, among it."""
    tuned = c.pretrained and c.finetune
    return c.dataset, c.model, c.width, c.side, tuned, c.batch_size, c.precision, c.device, passes(c)


def passes(c: RunConfig) -> int:
    """How many forward and backward passes a step takes; with SAM it is two."""
    return prod(r.passes for r in c.regularizers.values())


@lru_cache(maxsize=2_000)
def _kind_of(run: Run) -> Kind:
    """Of a run, whose config never changes."""
    return kind(run.config)
