"""The Compare tab: pick runs, see whether the difference is real, take the comparison along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from reglab.errors import ConfigError
from reglab.experiments import sweep
from reglab.experiments.compare import METRICS
from reglab.regularizers import CATALOGUE
from reglab.ui.components.controls import unchecked
from reglab.ui.services.lab import PROBLEMS, Lab
from reglab.ui.tabs.sweep import called
from reglab.ui.tabs.train import TrainTab, name_of, warning

COLUMNS = ["name", "network", "data", "regularizers", "seed", "test %", "gap", "calibration error", "id"]
OF_SET_UPS = [{"seed": "seeds"}.get(column, column) for column in COLUMNS]
TYPES: list[Any] = ["str"] * 4 + ["number"] * 4 + ["str"]  # so that they are sorted as what they are
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
KINDS = {"html": "Report (HTML)", "png": "Picture (PNG)", "csv": "Table (CSV)", "json": "JSON"}
CHANGES = [(called(name), name) for name in sweep.names() if name.partition(".")[0] in CATALOGUE]
NOTHING = "Pick runs: click rows of the table, or choose a group. Runs that differ in nothing but their seed count as one group."


def compare_tab(lab: Lab, train: TrainTab, tabs: gr.Tabs) -> Any:
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
            grouped = gr.Checkbox(
                True,
                label="One row for each set-up, with the means over its seeds",
                container=False,
                elem_id="compare-grouped",
            )
            table = gr.Dataframe(
                headers=OF_SET_UPS,
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
        with gr.Accordion("Fork: go on from an epoch with one regularizer changed", open=False, elem_id="fork"):
            gr.HTML(
                "<p>The fork is the same run up to that epoch, to the last bit, and then another: what was the change worth"
                " from there on? Its first epochs are trained again, so it takes as long as a run of its own.</p>",
                elem_classes="lead",
            )
            with gr.Row():
                forked = gr.Dropdown(
                    [],
                    value=None,
                    label="Run",
                    info="to go on from",
                    elem_id="fork-run",
                    filterable=False,
                    min_width=260,
                )
                unchecked(forked)
                epoch = gr.Number(
                    10, precision=0, minimum=0, label="After epoch", info="that both have in common", elem_id="fork-epoch",
                    min_width=120,
                )  # fmt: skip
                change = gr.Dropdown(
                    CHANGES, value="dropout.rate", label="Change", info="one regularizer", elem_id="fork-change",
                    min_width=180,
                )  # fmt: skip
                unchecked(change)
                to = gr.Textbox(
                    "0.5", label="To", info="a value, or on or off", elem_id="fork-value", min_width=100, max_length=40
                )
                go = gr.Button("Fork and train", variant="primary", elem_id="fork-go", min_width=140)
            fork_notice = gr.HTML("", elem_id="fork-notice")
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

    def toggle(ids: Any, by_set_up: bool, event: gr.SelectData) -> Any:
        """Add the run of the row that was clicked, or all that differ only in their seed; or take them out."""
        row = event.row_value or []  # not its number: the table may be sorted or filtered
        run_id = str(row[-1]) if row else ""
        told = lab.alike(run_id) if by_set_up else [run_id]
        ids = [i for i in ids or [] if isinstance(i, str)]
        return (
            [i for i in ids if i not in told] if set(told) <= set(ids) else [*ids, *(i for i in told if i not in ids)]
        )

    table.select(toggle, [runs, grouped], runs, **PRIVATE)

    def rows_of(by_set_up: bool) -> dict[str, Any]:
        if by_set_up:
            return {"headers": OF_SET_UPS, "data": lab.finished_set_ups()}
        return {"headers": COLUMNS, "data": lab.finished_rows()}

    grouped.change(rows_of, grouped, table, **PRIVATE)

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

    change.input(
        lambda name: sweep.usual_values(name).split(",")[-1] if name in sweep.names() else "", change, to, **PRIVATE
    )

    def fork(run_id: Any, epoch: Any, name: Any, value: Any, visitor: Any) -> list[Any]:
        """Train the fork, and show it on the Train tab beside the run it goes on from."""
        try:
            if not (isinstance(run_id, str) and run_id):
                raise ConfigError("There is no run to fork yet: train one first.")
            ids = lab.start_fork(run_id, epoch, str(name), str(value), owner=name_of(visitor))
        except PROBLEMS as error:
            return [*[gr.skip() for _ in (*train.shown, tabs)], warning(str(error))]
        return [*train.follow(ids, visitor), gr.update(selected="train"), ""]

    go.click(
        fork, [forked, epoch, change, to, train.visitor], [*train.shown, tabs, fork_notice],
        trigger_mode="once", **PRIVATE,
    )  # fmt: skip

    def refresh(ids: Any, to_fork: Any, by_set_up: bool) -> tuple[Any, ...]:
        """The choices anew; what was chosen stays, and at first it is the pair that the Train tab shows to visitors."""
        rows = lab.finished_rows()
        known = [row[-1] for row in rows]
        ids = [i for i in ids or [] if i in known] or [i for i in lab.example() if i in known]
        choices = [(f"{row[0] or row[3]} · seed {row[4]} · {row[5]:.1f}%", row[-1]) for row in rows]
        to_fork = to_fork if to_fork in known else next(iter(known), None)
        return (
            gr.update(choices=lab.groups()), gr.update(choices=choices, value=ids), rows_of(by_set_up),
            gr.update(choices=choices, value=to_fork),
        )  # fmt: skip

    return refresh, [runs, forked, grouped], [group, runs, table, forked]
