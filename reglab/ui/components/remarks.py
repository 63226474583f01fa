"""What is said beside controls while one sets them: why one is refused, what an empty number field means, what a value does.

One component of the page tells all of them (`static/remarks.js`), so that a change of a setting sends a few words instead of an
update for every control. Its value is `{id of a control: {...}}` with `error`, and for number fields `note`, `usual`, `slider`
and `log` in place of what they were made with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from reglab.config import on_screen
from reglab.errors import ConfigError
from reglab.ui.views.assets import called

Remarks = dict[str, dict[str, Any]]


def remarks_box(value: Remarks) -> gr.HTML:
    """Shows nothing where it stands."""
    return gr.HTML(
        value,
        html_template="<i hidden></i>",
        js_on_load=called("remarks"),
        apply_default_css=False,
        elem_classes="remarks",
    )


def refusals(error: Exception, ids: Mapping[str, str]) -> Remarks:
    """The error beside the controls that it is about; `ids` are those of the page by the names of their settings."""
    fields = error.fields if isinstance(error, ConfigError) else ()
    return {ids[name]: {"error": on_screen(error)} for name in fields if name in ids}
