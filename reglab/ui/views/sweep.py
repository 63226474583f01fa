"""A sweep as a page: how far it is, the cell that validation chooses, a drawing after the number of its axes, and the table.

A heat map for two axes, a line with a band for one, parallel coordinates for more, bars beside them for a factorial: each has
a file of its own here. The template is `sweep.html`. What can be pressed carries the ids of its runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reglab.experiments.choice import Choice, choose, warning
from reglab.experiments.grid import LESS_IS_BETTER, METRICS_OF_A_SWEEP, Cell, Grid, state
from reglab.experiments.stats import Interval
from reglab.experiments.tables import bounds, number
from reglab.numbers import NOTHING, counted
from reglab.runs.cost import clock
from reglab.ui.views.cells import ids, why_empty
from reglab.ui.views.factorial import factorial
from reglab.ui.views.heat_map import HeatMap, heat_map
from reglab.ui.views.parallel import LINES, Parallel, parallel
from reglab.ui.views.sweep_line import SweepLine, sweep_line
from reglab.ui.views.templates import render

Ranked = Sequence[tuple[Cell, Interval]]  # the cells that have a number, the best first


def page(
    grid: Grid,
    metric: str = "test_accuracy",
    told: Sequence[Mapping[str, Any]] = (),
    can: Literal["", "stop", "resume"] = "",
    problem: str = "",
) -> str:
    """The whole page; `told` are the summaries of all runs, for how far the sweep has come.

    `can`: what can be done with it. `problem`: why what was pressed could not be done.
    """
    m, ranked, found = METRICS_OF_A_SWEEP[metric], grid.best(metric), choose(grid.cells, metric)
    return render(
        "sweep.html",
        problem=problem,
        so_far=progress(told),
        finished=sum(s["status"] == "finished" for s in told),
        of_runs=len(told),
        can=can,
        winner=found.parts if found else (),
        title=m.title.capitalize(),
        how_to_read=_how_to_read(grid, metric),
        drawn=_drawn(grid, metric, ranked, found),
        nothing_yet=_nothing_yet(grid),
        is_factorial=grid.is_factorial,
        factorial=factorial(grid, metric) if grid.is_factorial else "",
        columns=("", m.title, "95 % interval", "seeds", "validation accuracy", "gap", "calibration error"),
        rows=_rows(grid, metric, ranked),
        warning=warning(metric, len(ranked)),
        cells=len(grid.cells),
        of=grid.config.title(),
    )


def nothing(words: str) -> str:
    """The page before there is a sweep."""
    return render("nothing.html", words=words)


def _drawn(grid: Grid, metric: str, ranked: Ranked, found: Choice | None) -> SweepLine | HeatMap | Parallel | None:
    """None where there is nothing to draw."""
    match len(grid.axes):
        case 0:
            return None
        case 1:
            return sweep_line(grid, metric)
        case 2:
            return heat_map(grid, metric, ranked, found.chosen if found else None)
    return parallel(grid, metric, ranked)


# ---- in words ----------------------------------------------------------------------------------------------------
def progress(told: Sequence[Mapping[str, Any]]) -> str:
    """How far the sweep has come, in words."""
    n = len(told)
    states = [state(s) for s in told]
    done = [s["seconds"] for s in told if s["status"] == "finished" and s.get("seconds")]
    parts = [f"{states.count('finished')} of {counted(n, 'run')} finished"]
    for name, words in STATES.items():
        if count := states.count(name):
            parts.append(f"{count} {words}")
    left = sum(map(states.count, ("queued", "running", "stalled")))
    if left and done:
        parts.append(f"about {clock(left * sum(done) / len(done))} left")
    failed = [s for s in told if s["status"] == "failed" and s.get("reason")]
    why = f" {failed[-1]['reason']}" if failed else ""
    return f"{', '.join(parts)}.{why}"


STATES = {
    "running": "running",
    "queued": "waiting",
    "failed": "failed",
    "pruned": "stopped early, since they could not win",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "stalled": "not answering",
}


def _how_to_read(grid: Grid, metric: str) -> str:
    less = "lower is better" if metric in LESS_IS_BETTER else "higher is better"
    if len(grid.axes) == 2:
        return f"The mean over the seeds; the stronger the color, the higher the number, and {less}. Click a cell to see its curves."
    if len(grid.axes) == 1:
        return f"The mean over the seeds, {less}; the band reaches from the lowest to the highest. Values are evenly spaced."
    return f"Each line is one combination; the better ones are drawn stronger ({less}). Click a line to see its curves."


def _nothing_yet(grid: Grid) -> str:
    if not grid.axes:
        return (
            "These runs differ in nothing but their seed, so there is nothing to draw: give another value to a setting."
        )
    return "No run has this number yet: it comes with the first finished run."


# ---- numbers -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Row:
    """A cell in the table; its name can be pressed."""

    label: str
    runs: str
    cells: Sequence[str]


def _rows(grid: Grid, metric: str, ranked: Ranked) -> list[_Row]:
    """The best cells first, then those without the number: as many as are drawn as lines, whose numbers stand here."""
    there = {cell.place for cell, _ in ranked}
    rest = [(cell, None) for cell in grid.cells if cell.place not in there]
    return [_row(cell, metric, i) for cell, i in [*ranked, *rest][:LINES]]


def _row(cell: Cell, metric: str, i: Interval | None) -> _Row:
    m = METRICS_OF_A_SWEEP[metric]
    beside = [(key, cell.interval(key)) for key in ("val_accuracy", "gap", "ece")]
    told = [
        number(i.mean, m) if i else why_empty(cell, metric), bounds(i, m) if i else NOTHING, str(i.n if i else 0),
        *(number(told.mean, METRICS_OF_A_SWEEP[key]) if told else NOTHING for key, told in beside),
    ]  # fmt: skip
    return _Row(cell.label, ids(cell), told)
