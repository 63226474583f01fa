"""The commands of `python -m reglab`, one file each, in the order in which `--help` lists them.

Each has `ABOUT`, one line; `add(parser)`, its options; and `run(args)`, which returns the exit status. What a command needs
beyond its options is imported when it runs, so that `--help` waits for nothing heavy.
"""

from __future__ import annotations

import importlib
from types import ModuleType

NAMES = (
    "train", "sweep", "reproduce", "compare", "predict", "evaluate", "runs", "check", "cards", "export", "push", "pull",
)  # fmt: skip


def commands() -> dict[str, ModuleType]:
    """Name -> module."""
    return {name: importlib.import_module(f"{__name__}.{name}") for name in NAMES}
