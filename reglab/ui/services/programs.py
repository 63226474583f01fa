"""What other programs may ask for, in plain values: one function for each endpoint, whichever way they come.

Gradio's endpoints (`ui/api.py`) and the light routes (`ui/shell/api.py`) both call these. What a program sends may be
anything; it raises `ConfigError`, `DataError` or `RunError` with one sentence where it is not what it should be.
"""

from __future__ import annotations

from typing import Any

from reglab.errors import ConfigError
from reglab.experiments.experiment import Experiment
from reglab.runs.run import Run
from reglab.teaching.links import offered
from reglab.ui.services.lab import Lab


class Programs:
    """The endpoints over a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def train(self, config: Any) -> str:
        """Train with this RunConfig. The id of the run."""
        return self.lab.training.start(Experiment.run(offered(config)))[0].id

    def status(self, run: Any, cursor: Any = 0) -> dict[str, Any]:
        """A run's summary, its events since a cursor, and the next cursor."""
        found = self._find(run)
        events, after = found.lines(cursor)
        [view] = self.lab.training.views([found])
        return {"summary": view.summary() | {"status": view.status}, "events": events, "cursor": after}

    def stop(self, run: Any) -> str:
        """Stop a run. Its status."""
        found = self._find(run)
        self.lab.training.stop([found])
        return self.lab.training.jobs.status(found)

    def runs(self) -> list[dict[str, Any]]:
        """The summaries of all runs, the visitor's own first."""
        return self.lab.results.summaries()

    def predict(self, picture: str | None, run: Any) -> dict[str, float]:
        """What the network of a run says of the picture in a file: class -> probability."""
        return self.lab.predictions.predict(picture, self._find(run))

    def _find(self, run: Any) -> Run:
        if not isinstance(run, str):
            raise ConfigError("The run must be its id as text, as /train returned it and /runs lists it.")
        return self.lab.stores.find(run)
