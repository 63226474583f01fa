"""The Share tab beside the curves: a link to the set-up, the lesson sheet, and assignments for a class."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.config import RunConfig, on_screen
from reglab.config.numbers import read
from reglab.errors import PROBLEMS
from reglab.teaching.assignments import CONTROLS, PREDICTABLE, TASK, Assignment, called
from reglab.teaching.links import Beside, encode
from reglab.ui.components.assigned import prediction_of, rules
from reglab.ui.components.controls import Controls, unchecked
from reglab.ui.components.events import PRIVATE, QUIET
from reglab.ui.components.links import link_box
from reglab.ui.components.number import number
from reglab.ui.components.visitor import ids_of, tries_of, warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab

ACCESS = [("open", "open"), ("locked", "locked"), ("hidden", "hidden")]
MOST = {"max_epochs": "Most epochs", "max_images": "Most training images", "max_runs": "Most runs"}
PREDICT = [("nothing", ""), *((title, key) for key, title in PREDICTABLE.items())]
# Filled first and pressed by the page, as on the Results tab.
PRESS = "file => file && setTimeout(() => document.querySelector('#sheet-file').click(), 100)"


class ShareTab:
    """Three things to take along, each about the controls of the Train tab as they stand."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page
        with gr.Column(elem_id="share"):
            gr.HTML("<h4>A link to this set-up</h4><p>Opens the lab with the controls as they stand now.</p>")
            page.link.render()
            with gr.Accordion("Lesson sheet", open=False, elem_id="sheet"):
                self._lay_out_sheet()
            with gr.Accordion("Make an assignment", open=False, elem_id="make-assignment"):
                gr.HTML(
                    "<p>A link for a class: the controls as they stand now, a task, and what may be changed. It keeps a lesson"
                    " on its way; whoever opens the lab without it is free of it.</p>"
                )
                self.rules = _lay_out_rules(page.controls)
                self.make = gr.Button("Make the link", elem_id="make-link")
                self.made = link_box("Link of the assignment", "assignment-link")
        self._wire()

    def _lay_out_sheet(self) -> None:
        gr.HTML(
            "<p>One file to hand in: the set-up, your prediction, what came of it, and which run it was."
            " <code>python -m reglab check FILE</code> checks it.</p>"
        )
        with gr.Row():
            self.pupil = gr.Textbox(label="Your name", max_length=60, lines=1, elem_id="pupil", scale=2)
            self.download = gr.Button("Download lesson sheet", elem_id="download-sheet", min_width=180)
            self.file = gr.DownloadButton("File", visible="hidden", elem_id="sheet-file")
        self.notice = gr.HTML("", elem_id="sheet-notice")

    def _wire(self) -> None:
        page = self.page
        asked = self.download.click(self.hand_out, [page.visitor, self.pupil], [self.file, self.notice], **PRIVATE)
        asked.success(None, self.file, js=PRESS)
        self.make.click(
            self.assign,
            [*page.beside, *self.rules.values(), *page.controls.components()],
            self.made,
            **QUIET,
        )

    # ---- what happens
    def hand_out(self, visitor: Any, pupil: str) -> tuple[str | None, str]:
        """The lesson sheet of the run on the screen as a file, or why there is none."""
        tries = {str(t["run"]): (t["link"], prediction_of(t)) for t in tries_of(visitor)}
        try:
            return str(self.lab.files.sheet(self.lab.results.open(ids_of(visitor)), tries, pupil)), ""
        except PROBLEMS as error:
            return None, warning(error)

    def assign(self, compare: bool, scratch: bool, *given: Any) -> dict[str, str]:
        """The link of an assignment and what it allows, or why it cannot be; `given` are the rules, then the controls."""
        rule_values, control_values = given[: len(self.rules)], given[len(self.rules) :]
        told = dict(zip(self.rules, rule_values, strict=True))
        try:
            told |= {key: read(told[key], label, whole=True) for key, label in MOST.items()}
            told = {key: value for key, value in told.items() if value not in (None, "", [])}
            config = RunConfig.parse(self.page.controls.config_values(control_values))
            assignment = Assignment.parse({**told, "config": config})
        except PROBLEMS as error:
            return {"error": on_screen(error)}
        said = f"{config.title()}, {config.recipe()}, {config.epochs} epochs. {rules(assignment)}"
        return {"text": encode(assignment, Beside(compare, scratch)), "said": said}


def _lay_out_rules(controls: Controls) -> dict[str, Any]:
    """What to say of an assignment besides its set-up, by the name of the field."""
    choices = [(called(name), name) for name in CONTROLS if name in controls.by_name]

    def some(label: str, elem_id: str, info: str) -> Any:
        made = gr.Dropdown(choices, value=[], multiselect=True, label=label, info=info, elem_id=elem_id, min_width=200)
        return unchecked(made)

    def most(key: str) -> Any:
        return number(MOST[key], key.replace("max_", "assignment-"), usual="no limit", whole=True)

    task = gr.Textbox(label="Task", lines=2, max_lines=6, max_length=TASK, elem_id="assignment-task")
    with gr.Row():
        rest = gr.Dropdown(
            ACCESS, value="open", label="Every control is", filterable=False, elem_id="assignment-rest", min_width=120
        )
        opened = some("but these are open", "assignment-open", "a technique with all its settings")
        locked = some("these are locked", "assignment-locked", "shown, but not to be changed")
        hidden = some("these are hidden", "assignment-hidden", "neither shown nor to be changed")
    with gr.Row():
        predict = gr.Dropdown(
            PREDICT, value="gap", label="To predict", filterable=False, elem_id="assignment-predict", min_width=200
        )
        budget = {key: most(key) for key in MOST}
    return {
        "task": task,
        "rest": unchecked(rest),
        "open": opened,
        "locked": locked,
        "hidden": hidden,
        "predict": unchecked(predict),
        **budget,
    }
