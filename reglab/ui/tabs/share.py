"""The Share view beside the curves: a link to the set-up, the lesson sheet, and assignments for a class."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.config import RunConfig, on_screen
from reglab.config.numbers import read
from reglab.errors import PROBLEMS
from reglab.teaching.assignments import CONTROLS, PREDICTABLE, TASK, Assignment, called
from reglab.teaching.links import Beside, encode
from reglab.ui.components.assigned import prediction_of, rules
from reglab.ui.components.download import Download
from reglab.ui.components.events import PRIVATE, QUIET
from reglab.ui.components.form import form, typed_in
from reglab.ui.components.links import link_box
from reglab.ui.components.visitor import ids_of, tries_of
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.views.templates import render

ACCESS = ("open", "locked", "hidden")
MOST = {"max_epochs": "Most epochs", "max_images": "Most training images", "max_runs": "Most runs"}
PREDICT = [("nothing", ""), *((title, key) for key, title in PREDICTABLE.items())]
EMPTY = {"task": "", "rest": "open", "exceptions": "", "predict": "gap", **dict.fromkeys(MOST, "")}


class ShareTab:
    """Three things to take along, each about the controls of the Train tab as they stand. It is laid out where it is made."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page
        gr.HTML(
            render(
                "lead.html",
                heading="A link to this set-up",
                text="Opens the lab with the controls as they stand now.",
            )
        )
        page.link.render()
        self.sheet = form("sheet-form", "sheet_form.html", {"pupil": ""})
        self.download = Download("sheet-file")
        self.rules = form(
            "assignment-form", "assignment_form.html", EMPTY, script="exceptions", task=TASK, most=MOST, predict=PREDICT,
            accesses=[(access, access) for access in ACCESS], controls=[(called(name), name) for name in CONTROLS],
        )  # fmt: skip
        self.made = link_box("Link of the assignment", "assignment-link")
        self._wire()

    def _wire(self) -> None:
        page = self.page
        asked = self.sheet.submit(
            self.hand_out, [page.visitor, self.sheet], [self.download.file, self.sheet], **PRIVATE
        )
        self.download.press(asked)
        self.rules.submit(self.assign, [*page.beside, self.rules, *page.controls.components()], self.made, **QUIET)

    # ---- what happens
    def hand_out(self, visitor: Any, typed: Any) -> tuple[str | None, Any]:
        """The lesson sheet of the run on the screen as a file, or why there is none."""
        tries = {str(t["run"]): (t["link"], prediction_of(t)) for t in tries_of(visitor)}
        pupil = str(typed_in(typed).get("pupil") or "")
        try:
            return str(self.lab.files.sheet(self.lab.results.open(ids_of(visitor)), tries, pupil)), gr.update(said={})
        except PROBLEMS as error:
            return None, gr.update(said={"notice": on_screen(error)})

    def assign(self, compare: bool, scratch: bool, typed: Any, *controls: Any) -> dict[str, str]:
        """The link of an assignment and what it allows, or why it cannot be."""
        rule = EMPTY | typed_in(typed)
        told = {name: rule[name] for name in ("task", "rest", "predict")} | exceptions(rule["exceptions"])
        try:
            told |= {key: read(rule[key], label, whole=True) for key, label in MOST.items()}
            told = {key: value for key, value in told.items() if value not in (None, "", [])}
            config = RunConfig.parse(self.page.controls.config_values(controls))
            assignment = Assignment.parse({**told, "config": config})
        except PROBLEMS as error:
            return {"error": on_screen(error)}
        said = f"{config.title()}, {config.recipe()}, {config.epochs} epochs. {rules(assignment)}"
        return {"text": encode(assignment, Beside(compare, scratch)), "said": said}


def exceptions(text: Any) -> dict[str, list[str]]:
    """Access -> the controls that have it, out of the JSON in which the page tells of them; what makes no sense is nothing."""
    listed = typed_in(text).items()
    return {access: [str(name) for name, is_so in listed if is_so == access] for access in ACCESS}
