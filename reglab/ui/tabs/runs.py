"""The Runs tab: what was trained here; open, rename, resume, download, delete."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.ui.components.controls import unchecked
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab

COLUMNS = ["name", "status", "data", "network", "regularizers", "train", "val", "test", "gap", "started"]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def runs_tab(lab: Lab, train: Page, tabs: gr.Tabs) -> Any:
    """Returns a function that refreshes the list, with its inputs and outputs, for when the tab is opened."""
    with gr.Column(elem_id="runs"):
        table = gr.Dataframe(
            headers=COLUMNS,
            value=[],
            interactive=False,
            wrap=False,
            show_search="filter",
            elem_id="runs-table",
            label="Runs",
            column_count=len(COLUMNS),
            buttons=[],
        )
        with gr.Row(equal_height=False):
            chosen = gr.Dropdown(
                [], label="Run", info="or click a row of the table", elem_id="run", filterable=False, scale=3
            )
            name = gr.Textbox(label="Name", info="what to call it", max_length=60, elem_id="run-name", scale=2)
            rename = gr.Button("Rename", elem_id="rename", scale=0, min_width=100)
        with gr.Row():
            show = gr.Button("Open", variant="primary", elem_id="open-run", min_width=100)
            resume = gr.Button("Resume", elem_id="resume", min_width=100)
            download = gr.Button("Download weights and card", elem_id="download", min_width=100)
            # A DownloadButton hands out what it held when it was clicked, so it is filled first and clicked by the page.
            file = gr.DownloadButton("File", visible="hidden", elem_id="download-file")
            delete = gr.Button("Delete", variant="stop", elem_id="delete", min_width=100)
            sure = gr.Button("Yes, delete it for good", variant="stop", visible=False, elem_id="sure", min_width=100)
        notice = gr.HTML("", elem_id="runs-notice")
    ids = gr.State([])
    unchecked(chosen)

    def refresh(selected: str | None) -> tuple[Any, ...]:
        summaries = lab.results.summaries()
        choices = [(f"{s['name']} · {s['status']}", s["run"]) for s in summaries]
        known = [s["run"] for s in summaries]
        selected = selected if selected in known else known[0] if known else None
        return [_row(s) for s in summaries], gr.update(choices=choices, value=selected), known, gr.update(visible=False)

    listing = [table, chosen, ids, sure]

    def select(ids: list[str], event: gr.SelectData) -> Any:
        row = event.index[0] if isinstance(event.index, (list, tuple)) else event.index
        return ids[row] if row < len(ids) else gr.skip()

    table.select(select, ids, chosen, **PRIVATE)

    def describe(run_id: str | None) -> tuple[Any, ...]:
        """The buttons that make sense for a run."""
        runs = lab.results.open([run_id] if run_id else [])
        if not runs:
            return (
                "",
                gr.update(interactive=False),
                gr.update(interactive=False),
                gr.update(interactive=False),
                gr.update(visible=False),
            )
        own, status = runs[0].path.parent == lab.stores.own.root, lab.training.jobs.status(runs[0])
        return (
            runs[0].name,
            gr.update(interactive=own),
            gr.update(interactive=own and status in ("stopped", "interrupted", "failed")),
            gr.update(interactive=own and status not in ("running", "queued")),
            gr.update(visible=False),
        )

    chosen.change(describe, chosen, [name, rename, resume, delete, sure], **PRIVATE)

    def do_rename(run_id: str | None, name: str) -> tuple[Any, ...]:
        try:
            lab.stores.own.open(run_id or "").rename(name)
        except PROBLEMS as error:
            return *refresh(run_id), warning(str(error))
        return *refresh(run_id), ""

    rename.click(do_rename, [chosen, name], [*listing, notice], **PRIVATE)
    name.submit(do_rename, [chosen, name], [*listing, notice], **PRIVATE)

    def do_delete(run_id: str | None) -> tuple[Any, ...]:
        try:
            run = lab.stores.own.open(run_id or "")
            if lab.training.jobs.status(run) == "queued":
                lab.training.jobs.stop(run.id)
            run.delete()
        except PROBLEMS as error:
            return *refresh(run_id), warning(str(error))
        return *refresh(None), ""

    delete.click(lambda: gr.update(visible=True), None, sure, **PRIVATE)
    sure.click(do_delete, chosen, [*listing, notice], **PRIVATE)

    def do_open(run_id: str | None, visitor: dict[str, Any]) -> list[Any]:
        runs = lab.results.open([run_id] if run_id else [])
        if not runs:
            return [
                *train.follow([], visitor),
                *[gr.skip() for _ in train.controls.by_name],
                gr.skip(),
                warning("Choose a run first."),
            ]
        try:
            filled = train.controls.filled(runs[0].config)
        except PROBLEMS as error:
            return [*[gr.skip() for _ in (*train.shown, *train.controls.by_name)], gr.skip(), warning(str(error))]
        return [*train.follow(lab.training.together(runs[0]), visitor), *filled, gr.update(selected="train"), ""]

    everything = [*train.shown, *train.controls.components(), tabs, notice]
    show.click(do_open, [chosen, train.visitor], everything, **PRIVATE)

    def do_resume(run_id: str | None, visitor: dict[str, Any]) -> list[Any]:
        try:
            lab.training.resume(lab.stores.own.open(run_id or ""), owner=(visitor or {}).get("name", ""))
        except PROBLEMS as error:
            return [*[gr.skip() for _ in (*train.shown, *train.controls.by_name)], gr.skip(), warning(str(error))]
        return do_open(run_id, visitor)

    resume.click(do_resume, [chosen, train.visitor], everything, **PRIVATE)

    def do_download(run_id: str | None) -> tuple[Any, str]:
        try:
            return str(lab.files.run(lab.stores.find(run_id or ""))), ""
        except PROBLEMS as error:
            raise gr.Error(str(error), print_exception=False) from None

    press = "() => setTimeout(() => document.querySelector('#download-file').click(), 100)"
    download.click(do_download, chosen, [file, notice], **PRIVATE).success(None, js=press)
    return refresh, [chosen], listing


def _row(s: dict[str, Any]) -> list[str]:
    def percent(key: str) -> str:
        return f"{s[key]:.1%}" if key in s else ""

    size = f" · {s['train_size']:,}" if s.get("train_size") else ""
    gap = f"{s['gap'] * 100:.1f}" if "gap" in s else ""
    shown = [
        s["name"],
        s["status"],
        s.get("dataset", "") + size,
        s.get("model", ""),
        " ".join(s.get("regularizers", {})) or "none",
    ]
    return [
        *shown,
        percent("train_accuracy"),
        percent("val_accuracy"),
        percent("test_accuracy"),
        gap,
        s.get("created", "")[:16],
    ]
