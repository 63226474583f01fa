"""The settings of a run as one looks for them in a list."""

from __future__ import annotations

from reglab.experiments import axes
from reglab.regularizers import CATALOGUE
from reglab.teaching import assignments


def called(name: str) -> str:
    """`dropout.rate` -> `Dropout: rate`, and `dropout` -> `Dropout: on and off`."""
    return f"{assignments.called(name)}: on and off" if name in CATALOGUE else assignments.called(name)


def all_settings() -> list[tuple[str, str]]:
    """(what it is called, name) of every setting that can take several values."""
    return [(called(name), name) for name in axes.names() if name not in ("dataset", "precision")]


def of_techniques() -> list[tuple[str, str]]:
    """The same for the techniques alone."""
    return [(called(name), name) for name in axes.names() if name.partition(".")[0] in CATALOGUE]
