"""The templates of the page: `render("sweep.html", ...)` fills one of `reglab/ui/templates/`; every value is escaped.

Views prepare values and the templates write the HTML; `macros.html` has the parts that several of them use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reglab.numbers import between, count, counted, fixed, number, percent, points, sure
from reglab.templates import environment
from reglab.ui.views.terms import explained

FOLDER = Path(__file__).parent.parent / "templates"
FILTERS = (between, count, counted, explained, fixed, number, percent, points, sure)
TEMPLATES = environment(FOLDER, {write.__name__: write for write in FILTERS})


def render(template: str, /, **values: Any) -> str:
    """The template, filled. Raises `jinja2.UndefinedError` where it names a value that is not among these."""
    return TEMPLATES.get_template(template).render(values)
