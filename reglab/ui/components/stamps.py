"""What a page shows, in a few characters, so that a look that finds nothing new sends nothing.

The page itself keeps the stamp, beside what it shows, and sends it back with the next look. `gr.State` would not do: that
stays on the server, and of two answers that overtake each other on their way the server would take the wrong one for shown.
"""

from __future__ import annotations

import hashlib
from typing import Any

import gradio as gr


def stamp_box() -> gr.HTML:
    """The page's own note of what it shows. Around a text box Gradio would put a form."""
    return gr.HTML("", visible=False)


def stamp_of(*shown: Any) -> str:
    """Another text for anything else that is shown."""
    return hashlib.blake2b(repr(shown).encode(), digest_size=8).hexdigest()
