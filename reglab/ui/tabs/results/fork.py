"""Fork: go on from an epoch of a run with one regularizer changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gradio as gr

from reglab.config import on_screen
from reglab.config.numbers import read
from reglab.errors import PROBLEMS, ConfigError
from reglab.experiments import axes
from reglab.experiments.experiment import Experiment
from reglab.runs.run import Run
from reglab.teaching.assignments import Assignment
from reglab.ui.components.assigned import admitted, with_try
from reglab.ui.components.events import PRIVATE
from reglab.ui.components.form import form, typed_in
from reglab.ui.components.settings import of_techniques
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results.view import View

AT = 10  # the last epoch that a fork shares, where nobody says


def usual(name: Any) -> str:
    """A value that this setting usually takes."""
    if name not in axes.names():
        return ""
    values = axes.usual_values(name).split(",")
    return values[len(values) // 2]


USUAL = {"run": "", "epoch": "", "change": "dropout.rate", "to": usual("dropout.rate")}
"""What the form says to begin with."""


class ForkView(View):
    """Which of the chosen runs, from when on, and what is changed."""

    title: ClassVar = "Fork"
    key: ClassVar = "fork"

    def __init__(self, lab: Lab, page: Page, chosen: gr.HTML) -> None:
        self.lab, self.page = lab, page
        changes = [(called, name, usual(name)) for called, name in of_techniques()]
        self.form = form("fork", "fork_form.html", USUAL, changes=changes, usual=AT)
        self.inputs = self.outputs = [self.form]
        asked = [self.form, page.visitor, *page.under]
        self.form.submit(self.begin, asked, [*page.opening, self.form], trigger_mode="once", **PRIVATE)

    def show(self, runs: Sequence[Run], *values: Any) -> list[Any]:
        """The runs that can be forked; what was typed stays."""
        asked = USUAL | {name: value for name, value in typed_in(values[0]).items() if name in USUAL}
        if asked["run"] not in [run.id for run in runs]:
            asked["run"] = runs[0].id if runs else ""
        return [gr.update(value=asked, options={"run": [(run.name, run.id) for run in runs]}, said={})]

    def begin(self, asked: Any, visitor: Any, assignment: Assignment | None, answers: Any) -> list[Any]:
        """Train the fork, and show it on the Train tab beside the run it goes on from."""
        told = {name: str(value) for name, value in (USUAL | typed_in(asked)).items()}
        try:
            if not told["run"]:
                raise ConfigError("There is no run to fork yet: train one first.")
            run, name = self.lab.stores.find(told["run"]), told["change"]
            epoch = read(told["epoch"], "The last common epoch", whole=True)
            fork = Experiment.fork(run, AT if epoch is None else epoch, {name: axes.one_value(name, told["to"])})
            # That it is a fork locks nothing: what it changes of the run is what an assignment has a say in.
            config = fork.configs[0].model_copy(update={"fork": None})
            kept = admitted(assignment, config, visitor, answers)
            started = self.lab.training.start(fork)
        except PROBLEMS as error:
            return [*self.page.unopened(), gr.update(said={"notice": on_screen(error)})]
        return [*self.page.opened([run, *started], with_try(visitor, started[-1], kept)), gr.update(said={})]
