"""The form of a fork: which run, after which epoch, and what is changed to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reglab.ui.views.templates import render


def fork_html(
    runs: Sequence[tuple[str, str]],
    changes: Sequence[tuple[str, str, str]],
    asked: Mapping[str, Any],
    usual: int,
    warning: str = "",
) -> str:
    """`runs`: (id, name); `changes`: (name, what it is called, a value it usually takes); `usual`: the epoch, where none is typed.

    `asked` is what the fields say: `run`, `epoch`, `change`, `to`.
    """
    return render("fork.html", runs=runs, changes=changes, asked=asked, usual=usual, warning=warning)
