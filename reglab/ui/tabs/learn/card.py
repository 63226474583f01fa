"""The page of one technique: what it does, when it helps, what was measured, and how it is written elsewhere."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.errors import PROBLEMS, ConfigError
from reglab.teaching import cards
from reglab.teaching.cards import Card
from reglab.teaching.sizes import preset
from reglab.ui.components.drawings import drawing
from reglab.ui.components.events import QUIET, skipped
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.learn.contents import entry_of
from reglab.ui.views.effects import effects_html

FORMULAS: list[dict[str, str | bool]] = [{"left": "$$", "right": "$$", "display": True}]
HEADINGS = {"see": "What you will see", "helps": "When it helps", "not_helps": "When it does not"}


class CardPage:
    """A part that a card has nothing for is left out."""

    def __init__(self, lab: Lab, page: Page, opened: gr.HTML) -> None:
        """`opened` holds the key of the card."""
        self.lab, self.page = lab, page
        head = gr.Markdown(latex_delimiters=FORMULAS, elem_id="card-head")
        self.try_it = gr.Button("Try it on the Train tab", variant="primary", scale=0, elem_id="try-it")
        self.notice = gr.HTML("", elem_id="card-notice")
        sections = gr.Markdown(elem_id="card-sections")
        measured = drawing("card-measured")
        codes = gr.Markdown(elem_id="card-codes")
        more = gr.Markdown(elem_id="card-more")
        self.shown = [head, sections, measured, codes, more, self.try_it, self.notice]
        self.tried = [*page.controls.components(), page.tabs, self.notice]
        self.try_it.click(self.set_up, opened, self.tried, **QUIET)

    def set_up(self, entry: Any) -> list[Any]:
        """The Train tab with this technique alone switched on."""
        try:
            config = cards.alone(entry_of(entry), preset(self.lab.datasets.first()))
        except PROBLEMS as error:
            return [*skipped(self.tried[:-1]), warning(error)]
        return [*self.page.controls.filled(config), gr.update(selected="train"), ""]

    def filled(self, key: str) -> list[Any]:
        """Updates for `shown`."""
        card = cards.card(key)
        head, sections, codes, more = parts_of(card)
        parts = [head, sections, effects_html(card.measured), codes, more]
        try:
            cards.alone(key, preset(self.lab.datasets.first()))
        except ConfigError as error:
            return [*parts, gr.update(interactive=False), warning(error)]
        return [*parts, gr.update(interactive=True), ""]


def parts_of(card: Card) -> list[str]:
    """The card in Markdown but for what was measured: its head, when it helps, the same elsewhere, and the rest."""
    codes = card.codes()
    notes = "\n\n".join([*card.notes, f"**Paper**: {cards.linked(card.paper)}" if card.paper else ""])
    formula = f"\n\n$$ {card.formula} $$" if card.formula else ""
    return [
        f"## {card.title}\n\n{card.idea}{formula}",
        _joined(*(_headed(HEADINGS[part], getattr(card, part)) for part in cards.SECTIONS)),
        _joined(*(_headed(f"In {name}", f"{cards.fenced(codes[name])}\n{cards.GIVEN[name]}") for name in codes)),
        _joined(
            _headed("Settings", card.settings_markdown()),
            _headed("Together with others", card.interactions_markdown()),
            _headed("Notes", notes.strip()),
        ),
    ]


def _headed(heading: str, text: str) -> str:
    return f"### {heading}\n\n{text}" if text else ""


def _joined(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))
