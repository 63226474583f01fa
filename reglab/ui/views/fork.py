"""The form of a fork: which run, after which epoch, and what is changed to what."""

from __future__ import annotations

from collections.abc import Sequence

from reglab.ui.views.templates import render


def fork_html(
    runs: Sequence[tuple[str, str]], changes: Sequence[tuple[str, str, str]], change: str, epoch: int, warning: str = ""
) -> str:
    """`runs`: (id, name); `changes`: (name, what it is called, a value it usually takes), of which `change` comes first."""
    usual = next((value for name, _, value in changes if name == change), "")
    return render("fork.html", runs=runs, changes=changes, change=change, usual=usual, epoch=epoch, warning=warning)
