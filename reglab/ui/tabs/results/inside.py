"""The Inside tab: what regularizers leave behind in one trained network, or in two side by side."""

from __future__ import annotations

from typing import Any, ClassVar

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.ui.components.drawings import drawing, lead
from reglab.ui.components.networks import NOTHING, Networks, dressed, stamped
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views.histograms import Shown
from reglab.ui.views.inside import page


class InsideTab:
    """The networks that are chosen, each as it is inside."""

    title: ClassVar = "Inside"
    key: ClassVar = "inside"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab = lab
        with gr.Column(elem_id="inside"):
            lead(
                "What regularizers leave behind: the weights, and how sure the network is.",
                "Inside the network",
            )
            with gr.Row(equal_height=False):
                self.networks = Networks(lab, page.visitor, "inside-first", "inside-second")
            self.shown = drawing("inside-page", min_height=240)
        gr.on(
            self.networks.changes, self.show, self.networks.boxes, self.shown,
            trigger_mode="always_last", concurrency_limit=4, api_visibility="private",
        )  # fmt: skip
        self.on_select: Listener = (self.refresh, self.networks.inputs, self.networks.shown)

    def show(self, *chosen: Any) -> str:
        """The page for these networks, the plain one first; what cannot be looked into is a sentence."""
        runs = self.networks.runs(chosen)
        shown, sentences = [], [] if runs else [NOTHING]
        for run, role, name in dressed(runs):
            try:
                shown.append(Shown(role, name, self.lab.predictions.inside(run)))
            except PROBLEMS as error:
                sentences.append(str(error))
        return "".join(map(warning, sentences)) + (page(shown) if shown else "")

    def refresh(self, visitor: Any, followed: list[str], *chosen: Any) -> list[Any]:
        """The tab was opened: the choices, and the networks that the Train tab shows where they are others than before."""
        choices, runs, there = self.networks.opened(visitor, followed, chosen)
        return self.networks.filled(choices, runs, there, stamped(runs))
