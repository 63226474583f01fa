"""The Compare tab: pick runs, see whether the difference is real, take the comparison along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from reglab.compare import METRICS
from reglab.ui.controls import unchecked
from reglab.ui.lab import PROBLEMS, Lab
from reglab.ui.train_tab import warning

COLUMNS = ["name", "network", "data", "regularizers", "seed", "test %", "gap", "calibration error", "id"]
TYPES: list[Any] = ["str"] * 4 + ["number"] * 4 + ["str"]  # so that they are sorted as what they are
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
KINDS = {"html": "Report (HTML)", "png": "Picture (PNG)", "csv": "Table (CSV)", "json": "JSON"}
NOTHING = "Pick runs: click rows of the table, or choose a group. Runs that differ in nothing but their seed count as one group."


def compare_tab(lab: Lab) -> Any:
    """Returns a function that refreshes the choices, with its inputs and outputs, for when the tab is opened."""
    with gr.Column(elem_id="compare-tab"):
        gr.HTML(
            "<h4>Compare</h4><p>One run is an anecdote. Runs that differ only in their seed make a group, and groups that"
            " share seeds can be told apart with few of them.</p>",
            elem_classes="lead",
        )
        with gr.Row(equal_height=False):
            group = gr.Dropdown(
                [],
                value=None,
                label="Group",
                info="runs that were started together",
                elem_id="compare-group",
                filterable=False,
            )
            metric = gr.Dropdown(
                [(m.title, key) for key, m in METRICS.items()], value="test_accuracy", label="Compare", info="by this number",
                elem_id="compare-metric", filterable=False,
            )  # fmt: skip
            axis = gr.Dropdown(
                [("epochs", "epoch"), ("steps", "step"), ("seconds", "seconds")], value="epoch", label="Over",
                info="the curves' axis", elem_id="compare-axis", filterable=False,
            )  # fmt: skip
            target = gr.Number(
                70, minimum=1, maximum=99, label="Target (%)", info="how soon was it reached?", elem_id="compare-target"
            )
        runs = gr.Dropdown(
            [], value=[], multiselect=True, label="Runs", info="click a row below to add a run or take it out",
            elem_id="compare-runs",
        )  # fmt: skip
        for box in (group, runs):
            unchecked(box)
        with gr.Accordion("All finished runs", open=False, elem_id="compare-all"):
            table = gr.Dataframe(
                headers=COLUMNS,
                datatype=TYPES,
                value=[],
                interactive=False,
                show_search="filter",
                elem_id="compare-table",
                column_count=len(COLUMNS),
                buttons=[],
            )
        notice = gr.HTML("", elem_id="compare-notice")
        page = gr.HTML("", elem_id="compare-page", min_height=320, apply_default_css=False)
        with gr.Row(elem_id="compare-take"):
            takes = {kind: gr.Button(title, size="sm", elem_id=f"take-{kind}") for kind, title in KINDS.items()}
            # A DownloadButton hands out what it held when it was clicked, so it is filled first and clicked by the page.
            file = gr.DownloadButton("File", visible="hidden", elem_id="compare-file")
    asked: list[Any] = [runs, metric, axis, target]

    def show(ids: Any, metric: Any, axis: Any, target: Any) -> tuple[str, str]:
        if not ids:
            return warning(NOTHING), ""
        try:
            return "", lab.comparison_page(ids, metric, axis, target / 100 if target else None)
        except PROBLEMS as error:
            return warning(str(error)), ""

    gr.on(
        [control.change for control in asked], show, asked, [notice, page],
        trigger_mode="always_last", concurrency_limit=4, **PRIVATE,
    )  # fmt: skip

    def choose(name: Any) -> Any:
        return (lab.finished_in(name) if isinstance(name, str) and name else []) or gr.skip()

    group.input(choose, group, runs, **PRIVATE)

    def toggle(ids: Any, event: gr.SelectData) -> Any:
        row = event.row_value or []  # not its number: the table may be sorted or filtered
        run_id = str(row[-1]) if row else ""
        ids = [i for i in ids or [] if isinstance(i, str)]
        return [i for i in ids if i != run_id] if run_id in ids else [*ids, run_id]

    table.select(toggle, runs, runs, **PRIVATE)

    def take(kind: str) -> Any:
        def hand_out(ids: Any, metric: Any, axis: Any, target: Any) -> str:
            try:
                path: Path = lab.comparison_file(kind, ids or [], metric, axis)
            except PROBLEMS as error:
                raise gr.Error(str(error), print_exception=False) from None
            return str(path)

        return hand_out

    press = "() => setTimeout(() => document.querySelector('#compare-file').click(), 100)"
    for kind, button in takes.items():
        button.click(take(kind), asked, file, **PRIVATE).success(None, js=press)

    def refresh(ids: Any) -> tuple[Any, ...]:
        """The choices anew; what was chosen stays, and at first it is the pair that the Train tab shows to visitors."""
        rows = lab.finished_rows()
        known = [row[-1] for row in rows]
        ids = [i for i in ids or [] if i in known] or [i for i in lab.example() if i in known]
        choices = [(f"{row[0] or row[3]} · seed {row[4]} · {row[5]:.1f}%", row[-1]) for row in rows]
        return gr.update(choices=lab.groups()), gr.update(choices=choices, value=ids), rows

    return refresh, [runs], [group, runs, table]
