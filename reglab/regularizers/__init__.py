"""The techniques, one a file, and the catalogue of them all, found by looking into this folder.

Read first: `base.py`, which opens with the whole loop and the name of every hook at its line; then `mixup.py`, a short one.
A new technique is a new file here with one subclass of `Regularizer`, and nothing else is touched.
May import: `models`, `data` and the floors below them; torch only inside the hooks, so that listing them costs nothing.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any

from reglab.errors import ConfigError
from reglab.regularizers.base import (
    GROUPS,
    Progress,
    Regularizer,
    State,
    from_host,
    in_order,
    lowered,
    overriding,
    stands_by,
)


def _find() -> dict[str, type[Regularizer]]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "base":
            continue
        contents = vars(importlib.import_module(f"{__name__}.{module.name}"))
        found[module.name] = technique_in(module.name, contents.values())
    return dict(sorted(found.items(), key=lambda item: (GROUPS.index(item[1].group), item[1].order, item[0])))


def technique_in(name: str, contents: Iterable[object]) -> type[Regularizer]:
    """The one technique that a file of that name defines. Raises ImportError, for whoever is writing it."""
    own = [
        c for c in contents if isinstance(c, type) and issubclass(c, Regularizer) and c.__module__.endswith(f".{name}")
    ]
    if len(own) != 1:
        raise ImportError(f"regularizers/{name}.py defines {len(own)} subclasses of Regularizer: it needs exactly one.")
    if own[0].group not in GROUPS:
        raise ImportError(
            f"regularizers/{name}.py is of the group {own[0].group!r}: choose one of {', '.join(GROUPS)}."
        )
    return own[0]


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


__all__ = [
    "CATALOGUE",
    "GROUPS",
    "Progress",
    "Regularizer",
    "State",
    "from_host",
    "in_order",
    "lowered",
    "overriding",
    "regularizer",
    "stands_by",
    "technique_in",
]
