"""The list of the Learn tab: lessons and techniques, searched and chosen from without asking the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from reglab.regularizers import CATALOGUE, GROUPS
from reglab.teaching.cards import words_of
from reglab.teaching.lessons import LESSONS, Lesson
from reglab.ui.views.templates import render

CHOOSE = (Path(__file__).parents[2] / "static" / "contents.js").read_text("utf-8")
# Gradio takes a template for a JavaScript string in which `${...}` is code.
NO_CODE = str.maketrans({character: f"&#{ord(character)};" for character in "`$\\{"})


class Entry(NamedTuple):
    """A page that can be opened, as it stands in the list."""

    key: str  # of a technique, or `lesson:` and that of a lesson
    group: str
    title: str
    words: str  # all that it is found by


def _entry(key: str, group: str, title: str, more: str) -> Entry:
    return Entry(key, group, title, f"{title} {more} {group}".lower())


ENTRIES: dict[str, Entry] = {
    entry.key: entry
    for entry in (
        *(_entry(f"lesson:{key}", "Lessons", lesson.title, "lesson experiment") for key, lesson in LESSONS.items()),
        *(_entry(key, t.group, t.title, words_of(key)) for key, t in CATALOGUE.items()),
    )
}


def contents() -> gr.HTML:
    """Its value is the entry whose page is open; `select` tells which one was clicked."""
    by_group = {group: [e for e in ENTRIES.values() if e.group == group] for group in ("Lessons", *GROUPS)}
    groups = [{"title": group, "entries": entries} for group, entries in by_group.items() if entries]
    return gr.HTML(
        next(iter(ENTRIES)),
        html_template=render("contents.html", groups=groups).translate(NO_CODE),
        js_on_load=CHOOSE,
        apply_default_css=False,
    )


def entry_of(entry: Any) -> str:
    """What is on the screen, `dropout` or `lesson:dropout`; the first lesson to begin with, or for what is no entry."""
    return entry if isinstance(entry, str) and entry in ENTRIES else next(iter(ENTRIES))


def first_lesson() -> Lesson:
    """The one that is open at first."""
    return next(iter(LESSONS.values()))


def lesson_of(entry: Any) -> Lesson:
    """The lesson that is open; the first while a card is."""
    group, _, key = entry_of(entry).partition(":")
    return LESSONS[key] if group == "lesson" else first_lesson()
