"""A sweep over two axes: a table of buttons, darker is more. The template is `heat_map.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reglab.experiments.grid import METRICS_OF_A_SWEEP, Axis, Cell, Grid
from reglab.experiments.stats import Interval
from reglab.numbers import number
from reglab.ui.views.cells import ids, why_empty


@dataclass(frozen=True)
class _Button:
    """A cell: its number, its interval and n below it, how dark it is in percent, and all of that in words."""

    said: str
    more: str
    share: str
    words: str
    runs: str
    is_chosen: bool


@dataclass(frozen=True)
class HeatMap:
    """The first axis goes down, the second across."""

    down: Axis
    across: Axis
    rows: Sequence[tuple[str, Sequence[_Button | None]]]
    template: str = "heat_map.html"


def heat_map(grid: Grid, metric: str, ranked: Sequence[tuple[Cell, Interval]], chosen: object = None) -> HeatMap:
    """`ranked` are the cells that have a number, the best first; `chosen` is the one that `choice.choose` takes."""
    down, across = grid.axes
    intervals = {cell.place: i for cell, i in ranked}
    means = [i.mean for i in intervals.values()]
    low, high = (min(means), max(means)) if means else (0.0, 1.0)

    def button(y: int, x: int) -> _Button | None:
        if (cell := grid.by_place.get((y, x))) is None:
            return None
        return _button(cell, metric, intervals.get(cell.place), low, high, cell is chosen)

    rows = [(name, [button(y, x) for x in range(len(across.values))]) for y, name in enumerate(down.shown)]
    return HeatMap(down, across, rows)


def _button(cell: Cell, metric: str, i: Interval | None, low: float, high: float, is_chosen: bool) -> _Button:
    m = METRICS_OF_A_SWEEP[metric]
    if i is None:
        said, more, share = why_empty(cell, metric), "", 0.0
    else:
        said, share = number(i.mean, m.digits), (i.mean - low) / (high - low) if high > low else 0.5
        wanted = len(cell.runs)
        more = f"± {number(i.high - i.mean, m.digits)}" if i.high is not None else ""
        more += f" n = {i.n}" if i.n == wanted else f" {i.n} of {wanted}"
    words = f"{cell.label}: {said} {more}{', the chosen one' if is_chosen else ''}".strip()
    return _Button(said, more, f"{share * 100:.0f}", words, ids(cell), is_chosen)
