"""The Sweep tab: the set-up of the Train tab over several values and seeds, drawn while it runs."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from reglab.config import RunConfig
from reglab.errors import PROBLEMS, ConfigError
from reglab.experiments import sweep
from reglab.experiments.grid import METRICS_OF_A_SWEEP, UNTIL
from reglab.regularizers import CATALOGUE
from reglab.teaching import assignments
from reglab.teaching.assignments import Assignment
from reglab.teaching.presets import QUESTIONS, Question
from reglab.ui.components.controls import unchecked
from reglab.ui.components.events import QUIET
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import name_of, warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.predict import PRESS
from reglab.ui.views import sweep as sweeping

AXES = 3  # that can be chosen here; the command line takes any number
TICK = 1.0  # seconds between looks at the runs' folders
GRID, FACTORIAL = "Values of settings", "Techniques on and off"
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
NOTHING = "Choose a question above, or settings of your own, and start the sweep. Sweeps of before are in the list."


def sweep_tab(lab: Lab, train: Page, tabs: gr.Tabs) -> Any:
    """Returns a function that refreshes the choices, with its inputs and outputs, for when the tab is opened."""
    settings = [(called(name), name) for name in sweep.names() if name not in ("dataset", "precision")]
    techniques = [(t.title, key) for key, t in CATALOGUE.items()]
    mine = gr.BrowserState({}, storage_key="reglab-sweep", secret="reglab")  # {"group": ...}: survives a reload
    stamp = stamp_box()
    clock = gr.Timer(TICK, active=False)
    with gr.Row(equal_height=False, elem_id="sweep"):
        with gr.Column(scale=0, min_width=460, elem_id="sweep-controls"):
            base_line = gr.HTML("", elem_id="sweep-base")
            with gr.Row(elem_id="questions"):
                asked = [
                    (q, gr.Button(q.title, size="sm", elem_id=f"question-{i}", min_width=120))
                    for i, q in enumerate(QUESTIONS)
                ]
            about = gr.HTML("", elem_id="question-about")
            kind = gr.Radio(
                [GRID, FACTORIAL], value=GRID, label="Vary", elem_id="sweep-kind", info="what differs from run to run"
            )
            with gr.Column(elem_id="sweep-axes") as grid_part:
                rows = []
                for i in range(AXES):
                    with gr.Row():
                        name = gr.Dropdown(
                            [("-", ""), *settings], value="", label=("Setting", "and", "and")[i], filterable=True,
                            info="a control of the Train tab" if i == 0 else None,
                            elem_id=f"axis-{i}", min_width=180,
                        )  # fmt: skip
                        values = gr.Textbox(
                            "", label="Values", info="0, 0.25, 0.5 or log:0.001:0.1:3" if i == 0 else None,
                            elem_id=f"values-{i}", max_length=300, min_width=180,
                        )  # fmt: skip
                    rows.append((unchecked(name), values))
            with gr.Column(visible=False, elem_id="sweep-factorial") as factorial_part:
                toggles = gr.Dropdown(
                    techniques, value=[], multiselect=True, label="Techniques", elem_id="sweep-toggles",
                    info="all combinations; from five on, half of them, which still keeps effects and pairs apart",
                )  # fmt: skip
                unchecked(toggles)
            with gr.Row():
                seeds = gr.Number(
                    3, minimum=1, precision=0, label="Seeds", info="5 tell more than 3",
                    elem_id="sweep-seeds", min_width=100,
                )  # fmt: skip
                images = gr.Textbox(
                    "", label="Images", info="for each run", placeholder="as on Train", max_length=9,
                    elem_id="sweep-images", min_width=100,
                )  # fmt: skip
                epochs = gr.Textbox(
                    "", label="Epochs", info="for each run", placeholder="as on Train", max_length=9,
                    elem_id="sweep-epochs", min_width=100,
                )  # fmt: skip
            prune = gr.Checkbox(
                False, label="Stop early what cannot win", container=False, elem_id="sweep-prune",
                info="successive halving: at a ninth and a third of its epochs only the best third goes on",
            )  # fmt: skip
            price = gr.HTML("", elem_id="sweep-price")
            with gr.Row():
                start = gr.Button("Start the sweep", variant="primary", elem_id="sweep-start")
                stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="sweep-stop")
            notice = gr.HTML("", elem_id="sweep-notice")
            command = gr.Textbox(
                "", label="The same on the command line", buttons=["copy"], interactive=False, lines=1, max_lines=4,
                elem_id="sweep-command",
            )  # fmt: skip
        with gr.Column(scale=1, min_width=340, elem_id="sweep-stage"):
            with gr.Row():
                group = gr.Dropdown(
                    [], value=None, label="Sweep", info="those of before go on where they were", elem_id="sweep-group",
                    filterable=False, min_width=200,
                )  # fmt: skip
                metric = gr.Dropdown(
                    [(m.title, key) for key, m in METRICS_OF_A_SWEEP.items()], value="test_accuracy", label="Show",
                    info="by this number", elem_id="sweep-metric", filterable=False, min_width=150,
                )  # fmt: skip
                target = gr.Number(
                    60, minimum=1, maximum=100, label="Target (%)", info="validation accuracy", elem_id="sweep-target",
                    min_width=90, visible=False,
                )  # fmt: skip
            unchecked(group)
            shown = gr.HTML("", js_on_load=PRESS, elem_id="sweep-page", min_height=320, apply_default_css=False)
    plan_inputs: list[Any] = [kind, toggles, seeds, images, epochs, *(c for row in rows for c in row)]
    base_inputs = train.controls.components()
    everything = [*plan_inputs, *base_inputs]

    def base_of(values: Sequence[Any]) -> RunConfig:
        """What the Train tab says. Raises `ConfigError`."""
        return RunConfig.parse(train.controls.config_values(values[len(plan_inputs) :]))

    def asked_for(base: RunConfig, values: Sequence[Any]) -> tuple[list[RunConfig], str]:
        """The configs, and the same on the command line. Raises `ConfigError`."""
        kind, toggles, seeds, images, epochs, *told = values[: len(plan_inputs)]
        base = base.override({k: v for k, v in (("train_size", images), ("epochs", epochs)) if v})
        n = _whole(seeds)
        words = ["python -m reglab sweep", *base.command().split()[4:], f"--seeds {n}"]
        if kind == FACTORIAL:
            if not toggles:
                raise ConfigError("Choose the techniques to switch on and off: at least two make a factorial.")
            return sweep.factorial(base, toggles, n), " ".join([*words, f"--factorial {','.join(toggles)}"])
        texts = [f"{name}={values}" for name, values in zip(told[::2], told[1::2], strict=True) if name]
        if not texts:
            raise ConfigError("Choose a setting and the values it should take, or one of the questions above.")
        return sweep.plan(base, [sweep.axis(t) for t in texts], n), " ".join(
            [*words, *(f"--over {t.replace(' ', '')}" for t in texts)]
        )

    def tell(*values: Any) -> tuple[str, str, str]:
        """What would be swept, what it costs, and its command; or why it cannot be."""
        try:
            base = base_of(values)
            line = f"<p>From the Train tab: {html.escape(base.title())} · {html.escape(base.recipe())}.</p>"
        except PROBLEMS as error:
            return warning(str(error)), "", ""
        try:
            configs, command = asked_for(base, values)
            told = sweep.price(configs, lab.stores.own, sweep.name_of(configs))
        except PROBLEMS as error:
            return line, f'<p class="price">{html.escape(str(error))}</p>', ""
        whole = f"{len(configs)} runs in all; " if told.runs != len(configs) else ""
        return line, f'<p class="price">{whole}{html.escape(str(told))}</p>', command

    gr.on(
        [c.change for c in plan_inputs], tell, everything, [base_line, price, command],
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    kind.change(
        lambda k: (gr.update(visible=k != FACTORIAL), gr.update(visible=k == FACTORIAL)),
        kind, [grid_part, factorial_part], **QUIET,
    )  # fmt: skip
    for name, values in rows:
        name.input(lambda n: sweep.usual_values(n) if n in sweep.names() else "", name, values, **QUIET)

    base_boxes = [train.controls.by_name[name] for name in ("optimizer", "lr")]

    def ask(question: Question) -> list[Any]:
        """The axes of a question, its number, and what else it needs."""
        pairs = [text.split("=") for text in question.over] + [["", ""]] * (AXES - len(question.over))
        changes = RunConfig().override(question.changes) if question.changes else None
        boxes = [getattr(changes, n) if changes else gr.skip() for n in ("optimizer", "lr")]
        said = f"<p>{html.escape(question.title)}: {html.escape(question.about)}</p>"
        return [GRID, *(v for pair in pairs for v in pair), question.metric, said, *boxes]

    for question, button in asked:
        button.click(
            partial(ask, question), None, [kind, *(c for row in rows for c in row), metric, about, *base_boxes], **QUIET
        )

    def look(name: Any, by: Any, aim: Any, before: Any) -> list[Any]:
        """What there is of this sweep, where that is new: stamp, page, stop button, clock."""
        told = lab.results.in_sweep(name) if isinstance(name, str) and name else []
        if not told:
            return ["", warning(NOTHING), gr.update(interactive=False), gr.update(active=False)]
        live = any(s["status"] in ("running", "queued") for s in told)
        now = stamp_of(name, by, aim, [(s["run"], s["status"], s.get("epoch") if by in UNTIL else None) for s in told])
        if now == before:
            return [gr.skip(), gr.skip(), gr.skip(), gr.update(active=live)]
        try:
            by = by if by in METRICS_OF_A_SWEEP else "test_accuracy"
            drawn = sweeping.page(lab.results.grid(told, by, (aim or 0) / 100), by, told)
        except PROBLEMS as error:
            drawn = warning(str(error))
        return [now, drawn, gr.update(interactive=live), gr.update(active=live)]

    looked = [stamp, shown, stop, clock]

    def begin(visitor: Any, assignment: Assignment | None, prune: bool, by: Any, aim: Any, *values: Any) -> list[Any]:
        try:
            configs, _ = asked_for(base_of(values), values)
            if assignment is not None:
                assignment.check_all(configs)
            name = sweep.name_of(configs)
            experiment = sweep._of(configs, name).model_copy(update={"prune": bool(prune)})
            lab.training.start(experiment, name_of(visitor))
        except PROBLEMS as error:
            return [warning(str(error)), gr.skip(), gr.skip(), *[gr.skip() for _ in looked]]
        return ["", gr.update(choices=lab.results.sweeps(), value=name), {"group": name}, *look(name, by, aim, None)]

    start.click(
        begin, [train.visitor, train.assignment, prune, metric, target, *everything], [notice, group, mine, *looked],
        trigger_mode="once", **QUIET,
    )  # fmt: skip

    def halt(name: Any, by: Any, aim: Any) -> list[Any]:
        if isinstance(name, str) and name:
            lab.training.stop_group(name)
        return look(name, by, aim, None)

    stop.click(halt, [group, metric, target], looked, trigger_mode="once", **QUIET)
    clock.tick(look, [group, metric, target, stamp], looked, trigger_mode="once", **QUIET)
    gr.on(
        [group.change, metric.change, target.change],
        look, [group, metric, target, stamp], looked, trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    group.input(lambda name: {"group": name}, group, mine, **QUIET)
    metric.change(lambda by: gr.update(visible=by in UNTIL), metric, target, **QUIET)

    def open_cell(visitor: Any, event: gr.EventData) -> list[Any]:
        """Put the runs of a cell on the Train tab."""
        told = str((event._data or {}).get("runs", "")).split()[:5]
        runs = lab.results.open(told)
        if not runs:
            return [gr.skip() for _ in (*train.shown, tabs)]
        return [*train.follow(runs, visitor), gr.update(selected="train")]

    shown.select(open_cell, train.visitor, [*train.shown, tabs], trigger_mode="multiple", **PRIVATE)

    def refresh(kept: Any, name: Any, by: Any, aim: Any, *values: Any) -> list[Any]:
        """The choices anew; what was shown stays, and after a reload it is the sweep that this browser looked at last."""
        choices = lab.results.sweeps()
        known = [key for _, key in choices]
        remembered = kept.get("group") if isinstance(kept, dict) else None
        name = next((n for n in (name, remembered, *known) if n in known), None)
        return [gr.update(choices=choices, value=name), *tell(*values), *look(name, by, aim, None)]

    inputs = [mine, group, metric, target, *everything]
    return refresh, inputs, [group, base_line, price, command, *looked]


def called(name: str) -> str:
    """A setting as one would look for it in a list."""
    return f"{assignments.called(name)}: on and off" if name in CATALOGUE else assignments.called(name)


def _whole(number: Any) -> int:
    try:
        return int(number)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError("The number of seeds must be a whole number: 3 is a good one to begin with.") from None
