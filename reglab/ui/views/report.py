"""What can be taken along of the runs that are chosen: their comparison as a file, and each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reglab.ui.views.templates import render

KINDS = {  # what a file is called, and what is in it
    "html": ("Report (HTML)", "One page with the curves, the table, what differs, the commands, and how to read it."),
    "png": ("Picture (PNG)", "Curves with bands over the seeds, and the differences with their intervals."),
    "csv": ("Table (CSV)", "A row for each run, for a spreadsheet or a notebook."),
    "json": ("JSON", "Everything the comparison says, as plain values."),
}


@dataclass(frozen=True)
class Taken:
    """A run, the command that trains it again, and whether the visitor may take its weights along."""

    id: str
    name: str
    command: str
    may_take: bool


def report_html(runs: Sequence[Taken]) -> str:
    """The page."""
    return render("results_report.html", kinds=KINDS, runs=runs)
