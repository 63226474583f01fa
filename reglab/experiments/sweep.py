"""A sweep: one config, some of its fields over several values, each with several seeds; one folder for each run, as always.

    --over dropout.rate=0,0.25,0.5    --over lr=log:0.0001:0.1:4    --over batch_norm=off,on    --seeds 3

A sweep is its plan: the same plan finds the runs it has made before, skips what is finished and goes on with what was
broken off.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments.axes import Axis, not_too_many
from reglab.experiments.experiment import Experiment, Kind
from reglab.regularizers import CATALOGUE


def sweep(base: RunConfig, axes: Sequence[Axis], seeds: int = 1, *, prune: bool = False) -> Experiment:
    """Every combination of the values, with so many seeds from that of `base` on.

    Raises `ConfigError` for an axis given twice, too many runs, or the first config that cannot be.
    """
    varied = [a.name for a in axes]
    if twice := next((name for name in varied if varied.count(name) > 1), ""):
        raise ConfigError(f"The axis {twice} was given twice: put all its values into one.")
    not_too_many(math.prod(len(a.values) for a in axes) * max(seeds, 0))
    cells = itertools.product(*([(a.name, v) for v in a.values] for a in axes))
    return planned("sweep", base, [_changes(cell) for cell in cells], seeds, axes=tuple(varied), prune=prune)


def _changes(cell: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A technique that is off in this cell stays off, whatever another axis says of its settings."""
    off = {name for name, value in cell if value is False and name in CATALOGUE}
    return {name: value for name, value in cell if name.partition(".")[0] not in off or name in off}


def planned(
    kind: Kind, base: RunConfig, changes: Sequence[dict[str, Any]], seeds: int, *, axes: tuple[str, ...], prune: bool
) -> Experiment:
    """The base with each of these changes, as an experiment. Raises `ConfigError`."""
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds were asked for: a run needs one, an interval at least two.", ["seeds"])
    cells = [base.override(change) for change in changes]
    if len(sets := {cell.dataset for cell in cells}) > 1:
        raise ConfigError(f"Runs on {' and '.join(sorted(sets))} cannot be compared: sweep each data set for itself.")
    base.override({"seed": base.seed + seeds - 1})  # refuses seeds beyond the last
    return Experiment.planned(kind, cells, range(base.seed, base.seed + seeds), axes=axes, prune=prune)
