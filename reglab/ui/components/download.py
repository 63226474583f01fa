"""A file that is made when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.ui.components.events import PRIVATE, refusal, told


class Download:
    """Hands out what a function makes.

    A DownloadButton hands out what it held when it was clicked, so a hidden one is filled first and then clicked by the
    page.
    """

    def __init__(self, elem_id: str) -> None:
        self.file = gr.DownloadButton("File", visible="hidden", elem_id=elem_id)
        self._press = f"file => file && setTimeout(() => document.querySelector('#{elem_id}').click(), 100)"

    def when(self, asked: Sequence[Any], make: Callable[..., Path], inputs: Sequence[Any]) -> None:
        """`make` gets what a button has told with one of these events, and the values of the inputs, and returns the file.

        What it cannot do comes up as a sentence.
        """

        def made(event: gr.EventData, *values: Any) -> str:
            try:
                return str(make(told(event), *values))
            except PROBLEMS as error:
                raise refusal(error) from None

        self.press(gr.on(asked, made, list(inputs), self.file, **PRIVATE))

    def press(self, filled: Any) -> None:
        """Click it after this event, where that has put a file in."""
        filled.success(None, self.file, js=self._press)
