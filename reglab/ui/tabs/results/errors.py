"""Errors: which test images a run gets wrong, what it takes them for, and how sure it is of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gradio as gr

from reglab.analysis import mistakes
from reglab.errors import PROBLEMS, RunError
from reglab.runs.run import Run
from reglab.ui.components.drawings import drawing, pressable
from reglab.ui.components.events import PRIVATE, refusal, told
from reglab.ui.components.networks import NOTHING, dressed
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results.choice import Choice
from reglab.ui.tabs.results.view import View
from reglab.ui.views.errors import cell, commonest, not_yet, page, switch, table

MOST = 8  # runs to turn to


class ErrorsView(View):
    """The confusion table of one of the chosen networks, the pictures behind one of its cells, and the rest."""

    title: ClassVar = "Errors"
    key: ClassVar = "errors"

    def __init__(self, lab: Lab, page: Page, chosen: gr.HTML) -> None:
        self.lab = lab
        with gr.Column(elem_id="errors"):
            self.table = pressable("errors-table")
            self.cell = drawing("errors-cell")
            self.rest = drawing("errors-page")
        self.of = gr.State("")  # the run whose errors are shown
        self.inputs, self.slow = [self.of], [self.table]
        self.outputs = [self.of, self.table, self.cell, self.rest]
        asked, shared = [chosen, self.of], {"trigger_mode": "multiple", **PRIVATE}
        self.table.select(self.press, asked, self.outputs, concurrency_limit=4, **shared)
        done = self.table.submit(self.evaluate, None, self.of, concurrency_limit=8, **shared)
        done.then(self.again, asked, self.outputs, concurrency_limit=4, **PRIVATE)

    # ---- what happens
    def show(self, runs: Sequence[Run], *values: Any) -> list[Any]:
        """Of one of the chosen runs: that of before; else the first that has been evaluated, if any has."""
        if not runs:
            return ["", warning(NOTHING), "", ""]
        first = next(filter(mistakes.is_ready, runs), runs[0])
        return self._shown(runs, next((run for run in runs if run.id == values[0]), first))

    def again(self, asked: Any, of: Any) -> list[Any]:
        """A run was evaluated; others may be chosen by now."""
        return self.show(Choice.read(asked).runs(self.lab), of)

    def press(self, event: gr.EventData, asked: Any, of: Any) -> list[Any]:
        """Another of the chosen runs is to be shown, or the pictures of another cell."""
        pressed = told(event)
        if "turn" in pressed:
            return self.again(asked, pressed["turn"])
        return [gr.skip(), gr.skip(), self.pictures(of, pressed), gr.skip()]

    def pictures(self, run_id: Any, pressed: Mapping[str, Any]) -> str:
        """The pictures of the cell that was pressed."""
        runs = self.lab.results.open([run_id] if isinstance(run_id, str) and run_id else [])
        if not runs:
            return warning(NOTHING)
        try:
            true, predicted = int(pressed.get("true", 0)), int(pressed.get("predicted", 0))
            found = self.lab.predictions.mistakes(runs[0])
            return cell(found, true, predicted, self.lab.predictions.taken_for(runs[0], true, predicted))
        except (TypeError, ValueError, OverflowError):
            return ""  # nothing of ours has such cells
        except PROBLEMS as error:
            return warning(error)

    def evaluate(self, event: gr.EventData) -> str:
        """Answer the test images of the run whose button was pressed, which is shown then."""
        run_id = str(told(event).get("run", ""))
        try:
            self.lab.predictions.evaluate(self.lab.stores.find(run_id))
        except PROBLEMS as error:
            raise refusal(error, "Not evaluated") from None
        return run_id

    # ---- what to show
    def _shown(self, runs: Sequence[Run], run: Run) -> list[Any]:
        """Which run it is, what is beside it to turn to, its table, the pictures of its most frequent confusion, the rest."""
        predictions = self.lab.predictions
        beside = switch([(each.id, each.name) for each in runs[:MOST]], run.id)
        told = [run.id, beside + not_yet(run, run.id in predictions.evaluating), "", ""]
        if not mistakes.is_ready(run):
            return told
        try:
            found = predictions.mistakes(run)
            pair = commonest(found)
            shown = cell(found, *pair, predictions.taken_for(run, *pair))
        except RunError as error:  # its answers are damaged: they can be had anew
            return [run.id, warning(error) + told[1], "", ""]
        except PROBLEMS as error:
            return [run.id, beside + warning(error), "", ""]
        _, role, name = dressed([run])[0]
        return [run.id, beside + table(found, role, pair), shown, page(found, role, name)]
