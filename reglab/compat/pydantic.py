"""pydantic: the bounds of a field, and a last change to a frozen model that is still being made."""

from __future__ import annotations

from typing import Any

BOUNDS = ("ge", "gt", "le", "lt")


def bounds_of(field: Any) -> dict[str, float]:
    """The limits of a field by their names (`ge`, `gt`, `le`, `lt`); they lie in `FieldInfo.metadata`, pydantic 2.14.4."""
    return {
        bound: getattr(limit, bound)
        for limit in field.metadata
        for bound in BOUNDS
        if getattr(limit, bound, None) is not None
    }


def set_while_made(model: Any, name: str, value: Any) -> None:
    """Set a field of a frozen model from its own "after" validator. pydantic refuses, Python does not; pydantic 2.14.4."""
    object.__setattr__(model, name, value)
