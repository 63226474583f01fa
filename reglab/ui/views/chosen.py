"""The runs that are chosen on the Results tab, and the buttons for what can be done with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reglab.ui.views.templates import render


@dataclass(frozen=True)
class Chosen:
    """A run, and what the visitor may do with it."""

    id: str
    name: str
    status: str
    may_change: bool
    may_resume: bool
    may_delete: bool
    may_take: bool


def chosen_html(chosen: Iterable[Chosen], warning: str = "", said: str = "", undo: str = "", typed: str = "") -> str:
    """Their names, what can be done, and what has come of what was done.

    `undo`: the runs that can be brought back. `typed`: a name that was refused, which stays to be mended.
    """
    runs = list(chosen)
    return render(
        "chosen.html",
        runs=runs,
        one=runs[0] if len(runs) == 1 else None,
        to_resume=sum(run.may_resume for run in runs),
        to_delete=sum(run.may_delete for run in runs),
        warning=warning,
        said=said,
        undo=undo,
        typed=typed,
    )
