"""The Errors tab: which test images a run gets wrong, what it takes them for, and how sure it is of that."""

from __future__ import annotations

from typing import Any, ClassVar

import gradio as gr

from reglab.analysis import mistakes
from reglab.errors import PROBLEMS, RunError
from reglab.ui.components.drawings import drawing, lead, pressable
from reglab.ui.components.events import PRIVATE, refusal, told
from reglab.ui.components.networks import NOTHING, Networks, dressed, stamped
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views.errors import cell, commonest, not_yet, page, table


class ErrorsTab:
    """The confusion table of one network, the pictures behind one of its cells, and what else is known of its errors."""

    title: ClassVar = "Errors"
    key: ClassVar = "errors"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab = lab
        with gr.Column(elem_id="errors"):
            lead("All test images, sorted by what they are and what the network takes them for.", "Errors")
            self.networks = Networks(lab, page.visitor, "errors-network")
            self.notice = pressable("errors-notice")
            with gr.Row(equal_height=False, elem_classes="of-cells"):
                self.table = pressable("errors-table", min_width=340)
                self.cell = drawing("errors-cell", min_width=340)
            self.rest = drawing("errors-page", min_height=240)
        self._wire()
        self.on_select: Listener = (self.refresh, self.networks.inputs, self.networks.shown)

    def _wire(self) -> None:
        network, everything = self.networks.first, [self.notice, self.table, self.cell, self.rest]
        gr.on(
            self.networks.changes, self.show, network, everything,
            trigger_mode="always_last", concurrency_limit=4, api_visibility="private",
        )  # fmt: skip
        self.table.select(self.open_cell, network, self.cell, concurrency_limit=4, trigger_mode="multiple", **PRIVATE)
        done = self.notice.select(self.evaluate, None, None, concurrency_limit=8, trigger_mode="multiple", **PRIVATE)
        done.then(self.show, network, everything, concurrency_limit=4, **PRIVATE)

    # ---- what happens
    def show(self, run_id: Any) -> tuple[str, str, str, str]:
        """What there is to say, the table, the pictures of its most frequent confusion, and the rest of the page."""
        runs, predictions = self.networks.runs([run_id]), self.lab.predictions
        if not runs:
            return warning(NOTHING), "", "", ""
        run = runs[0]
        try:
            if not mistakes.is_ready(run):
                return not_yet(run, run.id in predictions.evaluating), "", "", ""
            found = predictions.mistakes(run)
            pair = commonest(found)
            shown = cell(found, *pair, predictions.taken_for(run, *pair))
        except RunError as error:  # its answers are damaged: they can be had anew
            return warning(error) + not_yet(run, run.id in predictions.evaluating), "", "", ""
        except PROBLEMS as error:
            return warning(error), "", "", ""
        _, role, name = dressed([run])[0]
        return "", table(found, role, pair), shown, page(found, role, name)

    def open_cell(self, run_id: Any, event: gr.EventData) -> str:
        """The pictures of the cell that was pressed."""
        runs, pressed = self.networks.runs([run_id]), told(event)
        if not runs:
            return warning(NOTHING)
        try:
            true, predicted = int(pressed.get("true", 0)), int(pressed.get("predicted", 0))
            found = self.lab.predictions.mistakes(runs[0])
            return cell(found, true, predicted, self.lab.predictions.taken_for(runs[0], true, predicted))
        except (TypeError, ValueError):
            return ""  # nothing of ours has such cells
        except PROBLEMS as error:
            return warning(error)

    def evaluate(self, event: gr.EventData) -> None:
        """Answer the test images of the run whose button was pressed."""
        try:
            self.lab.predictions.evaluate(self.lab.stores.find(str(told(event).get("run", ""))))
        except PROBLEMS as error:
            raise refusal(error, "Not evaluated") from None

    def refresh(self, visitor: Any, followed: list[str], chosen: Any) -> list[Any]:
        """The choices anew; of the networks of the Train tab it is one that has been evaluated, if there is any."""
        choices, runs, there = self.networks.opened(visitor, followed, [chosen])
        ready = [run for run in runs if mistakes.is_ready(run)]
        run = next(iter(ready or runs), None)
        stamp = (stamped([run]), mistakes.is_ready(run)) if run else "none"
        return self.networks.filled(choices, [run] if run else [], there, stamp)
