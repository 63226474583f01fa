"""A form of our own: one component, one value, whatever number of fields. Gradio takes a component for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from reglab.ui.components.drawings import COPY, drawing, without_code

FORM = (Path(__file__).parent.parent / "static" / "form.js").read_text("utf-8")


def form(elem_id: str, template: str, value: Mapping[str, Any], *, said: Any = None, **given: Any) -> gr.HTML:
    """The form that a template draws with the macros of `fields.html`; `given` is what the template needs.

    Its value is `{name of a field: text, true or false, or a list}`, as it was typed. `gr.update(said={...})` puts words where the
    template marks places for them, `gr.update(options={field: [[title, value], ...]})` changes lists. The events: `input` and
    `change`, `submit`, and `select` with the `data-` attributes of a button that was pressed.
    """
    return drawing(
        elem_id,
        dict(value),
        html_template=without_code(template, **given),
        js_on_load=FORM + COPY,
        said=said or {},
        options={},
    )


def typed_in(value: Any) -> dict[str, Any]:
    """What the page says of a form, which may be anything."""
    return value if isinstance(value, dict) else {}
