"""What other programs may call: `/train`, `/status`, `/stop` and `/runs`, whose names are fixed. `/predict` is on the page.

Whatever a program sends, it gets an answer or one sentence that says what is wrong with what it sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from reglab.errors import PROBLEMS, ConfigError
from reglab.experiments.experiment import Experiment
from reglab.runs.run import Run
from reglab.teaching.links import offered
from reglab.ui.services.lab import Lab

T = TypeVar("T")


class Api:
    """The endpoints over one lab, as methods."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def listen(self) -> None:
        """Offer them, on the page that is being laid out."""
        gr.api(self.train, api_name="train", api_description="Train with this RunConfig; returns the run's id.")
        gr.api(self.status, api_name="status", api_description="A run's summary, and its events since a cursor.")
        gr.api(self.stop, api_name="stop", api_description="Stop a run; it keeps its checkpoint and can be resumed.")
        gr.api(self.runs, api_name="runs", api_description="The summaries of all runs.")

    def train(self, config: dict[str, Any]) -> str:
        """Train with this RunConfig. The id of the run."""
        return _answer(lambda: self.lab.training.start(Experiment.run(offered(config)))[0].id)

    def status(self, run: str, cursor: int = 0) -> dict[str, Any]:
        """A run's summary, its events since a cursor, and the next cursor."""
        return _answer(lambda: self._status(run, cursor))

    def stop(self, run: str) -> str:
        """Stop a run. Its status."""
        return _answer(lambda: self._stop(run))

    def runs(self) -> list[dict[str, Any]]:
        """The summaries of all runs, newest first."""
        return _answer(self.lab.results.summaries)

    def _status(self, run: Any, cursor: Any) -> dict[str, Any]:
        found = self._find(run)
        events, after = found.lines(cursor)
        [view] = self.lab.training.views([found])
        return {"summary": view.summary() | {"status": view.status}, "events": events, "cursor": after}

    def _stop(self, run: Any) -> str:
        found = self._find(run)
        self.lab.training.stop([found])
        return self.lab.training.jobs.status(found)

    def _find(self, run: Any) -> Run:
        if not isinstance(run, str):
            raise ConfigError("The run must be its id as text, as /train returned it and /runs lists it.")
        return self.lab.stores.find(run)


def _answer(function: Callable[[], T]) -> T:
    """What the function returns, or the sentence of what it raises as the answer to the program."""
    try:
        return function()
    except PROBLEMS as error:
        raise gr.Error(str(error), print_exception=False) from None
