"""The Inside tab: what regularizers leave behind in one trained network, or in two side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from reglab.errors import PROBLEMS, RunError
from reglab.runs.run import Run
from reglab.ui.components.controls import unchecked
from reglab.ui.components.visitor import ids_of, warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.services.predictions import weights_stamp
from reglab.ui.views.histograms import Shown
from reglab.ui.views.inside import page

NONE = ("none", "")  # the choice of no second network
NOTHING = "There is no trained network yet: train one first."


def inside_tab(lab: Lab, train: Page) -> Any:
    """Returns a function that refreshes the choices, with its inputs and outputs, for when the tab is opened.

    The tab follows the Train tab: runs that are new there are looked into here, until others are chosen by hand.
    """
    with gr.Column(elem_id="inside"):
        gr.HTML(
            "<h4>Inside the network</h4><p>What regularizers leave behind: the weights, and how sure the network is.</p>",
            elem_classes="lead",
        )
        with gr.Row(equal_height=False):
            choices = lab.predictions.networks()
            options: dict[str, Any] = {"value": None, "filterable": False, "min_width": 280}
            first = unchecked(gr.Dropdown(choices, label="Network", elem_id="inside-first", **options))
            second = unchecked(gr.Dropdown([NONE, *choices], label="Beside it", elem_id="inside-second", **options))
        found = gr.HTML("", elem_id="inside-page", min_height=240, apply_default_css=False)
    followed = gr.State([])  # what the Train tab showed when this tab was opened last
    wanted = gr.State(None)  # changes when the tab is opened on other networks, on new weights, or on none

    def refresh(visitor: Any, followed: list[str], *shown: Any) -> tuple[Any, Any, list[str], list[Any]]:
        choices = lab.predictions.networks()
        chosen, there = beside(lab, choices, visitor, followed, shown)
        one, other = [*chosen, None, None][:2]
        return (
            gr.update(choices=choices, value=one),
            gr.update(choices=[NONE, *choices], value=other or ""),
            there,
            stamped(lab.results.open(chosen)),
        )

    def show(*chosen: Any) -> str:
        ids = dict.fromkeys(run_id for run_id in chosen if isinstance(run_id, str) and run_id)
        return inside_html(lab.results.open(list(ids)), lab.predictions.inside)

    gr.on(
        [wanted.change, first.input, second.input], show, [first, second], found,
        trigger_mode="always_last", concurrency_limit=4, api_visibility="private",
    )  # fmt: skip
    return refresh, [train.visitor, followed, first, second], [first, second, followed, wanted]


def beside(
    lab: Lab, choices: Sequence[tuple[str, str]], visitor: Any, followed: Sequence[str], shown: Sequence[Any]
) -> tuple[list[str], list[str]]:
    """The networks to show when a tab is opened, two at most, and those of the Train tab.

    Those that are shown stay, unless the Train tab has others than when the tab was opened last; at first the shipped pair.
    """
    known = {run_id for _, run_id in choices}
    there = [run_id for run_id in ids_of(visitor) if run_id in known][:2]
    chosen = [run_id for run_id in shown if run_id in known]
    if not chosen or there != followed:
        chosen = there or [run.id for run in lab.results.example()] or [run_id for _, run_id in choices[:1]]
    return chosen, there


def inside_html(runs: Sequence[Run], look: Callable[[Run], dict[str, Any]]) -> str:
    """The page for these runs, the plain one first; what cannot be looked into is a sentence."""
    shown, sentences = [], [] if runs else [NOTHING]
    for run, role, name in dressed(runs):
        try:
            shown.append(Shown(role, name, look(run)))
        except PROBLEMS as error:
            sentences.append(str(error))
    return "".join(map(warning, sentences)) + (page(shown) if shown else "")


def dressed(runs: Sequence[Run]) -> list[tuple[Run, str, str]]:
    """The runs with their colours and names: plain and regularized where that is the difference, as in the chart."""

    def is_regularized(run: Run) -> bool:
        try:
            return bool(run.config.regularizers)
        except RunError:
            return False

    kinds = ["regularized" if is_regularized(run) else "plain" for run in runs]
    if sorted(kinds) == ["plain", "regularized"]:
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
