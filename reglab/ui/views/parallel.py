"""A sweep over three axes and more: parallel coordinates, a line for each combination. The template is `parallel.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reglab.experiments.grid import LESS_IS_BETTER, METRICS_OF_A_SWEEP, Axis, Cell, Grid
from reglab.experiments.stats import Interval
from reglab.experiments.tables import number
from reglab.ui.views.cells import ids

LINES = 200  # at most; of more combinations the best
FAN = 20.0  # pixels between the worst and the best line at one value
LEFT, APART = 40, 140  # of the first axis, and from one to the next
TALL, TOP, BOTTOM = 260, 34, 226
BESIDE = 5  # pixels from an axis to its words


@dataclass(frozen=True)
class _Line:
    """A combination: the better, the less transparent."""

    path: str
    opacity: float
    runs: str
    words: str


@dataclass(frozen=True)
class _Upright:
    """An axis: where it stands, what it is, and its marks (how far down, what it says), `aside` of it."""

    x: int
    title: str
    marks: Sequence[tuple[float, str]]
    aside: int


@dataclass(frozen=True)
class Parallel:
    """All lines, the best on top, and the axes; the last one is the metric."""

    lines: Sequence[_Line]
    axes: Sequence[_Upright]
    words: str
    wide: int
    tall: int = TALL
    top: int = TOP
    bottom: int = BOTTOM
    template: str = "parallel.html"


def parallel(grid: Grid, metric: str, ranked: Sequence[tuple[Cell, Interval]]) -> Parallel | None:
    """`ranked` are the cells that have a number, the best first. None without any."""
    ranked = ranked[:LINES]
    if not ranked:
        return None
    m = METRICS_OF_A_SWEEP[metric]
    means = [i.mean for _, i in ranked]
    low, high = min(means), max(means)
    lines = []
    for cell, i in reversed(ranked):
        share = (i.mean - low) / (high - low) if high > low else 0.5
        good = 1 - share if metric in LESS_IS_BETTER else share
        words = f"{cell.label}: {number(i.mean, m)}"
        lines.append(_Line(_path(grid.axes, cell, share), 0.15 + 0.85 * good**2, ids(cell), words))
    axes = [
        _Upright(LEFT + APART * n, axis.title, [(_down(axis, at), name) for at, name in enumerate(axis.shown)], -BESIDE)
        for n, axis in enumerate(grid.axes)
    ]
    ends = [(BOTTOM, f"{low:.{m.digits}f}"), (TOP, f"{high:.{m.digits}f}")]
    axes.append(_Upright(LEFT + APART * len(grid.axes), m.title, ends, BESIDE))
    words = f"{len(ranked)} combinations, from {number(low, m)} to {number(high, m)}"
    return Parallel(lines, axes, words, wide=APART * len(grid.axes) + 120)


def _down(axis: Axis, place: int) -> float:
    return BOTTOM - (place / (len(axis.values) - 1) if len(axis.values) > 1 else 0.5) * (BOTTOM - TOP)


def _path(axes: Sequence[Axis], cell: Cell, share: float) -> str:
    """Through the cell's value on every axis to its number, `share` of the way up."""
    # Where lines meet at a value, the better ones pass higher, so that one sees which values they share.
    ys = [_down(axis, at) - (share - 0.5) * FAN for axis, at in zip(axes, cell.place, strict=True)]
    ys.append(BOTTOM - share * (BOTTOM - TOP))
    xs = [LEFT + APART * n for n in range(len(ys))]
    return f"M{xs[0]} {ys[0]:.1f}" + "".join(
        f" C{(a + b) / 2:.0f} {y:.1f} {(a + b) / 2:.0f} {z:.1f} {b} {z:.1f}"
        for a, b, y, z in zip(xs, xs[1:], ys, ys[1:], strict=False)
    )
