"""A number to type, with a slider where there are bounds for one; those of the Train tab stand in its panel.

In Gradio's own fields a decimal comma vanishes, a slider takes back what lies beyond it, and an empty field is 0 in one and
None in another.

Its value is the text as it was typed, and nothing at all means what is usual, which the empty field shows. Whoever gets it reads
it by `reglab/config/numbers.py`. `gr.update(locked=True)` locks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from reglab.config import typed


def number(
    label: str,
    elem_id: str,
    value: Any = None,
    *,
    hint: str = "",
    usual: Any = None,
    slider: Sequence[float] = (),
    log: bool = False,
    whole: bool = False,
    **kwargs: Any,
) -> gr.HTML:
    """The field. `usual` is what it means while it is empty, and `slider` its ends and step; `log` spreads it by ratios."""
    return gr.HTML(
        text_of(value),
        html_template="",  # number.js builds it
        js_on_load="reglabNumber(element, props, trigger, watch)",
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="number-field",
        id=elem_id,
        called=label,
        hint=hint,
        usual=text_of(usual),
        slider=list(slider),
        log=log,
        whole=whole,
        locked=False,
        **kwargs,
    )


def text_of(value: Any) -> str:
    """A number as the field shows it; nothing for None."""
    return "" if value is None else typed(value)
