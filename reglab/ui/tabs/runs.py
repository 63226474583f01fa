"""The Runs tab: what was trained here; open, rename, resume, download, delete."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.ui.components.controls import unchecked
from reglab.ui.components.download import Download
from reglab.ui.components.events import PRIVATE, skipped
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views.times import time_html

# The longest comes last: it is what a narrow screen cuts off.
COLUMNS = ["name", "status", "started", "data", "network", "train", "val", "test", "gap", "regularizers"]


class RunsTab:
    """A table of all runs, and what can be done with the one that is chosen."""

    title: ClassVar = "Runs"
    key: ClassVar = "runs"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page
        with gr.Column(elem_id="runs"):
            self.table = gr.Dataframe(
                headers=COLUMNS, value=[], interactive=False, wrap=False, show_search="filter", elem_id="runs-table",
                label="Runs", column_count=len(COLUMNS), buttons=[], datatype=["html" if name == "started" else "str" for name in COLUMNS],
            )  # fmt: skip
            self._lay_out_choice()
            self._lay_out_buttons()
            self.notice = gr.HTML("", elem_id="runs-notice")
        self.ids = gr.State([])  # of the rows of the table
        self.listing = [self.table, self.chosen, self.ids, self.sure]
        self.filled = [*page.opening, *page.controls.components()]
        self._wire()
        self.on_select: Listener = (self.refresh, [self.chosen], self.listing)

    # ---- what is laid out
    def _lay_out_choice(self) -> None:
        with gr.Row(equal_height=False):
            self.chosen = gr.Dropdown(
                [], label="Run", info="or click a row of the table", elem_id="run", filterable=False, scale=3
            )
            unchecked(self.chosen)
            self.name = gr.Textbox(label="Name", info="what to call it", max_length=60, elem_id="run-name", scale=2)
            self.renames = gr.Button("Rename", elem_id="rename", scale=0, min_width=100)

    def _lay_out_buttons(self) -> None:
        with gr.Row():
            self.opens = gr.Button("Open", variant="primary", elem_id="open-run", min_width=100)
            self.resumes = gr.Button("Resume", elem_id="resume", min_width=100)
            self.downloads = gr.Button("Download weights and card", elem_id="download", min_width=100)
            self.file = Download("download-file")
            self.deletes = gr.Button("Delete", variant="stop", elem_id="delete", min_width=100)
            self.sure = gr.Button(
                "Yes, delete it for good", variant="stop", visible=False, elem_id="sure", min_width=100
            )

    def _wire(self) -> None:
        chosen, listed = self.chosen, [*self.listing, self.notice]
        self.table.select(self.choose, self.ids, chosen, **PRIVATE)
        described = [self.name, self.renames, self.resumes, self.deletes, self.sure]
        chosen.change(self.describe, chosen, described, **PRIVATE)
        for named in (self.renames.click, self.name.submit):
            named(self.rename, [chosen, self.name], listed, **PRIVATE)
        self.deletes.click(lambda: gr.update(visible=True), None, self.sure, **PRIVATE)
        self.sure.click(self.delete, chosen, listed, **PRIVATE)
        for button, what in ((self.opens, self.open), (self.resumes, self.resume)):
            button.click(what, [chosen, self.page.visitor], [*self.filled, self.notice], **PRIVATE)
        self.file.when_clicked(self.downloads, self.download, [chosen])
        self.downloads.click(lambda: "", None, self.notice, **PRIVATE)

    # ---- the list
    def refresh(self, chosen: Any) -> list[Any]:
        """The table and the choices anew; what was chosen stays."""
        summaries = self.lab.results.summaries()
        choices = [(f"{s['name']} · {s['status']}", s["run"]) for s in summaries]
        known = [s["run"] for s in summaries]
        chosen = chosen if chosen in known else known[0] if known else None
        return [list(map(row, summaries)), gr.update(choices=choices, value=chosen), known, gr.update(visible=False)]

    def choose(self, ids: list[str], event: gr.SelectData) -> Any:
        """The run of the row that was clicked."""
        place = event.index[0] if isinstance(event.index, (list, tuple)) else event.index
        return ids[place] if place < len(ids) else gr.skip()

    def describe(self, run_id: str | None) -> list[Any]:
        """Its name, and the buttons that make sense for it."""
        runs = self.lab.results.open([run_id] if run_id else [])
        own = bool(runs) and not self.lab.stores.is_shipped(runs[0])
        status = self.lab.training.jobs.status(runs[0]) if runs else ""
        return [
            runs[0].name if runs else "",
            gr.update(interactive=own),
            gr.update(interactive=own and status in ("stopped", "interrupted", "failed")),
            gr.update(interactive=own and status not in ("running", "queued")),
            gr.update(visible=False),
        ]

    # ---- what can be done with a run
    def rename(self, run_id: str | None, name: str) -> list[Any]:
        """A name was typed for the chosen run."""
        try:
            self.lab.stores.own.open(run_id or "").rename(name)
        except PROBLEMS as error:
            return [*self.refresh(run_id), warning(error)]
        return [*self.refresh(run_id), ""]

    def delete(self, run_id: str | None) -> list[Any]:
        """Delete was pressed."""
        try:
            run = self.lab.stores.own.open(run_id or "")
            if self.lab.training.jobs.status(run) == "queued":
                self.lab.training.stop([run])
            run.delete()
        except PROBLEMS as error:
            return [*self.refresh(run_id), warning(error)]
        return [*self.refresh(None), ""]

    def open(self, run_id: str | None, visitor: Any) -> list[Any]:
        """Put the run, and those it was started with, on the Train tab, whose controls say what it was trained with."""
        runs = self.lab.results.open([run_id] if run_id else [])
        if not runs:
            return [
                *self.page.follow([], visitor),
                *skipped(self.filled[len(self.page.shown) :]),
                warning("Choose a run first."),
            ]
        try:
            values = self.page.controls.filled(runs[0].config)
        except PROBLEMS as error:
            return [*skipped(self.filled), warning(error)]
        return [*self.page.opened(self.lab.training.together(runs[0]), visitor), *values, ""]

    def resume(self, run_id: str | None, visitor: Any) -> list[Any]:
        """Resume was pressed."""
        try:
            self.lab.training.resume(self.lab.stores.own.open(run_id or ""))
        except PROBLEMS as error:
            return [*skipped(self.filled), warning(error)]
        return self.open(run_id, visitor)

    def download(self, run_id: str | None) -> Path:
        """The chosen run as a file."""
        return self.lab.files.run(self.lab.stores.find(run_id or ""))


def row(s: Mapping[str, Any]) -> list[str]:
    """A summary as a row of the table."""

    def percent(key: str) -> str:
        return f"{s[key]:.1%}" if key in s else ""

    size = f" · {s['train_size']:,}" if s.get("train_size") else ""
    return [
        s["name"],
        s["status"],
        time_html(s.get("created")),
        s.get("dataset", "") + size,
        s.get("model", ""),
        percent("train_accuracy"),
        percent("val_accuracy"),
        percent("test_accuracy"),
        f"{s['gap'] * 100:.1f}" if "gap" in s else "",
        " ".join(s.get("regularizers", {})) or "none",
    ]
