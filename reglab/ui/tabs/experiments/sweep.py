"""The sweep view: the set-up of the Train tab over several values and seeds, drawn while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import gradio as gr

from reglab.config import RunConfig, on_screen
from reglab.config.numbers import read
from reglab.errors import PROBLEMS, ConfigError
from reglab.experiments import axes
from reglab.experiments.grid import METRICS_OF_A_SWEEP, UNTIL
from reglab.regularizers import CATALOGUE, GROUPS
from reglab.runs.view import LIVE, RESUMABLE
from reglab.teaching.assignments import Assignment
from reglab.teaching.presets import QUESTIONS, Question
from reglab.ui.components.drawings import pressable
from reglab.ui.components.events import PRIVATE, QUIET, skipped, told
from reglab.ui.components.form import form, typed_in
from reglab.ui.components.settings import all_settings
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.services.plan import SEEDS, SweepPlan
from reglab.ui.views import sweep as drawn

TARGET = 60  # percent of validation accuracy, where nobody says
FIELDS = {"seeds": "seeds", "train_size": "images", "epochs": "epochs"}  # setting -> where it is typed
AXES = 3  # that can be chosen here; the command line takes any number
TICK = 1.0  # seconds between looks at the runs' folders
GRID, FACTORIAL = "grid", "factorial"
EMPTY = {
    "kind": GRID, "techniques": [], "seeds": "", "images": "", "epochs": "", "prune": False,
    **{f"{part}-{i}": "" for i in range(AXES) for part in ("axis", "values")},
}  # fmt: skip
NOTHING = "Choose a question or settings of your own, and start the sweep: it is drawn here from its first run on."
# Where the page is one column, what was started is brought into sight.
IN_SIGHT = """() => matchMedia('(max-width: 899px)').matches && document.querySelector('#sweep-plan .warning[hidden]')
  && document.querySelector('#sweep-stage').scrollIntoView()"""


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
            self.plan = form(
                "sweep-plan", "sweep_plan.html", EMPTY, axes=AXES, seeds=SEEDS, groups=settings_by_group(),
                techniques=techniques_by_group(), questions=[(q, filled_by(q)) for q in QUESTIONS],
            )  # fmt: skip
            with gr.Column(scale=1, min_width=0, elem_id="sweep-stage"):
                shows = [(m.title.capitalize(), key) for key, m in METRICS_OF_A_SWEEP.items()]
                self.which = form(
                    "sweep-look", "sweep_look.html", {"group": "", "metric": "test_accuracy", "target": ""},
                    metrics=shows, until="|".join(UNTIL), target=TARGET,
                )  # fmt: skip
                self.shown = pressable("sweep-page")
        self.looked = [self.stamp, self.shown, self.clock]
        self._wire()
        self.on_select: Listener = (
            self.refresh,
            [self.mine, self.which, self.plan, *page.controls.components()],
            [self.which, self.plan, *self.looked],
        )

    def _wire(self) -> None:
        controls, visitor = self.page.controls.components(), self.page.visitor
        self.plan.change(self.tell, [self.plan, *controls], self.plan, trigger_mode="always_last", **QUIET)
        self.plan.select(self.ask, [self.which, *controls], [self.which, *controls], **QUIET)
        begun = self.plan.submit(
            self.begin, [self.page.assignment, self.which, self.plan, *controls],
            [self.plan, self.which, self.mine, *self.looked], trigger_mode="once", **QUIET,
        )  # fmt: skip
        begun.then(None, js=IN_SIGHT)
        look = [self.which, self.stamp]
        self.which.change(self.look, look, self.looked, trigger_mode="always_last", **QUIET)
        self.which.input(lambda which: {"group": typed_in(which).get("group")}, self.which, self.mine, **QUIET)
        self.clock.tick(self.look, look, self.looked, trigger_mode="once", **QUIET)
        self.shown.select(
            self.press, [self.which, visitor], [*self.looked, *self.page.opening], trigger_mode="multiple", **PRIVATE
        )

    # ---- what is to be varied
    def _asked(self, plan: Any, controls: Sequence[Any]) -> tuple[RunConfig, SweepPlan]:
        """What the Train tab says, and what is varied of it. Raises `ConfigError`."""
        base = RunConfig.parse(self.page.controls.config_values(controls))
        typed = EMPTY | typed_in(plan)
        pairs = tuple((str(typed[f"axis-{i}"] or ""), str(typed[f"values-{i}"] or "")) for i in range(AXES))
        techniques = [str(key) for key in typed["techniques"]] if isinstance(typed["techniques"], list) else ()
        seeds, images, epochs = (typed[name] for name in ("seeds", "images", "epochs"))
        is_factorial, prune = typed["kind"] == FACTORIAL, bool(typed["prune"])
        return base, SweepPlan(is_factorial, techniques, seeds, images, epochs, pairs, prune)

    def said(self, plan: Any, controls: Sequence[Any]) -> dict[str, Any]:
        """What would be swept, what it costs, and its command; or why it cannot be."""
        try:
            base, asked = self._asked(plan, controls)
        except PROBLEMS as error:
            return {"notice": on_screen(error)}
        words = {"base": f"As set up on the Train tab: {base.title()}, {base.recipe()}.", "about": about(asked)}
        try:
            experiment = asked.experiment(base)
            left, command = self.lab.results.price(experiment), asked.command(base)
        except PROBLEMS as error:
            names = error.fields if isinstance(error, ConfigError) else ()
            refused = {FIELDS[name]: on_screen(error) for name in names if name in FIELDS}
            return words | {"price": on_screen(error), "refused": refused}
        runs = len(experiment.configs)
        whole = f"{runs} runs in all; " if left.runs != runs else ""
        return words | {"price": f"{whole}{left}", "command": command}

    def tell(self, plan: Any, *controls: Any) -> Any:
        """Something was changed: what it means now."""
        return gr.update(said=self.said(plan, controls))

    def ask(self, event: gr.EventData, which: Any, *controls: Any) -> list[Any]:
        """A question was pressed, which has filled the plan: its number, and what else it needs of the Train tab."""
        question = next((q for q in QUESTIONS if q.title == told(event).get("question")), None)
        if question is None:
            return skipped([self.which, *controls])
        looked = typed_in(which) | {"metric": question.metric}
        if not question.changes:
            return [looked, *skipped(controls)]
        try:
            changed = RunConfig.parse(self.page.controls.config_values(controls)).override(question.changes)
        except PROBLEMS:  # what the Train tab says cannot be; that is said there
            return [looked, *skipped(controls)]
        return [looked, *self.page.controls.filled(changed)]

    def begin(self, assignment: Assignment | None, which: Any, plan: Any, *controls: Any) -> list[Any]:
        """Start was pressed."""
        try:
            base, asked = self._asked(plan, controls)
            experiment = asked.experiment(base)
            if assignment is not None:
                assignment.check_all(experiment.configs)
            self.lab.training.start(experiment)
        except PROBLEMS as error:
            notice = self.said(plan, controls) | {"notice": on_screen(error)}
            return [gr.update(said=notice), *skipped([self.which, self.mine, *self.looked])]
        looked = typed_in(which) | {"group": experiment.group}
        return [
            gr.update(said=self.said(plan, controls)),
            gr.update(value=looked, options={"group": self.lab.results.sweeps()}),
            {"group": experiment.group},
            *self.look(looked, None),
        ]

    # ---- a sweep
    def look(self, which: Any, before: Any, problem: str = "") -> list[Any]:
        """What there is of this sweep, where that is new: stamp, page, clock."""
        group, by, aim = (typed_in(which).get(name) for name in ("group", "metric", "target"))
        runs = self.lab.results.in_sweep(group) if isinstance(group, str) and group else []
        if not runs:
            return ["", drawn.nothing(NOTHING), gr.update(active=False)]
        by = by if isinstance(by, str) and by in METRICS_OF_A_SWEEP else "test_accuracy"
        live = any(s["status"] in LIVE for s in runs)
        counts = [(s["run"], s["status"], s.get("epoch") if by in UNTIL else None) for s in runs]
        now = stamp_of(group, by, aim, counts)
        if now == before:
            return [gr.skip(), gr.skip(), gr.update(active=live)]
        try:
            aim = read(aim, "The target")
            grid = self.lab.results.grid(runs, by, (TARGET if aim is None else aim) / 100)
            page = drawn.page(grid, by, runs, self._can(runs), problem)
        except PROBLEMS as error:
            page = warning(error)
        return [now, page, gr.update(active=live)]

    def _can(self, runs: Sequence[dict[str, Any]]) -> Literal["", "stop", "resume"]:
        """What whoever looks may do with these runs."""
        if not all(map(self.lab.runs.may_change, self.lab.results.open([runs[0]["run"]]))):
            return ""
        statuses = {s["status"] for s in runs}
        return "stop" if statuses & {*LIVE} else "resume" if statuses & {*RESUMABLE} else ""

    def press(self, which: Any, visitor: Any, event: gr.EventData) -> list[Any]:
        """Stop, Resume, or a cell, whose runs come to the Train tab."""
        data = told(event)
        if do := data.get("do"):
            return [*self.do(which, str(do)), *self.page.unopened()]
        runs = self.lab.results.open(str(data.get("runs", "")).split()[:5])
        return [*skipped(self.looked), *(self.page.opened(runs, visitor) if runs else self.page.unopened())]

    def do(self, which: Any, what: str) -> list[Any]:
        """Stop the sweep, or go on with it where it was stopped."""
        group, problem = typed_in(which).get("group"), ""
        if isinstance(group, str) and group:
            try:
                (self.lab.training.stop_group if what == "stop" else self.lab.training.resume_group)(group)
            except PROBLEMS as error:
                problem = on_screen(error)
        return self.look(which, None, problem)

    def refresh(self, kept: Any, which: Any, plan: Any, *controls: Any) -> list[Any]:
        """The choices anew; what was shown stays, and after a reload it is the sweep that this browser looked at last."""
        choices = self.lab.results.sweeps()
        known = [key for _, key in choices]
        asked = (typed_in(which).get("group"), typed_in(kept).get("group"), *known)
        group = next((name for name in asked if name in known), "")
        looked = typed_in(which) | {"group": group}
        which_one = gr.update(value=looked, options={"group": choices or [("none yet", "")]})
        return [which_one, self.tell(plan, *controls), *self.look(looked, None)]


# ---- what can be chosen ------------------------------------------------------------------------------------------
def filled_by(question: Question) -> dict[str, str]:
    """The fields of the plan that a question fills."""
    pairs = [text.split("=") for text in question.over] + [["", ""]] * (AXES - len(question.over))
    axes_of = {
        f"{part}-{i}": text for i, pair in enumerate(pairs) for part, text in zip(("axis", "values"), pair, strict=True)
    }
    return {"kind": GRID, **axes_of}


def about(plan: SweepPlan) -> str:
    """The question that this plan asks, if it is one of those above."""
    over = tuple(f"{name}={values}" for name, values in plan.axes if name)
    found = next((q for q in QUESTIONS if not plan.is_factorial and q.over == over), None)
    return found.about[:1].upper() + found.about[1:] if found else ""


def settings_by_group() -> dict[str, list[tuple[str, str, str]]]:
    """Group -> (what it is called, name, its usual values) of each setting that can be varied."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for title, name in all_settings():
        technique = CATALOGUE.get(name.partition(".")[0])
        found.setdefault(technique.group if technique else "Run", []).append((title, name, axes.usual_values(name)))
    return found


def techniques_by_group() -> dict[str, list[tuple[str, str]]]:
    """Group -> (key, title) of its techniques."""
    found = {group: [(key, t.title) for key, t in CATALOGUE.items() if t.group == group] for group in GROUPS}
    return {group: each for group, each in found.items() if each}
