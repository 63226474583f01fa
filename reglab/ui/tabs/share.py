"""The Share tab beside the curves: a link to the set-up, the lesson sheet, and assignments; and what a page shows that
was opened by the link of one."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import ValidationError

from reglab.config import RunConfig
from reglab.teaching import sheet
from reglab.teaching.assignments import CONTROLS, PREDICTABLE, TASK, Assignment, called
from reglab.teaching.links import Beside, encode
from reglab.ui.components.controls import Controls, unchecked
from reglab.ui.components.visitor import ids_of, tries_of, warning
from reglab.ui.services.lab import PROBLEMS, Lab

LINK = (
    '<div class="link"><input type="text" readonly aria-label="{name}" spellcheck="false">'
    '<button type="button" class="lg secondary">Copy link</button></div><output aria-live="polite"></output>'
)
LINK_JS = (Path(__file__).parent.parent / "static" / "link.js").read_text("utf-8")
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
ACCESS = [("open", "open"), ("locked", "locked"), ("hidden", "hidden")]
PREDICT = [("nothing", ""), *((title, key) for key, title in PREDICTABLE.items())]


def link_box(name: str, elem_id: str, value: Any = None) -> gr.HTML:
    """A link to read and to copy. Its value is `{"text": ...}`, or `{"error": ...}` where there is none."""
    return gr.HTML(
        value,
        html_template=LINK.replace("{name}", name),
        js_on_load=LINK_JS,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="reglab-link",
    )


# ---- a page that was opened by the link of an assignment ---------------------------------------------------------
class Assigned:
    """The assignment a page was opened with, above its controls; nothing where there is none."""

    def __init__(self) -> None:
        self.state = gr.State(None)  # the Assignment, or None; the server's, so that no page can soften it
        with gr.Column(visible=False, elem_id="assignment") as self.panel:
            self.task = gr.HTML("", elem_id="task", apply_default_css=False)
            with gr.Row(visible=False) as self.asks:
                self.predicted = unchecked(
                    gr.Number(None, label="Your prediction", elem_id="prediction", min_width=120, scale=1)
                )
                self.why = gr.Textbox(
                    label="Why?", info="in a line", max_length=300, lines=1, elem_id="why", min_width=120, scale=1
                )
        self.answers = [self.predicted, self.why]
        # What else is shown only under some assignments.
        self.around: list[tuple[Any, Callable[[Assignment], bool]]] = []

    @property
    def shown(self) -> list[Any]:
        around = [component for component, _ in self.around]
        return [self.state, self.panel, self.task, self.asks, *self.answers, *around]

    def filled(self, assignment: Assignment | None, visitor: Any, notice: str = "") -> list[Any]:
        """Updates for `shown`; the prediction that was made last is put back. A notice is all that a bad link gets."""
        if assignment is None:
            said = [None, gr.update(visible=bool(notice)), warning(notice)]
            return [*said, *[gr.skip() for _ in self.shown[len(said) :]]]
        asked = assignment.predict
        last = next((t["prediction"] for t in reversed(tries_under(assignment, visitor)) if t["prediction"]), None)
        return [
            assignment,
            gr.update(visible=True),
            task_html(assignment) + warning(notice),
            gr.update(visible=bool(asked)),
            gr.update(
                info=f"{PREDICTABLE.get(asked, '')}, in {'points' if asked == 'gap' else 'percent'}",
                value=round(last.value * 100, 6) if last else None,
            ),
            last.reason if last else "",
            *[gr.update(visible=is_shown(assignment)) for _, is_shown in self.around],
        ]


def tries_under(assignment: Assignment, visitor: Any) -> list[dict[str, Any]]:
    """What this visitor has started under the assignment, with the predictions as values again."""
    tries = [t for t in tries_of(visitor) if t["link"] == encode(assignment)]
    return [{**t, "prediction": prediction_of(t)} for t in tries]


def prediction_of(one: dict[str, Any]) -> sheet.Prediction | None:
    try:
        return sheet.Prediction.model_validate(one["prediction"])
    except ValidationError:  # none, or what a browser's memory made of it
        return None


def admitted(assignment: Assignment | None, config: RunConfig, visitor: Any, percent: Any, why: Any) -> dict[str, Any]:
    """What to remember of a run that is about to be started. Raises `ConfigError` where the assignment forbids it."""
    if assignment is None:
        return {}
    assignment.check(config, runs=len(tries_under(assignment, visitor)))
    prediction = sheet.predicted(assignment.predict, percent, why) if assignment.predict else None
    return {"link": encode(assignment), "prediction": prediction.model_dump() if prediction else None}


def held(assignment: Assignment | None, names: Sequence[str], values: Sequence[Any]) -> list[Any]:
    """New values for controls; those that an assignment locks or hides stay as they are."""
    if assignment is None:
        return list(values)
    return [v if assignment.access(n) == "open" else gr.skip() for n, v in zip(names, values, strict=True)]


def dressed(assignment: Assignment, controls: Controls) -> list[Any]:
    """Updates for all controls: their values, and which of them are locked or hidden."""
    access = [assignment.access(name) for name in controls.by_name]
    values = zip(access, controls.filled(assignment.config), strict=True)
    return [gr.update(value=v, interactive=a == "open", visible=a != "hidden") for a, v in values]


def left_out(config: RunConfig, controls: Controls) -> str:
    """A sentence on what a link says and this page has no control for."""
    said = [
        called(name)[:1].lower() + called(name)[1:]
        for name, info in RunConfig.model_fields.items()
        if name != "regularizers" and name not in controls.by_name and getattr(config, name) != info.default
    ]
    if not said:
        return ""
    return f"This page has no control for the {' and the '.join(said)} in the link: it leaves that as usual."


def task_html(assignment: Assignment) -> str:
    """The task, what may be changed, and the budget; what the teacher wrote stays text."""
    budget = [
        f"{most:,} {what if most > 1 else what[:-1]}"
        for most, what in (
            (assignment.max_epochs, "epochs"),
            (assignment.max_images, "training images"),
            (assignment.max_runs, "runs"),
        )
        if most is not None
    ]
    told = [
        rules(assignment),
        f"At most {', '.join(budget)}." if budget else "",
        "To hand in: Share, Lesson sheet.",
    ]
    task = f'<p class="task">{html.escape(assignment.task)}</p>' if assignment.task else ""
    return f"<h4>Assignment</h4>{task}<p>{html.escape(' '.join(filter(None, told)))}</p>"


def rules(assignment: Assignment) -> str:
    """What may be changed, in a sentence."""
    named = {"open": assignment.open, "locked": assignment.locked, "hidden": assignment.hidden}
    lists = {access: ", ".join(map(called, names)) for access, names in named.items()}
    if assignment.rest != "open":
        return f"You may change: {lists['open'] or 'nothing'}."
    fixed = ", ".join(filter(None, (lists["locked"], lists["hidden"])))
    return f"You may change everything but: {fixed}." if fixed else "You may change everything."


# ---- the tab -----------------------------------------------------------------------------------------------------
def share_tab(
    lab: Lab, controls: Controls, beside: Sequence[Any], visitor: gr.BrowserState, first: RunConfig
) -> gr.HTML:
    """`beside` are the switches of the comparison. Returns the box of the link, for whoever tells what the controls say."""
    with gr.Column(elem_id="share"):
        gr.HTML("<h4>A link to this set-up</h4><p>Opens the lab with the controls as they stand now.</p>")
        link = link_box("Link to this set-up", "link", {"text": encode(first), "address": True})
        with gr.Accordion("Lesson sheet", open=False, elem_id="sheet"):
            gr.HTML(
                "<p>One file to hand in: the set-up, your prediction, what came of it, and which run it was."
                " <code>python -m reglab check FILE</code> checks it.</p>"
            )
            with gr.Row():
                name = gr.Textbox(label="Your name", max_length=60, lines=1, elem_id="pupil", scale=2)
                download = gr.Button("Download lesson sheet", elem_id="download-sheet", min_width=180)
                # Filled first and pressed by the page, as in the Runs tab.
                file = gr.DownloadButton("File", visible="hidden", elem_id="sheet-file")
            sheet_notice = gr.HTML("", elem_id="sheet-notice")
        with gr.Accordion("Make an assignment", open=False, elem_id="make-assignment"):
            gr.HTML(
                "<p>A link for a class: the controls as they stand now, a task, and what may be changed. It keeps a lesson"
                " on its way; whoever opens the lab without it is free of it.</p>"
            )
            values = _form(controls)
            make = gr.Button("Make the link", elem_id="make-link")
            made = link_box("Link of the assignment", "assignment-link")

    def do_download(visitor: Any, name: str) -> tuple[Any, str]:
        tries = {str(t["run"]): (t["link"], prediction_of(t)) for t in tries_of(visitor)}
        try:
            return str(lab.sheet_file(ids_of(visitor), tries, name)), ""
        except PROBLEMS as error:
            return None, warning(str(error))

    press = "file => file && setTimeout(() => document.querySelector('#sheet-file').click(), 100)"
    private = {**PRIVATE, "queue": True}
    download.click(do_download, [visitor, name], [file, sheet_notice], **private).success(None, file, js=press)

    def do_make(compare: bool, scratch: bool, *given: Any) -> dict[str, str]:
        told = dict(zip(values, given[: len(values)], strict=True))
        told = {key: value for key, value in told.items() if value not in (None, "", [])}
        try:
            config = RunConfig.parse(controls.config_values(given[len(values) :]))
            assignment = Assignment.parse({**told, "config": config})
        except PROBLEMS as error:
            return {"error": str(error)}
        said = f"{config.title()}, {config.recipe()}, {config.epochs} epochs. {rules(assignment)}"
        return {"text": encode(assignment, Beside(compare, scratch)), "said": said}

    make.click(do_make, [*beside, *values.values(), *controls.components()], made, **PRIVATE)
    return link


def _form(controls: Controls) -> dict[str, Any]:
    """What to say of an assignment besides its set-up, by the name of the field."""
    choices = [(called(name), name) for name in CONTROLS if name in controls.by_name]

    def some(label: str, elem_id: str, info: str) -> Any:
        made = gr.Dropdown(choices, value=[], multiselect=True, label=label, info=info, elem_id=elem_id, min_width=200)
        return unchecked(made)

    def most(label: str, elem_id: str) -> Any:
        # No gr.Number, which shows 0 where there is none.
        return gr.Textbox(label=label, placeholder="no limit", max_length=6, lines=1, elem_id=elem_id, min_width=100)

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
        epochs, images = most("Most epochs", "assignment-epochs"), most("Most training images", "assignment-images")
        runs = most("Most runs", "assignment-runs")
    return {
        "task": task,
        "rest": unchecked(rest),
        "open": opened,
        "locked": locked,
        "hidden": hidden,
        "predict": unchecked(predict),
        "max_epochs": epochs,
        "max_images": images,
        "max_runs": runs,
    }
