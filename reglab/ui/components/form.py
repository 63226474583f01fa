"""A form of our own: one component, one value, whatever number of fields. Gradio takes a component for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from reglab.config import typed
from reglab.ui.components.drawings import drawing, without_code
from reglab.ui.views.assets import called


def form(
    elem_id: str, template: str, value: Mapping[str, Any], *, script: str = "", render: bool = True, **given: Any
) -> gr.HTML:
    """The form that a template draws with the macros of `fields.html`; `given` is what the template needs.

    `script` is one in `static/` for what only this form does.

    Its value is `{name of a field: text, true or false, or a list}`, as it was typed. `gr.update(said={...})` puts words where the
    template marks places for them, `gr.update(options={field: [[title, value], ...]})` changes lists. The events: `input` and
    `change`, `submit`, and `select` with the `data-` attributes of a button that was pressed.
    """
    return drawing(
        elem_id,
        dict(value),
        html_template=without_code(template, **given),
        js_on_load=called(*filter(None, ("form", "copy", script))),
        said={},
        options={},
        render=render,
    )


def typed_in(value: Any) -> dict[str, Any]:
    """What the page says of a form: an object, or the JSON of one. It may be anything; what is neither says nothing."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """A number as a field shows it; nothing for None, which an empty field means."""
    return "" if value is None else typed(value)
