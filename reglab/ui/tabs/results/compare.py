"""The Compare tab: pick runs, see whether the difference is real, take the comparison along."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from reglab.config.numbers import read
from reglab.errors import PROBLEMS, ConfigError
from reglab.experiments import axes
from reglab.experiments.compare import METRICS
from reglab.experiments.experiment import Experiment
from reglab.runs.run import Run
from reglab.ui.components.controls import unchecked
from reglab.ui.components.download import Download
from reglab.ui.components.drawings import drawing, lead
from reglab.ui.components.events import PRIVATE
from reglab.ui.components.number import number
from reglab.ui.components.settings import of_techniques
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views import comparison

COLUMNS = ["name", "network", "data", "regularizers", "seed", "test %", "gap", "calibration error", "id"]
OF_SET_UPS = [{"seed": "seeds"}.get(column, column) for column in COLUMNS]
TYPES: list[Any] = ["str"] * 4 + ["number"] * 4 + ["str"]  # so that they are sorted as what they are
KINDS = {"html": "Report (HTML)", "png": "Picture (PNG)", "csv": "Table (CSV)", "json": "JSON"}
TARGET = 70  # percent of validation accuracy
FORK_AT = 10  # the last epoch that a fork shares, where nobody says
NOTHING = "Pick runs: click rows of the table, or choose a group. Runs that differ in nothing but their seed count as one group."


class CompareTab:
    """Runs picked by group or from a table, whether they differ, and the comparison as a file; below it, forks."""

    title: ClassVar = "Compare"
    key: ClassVar = "compare"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab = lab
        with gr.Column(elem_id="compare-tab"):
            lead(
                "One run is an anecdote. Runs that differ only in their seed make a group, and groups that share seeds can be"
                " told apart with few of them.",
                "Compare",
            )
            self._lay_out_questions()
            self._lay_out_table()
            self.notice = gr.HTML("", elem_id="compare-notice")
            self.shown = drawing("compare-page", min_height=320)
            self._lay_out_files()
            self.fork = Fork(lab, page)
        self._wire()
        self.on_select: Listener = (
            self.refresh,
            [self.runs, self.fork.run, self.by_set_up],
            [self.group, self.runs, self.table, self.fork.run],
        )

    # ---- what is laid out
    def _lay_out_questions(self) -> None:
        with gr.Row(equal_height=False):
            self.group = gr.Dropdown(
                [], value=None, label="Group", info="runs that were started together", elem_id="compare-group",
                filterable=False,
            )  # fmt: skip
            self.metric = gr.Dropdown(
                [(m.title, key) for key, m in METRICS.items()], value="test_accuracy", label="Compare", info="by this number",
                elem_id="compare-metric", filterable=False,
            )  # fmt: skip
            self.axis = gr.Dropdown(
                [("epochs", "epoch"), ("steps", "step"), ("seconds", "seconds")], value="epoch", label="Over",
                info="the curves' axis", elem_id="compare-axis", filterable=False,
            )  # fmt: skip
            self.target = number("Target (%)", "compare-target", hint="how soon was it reached?", usual=TARGET)
        self.runs = gr.Dropdown(
            [], value=[], multiselect=True, label="Runs", info="click a row below to add a run or take it out",
            elem_id="compare-runs",
        )  # fmt: skip
        for box in (self.group, self.runs):
            unchecked(box)

    def _lay_out_table(self) -> None:
        with gr.Accordion("All finished runs", open=False, elem_id="compare-all"):
            self.by_set_up = gr.Checkbox(
                True, label="One row for each set-up, with the means over its seeds", container=False,
                elem_id="compare-grouped",
            )  # fmt: skip
            self.table = gr.Dataframe(
                headers=OF_SET_UPS, datatype=TYPES, value=[], interactive=False, show_search="filter",
                elem_id="compare-table", column_count=len(COLUMNS), buttons=[],
            )  # fmt: skip

    def _lay_out_files(self) -> None:
        with gr.Row(elem_id="compare-take"):
            self.takes = {kind: gr.Button(title, size="sm", elem_id=f"take-{kind}") for kind, title in KINDS.items()}
            self.download = Download("compare-file")

    def _wire(self) -> None:
        asked: list[Any] = [self.runs, self.metric, self.axis, self.target]
        gr.on(
            [box.change for box in asked], self.show, asked, [self.notice, self.shown],
            trigger_mode="always_last", concurrency_limit=4, **PRIVATE,
        )  # fmt: skip
        self.group.input(self.choose, self.group, self.runs, **PRIVATE)
        self.table.select(self.toggle, [self.runs, self.by_set_up], self.runs, **PRIVATE)
        self.by_set_up.change(self.rows, self.by_set_up, self.table, **PRIVATE)
        for kind, button in self.takes.items():
            self.download.when_clicked(button, partial(self.file, kind), asked)

    # ---- what happens
    def show(self, ids: Any, metric: Any, axis: Any, target: Any) -> tuple[str, str]:
        """What there is to say, and the comparison."""
        if not ids:
            return warning(NOTHING), ""
        try:
            found = self.lab.results.comparison(self._runs(ids))
            return "", comparison.page(found, metric, axis, _target(target))
        except PROBLEMS as error:
            return warning(error), ""

    def choose(self, group: Any) -> Any:
        """The runs of a group."""
        runs = self.lab.results.finished_in(group) if isinstance(group, str) and group else []
        return [run.id for run in runs] or gr.skip()

    def toggle(self, ids: Any, by_set_up: bool, event: gr.SelectData) -> list[str]:
        """Add the run of the row that was clicked, or all that differ only in their seed; or take them out."""
        row = event.row_value or []  # not its number: the table may be sorted or filtered
        found = self.lab.results.open([str(row[-1])] if row else [])
        told = [run.id for one in found for run in (self.lab.results.alike(one) if by_set_up else [one])]
        ids = [i for i in ids or [] if isinstance(i, str)]
        if set(told) <= set(ids):
            return [i for i in ids if i not in told]
        return [*ids, *(i for i in told if i not in ids)]

    def rows(self, by_set_up: bool) -> dict[str, Any]:
        """The table of all finished runs."""
        if by_set_up:
            return {"headers": OF_SET_UPS, "data": self.lab.results.finished_set_ups()}
        return {"headers": COLUMNS, "data": self.lab.results.finished_rows()}

    def file(self, kind: str, ids: Any, metric: Any, axis: Any, target: Any) -> Path:
        """The comparison as a file of that kind, to download."""
        return self.lab.files.comparison(kind, self._runs(ids), metric, axis)

    def _runs(self, ids: Any) -> list[Run]:
        """Those that are picked and still there."""
        return self.lab.results.open(ids if isinstance(ids, list) else [])

    def refresh(self, ids: Any, to_fork: Any, by_set_up: bool) -> list[Any]:
        """The choices anew; what was chosen stays, and at first it is the pair that the Train tab shows to visitors."""
        rows = self.lab.results.finished_rows()
        known = [row[-1] for row in rows]
        ids = [i for i in ids or [] if i in known] or [run.id for run in self.lab.results.example() if run.id in known]
        choices = [(f"{row[0] or row[3]} · seed {row[4]} · {row[5]:.1f}%", row[-1]) for row in rows]
        to_fork = to_fork if to_fork in known else next(iter(known), None)
        return [
            gr.update(choices=self.lab.results.groups()),
            gr.update(choices=choices, value=ids),
            self.rows(by_set_up),
            gr.update(choices=choices, value=to_fork),
        ]


def _target(percent: Any) -> float:
    """The accuracy to reach, as a fraction. Raises `ConfigError`."""
    value = read(percent, "The target")
    value = TARGET if value is None else value
    if not 0 < value < 100:
        raise ConfigError(f"The target must be more than 0 and less than 100 %, not {value:g}.")
    return float(value) / 100


class Fork:
    """Go on from an epoch of a run with one regularizer changed."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page
        with gr.Accordion("Fork: go on from an epoch with one regularizer changed", open=False, elem_id="fork"):
            lead(
                "The fork is the same run up to that epoch, to the last bit, and then another: what was the change worth"
                " from there on? Its first epochs are trained again, so it takes as long as a run of its own."
            )
            self._lay_out_change()
            self.notice = gr.HTML("", elem_id="fork-notice")
        self.change.input(self.usual, self.change, self.to, **PRIVATE)
        self.go.click(
            self.begin, [self.run, self.epoch, self.change, self.to, page.visitor], [*page.opening, self.notice],
            trigger_mode="once", **PRIVATE,
        )  # fmt: skip

    def _lay_out_change(self) -> None:
        with gr.Row():
            self.run = gr.Dropdown(
                [], value=None, label="Run", info="to go on from", elem_id="fork-run", filterable=False, min_width=260
            )
            self.epoch = number("After epoch", "fork-epoch", hint="that both have in common", usual=FORK_AT, whole=True)
            self.change = gr.Dropdown(
                of_techniques(), value="dropout.rate", label="Change", info="one regularizer", elem_id="fork-change",
                min_width=180,
            )  # fmt: skip
            self.to = gr.Textbox(
                "0.5", label="To", info="a value, or on or off", elem_id="fork-value", min_width=100, max_length=40
            )
            self.go = gr.Button("Fork and train", variant="primary", elem_id="fork-go", min_width=140)
        for box in (self.run, self.change):
            unchecked(box)

    def usual(self, name: Any) -> str:
        """A value that this setting usually takes."""
        return axes.usual_values(name).split(",")[-1] if name in axes.names() else ""

    def begin(self, run_id: Any, epoch: Any, name: Any, value: Any, visitor: Any) -> list[Any]:
        """Train the fork, and show it on the Train tab beside the run it goes on from."""
        try:
            if not (isinstance(run_id, str) and run_id):
                raise ConfigError("There is no run to fork yet: train one first.")
            run = self.lab.stores.find(run_id)
            epoch = read(epoch, "The last common epoch", whole=True)
            fork = Experiment.fork(
                run, FORK_AT if epoch is None else epoch, {str(name): axes.one_value(str(name), str(value))}
            )
            runs = self.lab.training.start(fork)
        except PROBLEMS as error:
            return [*self.page.unopened(), warning(error)]
        return [*self.page.opened([run, *runs], visitor), ""]
