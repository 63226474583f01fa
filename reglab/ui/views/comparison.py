"""A comparison as a page: curves with bands over the seeds, differences with their intervals, and what they amount to.

The template is `compare.html`; what is drawn comes from `experiments/figures.py`, as the report's pictures do. The first group
is the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reglab.colours import role
from reglab.config import listed
from reglab.experiments import curves, figures, labels, tables
from reglab.experiments.compare import METRICS, Comparison
from reglab.ui.views import plane
from reglab.ui.views.templates import render

ROOM = plane.Room(wide=640, tall=330, left=58, below=52, beside=78)
MOST_ENDS = 8  # lines whose last value is told where they end


def page(
    comparison: Comparison, metric: str = "test_accuracy", axis: str = "epoch", target: float | None = None
) -> str:
    """The whole page; `target` is the validation accuracy, from 0 to 1, of which it says how soon it was reached.

    Raises `ConfigError` for a metric or an axis that there is not, and `RunError` where the axis is seconds and a run has
    no times.
    """
    drawn = figures.curves_of(comparison, metric, axis)
    head, *body = tables.means(comparison, metric)  # the verdicts stand beside the drawing
    return render(
        "compare.html",
        of_curve=figures.curve_title(metric).capitalize(),
        how_to_read=_how_to_read(comparison),
        curves=drawn.curves,
        drawing=plane.drawing(
            drawn,
            ROOM,
            digits=1 if drawn.unit else 3,
            has_ends=len(drawn.curves) <= MOST_ENDS,
        ),
        metric=METRICS[metric].title,
        baseline=comparison.baseline.label,
        differences=figures.differences_of(comparison, metric),
        head=head,
        rows=[(role(place), row[0], row[1:]) for place, row in enumerate(body)],
        title=comparison.baseline.config.title(),
        differing=listed([labels.title(name) for name in comparison.differing]) if comparison.differing else "",
        notes=comparison.notes,
        speed=_speed(comparison, target, axis) if target else None,
    )


def _how_to_read(comparison: Comparison) -> str:
    several = any(len(group.runs) > 1 for group in comparison.groups)
    return "The mean over the seeds; the band reaches from the lowest to the highest." if several else "One seed each."


@dataclass(frozen=True)
class _Speed:
    """How soon each group reached a target, in words."""

    target: float
    unit: str
    rows: Sequence[tuple[str, str, str]]  # role, label, words


def _speed(comparison: Comparison, target: float, axis: str) -> _Speed:
    unit = {"epoch": "epochs", "step": "steps", "seconds": "seconds of training"}[axis]
    rows = [
        (role(place), group.label, curves.soon(curves.reached(group, target, axis)))
        for place, group in enumerate(comparison.groups)
    ]
    return _Speed(target, unit, rows)
