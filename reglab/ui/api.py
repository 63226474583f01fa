"""Gradio's endpoints for other programs: `/train`, `/status`, `/stop` and `/runs`, whose names are fixed. `/predict` is on the page.

Whatever a program sends, it gets an answer or one sentence that says what is wrong with what it sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.ui.services.lab import Lab
from reglab.ui.services.programs import Programs

T = TypeVar("T")
# What the page says under "Use via API".
ABOUT = {
    "train": "Train with this RunConfig; returns the run's id. Lighter: POST /api/train.",
    "status": "A run's summary, and its events since a cursor. Lighter: GET /api/status?run=ID&cursor=0.",
    "stop": "Stop a run of yours; it keeps its checkpoint and can be resumed. Lighter: POST /api/stop.",
    "runs": "The summaries of all runs that you may see. Lighter: GET /api/runs.",
    "predict": "What a run's network sees: class -> probability. Lighter: POST /api/predict?run=ID with the picture.",
}


class Api:
    """The endpoints over one lab, as methods."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.programs = lab, Programs(lab)

    def listen(self) -> None:
        """Offer them, on the page that is being laid out."""
        for name, about in ABOUT.items():
            if name != "predict":
                gr.api(getattr(self, name), api_name=name, api_description=about)

    def train(self, config: dict[str, Any]) -> str:
        """Train with this RunConfig. The id of the run."""
        return _answer(lambda: self.programs.train(config))

    def status(self, run: str, cursor: int = 0) -> dict[str, Any]:
        """A run's summary, its events since a cursor, and the next cursor."""
        return _answer(lambda: self.programs.status(run, cursor))

    def stop(self, run: str) -> str:
        """Stop a run. Its status."""
        return _answer(lambda: self.programs.stop(run))

    def runs(self) -> list[dict[str, Any]]:
        """The summaries of all runs, yours first."""
        return _answer(self.programs.runs)


def _answer(function: Callable[[], T]) -> T:
    """What the function returns, or the sentence of what it raises as the answer to the program."""
    try:
        return function()
    except PROBLEMS as error:
        raise gr.Error(str(error), print_exception=False) from None
