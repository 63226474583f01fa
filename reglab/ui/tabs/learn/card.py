"""The page of one technique: what it does, when it helps, what was measured, and how it is written elsewhere."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.errors import PROBLEMS, ConfigError
from reglab.teaching import cards
from reglab.teaching.cards import Card
from reglab.ui.components.controls import preset
from reglab.ui.components.events import QUIET, skipped
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.learn.contents import entry_of

FORMULAS: list[dict[str, str | bool]] = [{"left": "$$", "right": "$$", "display": True}]
HEADINGS = {"see": "What you will see", "helps": "When it helps", "not_helps": "When it does not"}


class CardPage:
    """A part that a card has nothing for is left out."""

    def __init__(self, lab: Lab, page: Page, opened_entry: gr.BrowserState) -> None:
        self.lab, self.page = lab, page
        with gr.Row(elem_classes="head"):
            head = gr.Markdown(elem_classes="title", elem_id="card-title")
            self.try_it = gr.Button("Try it", variant="primary", scale=0, min_width=110, elem_id="try-it")
        self.notice = gr.HTML("", elem_id="card-notice")
        formula = gr.Markdown(latex_delimiters=FORMULAS, elem_id="formula")
        with gr.Row(elem_classes="sections"):
            sections = [gr.Markdown(elem_id=f"card-{part}") for part in cards.SECTIONS]
        measured = gr.Markdown(elem_id="card-measured")
        settings = gr.Markdown(elem_id="card-settings")
        with gr.Row(elem_classes="codes"):
            codes = [gr.Markdown(elem_id=f"card-{name.lower()}") for name in ("PyTorch", "Keras")]
        interactions = gr.Markdown(elem_id="card-interactions")
        notes = gr.Markdown(elem_id="card-notes")
        self.shown = [
            *(head, formula, *sections, measured, settings, *codes, interactions, notes),
            *(self.try_it, self.notice),
        ]
        self.tried = [*page.controls.components(), page.tabs, self.notice]
        self.try_it.click(self.set_up, opened_entry, self.tried, **QUIET)

    def set_up(self, entry: Any) -> list[Any]:
        """The Train tab with this technique alone switched on."""
        try:
            config = cards.alone(entry_of(entry), preset(self.lab.datasets.first()))
        except PROBLEMS as error:
            return [*skipped(self.tried[:-1]), warning(error)]
        return [*self.page.controls.filled(config), gr.update(selected="train"), ""]

    def filled(self, key: str) -> list[Any]:
        """Updates for `shown`."""
        parts = [gr.update(value=text, visible=bool(text)) for text in parts_of(cards.card(key))]
        try:
            cards.alone(key, preset(self.lab.datasets.first()))
        except ConfigError as error:
            return [*parts, gr.update(interactive=False), warning(error)]
        return [*parts, gr.update(interactive=True), ""]


def parts_of(card: Card) -> list[str]:
    """The card in Markdown, piece by piece, in the order of the page."""
    codes = card.codes()
    notes = "\n\n".join([*card.notes, f"**Paper**: {cards.linked(card.paper)}" if card.paper else ""])
    return [
        f"## {card.title}\n\n{card.idea}",
        f"$$ {card.formula} $$" if card.formula else "",
        *(_headed(HEADINGS[part], getattr(card, part)) for part in cards.SECTIONS),
        _headed("Measured here", card.measured_markdown()),
        _headed("Settings", card.settings_markdown()),
        *(
            _headed(f"In {name}", f"{cards.fenced(codes[name])}\n{told}" if name in codes else "")
            for name, told in cards.GIVEN.items()
        ),
        _headed("Together with others", card.interactions_markdown()),
        _headed("Notes", notes.strip()),
    ]


def _headed(heading: str, text: str) -> str:
    return f"#### {heading}\n\n{text}" if text else ""
