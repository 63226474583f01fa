"""Report: the comparison of the chosen runs as a file, and each of them with its weights and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.runs.run import Run
from reglab.ui.components.drawings import pressable
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results.choice import Choice
from reglab.ui.tabs.results.curves import Asked
from reglab.ui.tabs.results.view import View
from reglab.ui.views.report import Taken, report_html


class ReportView(View):
    """What there is to take along."""

    title: ClassVar = "Report"
    key: ClassVar = "report"

    def __init__(self, lab: Lab, page: Page, chosen: gr.HTML) -> None:
        self.lab = lab
        self.shown = pressable("report")
        self.outputs = [self.shown]

    def show(self, runs: Sequence[Run], *values: Any) -> list[Any]:
        """The kinds of files, and the runs."""
        return [report_html([self._taken(run) for run in runs])]

    def _taken(self, run: Run) -> Taken:
        try:
            command = run.config.command()
        except PROBLEMS as error:
            command = str(error)
        return Taken(run.id, run.name, command, self.lab.stores.is_shipped(run) or self.lab.runs.may_change(run))

    def file(self, told: Mapping[str, Any], chosen: Any, asked: Any) -> Path:
        """The file that was pressed: a run, or the comparison of those that are chosen as a file of that kind."""
        if run_id := told.get("run"):
            return self.lab.files.run(self.lab.stores.find(str(run_id)))
        by = Asked.read(asked)
        runs = Choice.read(chosen).runs(self.lab)
        return self.lab.files.comparison(str(told.get("kind", "")), runs, by.metric, by.axis)
