"""A picture that a visitor gives, and pictures to try. In Gradio's own box an upload that is none stays as a broken icon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from reglab import compat
from reglab.ui.components.drawings import drawing, without_code
from reglab.ui.views.answers import examples_html
from reglab.ui.views.assets import called

IN_SIGHT = "answers"
"""The script for what shows the answer to a picture: where the page is narrow, a new one brings it into sight."""
ELSEWHERE = "The picture must be one that was uploaded here: upload it first."


def picture_box(elem_id: str) -> gr.HTML:
    """A handler gets the path of what was uploaded, or None. The events are `change` and, for another listener, `replaced`."""
    made = drawing(
        elem_id,
        None,
        html_template=without_code("picture.html", id=elem_id),
        js_on_load=called("picture"),
    )
    return from_uploads(made)


def examples_box(elem_id: str, examples: Sequence[tuple[Any, str]] = ()) -> gr.HTML:
    """Pictures with their classes, as `examples_html` draws them; a press gives one to the picture box of the page."""
    return drawing(elem_id, examples_html(examples), js_on_load=called("examples"))


def from_uploads(component: Any) -> Any:
    """The component, taking nothing but what was uploaded here."""
    made = compat.gradio.takes_uploads(component, lambda: gr.Error(ELSEWHERE, print_exception=False))
    return made
