"""The Runs tab: what was trained here; open, rename, resume, download, delete and bring back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.runs.view import LIVE, RESUMABLE
from reglab.ui.components.controls import unchecked
from reglab.ui.components.download import Download
from reglab.ui.components.events import PRIVATE, skipped
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views.setup import kept_html
from reglab.ui.views.templates import render
from reglab.ui.views.times import time_html

# The longest comes last: it is what a narrow screen cuts off.
COLUMNS = ["name", "status", "started", "data", "network", "train", "val", "test", "gap", "regularizers"]


class RunsTab:
    """A table of all runs, and what can be done with the one that is chosen."""

    title: ClassVar = "Runs"
    key: ClassVar = "runs"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page
        self.ids = gr.State([])  # of the rows of the table
        self.last = gr.State("")  # the id of the run that would come back from the trash
        with gr.Column(elem_id="runs"):
            kept = kept_html(lab.keeping.forgetful, lab.keeping.mirror is not None)
            gr.HTML(kept, visible=bool(kept.strip()), elem_id="runs-kept")
            self.table = gr.Dataframe(
                headers=COLUMNS, value=[], interactive=False, wrap=False, show_search="filter", elem_id="runs-table",
                label="Runs", column_count=len(COLUMNS), buttons=[], datatype=["html" if name == "started" else "str" for name in COLUMNS],
            )  # fmt: skip
            self._lay_out_choice()
            self._lay_out_buttons()
            self.notice = gr.HTML("", elem_id="runs-notice")
            self._lay_out_trash()
            self.listing = [self.table, self.chosen, self.ids, self.last, self.restores, self.empties]
            self.described = [self.name, self.renames, self.resumes, self.deletes, self.downloads]
            if lab.deployment.admin_key and not lab.deployment.is_everybody_host:
                self._lay_out_host()
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

    def _lay_out_trash(self) -> None:
        """There while something lies in it."""
        small: dict[str, Any] = {"visible": False, "size": "sm", "min_width": 100}
        with gr.Row():
            self.restores = gr.Button("Bring back", elem_id="bring-back", **small)
            self.empties = gr.Button("Empty the trash", elem_id="empty-trash", **small)

    def _lay_out_host(self) -> None:
        """The host's key is kept by the page, which sends it along as a header from then on."""
        with gr.Accordion("For the host of this lab", open=False, elem_id="host"), gr.Row(equal_height=False):
            key = gr.Textbox(
                label="Host's key", info="shows and opens every run, as long as this tab is open", type="password",
                elem_id="host-key", scale=3,
            )  # fmt: skip
            enter = gr.Button("Enter", elem_id="host-enter", scale=0, min_width=100)
        for given in (key.submit, enter.click):
            kept = given(None, key, key, js="key => { window.reglabHost(key); return ['']; }")
            seen = kept.then(self.greet, self.chosen, [*self.listing, self.notice], **PRIVATE)
            seen.then(self.describe, self.chosen, self.described, **PRIVATE)

    def _wire(self) -> None:
        chosen, listed = self.chosen, [*self.listing, self.notice]
        self.table.select(self.choose, self.ids, chosen, **PRIVATE)
        chosen.change(self.describe, chosen, self.described, **PRIVATE)
        for named in (self.renames.click, self.name.submit):
            named(self.rename, [chosen, self.name], listed, **PRIVATE)
        self.deletes.click(self.delete, chosen, listed, trigger_mode="once", **PRIVATE)
        self.restores.click(self.restore, [chosen, self.last], listed, trigger_mode="once", **PRIVATE)
        self.empties.click(self.empty, chosen, listed, trigger_mode="once", **PRIVATE)
        for button, what in ((self.opens, self.open), (self.resumes, self.resume)):
            button.click(what, [chosen, self.page.visitor], [*self.filled, self.notice], **PRIVATE)
        self.file.when_clicked(self.downloads, self.download, [chosen])
        self.downloads.click(lambda: "", None, self.notice, **PRIVATE)

    # ---- the list
    def refresh(self, chosen: Any) -> list[Any]:
        """The table, the choices and the trash anew; what was chosen stays."""
        summaries = self.lab.results.summaries()
        choices = [(f"{s['name']} · {status_of(s)}", s["run"]) for s in summaries]
        known = [s["run"] for s in summaries]
        chosen = chosen if chosen in known else known[0] if known else None
        deleted = self.lab.runs.deleted()
        back = f"Bring back “{deleted[0].name[:40]}”" if deleted else "Bring back"
        size = f" ({len(deleted)} runs)" if len(deleted) > 1 else ""
        return [
            list(map(row, summaries)),
            gr.update(choices=choices, value=chosen),
            known,
            deleted[0].id if deleted else "",
            gr.update(value=back, visible=bool(deleted)),
            gr.update(value=f"Empty the trash{size}", visible=bool(deleted)),
        ]

    def choose(self, ids: list[str], event: gr.SelectData) -> Any:
        """The run of the row that was clicked."""
        place = event.index[0] if isinstance(event.index, (list, tuple)) else event.index
        return ids[place] if place < len(ids) else gr.skip()

    def describe(self, run_id: str | None) -> list[Any]:
        """Its name, and the buttons that make sense for it."""
        runs = self.lab.results.open([run_id] if run_id else [])
        status = self.lab.training.jobs.status(runs[0]) if runs else ""
        theirs = bool(runs) and self.lab.runs.may_change(runs[0])
        return [
            runs[0].name if runs else "",
            gr.update(interactive=theirs),
            gr.update(interactive=theirs and status in RESUMABLE),
            gr.update(interactive=theirs and status not in LIVE),
            gr.update(interactive=theirs or (bool(runs) and self.lab.stores.is_shipped(runs[0]))),
        ]

    # ---- what can be done with a run
    def rename(self, run_id: str | None, name: str) -> list[Any]:
        """A name was typed for the chosen run."""
        try:
            self.lab.runs.rename(self.lab.stores.own.open(run_id or ""), name)
        except PROBLEMS as error:
            return [*self.refresh(run_id), warning(error)]
        return [*self.refresh(run_id), ""]

    def delete(self, run_id: str | None) -> list[Any]:
        """Delete was pressed."""
        try:
            run = self.lab.stores.own.open(run_id or "")
            name = run.name
            self.lab.runs.delete(run)
        except PROBLEMS as error:
            return [*self.refresh(run_id), warning(error)]
        said = f"“{name}” is deleted. It can be brought back for a day."
        return [*self.refresh(None), render("paragraph.html", text=said)]

    def restore(self, run_id: str | None, deleted: str) -> list[Any]:
        """Bring back was pressed."""
        try:
            run_id = self.lab.runs.restore(deleted).id
        except PROBLEMS as error:
            return [*self.refresh(run_id), warning(error)]
        return [*self.refresh(run_id), ""]

    def empty(self, run_id: str | None) -> list[Any]:
        """Empty the trash was pressed."""
        self.lab.runs.empty_trash()
        return [*self.refresh(run_id), ""]

    def greet(self, run_id: str | None) -> list[Any]:
        """A key was typed as the host's."""
        lab, said = self.lab, ""
        if lab.visitor.admin_key:
            is_host = lab.access.is_host(lab.visitor)
            welcome = "This is the host's key: every run is listed, and yours to change."
            said = render("paragraph.html", text=welcome) if is_host else warning("That is not the host's key.")
        return [*self.refresh(run_id), said]

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
        status_of(s),
        time_html(s.get("created")),
        s.get("dataset", "") + size,
        s.get("model", ""),
        percent("train_accuracy"),
        percent("val_accuracy"),
        percent("test_accuracy"),
        f"{s['gap'] * 100:.1f}" if "gap" in s else "",
        " ".join(s.get("regularizers", {})) or "none",
    ]


def status_of(s: Mapping[str, Any]) -> str:
    """A run's status, and whose it is where it is not the visitor's."""
    return f"{s['status']} · not yours" if s.get("yours") is False else str(s["status"])
