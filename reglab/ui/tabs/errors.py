"""The Errors tab: which test images a run gets wrong, what it takes them for, and how sure it is of that."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from reglab.analysis import mistakes
from reglab.errors import PROBLEMS, RunError
from reglab.runs.run import Run
from reglab.ui.components.controls import unchecked
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.inside import NOTHING, beside, dressed, stamped
from reglab.ui.tabs.predict import PRESS
from reglab.ui.views.errors import cell, commonest, not_yet, page, table

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def errors_tab(lab: Lab, train: Page) -> Any:
    """Returns a function that refreshes the choices, with its inputs and outputs, for when the tab is opened."""
    with gr.Column(elem_id="errors"):
        gr.HTML(
            "<h4>Errors</h4><p>All test images, sorted by what they are and what the network takes them for.</p>",
            elem_classes="lead",
        )
        network = gr.Dropdown(
            lab.predictions.networks(),
            value=None,
            label="Network",
            elem_id="errors-network",
            filterable=False,
            min_width=280,
        )
        unchecked(network)
        notice = gr.HTML("", js_on_load=PRESS, elem_id="errors-notice", apply_default_css=False)
        with gr.Row(equal_height=False, elem_classes="of-cells"):
            confusion = gr.HTML("", js_on_load=PRESS, elem_id="errors-table", min_width=340, apply_default_css=False)
            pictures = gr.HTML("", elem_id="errors-cell", min_width=340, apply_default_css=False)
        rest = gr.HTML("", elem_id="errors-page", min_height=240, apply_default_css=False)
    followed = gr.State([])  # what the Train tab showed when this tab was opened last
    wanted = gr.State(None)  # changes when the tab is opened on another network, or on one evaluated since

    def one(run_id: Any) -> Run | None:
        runs = lab.results.open([run_id] if isinstance(run_id, str) and run_id else [])
        return runs[0] if runs else None

    def show(run_id: Any) -> tuple[str, str, str, str]:
        """What there is to say, the table, the pictures of its most frequent confusion, and the rest of the page."""
        run = one(run_id)
        if run is None:
            return warning(NOTHING), "", "", ""
        try:
            if not mistakes.is_ready(run):
                return not_yet(run, run.id in lab.predictions.evaluating), "", "", ""
            found = lab.predictions.mistakes(run)
            pair = commonest(found)
            shown = cell(found, *pair, lab.predictions.taken_for(run, *pair))
        except RunError as error:  # its answers are damaged: they can be had anew
            return warning(str(error)) + not_yet(run, run.id in lab.predictions.evaluating), "", "", ""
        except PROBLEMS as error:
            return warning(str(error)), "", "", ""
        _, role, name = dressed([run])[0]
        return "", table(found, role, pair), shown, page(found, role, name)

    everything = [notice, confusion, pictures, rest]
    gr.on(
        [wanted.change, network.input], show, network, everything,
        trigger_mode="always_last", concurrency_limit=4, api_visibility="private",
    )  # fmt: skip

    def open_cell(run_id: Any, event: gr.EventData) -> str:
        run, told = one(run_id), event._data or {}
        if run is None:
            return warning(NOTHING)
        try:
            true, predicted = int(told.get("true", 0)), int(told.get("predicted", 0))
            found = lab.predictions.mistakes(run)
            shown = lab.predictions.taken_for(run, true, predicted)
            return cell(found, true, predicted, shown)
        except (TypeError, ValueError):
            return ""  # nothing of ours has such cells
        except PROBLEMS as error:
            return warning(str(error))

    confusion.select(open_cell, network, pictures, concurrency_limit=4, trigger_mode="multiple", **PRIVATE)

    def evaluate(event: gr.EventData) -> None:
        try:
            lab.predictions.evaluate(lab.stores.find(str((event._data or {}).get("run", ""))))
        except PROBLEMS as error:
            raise gr.Error(html.escape(str(error)), title="Not evaluated", print_exception=False) from None

    done = notice.select(evaluate, None, None, concurrency_limit=8, trigger_mode="multiple", **PRIVATE)
    done.then(show, network, everything, concurrency_limit=4, **PRIVATE)

    def refresh(visitor: Any, followed: list[str], chosen: Any) -> tuple[Any, ...]:
        choices = lab.predictions.networks()
        found, there = beside(lab, choices, visitor, followed, [chosen])
        runs = lab.results.open(found[:2])
        ready = [run for run in runs if mistakes.is_ready(run)]
        run = next(iter(ready or runs), None)
        stamp = (stamped([run]), mistakes.is_ready(run)) if run else "none"
        return gr.update(choices=choices, value=run.id if run else None), there, stamp

    return refresh, [train.visitor, followed, network], [network, followed, wanted]
