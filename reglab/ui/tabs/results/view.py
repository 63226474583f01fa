"""What every view of the Results tab has besides its own handlers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import gradio as gr

from reglab.runs.run import Run
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab


class View(Protocol):
    """Shows the runs that are chosen in the list, when it is open or opened."""

    title: ClassVar[str]
    key: ClassVar[str]
    """What an address turns to it by."""
    changes: Sequence[Any] = ()
    """The events upon which it is shown anew."""
    inputs: Sequence[Any] = ()
    """What it reads besides the runs."""
    outputs: Sequence[Any]
    """What it fills."""
    slow: Sequence[Any] = ()
    """What of that may take seconds, so that it is seen to be under way."""

    def __init__(self, lab: Lab, page: Page, chosen: gr.HTML) -> None:
        """Lays it out; `chosen` is the list of runs."""

    def show(self, runs: Sequence[Run], *values: Any) -> list[Any]:
        """Updates for `outputs`."""
