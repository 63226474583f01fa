"""What a page shows that was opened by the link of an assignment, and what it may then do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from pydantic import ValidationError

from reglab.config import RunConfig
from reglab.config.numbers import read
from reglab.numbers import counted
from reglab.runs.run import Run
from reglab.teaching import sheet
from reglab.teaching.assignments import PREDICTABLE, Assignment, called
from reglab.teaching.links import encode
from reglab.ui.components.controls import Controls
from reglab.ui.components.form import form, text_of, typed_in
from reglab.ui.components.visitor import tries_of

NOTHING = {"predicted": "", "why": ""}  # is answered


class Assigned:
    """The assignment a page was opened with, nothing where there is none; the Train tab puts it above its controls."""

    def __init__(self, state: gr.State) -> None:
        self.state = state  # the Assignment, or None
        self.form = form("assignment", "assigned_form.html", NOTHING, render=False)

    @property
    def shown(self) -> list[Any]:
        """What an assignment changes, besides the controls."""
        return [self.state, self.form]

    def filled(self, assignment: Assignment | None, visitor: Any, notice: str = "") -> list[Any]:
        """Updates for `shown`; the prediction that was made last is put back. A notice is all that a bad link gets."""
        if assignment is None:
            return [None, gr.update(said={"notice": notice}) if notice else gr.skip()]
        asked = assignment.predict
        last = next((t["prediction"] for t in reversed(tries_under(assignment, visitor)) if t["prediction"]), None)
        of = f"{PREDICTABLE.get(asked, '')}, in {'points' if asked == 'gap' else 'percent'}"
        said = {"notice": notice, "given": "yes", "task": assignment.task, "rules": told_rules(assignment), "of": of}
        said["asked"] = "yes" if asked else ""
        before = {"predicted": text_of(round(last.value * 100, 6)), "why": last.reason} if last else NOTHING
        return [assignment, gr.update(said=said, value=before)]


def tries_under(assignment: Assignment, visitor: Any) -> list[dict[str, Any]]:
    """What this visitor has started under the assignment, with the predictions as values again."""
    tries = [t for t in tries_of(visitor) if t["link"] == encode(assignment)]
    return [{**t, "prediction": prediction_of(t)} for t in tries]


def prediction_of(one: dict[str, Any]) -> sheet.Prediction | None:
    """The prediction beside a try, as the browser remembers it; None where there is none."""
    try:
        return sheet.Prediction.model_validate(one["prediction"])
    except ValidationError:  # none, or what a browser's memory made of it
        return None


def admitted(assignment: Assignment | None, config: RunConfig, visitor: Any, answers: Any) -> dict[str, Any]:
    """What to remember of a run that is about to be started. Raises `ConfigError` where the assignment forbids it."""
    if assignment is None:
        return {}
    assignment.check(config, runs=len(tries_under(assignment, visitor)))
    prediction = None
    if assignment.predict:
        typed = NOTHING | typed_in(answers)
        prediction = sheet.predicted(assignment.predict, read(typed["predicted"], "Your prediction"), typed["why"])
    return {"link": encode(assignment), "prediction": prediction.model_dump() if prediction else None}


def with_try(visitor: Any, run: Run, kept: Mapping[str, Any]) -> Any:
    """What the browser remembers, once this run was started; `kept` is what `admitted` said of it."""
    return {"tries": [*tries_of(visitor), {"run": run.id, **kept}]} if kept else visitor


def held(assignment: Assignment | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """New values for controls, without those that an assignment locks or hides."""
    return {name: v for name, v in values.items() if assignment is None or assignment.access(name) == "open"}


def dressed(assignment: Assignment, controls: Controls) -> list[Any]:
    """The assignment's own set-up for the controls, and which of them are locked or hidden."""
    access = {name: assignment.access(name) for name in controls.names}
    return controls.filled(assignment.config, access={name: a for name, a in access.items() if a != "open"})


def left_out(config: RunConfig, controls: Controls) -> str:
    """A sentence on what a link says and this page has no control for."""
    said = [
        called(name)[:1].lower() + called(name)[1:]
        for name, info in RunConfig.model_fields.items()
        if name != "regularizers" and name not in controls.names and getattr(config, name) != info.default
    ]
    if not said:
        return ""
    return f"This page has no control for the {' and the '.join(said)} in the link: it leaves that as usual."


def told_rules(assignment: Assignment) -> str:
    """What may be changed, and the budget."""
    most = {"epoch": assignment.max_epochs, "training image": assignment.max_images, "run": assignment.max_runs}
    budget = ", ".join(counted(n, what) for what, n in most.items() if n is not None)
    return f"{rules(assignment)}{f' At most {budget}.' if budget else ''} To hand in: Share, Lesson sheet."


def rules(assignment: Assignment) -> str:
    """What may be changed, in a sentence."""
    named = {"open": assignment.open, "locked": assignment.locked, "hidden": assignment.hidden}
    lists = {access: ", ".join(map(called, names)) for access, names in named.items()}
    if assignment.rest != "open":
        return f"You may change: {lists['open'] or 'nothing'}."
    fixed = ", ".join(filter(None, (lists["locked"], lists["hidden"])))
    return f"You may change everything but: {fixed}." if fixed else "You may change everything."
