"""The Learn tab: the list of lessons and techniques, and beside it the page of the one that is open."""

from __future__ import annotations

from typing import Any, ClassVar

import gradio as gr

from reglab import compat
from reglab.regularizers import CATALOGUE
from reglab.ui.components.events import QUIET, skipped, told
from reglab.ui.components.form import typed_in
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.learn.card import CardPage
from reglab.ui.tabs.learn.contents import ENTRIES, contents, entry_of
from reglab.ui.tabs.learn.lesson import LessonPage


class LearnTab:
    """A card or a lesson is open; after a reload, the one that this browser had open."""

    title: ClassVar = "Learn"
    key: ClassVar = "learn"

    def __init__(self, lab: Lab, page: Page) -> None:
        # The secret only has to be the same after a restart; predictions are no secret. Each is written by one event alone:
        # two that are under way together would undo each other.
        self.memory = gr.BrowserState({}, storage_key="reglab-learn", secret="reglab")
        self.remembered = gr.BrowserState("", storage_key="reglab-learn-entry", secret="reglab")
        with gr.Row(equal_height=False, elem_id="learn"):
            self.contents = contents()
            with gr.Column(scale=1, min_width=0, elem_id="learn-page"):
                with gr.Column(visible=False, elem_id="card") as self.card_page:
                    self.card = CardPage(lab, page, self.contents)
                with gr.Column(elem_id="lesson") as self.lesson_page:
                    self.lesson = LessonPage(lab, self.contents, self.memory)
        self.shown = [self.contents, self.card_page, self.lesson_page, *self.card.shown, *self.lesson.shown]
        # Every click counts, also one before the page of the last is here ("always_last" would send that again).
        self.contents.select(self.choose, self.memory, [self.remembered, *self.shown], trigger_mode="multiple", **QUIET)
        # What was not answered yet is put back from the browser's memory, before the page that has it is shown.
        self.on_select: Listener = (self.refresh, [self.remembered, self.memory, self.lesson.form], self.shown)

    def show(self, entry: str, memory: Any) -> list[Any]:
        """The page of an entry of the list."""
        on_card = entry in CATALOGUE
        pages = [entry, gr.update(visible=on_card), gr.update(visible=not on_card)]
        if on_card:
            return [*pages, *self.card.filled(entry), *self.lesson.left()]
        return [*pages, *skipped(self.card.shown), *self.lesson.filled(entry, memory)]

    def choose(self, memory: Any, event: gr.EventData) -> list[Any]:
        """The entry that was clicked."""
        entry = entry_of(told(event).get("entry"))
        return [entry, *self.show(entry, memory)]

    def refresh(self, remembered: Any, memory: Any, answers: Any) -> list[Any]:
        """What the address says, else what this browser had open."""
        updates = self.show(entry_of(asked() or remembered), memory)
        if not typed_in(answers):
            place = self.shown.index(self.lesson.form)
            updates[place] = {**updates[place], "value": self.lesson.remembered(memory)}
        return updates


def asked() -> str:
    """The entry that stands in the address of the page; nothing where none does."""
    request = compat.gradio.request()
    entry = request.query_params.get("entry", "") if request else ""
    return entry if entry in ENTRIES else ""
