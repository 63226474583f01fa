"""scipy.special, once the first number is asked for: importing it takes a quarter of a second that the first page need not wait."""

from __future__ import annotations

from typing import Any


def special() -> Any:
    """The module; scipy.stats would take twice as long."""
    from scipy import special

    return special
