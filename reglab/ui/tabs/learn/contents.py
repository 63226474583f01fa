"""The list of the Learn tab: lessons and techniques, those of the course first."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.regularizers import CATALOGUE, GROUPS
from reglab.teaching.cards import words_of
from reglab.teaching.lessons import LESSONS, Lesson
from reglab.teaching.presets import COURSE
from reglab.ui.components.entries import Entry, entry_list


def _grouped() -> dict[str, list[Entry]]:
    lessons = [Entry(f"lesson:{k}", one.title, f"{one.title} lesson experiment".lower()) for k, one in LESSONS.items()]
    cards = {key: Entry(key, t.title, words_of(key)) for key, t in CATALOGUE.items()}
    course = {"The three of the course": [cards[key] for key in COURSE], "Lessons": lessons}
    rest = {group: [cards[k] for k, t in CATALOGUE.items() if t.group == group and k not in COURSE] for group in GROUPS}
    return course | {group: entries for group, entries in rest.items() if entries}


ENTRIES: dict[str, Entry] = {entry.key: entry for entries in _grouped().values() for entry in entries}
FIRST = f"lesson:{next(iter(LESSONS))}"


def contents() -> gr.HTML:
    """Its value is the entry whose page is open; `select` tells which one was chosen."""
    return entry_list("contents", "Lessons and techniques", _grouped(), search=True, address="entry")


def entry_of(entry: Any) -> str:
    """What is on the screen, `dropout` or `lesson:dropout`; the first lesson to begin with, or for what is no entry."""
    return entry if isinstance(entry, str) and entry in ENTRIES else FIRST


def lesson_of(entry: Any) -> Lesson:
    """The lesson that is open; the first while a card is."""
    group, _, key = entry_of(entry).partition(":")
    return LESSONS[key] if group == "lesson" else next(iter(LESSONS.values()))
