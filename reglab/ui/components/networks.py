"""The choice of networks to look into: it follows the Train tab, until others are chosen by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from reglab.errors import RunError
from reglab.experiments.labels import same_but_for_regularizers
from reglab.runs.run import Run
from reglab.ui.components.controls import unchecked
from reglab.ui.components.visitor import ids_of
from reglab.ui.services.lab import Lab
from reglab.ui.services.predictions import weights_stamp
from reglab.ui.views.curves import config_of

NONE = ("none", "")  # the choice of no second network
NOTHING = "There is no trained network yet: train one first."


class Networks:
    """One network, or two side by side, out of all that can answer."""

    def __init__(self, lab: Lab, visitor: gr.BrowserState, first: str, second: str = "") -> None:
        self.lab = lab
        choices = lab.predictions.networks()
        options: dict[str, Any] = {"value": None, "filterable": False, "min_width": 280}
        self.first = unchecked(gr.Dropdown(choices, label="Network", elem_id=first, **options))
        self.boxes = [self.first]
        if second:
            self.boxes.append(unchecked(gr.Dropdown([NONE, *choices], label="Compare with", elem_id=second, **options)))
        self.followed = gr.State([])  # what the Train tab showed when this tab was opened last
        self.wanted = gr.State(None)  # changes when the tab is opened on other networks, on new weights, or on none
        self.changes = [self.wanted.change, *(box.input for box in self.boxes)]
        self.inputs = [visitor, self.followed, *self.boxes]
        self.shown = [*self.boxes, self.followed, self.wanted]

    def runs(self, chosen: Sequence[Any]) -> list[Run]:
        """The runs that are chosen, each once; what the page sends may be anything."""
        return self.lab.results.open(list(dict.fromkeys(i for i in chosen if isinstance(i, str) and i)))

    def opened(
        self, visitor: Any, followed: Sequence[str], chosen: Sequence[Any]
    ) -> tuple[list[tuple[str, str]], list[Run], list[str]]:
        """When the tab is opened: all choices, the networks to show, two at most, and the ids of those on the Train tab.

        Those that are chosen stay, unless the Train tab has others than when this tab was opened last; at first it is the
        shipped pair.
        """
        choices = self.lab.predictions.networks()
        known = [run_id for _, run_id in choices]
        there = [run_id for run_id in ids_of(visitor) if run_id in known][:2]
        ids = [run_id for run_id in chosen if run_id in known]
        if not ids or there != followed:
            ids = there or [run.id for run in self.lab.results.example()] or known[:1]
            return choices, [run for run, *_ in dressed(self.lab.results.open(ids[:2]))], there  # plain first
        return choices, self.lab.results.open(ids[:2]), there

    def filled(
        self, choices: Sequence[tuple[str, str]], runs: Sequence[Run], there: Sequence[str], stamp: Any
    ) -> list[Any]:
        """Updates for `shown`, with these runs chosen; with another stamp than before the page is asked for anew."""
        one, other = [*(run.id for run in runs), None, None][:2]
        values = [gr.update(choices=list(choices), value=one)]
        if len(self.boxes) > 1:
            values.append(gr.update(choices=[NONE, *choices], value=other or ""))
        return [*values, list(there), stamp]


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
