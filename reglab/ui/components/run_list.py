"""The list of runs of the Results tab: searched, sorted and chosen from in the page, without asking the server.

The page gets text with a JSON object (`static/run_list.js` says which) and sends back text with `chosen`, the ids of the runs
that are chosen, and `followed`, which it only keeps. The event `input` says that others are chosen; `select` brings along what
is to be `do`ne: `group` (with its name), `restore` (with the id of a run), `empty`, `greet`.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from reglab.ui.components.drawings import without_code
from reglab.ui.views.assets import called


def run_list(*, has_host: bool, kept: str, **kwargs: Any) -> gr.HTML:
    """`has_host`: whether there is a host's key to type; `kept`: a word on whether runs last, as HTML."""
    return gr.HTML(
        "{}",
        html_template=without_code("run_list.html", has_host=has_host, kept=kept.strip()),
        js_on_load=called("run_list"),
        apply_default_css=False,
        **kwargs,
    )


def shown(**told: Any) -> str:
    """The value for the page."""
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
