"""The templates of the page: `render("sweep.html", ...)` fills one of `reglab/ui/templates/`; every value is escaped.

Views prepare values and the templates write the HTML; `macros.html` has the parts that several of them use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reglab.templates import environment
from reglab.ui.views.numbers import count, fixed, percent, points, sure

FOLDER = Path(__file__).parent.parent / "templates"
TEMPLATES = environment(FOLDER, {"count": count, "fixed": fixed, "percent": percent, "points": points, "sure": sure})


def render(template: str, /, **values: Any) -> str:
    """The template, filled. Raises `jinja2.UndefinedError` where it names a value that is not among these."""
    return TEMPLATES.get_template(template).render(values)
