"""The Sweep tab: the set-up of the Train tab over several values and seeds, drawn while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import gradio as gr

from reglab.config import RunConfig, on_screen
from reglab.config.numbers import read
from reglab.errors import PROBLEMS
from reglab.experiments import axes
from reglab.experiments.grid import METRICS_OF_A_SWEEP, UNTIL
from reglab.regularizers import CATALOGUE
from reglab.runs.view import LIVE
from reglab.teaching.assignments import Assignment
from reglab.teaching.presets import QUESTIONS, Question
from reglab.ui.components.controls import shown_values, unchecked
from reglab.ui.components.drawings import pressable
from reglab.ui.components.events import PRIVATE, QUIET, skipped, told
from reglab.ui.components.number import number
from reglab.ui.components.remarks import Remarks, refusals, remarks_box
from reglab.ui.components.settings import all_settings
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.services.plan import SEEDS, SweepPlan
from reglab.ui.views import sweep as drawn
from reglab.ui.views.templates import render

TARGET = 60  # percent of validation accuracy, where nobody says
SIZES = {"seeds": "sweep-seeds", "train_size": "sweep-images", "epochs": "sweep-epochs"}  # whose boxes are here
AXES = 3  # that can be chosen here; the command line takes any number
TICK = 1.0  # seconds between looks at the runs' folders
GRID, FACTORIAL = "Values of settings", "Techniques on and off"
NOTHING = "Choose a question above, or settings of your own, and start the sweep. Sweeps of before are in the list."


class SweepTab:
    """On the left what is to be varied, and its price; on the right a sweep, from its first run on."""

    title: ClassVar = "Sweep"
    key: ClassVar = "sweep"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page
        self.mine = gr.BrowserState(
            {}, storage_key="reglab-sweep", secret="reglab"
        )  # {"group": ...}: survives a reload
        self.stamp = stamp_box()
        self.clock = gr.Timer(TICK, active=False)
        with gr.Row(equal_height=False, elem_id="sweep"):
            with gr.Column(scale=0, min_width=460, elem_id="sweep-controls"):
                self._lay_out_questions()
                self._lay_out_axes()
                self._lay_out_size()
                self._lay_out_start()
            with gr.Column(scale=1, min_width=340, elem_id="sweep-stage"):
                self._lay_out_stage()
        self.boxes = [box for row in self.axes for box in row]
        self.plan = [self.kind, self.toggles, self.prune, self.seeds, self.images, self.epochs, *self.boxes]
        self.looked = [self.stamp, self.shown, self.stop, self.clock]
        self._wire_plan()
        self._wire_stage()
        self.on_select: Listener = (
            self.refresh,
            [self.mine, self.group, self.metric, self.target, *self.plan, *page.controls.components()],
            [self.group, self.base_line, self.price, self.command, self.remarks, *self.looked],
        )

    # ---- what is laid out
    def _lay_out_questions(self) -> None:
        self.base_line = gr.HTML("", elem_id="sweep-base")
        with gr.Row(elem_id="questions"):
            self.questions = [
                (question, gr.Button(question.title, size="sm", elem_id=f"question-{i}", min_width=120))
                for i, question in enumerate(QUESTIONS)
            ]
        self.about = gr.HTML("", elem_id="question-about")

    def _lay_out_axes(self) -> None:
        self.kind = gr.Radio(
            [GRID, FACTORIAL], value=GRID, label="Vary", elem_id="sweep-kind", info="what differs from run to run"
        )
        with gr.Column(elem_id="sweep-axes") as self.grid_part:
            self.axes = [self._axis(i) for i in range(AXES)]
        with gr.Column(visible=False, elem_id="sweep-factorial") as self.factorial_part:
            self.toggles = gr.Dropdown(
                [(t.title, key) for key, t in CATALOGUE.items()], value=[], multiselect=True, label="Techniques",
                info="all combinations; from five on, half of them, which still keeps effects and pairs apart",
                elem_id="sweep-toggles",
            )  # fmt: skip
            unchecked(self.toggles)

    def _axis(self, i: int) -> tuple[Any, Any]:
        """A setting, and the values it takes."""
        with gr.Row():
            name = gr.Dropdown(
                [("-", ""), *all_settings()], value="", label="Setting" if i == 0 else "and", filterable=True,
                info="a control of the Train tab" if i == 0 else None, elem_id=f"axis-{i}", min_width=180,
            )  # fmt: skip
            values = gr.Textbox(
                "", label="Values", info="0, 0.25, 0.5 or log:0.001:0.1:3" if i == 0 else None,
                elem_id=f"values-{i}", max_length=300, min_width=180,
            )  # fmt: skip
        return unchecked(name), values

    def _lay_out_size(self) -> None:
        with gr.Row():
            self.seeds = number("Seeds", "sweep-seeds", hint="5 tell more than 3", usual=SEEDS, whole=True)
            as_on_train: dict[str, Any] = {"hint": "for each run", "usual": "as on Train", "whole": True}
            self.images = number("Images", "sweep-images", **as_on_train)
            self.epochs = number("Epochs", "sweep-epochs", **as_on_train)
        self.prune = gr.Checkbox(
            False, label="Stop early what cannot win", container=False, elem_id="sweep-prune",
            info="successive halving: at a ninth and a third of its epochs only the best third goes on",
        )  # fmt: skip

    def _lay_out_start(self) -> None:
        self.price = gr.HTML("", elem_id="sweep-price")
        self.remarks = remarks_box({})
        with gr.Row():
            self.start = gr.Button("Start the sweep", variant="primary", elem_id="sweep-start")
            self.stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="sweep-stop")
        self.notice = gr.HTML("", elem_id="sweep-notice")
        self.command = gr.Textbox(
            "", label="The same on the command line", buttons=["copy"], interactive=False, lines=1, max_lines=4,
            elem_id="sweep-command",
        )  # fmt: skip

    def _lay_out_stage(self) -> None:
        with gr.Row():
            self.group = gr.Dropdown(
                [], value=None, label="Sweep", info="those of before go on where they were", elem_id="sweep-group",
                filterable=False, min_width=200,
            )  # fmt: skip
            self.metric = gr.Dropdown(
                [(m.title, key) for key, m in METRICS_OF_A_SWEEP.items()], value="test_accuracy", label="Show",
                info="by this number", elem_id="sweep-metric", filterable=False, min_width=150,
            )  # fmt: skip
            self.target = number("Target (%)", "sweep-target", hint="validation accuracy", usual=TARGET, visible=False)
        unchecked(self.group)
        self.shown = pressable("sweep-page", min_height=320)

    def _wire_plan(self) -> None:
        everything = [*self.plan, *self.page.controls.components()]
        gr.on(
            [box.change for box in self.plan if box is not self.prune], self.tell, everything,
            [self.base_line, self.price, self.command, self.remarks], trigger_mode="always_last", **QUIET,
        )  # fmt: skip
        self.kind.change(self.turn, self.kind, [self.grid_part, self.factorial_part], **QUIET)
        for name, values in self.axes:
            name.input(self.usual, name, values, **QUIET)
        base = [self.page.controls.by_name[name] for name in ("optimizer", "lr")]
        for question, button in self.questions:
            asked = [self.kind, *self.boxes, self.metric, self.about, *base]
            button.click(partial(self.ask, question), None, asked, **QUIET)
        self.start.click(
            self.begin, [self.page.assignment, self.metric, self.target, *everything],
            [self.notice, self.group, self.mine, *self.looked], trigger_mode="once", **QUIET,
        )  # fmt: skip

    def _wire_stage(self) -> None:
        look = [self.group, self.metric, self.target, self.stamp]
        gr.on(
            [self.group.change, self.metric.change, self.target.change], self.look, look, self.looked,
            trigger_mode="always_last", **QUIET,
        )  # fmt: skip
        self.clock.tick(self.look, look, self.looked, trigger_mode="once", **QUIET)
        self.stop.click(self.halt, look[:-1], self.looked, trigger_mode="once", **QUIET)
        self.group.input(lambda group: {"group": group}, self.group, self.mine, **QUIET)
        self.metric.change(lambda by: gr.update(visible=by in UNTIL), self.metric, self.target, **QUIET)
        self.shown.select(self.open, self.page.visitor, self.page.opening, trigger_mode="multiple", **PRIVATE)

    # ---- what is to be varied
    def _asked(self, values: Sequence[Any]) -> tuple[RunConfig, SweepPlan]:
        """What the Train tab says, and what is varied of it. Raises `ConfigError`."""
        base = RunConfig.parse(self.page.controls.config_values(values[len(self.plan) :]))
        kind, toggles, prune, seeds, images, epochs, *boxes = values[: len(self.plan)]
        pairs = tuple(zip(boxes[::2], boxes[1::2], strict=True))
        return base, SweepPlan(kind == FACTORIAL, toggles or (), seeds, images, epochs, pairs, bool(prune))

    def tell(self, *values: Any) -> tuple[str, str, str, Remarks]:
        """What would be swept, what it costs, and its command; or why it cannot be."""
        try:
            base, plan = self._asked(values)
        except PROBLEMS as error:
            return warning(error), "", "", {}
        line = render("paragraph.html", text=f"From the Train tab: {base.title()} · {base.recipe()}.")
        try:
            experiment = plan.experiment(base)
            left, command = self.lab.results.price(experiment), plan.command(base)
        except PROBLEMS as error:
            return line, render("price.html", text=on_screen(error)), "", refusals(error, SIZES)
        runs = len(experiment.configs)
        whole = f"{runs} runs in all; " if left.runs != runs else ""
        return line, render("price.html", text=f"{whole}{left}"), command, {}

    def turn(self, kind: Any) -> tuple[Any, Any]:
        """Show the boxes of this kind of sweep."""
        return gr.update(visible=kind != FACTORIAL), gr.update(visible=kind == FACTORIAL)

    def usual(self, name: Any) -> str:
        """Values that this setting usually takes."""
        return axes.usual_values(name) if name in axes.names() else ""

    def ask(self, question: Question) -> list[Any]:
        """The axes of a question, its number, and what else it needs."""
        pairs = [text.split("=") for text in question.over] + [["", ""]] * (AXES - len(question.over))
        changed = shown_values(RunConfig().override(question.changes)) if question.changes else {}
        boxes = [changed.get(name, gr.skip()) for name in ("optimizer", "lr")]
        about = render("paragraph.html", text=f"{question.title}: {question.about}")
        return [GRID, *(value for pair in pairs for value in pair), question.metric, about, *boxes]

    def begin(self, assignment: Assignment | None, by: Any, aim: Any, *values: Any) -> list[Any]:
        """Sweep was pressed."""
        try:
            base, plan = self._asked(values)
            experiment = plan.experiment(base)
            if assignment is not None:
                assignment.check_all(experiment.configs)
            self.lab.training.start(experiment)
        except PROBLEMS as error:
            return [warning(error), gr.skip(), gr.skip(), *skipped(self.looked)]
        group = experiment.group
        choices = gr.update(choices=self.lab.results.sweeps(), value=group)
        return ["", choices, {"group": group}, *self.look(group, by, aim, None)]

    # ---- a sweep
    def look(self, group: Any, by: Any, aim: Any, before: Any) -> list[Any]:
        """What there is of this sweep, where that is new: stamp, page, stop button, clock."""
        runs = self.lab.results.in_sweep(group) if isinstance(group, str) and group else []
        if not runs:
            return ["", warning(NOTHING), gr.update(interactive=False), gr.update(active=False)]
        live = any(s["status"] in LIVE for s in runs)
        counts = [(s["run"], s["status"], s.get("epoch") if by in UNTIL else None) for s in runs]
        now = stamp_of(group, by, aim, counts)
        if now == before:
            return [gr.skip(), gr.skip(), gr.skip(), gr.update(active=live)]
        try:
            by = by if by in METRICS_OF_A_SWEEP else "test_accuracy"
            aim = read(aim, "The target")
            page = drawn.page(self.lab.results.grid(runs, by, (TARGET if aim is None else aim) / 100), by, runs)
        except PROBLEMS as error:
            page = warning(error)
        stoppable = live and all(map(self.lab.runs.may_change, self.lab.results.open([runs[0]["run"]])))
        return [now, page, gr.update(interactive=stoppable), gr.update(active=live)]

    def halt(self, group: Any, by: Any, aim: Any) -> list[Any]:
        """Stop was pressed."""
        if isinstance(group, str) and group:
            with contextlib.suppress(*PROBLEMS):  # somebody else's, where the button is not to be pressed
                self.lab.training.stop_group(group)
        return self.look(group, by, aim, None)

    def open(self, visitor: Any, event: gr.EventData) -> list[Any]:
        """Put the runs of a cell on the Train tab."""
        runs = self.lab.results.open(str(told(event).get("runs", "")).split()[:5])
        return self.page.opened(runs, visitor) if runs else self.page.unopened()

    def refresh(self, kept: Any, group: Any, by: Any, aim: Any, *values: Any) -> list[Any]:
        """The choices anew; what was shown stays, and after a reload it is the sweep that this browser looked at last."""
        choices = self.lab.results.sweeps()
        known = [key for _, key in choices]
        remembered = kept.get("group") if isinstance(kept, dict) else None
        group = next((name for name in (group, remembered, *known) if name in known), None)
        return [gr.update(choices=choices, value=group), *self.tell(*values), *self.look(group, by, aim, None)]
