"""Gradio: its idle queue, what an event of a page tells, and components that hand values over in their own way.

Methods are set on instances, because Gradio writes a .pyi file beside the source of every subclass of a component.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def let_idle_queue_sleep(page: Any) -> None:
    """An idle queue looks for work every millisecond, which takes 6 to 8 % of a core from whoever trains.

    `Blocks._queue` with its two pauses in seconds, Gradio 6.31.0. A version without them keeps its own.
    """
    for name, seconds in (("sleep_when_free", 0.02), ("progress_update_sleep_when_free", 0.05)):
        if hasattr(page._queue, name):
            setattr(page._queue, name, seconds)


def told(event: Any) -> dict[str, Any]:
    """What the page's JavaScript gave along with an event; empty for nothing. `EventData._data`, Gradio 6.31.0."""
    data = event._data
    return data if isinstance(data, dict) else {}


def takes(component: Any, function: Callable[[Any], Any]) -> Any:
    """The component, making what a handler gets out of the page's value by `function`. `preprocess`, Gradio 6.31.0."""
    component.preprocess = function
    return component


def shows(component: Any, function: Callable[[Any], Any]) -> Any:
    """The component, making what the page gets out of a handler's value by `function`. `postprocess`, Gradio 6.31.0."""
    component.postprocess = function
    return component
