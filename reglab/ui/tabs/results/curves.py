"""Curves and verdict: the chosen runs side by side, with bands over their seeds, and whether they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import gradio as gr

from reglab.config.numbers import read
from reglab.errors import PROBLEMS, ConfigError
from reglab.experiments.compare import METRICS
from reglab.runs.run import Run
from reglab.ui.components.drawings import drawing
from reglab.ui.components.form import form, typed_in
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results.view import View
from reglab.ui.views import comparison

AXES = {"epoch": "epochs", "step": "steps", "seconds": "seconds"}
TARGET = 70  # percent of validation accuracy
NOTHING = "Choose runs in the list. Runs that differ in nothing but their seed count as one group."


@dataclass(frozen=True)
class Asked:
    """What is compared, over what, and the accuracy in percent of which it is asked how soon it was reached."""

    metric: str = "test_accuracy"
    axis: str = "epoch"
    target: Any = None

    @classmethod
    def read(cls, told: Any) -> Asked:
        """What the page has sent: text with a JSON object."""
        found = typed_in(told)
        return cls(**{key: found[key] for key in ("metric", "axis", "target") if isinstance(found.get(key), str)})

    @property
    def share(self) -> float:
        """The target as a fraction. Raises `ConfigError`."""
        value = read(self.target, "The target")
        value = TARGET if value is None else value
        if not 0 < value < 100:
            raise ConfigError(f"The target must be more than 0 and less than 100 %, not {value:g}.")
        return float(value) / 100


class CurvesView(View):
    """By which number, over which axis, and the comparison."""

    title: ClassVar = "Curves and verdict"
    key: ClassVar = "curves"

    def __init__(self, lab: Lab, page: Page, chosen: gr.HTML) -> None:
        self.lab = lab
        metrics = [(key, m.title) for key, m in METRICS.items()]
        usual = {"metric": Asked.metric, "axis": Asked.axis, "target": ""}
        self.asked = form("asked", "asked_form.html", usual, metrics=metrics, axes=AXES, usual=TARGET)
        self.drawn = drawing("curves-page", min_height=320)
        self.changes, self.inputs, self.outputs = [self.asked.input], [self.asked], [self.drawn]

    def show(self, runs: Sequence[Run], *values: Any) -> list[Any]:
        """The comparison, or why there is none."""
        if not runs:
            return [warning(NOTHING)]
        asked = Asked.read(values[0])
        try:
            return [comparison.page(self.lab.results.comparison(runs), asked.metric, asked.axis, asked.share)]
        except PROBLEMS as error:
            return [warning(error)]
