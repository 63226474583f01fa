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


class Listeners:
    """Those of the same events that each want what is newest: they are called one after the other, as they were added.

    Of a change that comes while a listener is busy, `always_last` has Gradio's page send the event once more, and to every
    listener of it. Two that are busy in turn would so wake each other for ever. `dispatch` in `Blocks-*.js`, Gradio 6.31.0.
    """

    def __init__(self, *events: Any) -> None:
        self.events, self.last = list(events), None

    def add(self, handler: Any, inputs: Any, outputs: Any, **how: Any) -> None:
        """Call this one as well, after those that are there."""
        how = {"trigger_mode": "always_last", **how}
        if self.last is None:
            self.last = gr.on(self.events, handler, inputs, outputs, **how)
        else:
            self.last = self.last.then(handler, inputs, outputs, **how)


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
