"""What is said of a cell of a sweep wherever it is drawn: the ids of its runs, and why it has no number."""

from __future__ import annotations

from reglab.experiments.grid import UNTIL, Cell
from reglab.numbers import NOTHING


def ids(cell: Cell) -> str:
    """Of its runs, as the page sends them back when the cell is pressed."""
    return " ".join(str(summary["run"]) for summary in cell.runs)


def why_empty(cell: Cell, metric: str) -> str:
    """Why a cell has no number, in a word."""
    states = cell.statuses
    for name, words in (
        ("running", "training"),
        ("stalled", "not answering"),
        ("queued", "waiting"),
        ("failed", "diverged"),
    ):
        if states[name]:
            failed = name == "failed" and not any("iverged" in str(s.get("reason")) for s in cell.runs)
            return "failed" if failed else words
    if states["finished"] and metric in UNTIL:
        return "never"
    return "pruned" if states["pruned"] else NOTHING if states["finished"] else "stopped"
