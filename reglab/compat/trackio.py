"""Trackio: one run at a time in a context."""

from __future__ import annotations

from typing import Any


def begin(**settings: Any) -> Any:
    """A run in Trackio, begun in a context of its own: Trackio ends the run before in the same context. Trackio 0.43.0."""
    import contextvars

    import trackio

    return contextvars.copy_context().run(lambda: trackio.init(**settings))
