"""Networks to look into: what each is called and drawn in, and what changes when its weights do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reglab.errors import RunError
from reglab.experiments.labels import same_but_for_regularizers
from reglab.runs.run import Run
from reglab.ui.services.predictions import weights_stamp
from reglab.ui.views.curves import config_of

NOTHING = "There is no trained network yet: train one first."


def dressed(runs: Sequence[Run]) -> list[tuple[Run, str, str]]:
    """The runs with their colours and names: plain and regularized only where nothing else differs, as in the chart.

    Of two networks that differ in more, a reader would take "regularized" for the reason of whatever is seen.
    """
    configs = [config_of(run) for run in runs]
    kinds = ["regularized" if config and config.regularizers else "plain" for config in configs]
    known = [config for config in configs if config]
    if sorted(kinds) == ["plain", "regularized"] and len(known) == 2 and same_but_for_regularizers(known):
        return sorted(((run, kind, kind) for run, kind in zip(runs, kinds, strict=True)), key=lambda each: each[1])
    roles = kinds if len(runs) == 1 else ["a", "b"]
    return [(run, role, run.name) for run, role in zip(runs, roles, strict=False)]


def stamped(runs: Sequence[Run]) -> list[tuple[Any, ...]]:
    """The runs' ids, each with what changes when its weights do, if it has any."""
    found: list[tuple[Any, ...]] = []
    for run in runs:
        try:
            found.append((run.id, weights_stamp(run)))
        except RunError:
            found.append((run.id, None))
    return found
