"""Inside: what regularizers leave behind in the first of the chosen networks, or in the first two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.runs.run import Run
from reglab.ui.components.drawings import drawing
from reglab.ui.components.networks import NOTHING, dressed
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results.view import View
from reglab.ui.views.histograms import Shown
from reglab.ui.views.inside import page


class InsideView(View):
    """Each as it is inside."""

    title: ClassVar = "Inside"
    key: ClassVar = "inside"

    def __init__(self, lab: Lab, page: Page, chosen: gr.HTML) -> None:
        self.lab = lab
        self.drawn = drawing("inside-page", min_height=240)
        self.outputs = self.slow = [self.drawn]

    def show(self, runs: Sequence[Run], *values: Any) -> list[Any]:
        """The page for the first two, the plain one first; what cannot be looked into is a sentence."""
        shown, sentences = [], [] if runs else [NOTHING]
        for run, role, name in dressed(runs[:2]):
            try:
                shown.append(Shown(role, name, self.lab.predictions.inside(run)))
            except PROBLEMS as error:
                sentences.append(str(error))
        if len(runs) > 2:
            sentences.append(f"The first two of the {len(runs)} runs that are chosen.")
        return ["".join(map(warning, sentences)) + (page(shown) if shown else "")]
