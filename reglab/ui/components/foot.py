"""The bar at the foot of a narrow page, in which Train and Stop stay in reach, and where the page goes after they are pressed."""

from __future__ import annotations

import gradio as gr

from reglab.ui.views.assets import called

JUMP = '<button type="button" class="reglab-button">Set-up</button>'
AFTER_TRAIN = "() => window.reglabBar.afterTrain()"
AFTER_NEXT = "() => window.reglabBar.afterNext()"


def jump() -> gr.HTML:
    """What leads from the curves to the set-up and back; its script does what is done after Train and what to try next."""
    return gr.HTML(html_template=JUMP, js_on_load=called("jump"), apply_default_css=False, elem_id="jump")
