"""The catalogue: every technique in this folder, found by looking into it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from reglab.errors import ConfigError
from reglab.regularizers.base import GROUPS, Progress, Regularizer, State, in_order, overriding


def _find() -> dict[str, type[Regularizer]]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "base":
            continue
        names = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        [found[module.name]] = [
            c
            for c in names
            if isinstance(c, type) and issubclass(c, Regularizer) and c.__module__.endswith("." + module.name)
        ]
    return dict(sorted(found.items(), key=lambda item: (GROUPS.index(item[1].group), item[1].order, item[0])))


CATALOGUE: dict[str, type[Regularizer]] = _find()


def regularizer(key: str, settings: Mapping[str, Any] | Regularizer | bool | None = None) -> Regularizer:
    """The technique of that name with these settings. Raises `ConfigError`, or pydantic's ValidationError."""
    if key not in CATALOGUE:
        near = difflib.get_close_matches(key, CATALOGUE, n=1)
        instead = f"did you mean {near[0]}?" if near else "choose from those that `python -m reglab cards` explains."
        raise ConfigError(f"There is no regularizer called {str(key)[:80]!r}: {instead}")
    if isinstance(settings, Regularizer):
        settings = settings.model_dump()
    if settings is None or settings is True:
        settings = {}
    return CATALOGUE[key].model_validate(settings)


__all__ = ["CATALOGUE", "GROUPS", "Progress", "Regularizer", "State", "in_order", "overriding", "regularizer"]
