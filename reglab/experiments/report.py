"""A comparison to take along: a picture (PNG) of curves and differences, or one HTML file that needs nothing beside it.

What is drawn comes from `figures.py`, as on the page; the HTML is `templates/report.html`.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab import __version__
from reglab.colours import COLOURS
from reglab.errors import ConfigError
from reglab.experiments import tables
from reglab.experiments.choice import choose
from reglab.experiments.compare import Comparison
from reglab.experiments.figures import Curves, Differences, curves_of, differences_of
from reglab.templates import environment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEMPLATES = environment(Path(__file__).parent / "templates")


def file(kind: str, comparison: Comparison, metric: str = "test_accuracy", axis: str = "epoch") -> bytes:
    """The comparison as a file of that kind: html, png, csv or json. Raises `ConfigError`, `RunError`."""
    match kind:
        case "html":
            return page(comparison, metric, axis).encode()
        case "png":
            return png(comparison, metric, axis)
        case "csv":
            return tables.to_csv(comparison).encode(tables.SPREADSHEET)
        case "json":
            return json.dumps(to_json(comparison, metric), indent=1).encode()
    raise ConfigError(f"A comparison cannot be had as {kind[:40]!r}: choose html, png, csv or json.")


def to_json(comparison: Comparison, metric: str = "test_accuracy") -> dict[str, Any]:
    """Everything that is told of a comparison, and which of its groups validation chooses."""
    found = choose(comparison.groups, metric)
    return {**tables.to_json(comparison), "choice": found.to_json() if found else None}


def page(comparison: Comparison, metric: str = "test_accuracy", axis: str = "epoch") -> str:
    """One HTML file with the picture, the table, what differs, the commands, and how to read it."""
    head, *rows = tables.cells(comparison, metric)
    found = choose(comparison.groups, metric) if len(comparison.groups) > 2 else None  # of two the table says it
    return TEMPLATES.get_template("report.html").render(
        title=comparison.baseline.config.title(),
        picture=base64.b64encode(png(comparison, metric, axis)).decode(),
        head=head,
        rows=rows,
        choice=found.sentence() if found else "",
        differing=", ".join(comparison.differing),
        covers=comparison.covers(metric),
        notes=comparison.notes,
        groups=comparison.groups,
        version=__version__,
    )


def png(comparison: Comparison, metric: str = "test_accuracy", axis: str = "epoch") -> bytes:
    """Curves with bands, and the differences from the baseline with their intervals. Raises `ConfigError`, `RunError`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves, differences = curves_of(comparison, metric, axis), differences_of(comparison, metric)
    tall = max(4.2, 0.36 * len(comparison.groups))  # a line of the legend, and one of the differences, for each
    figure = Figure(figsize=(11, min(tall, 60)), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_curves(left, curves)
    _draw_differences(right, differences)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def _draw_curves(axes: Axes, figure: Curves) -> None:
    for curve in figure.curves:
        colour = COLOURS[curve.role].light
        style = "--" if curve.is_dashed else "-"
        axes.plot(curve.x, curve.mean, style, color=colour, label=f"{curve.label} (n = {curve.n})")
        if curve.has_band:
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    for side, axis in ((axes.xaxis, figure.across), (axes.yaxis, figure.up)):
        side.set_ticks([at for at, _ in axis.marks], [told for _, told in axis.marks])
        side.set_label_text(axis.title)
    axes.set_ylim(figure.up.low, figure.up.high)
    axes.legend(fontsize=8, frameon=False)


def _draw_differences(axes: Axes, figure: Differences) -> None:
    rows = figure.rows[::-1]  # the first of them on top
    axes.axvline(0, color="#888888", linewidth=1)
    for place, row in enumerate(rows):
        error = None if row.low is None or row.high is None else [[row.mean - row.low], [row.high - row.mean]]
        axes.errorbar(row.mean, place, xerr=error, fmt="o", color=COLOURS[row.role].light, capsize=4)
    axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=8)
    axes.set_ylim(-0.6, max(len(rows), 1) - 0.4)
    axes.set_xlabel(figure.title, fontsize=9)
