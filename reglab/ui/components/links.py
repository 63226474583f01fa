"""A box with a link to read and to copy."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.ui.views.assets import called

LINK = (
    '<div class="link"><input type="text" readonly aria-label="{name}" spellcheck="false">'
    '<button type="button" class="reglab-button">Copy link</button></div><output aria-live="polite"></output>'
)


def link_box(name: str, elem_id: str, value: Any = None, **kwargs: Any) -> gr.HTML:
    """Its value is `{"text": ...}`, or `{"error": ...}` where there is no link."""
    return gr.HTML(
        value,
        html_template=LINK.replace("{name}", name),
        js_on_load=called("link"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="reglab-link",
        **kwargs,
    )
