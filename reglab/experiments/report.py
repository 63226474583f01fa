"""A comparison to take along: a picture (PNG) of curves and differences, or one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import html
import io
import json
from typing import TYPE_CHECKING

from reglab import __version__
from reglab.errors import ConfigError
from reglab.experiments import compare, curves, tables
from reglab.experiments.compare import METRICS, Comparison, Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#c2500a", "#0072b2", "#2d4a0f", "#8a3ea8", "#6b5b00", "#b0215f", "#00736b", "#4a4a4a")  # the page's, and on


def file(kind: str, comparison: Comparison, metric: str = "test_accuracy", axis: str = "epoch") -> bytes:
    """The comparison as a file of that kind: html, png, csv or json. Raises `ConfigError`, `RunError`."""
    match kind:
        case "html":
            return page(comparison, metric, axis).encode()
        case "png":
            return png(comparison, metric, axis)
        case "csv":
            return tables.to_csv(comparison).encode()
        case "json":
            return json.dumps(tables.to_json(comparison), indent=1).encode()
    raise ConfigError(f"A comparison cannot be had as {kind[:40]!r}: choose html, png, csv or json.")


def png(comparison: Comparison, metric: str = "test_accuracy", axis: str = "epoch") -> bytes:
    """Curves with bands, and the differences from the baseline with their intervals. Raises `ConfigError`, `RunError`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    compare.check(metric, axis)
    tall = max(4.2, 0.36 * len(comparison.groups))  # a line of the legend, and one of the differences, for each
    figure = Figure(figsize=(11, min(tall, 60)), dpi=150, layout="constrained")
    curves, effects = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_curves(curves, comparison, metric, axis)
    _draw_differences(effects, comparison, metric)
    for axes in (curves, effects):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def _draw_curves(axes: Axes, comparison: Comparison, metric: str, axis: str) -> None:
    m = METRICS[metric]
    key = m.curve or "val_accuracy"
    scale = 100 if key.endswith("accuracy") or key == "gap" else 1
    for group, colour in zip(comparison.groups, _colours(comparison), strict=True):
        b = curves.band(group, key, axis)
        axes.plot(b.x, [y * scale for y in b.mean], color=colour, label=f"{group.label} (n = {len(group.runs)})")
        if len(group.runs) > 1:
            low, high = ([y * scale for y in side] for side in (b.low, b.high))
            axes.fill_between(b.x, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.set_xlabel({"seconds": "seconds of training"}.get(axis, axis))
    unit = " (%)" if key.endswith("accuracy") else " (points)" if scale == 100 else ""
    axes.set_ylabel(key.replace("_", " ").replace("val", "validation") + unit)
    axes.legend(fontsize=8, frameon=False)


def _draw_differences(axes: Axes, comparison: Comparison, metric: str) -> None:
    m = METRICS[metric]
    others = [
        (g, c) for g, c in zip(comparison.groups, _colours(comparison), strict=True) if g is not comparison.baseline
    ]
    axes.axvline(0, color="#888888", linewidth=1)
    for place, (group, colour) in enumerate(reversed(others)):
        d = comparison.difference(group, metric)
        error = None if d.low is None or d.high is None else [[d.mean - d.low], [d.high - d.mean]]
        axes.errorbar(d.mean, place, xerr=error, fmt="o", color=colour, capsize=4)
    axes.set_yticks(range(len(others)), [group.label for group, _ in reversed(others)], fontsize=8)
    axes.set_ylim(-0.6, max(len(others), 1) - 0.4)
    axes.set_xlabel(f"{m.title} against {comparison.baseline.label}{f' ({m.unit})' if m.unit else ''}", fontsize=9)


def _colours(comparison: Comparison) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(comparison.groups))]


def page(comparison: Comparison, metric: str = "test_accuracy", axis: str = "epoch") -> str:
    """One HTML file with the picture, the table, what differs, the commands, and how to read it."""
    picture = base64.b64encode(png(comparison, metric, axis)).decode()
    head, *body = tables.cells(comparison, metric)
    told = _rows([head, *body])
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in comparison.notes)
    commands = "".join(f"<h3>{html.escape(group.label)}</h3>{_commands(group)}" for group in comparison.groups)
    differing = html.escape(", ".join(comparison.differing))
    title = html.escape(comparison.baseline.config.title())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{STYLE}</style></head><body>
<h1>{title}</h1>
<img alt="Curves of every group, and the differences from the baseline with their intervals" src="data:image/png;base64,{picture}">
<div class="wide">{told}</div>
{f"<p>They differ in: {differing}.</p>" if differing else ""}
{f"<ul>{notes}</ul>" if notes else ""}
<p>{READ}</p>
<h2>What was run</h2>
{commands}
<footer>reglab {__version__}</footer>
</body></html>
"""


def _rows(cells: list[list[str]]) -> str:
    head, *body = cells
    lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in body]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _commands(group: Group) -> str:
    return "".join(f"<pre>{html.escape(run.config.command())}</pre>" for run in group.runs)


READ = (
    "Bands reach from the lowest to the highest seed. Intervals cover the true mean in 95 of 100 experiments (Student's t)."
    " Differences are paired by seed where both groups have the seed: such runs learn from the same images, and where only a"
    " regularizer differs they begin with the same weights and see the same batches. “Real” means that the interval of the"
    " difference leaves zero out; with many groups, one in twenty does so by chance."
)
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; color: #1b2733; background: #fff; }
img { width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #d5dbe1; vertical-align: top; }
pre { white-space: pre-wrap; background: #f1f4f7; padding: 6px 10px; font-size: 13px; }
footer { color: #5b6673; font-size: 13px; margin-top: 2rem; }
"""
