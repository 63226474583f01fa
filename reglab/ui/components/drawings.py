"""Pieces of the page that a view has drawn, and those of them whose buttons can be pressed."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.ui.views.assets import called
from reglab.ui.views.templates import render

# Gradio takes a template for a JavaScript string in which `${...}` is code.
NO_CODE = str.maketrans({character: f"&#{ord(character)};" for character in "`$\\{"})


def without_code(template: str, **values: Any) -> str:
    """A template of ours, filled, for `html_template`: nothing in it is a program to Gradio."""
    return render(template, **values).translate(NO_CODE)


def drawing(elem_id: str, value: Any = "", **kwargs: Any) -> gr.HTML:
    """What a view has drawn, as it is; keyword arguments are those of `gr.HTML`. Drawn anew, it is as its reader left it."""
    kwargs.setdefault("js_on_load", called("redrawn"))
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, **kwargs)


def pressable(elem_id: str, value: str = "", *scripts: str, **kwargs: Any) -> gr.HTML:
    """The same, and its buttons can be pressed: the event `select` brings a button's `data-` attributes along.

    `scripts` are those in `static/` for what only this one does.
    """
    return drawing(elem_id, value, js_on_load=called("press", "redrawn", *scripts), **kwargs)
