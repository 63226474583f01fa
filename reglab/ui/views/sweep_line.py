"""A sweep over one axis: the metric over its values, with a band over the seeds. The template is `sweep_line.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reglab.experiments.figures import Axis, Curve, Curves, up_axis
from reglab.experiments.grid import METRICS_OF_A_SWEEP, Grid
from reglab.experiments.tables import number, unit
from reglab.ui.views import plane

NAMED = 12  # values that are written below the line; of more, every second or third


@dataclass(frozen=True)
class SweepLine:
    """The drawing, and what its lines are called: (title, how far below its last point that stands)."""

    drawing: plane.Drawing
    names: Sequence[tuple[str, int]]
    template: str = "sweep_line.html"


def sweep_line(grid: Grid, metric: str) -> SweepLine | None:
    """The metric over the values of the axis; where that is an accuracy, training accuracy beside it. None without a number."""
    axis, m = grid.axes[0], METRICS_OF_A_SWEEP[metric]
    titles = {metric: m.title}
    if metric in ("test_accuracy", "val_accuracy"):
        titles = {"train_accuracy": "training accuracy", **titles}  # the gap is what lies between them
    curves = {
        key: curve for key, title in titles.items() if (curve := _curve(grid, key, title, is_dashed=key != metric))
    }
    if not curves:
        return None
    shown = dict(zip(_across(grid), axis.shown, strict=True))
    said = [
        f"{curve.label}: " + ", ".join(f"{shown[x]} {number(y, m)}" for x, y in zip(curve.x, curve.mean, strict=True))
        for curve in curves.values()
    ]
    every_nth = -(-len(axis.values) // NAMED)
    named = tuple(mark for place, mark in enumerate(shown.items()) if place % every_nth == 0)
    drawing = plane.drawing(
        Curves(
            tuple(curves.values()),
            Axis(axis.title, 0.0, 1.0, named),
            up_axis((y for curve in curves.values() for y in (*curve.low, *curve.high)), m.title),
            unit(m),
            "; ".join(said),
        ),
        digits=m.digits,
        where=shown.__getitem__,
    )
    above, below = -9, 17
    return SweepLine(drawing, [(curve.label, below if key == metric else above) for key, curve in curves.items()])


def _across(grid: Grid) -> list[float]:
    """Values are evenly spaced, each in the middle of its part of the width."""
    n = len(grid.axes[0].values)
    return [(place + 0.5) / n for place in range(n)]


def _curve(grid: Grid, metric: str, title: str, is_dashed: bool) -> Curve | None:
    """Through the cells that have the number; it has a band where one of them has several seeds."""
    across = _across(grid)
    told = [(across[cell.place[0]], values) for cell in grid.cells if (values := list(cell.values(metric).values()))]
    if not told:
        return None
    return Curve(
        title,
        "b",
        is_dashed,
        n=max(len(values) for _, values in told),
        x=tuple(x for x, _ in told),
        mean=tuple(sum(values) / len(values) for _, values in told),
        low=tuple(min(values) for _, values in told),
        high=tuple(max(values) for _, values in told),
    )
