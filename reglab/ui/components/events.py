"""How the page's own events are sent: as no endpoint of other programs, and without dimming what they change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import gradio as gr
from markupsafe import escape

from reglab import compat
from reglab.config import on_screen

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
QUIET: dict[str, Any] = {**PRIVATE, "queue": False}  # answered at once, whatever waits in the queue


def told(event: gr.EventData) -> dict[str, Any]:
    """What a piece of the page's own JavaScript has sent along with its event."""
    return compat.gradio.told(event)


def skipped(components: Sequence[Any]) -> list[Any]:
    """Leave all of these as they are."""
    return [gr.skip() for _ in components]


def dealt(values: Sequence[Any], hands: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """The values of each of these lists of components, of which an event brings all in a row."""
    at = 0
    for hand in hands:
        yield values[at : at + len(hand)]
        at += len(hand)


def refusal(error: Exception, title: str = "Error") -> gr.Error:
    """A sentence that comes up over the page, which takes it for HTML; for what has no place of its own to say it in."""
    return gr.Error(str(escape(on_screen(error))), title=title, print_exception=False)
