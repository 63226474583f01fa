"""A file that is made when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.ui.components.events import PRIVATE, refusal


class Download:
    """Hands out what a function makes.

    A DownloadButton hands out what it held when it was clicked, so a hidden one is filled first and then clicked by the
    page.
    """

    def __init__(self, elem_id: str) -> None:
        self.file = gr.DownloadButton("File", visible="hidden", elem_id=elem_id)
        self._press = f"() => setTimeout(() => document.querySelector('#{elem_id}').click(), 100)"

    def when_clicked(
        self, button: gr.Button, make: Callable[..., Path], inputs: Sequence[Any], notice: gr.HTML | None = None
    ) -> None:
        """`make` gets the values of the inputs and returns the file; what it cannot do comes up as a sentence.

        With the file, an older notice goes.
        """

        def made(*values: Any) -> Any:
            try:
                path = str(make(*values))
            except PROBLEMS as error:
                raise refusal(error) from None
            return (path, "") if notice else path

        outputs = [self.file, notice] if notice else [self.file]
        button.click(made, list(inputs), outputs, **PRIVATE).success(None, js=self._press)
