"""HTML from templates: jinja2, set up in one place so that what people typed is always text.

Every value is escaped, a value that nobody gave is an error, and each template is compiled once. White space between two
tags shows on the page, so the layout of a template must not reach it; `Layout` says what a line break stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension


def environment(folder: Path, filters: Mapping[str, Callable[..., Any]] | None = None) -> Environment:
    """The templates of a folder, with filters of its own beside those of jinja2."""
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=[Layout],
        auto_reload=False,  # the folder does not change while we run, so it is not looked at again
        cache_size=-1,
    )
    made.filters.update(filters or {})
    return made


class Layout(Extension):
    """A line break, with the indentation after it, is nothing beside a tag or a statement, and one space between words."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Lines of the template without their indentation, which is for who reads the template."""
        page = ""
        for line in filter(None, map(str.strip, source.splitlines())):
            page += line if _are_apart(page, line) else f" {line}"
        return page


def _are_apart(before: str, after: str) -> bool:
    """Whether no space belongs between the two: one is a tag, a statement or a comment, or both are values."""
    return (
        not before
        or before.endswith((">", "%}", "#}"))
        or after.startswith(("<", "{%", "{#"))
        or (before.endswith("}}") and after.startswith("{{"))
    )
