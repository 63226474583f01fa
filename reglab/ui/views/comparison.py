"""A comparison as a page: curves with bands over the seeds, differences with their intervals, and what they amount to.

Text in, text out; knows nothing of Gradio. The colours are those of the chart; the first group is the baseline.
"""

from __future__ import annotations

from reglab.experiments import compare
from reglab.experiments.compare import METRICS, Comparison
from reglab.ui.views.curves import ROLES
from reglab.ui.views.inside import card, nice, safe
from reglab.ui.views.plane import Plane, below, svg


def page(
    comparison: Comparison, metric: str = "test_accuracy", axis: str = "epoch", target: float | None = None
) -> str:
    """The whole page. `target` is a validation accuracy (a fraction): how soon was it reached?"""
    m = METRICS[metric]
    notes = "".join(f"<li>{safe(note)}</li>" for note in comparison.notes)
    drawn = [card(f"{_of_curve(metric).capitalize()}", _how_to_read(comparison), curves(comparison, metric, axis))]
    if len(comparison.groups) > 1:
        words = (
            f"Each group's {m.title} minus that of <b>{safe(comparison.baseline.label)}</b>. Where the line leaves zero out,"
            " chance is a poor explanation; with many groups, one in twenty does so all the same."
        )
        drawn.append(card("Is it real?", words, differences(comparison, metric)))
    table = card("In numbers", "", _table(comparison, metric) + (f'<ul class="notes">{notes}</ul>' if notes else ""))
    speed = card("How soon?", *_speed(comparison, target, axis)) if target else ""
    return f'<div class="reglab-inside reglab-compare"><div class="cards">{"".join(drawn)}</div>{table}{speed}</div>'


def _of_curve(metric: str) -> str:
    return (
        (METRICS[metric].curve or "val_accuracy")
        .replace("_", " ")
        .replace("val", "validation")
        .replace("ece", "calibration error")
    )


def _how_to_read(comparison: Comparison) -> str:
    several = any(len(group.runs) > 1 for group in comparison.groups)
    return "The mean over the seeds; the band reaches from the lowest to the highest." if several else "One seed each."


def role(comparison: Comparison, place: int) -> str:
    """The colours come again after five groups, then with dashed lines."""
    return ROLES[place % len(ROLES)]


# ---- curves ------------------------------------------------------------------------------------------------------
def curves(comparison: Comparison, metric: str, axis: str = "epoch") -> str:
    """A line and a band for each group. Raises `RunError` where the axis is seconds and a run has no times."""
    key = METRICS[metric].curve or "val_accuracy"
    share = key.endswith("accuracy") or key == "gap"
    bands = [compare.band(group, key, axis) for group in comparison.groups]
    right = max(b.x[-1] for b in bands) or 1.0
    plane = Plane.around(y for b in bands for y in (*b.low, *b.high))
    drawn, told = [], []
    for place, (group, b) in enumerate(zip(comparison.groups, bands, strict=True)):
        at = [x / right for x in b.x]
        band = plane.band(list(zip(at, b.low, b.high, strict=True))) if len(group.runs) > 1 else ""
        line = plane.line(list(zip(at, b.mean, strict=True)), dashed=place // len(ROLES) % 2 == 1)
        drawn.append(f'<g data-role="{role(comparison, place)}">{band}{line}</g>')
        told.append(f"{group.label}: {_said(b.mean[-1], share)} at the end, {len(group.runs)} seeds")
    content = (
        plane.grid(lambda y: _said(y, share)) + _across(right, axis) + "".join(reversed(drawn))
    )  # the baseline on top
    legend = "".join(
        f'<b class="name" data-role="{role(comparison, i)}">{safe(group.label)} <small>n = {len(group.runs)}</small></b>'
        for i, group in enumerate(comparison.groups)
    )
    words = f"{_of_curve(metric)}: {'; '.join(told)}"
    return f"<figure><figcaption>{legend}</figcaption>{svg(content, words)}</figure>"


def _said(y: float, share: bool) -> str:
    return f"{y * 100:.4g} %" if share else f"{y:.4g}"


def _across(right: float, axis: str) -> str:
    step = nice(right / 8)
    marks = [(i * step / right, f"{i * step:g}") for i in range(int(right / step * 1.0001) + 1)]
    return below(marks, {"seconds": "seconds of training"}.get(axis, axis))


# ---- differences -------------------------------------------------------------------------------------------------
def differences(comparison: Comparison, metric: str) -> str:
    """A dot and an interval for each group but the baseline, and the verdict below its name."""
    m = METRICS[metric]
    found = [(i, g, comparison.difference(g, metric)) for i, g in enumerate(comparison.groups) if i]
    far = max(abs(x) for _, _, d in found for x in (d.mean, d.low or 0, d.high or 0)) * 1.08 or 1.0
    rows = []
    for place, group, d in found:
        line = ""
        if d.low is not None and d.high is not None:
            line = (
                f'<i style="left:{_place(d.low, far):.2f}%;width:{_place(d.high, far) - _place(d.low, far):.2f}%"></i>'
            )
        dot = f'<b style="left:{_place(d.mean, far):.2f}%"></b>'
        kind = "real" if d.is_real else "unsure"
        rows.append(
            f'<li data-role="{role(comparison, place)}"><span class="name">{safe(group.label)}</span>'
            f'<span class="forest" aria-hidden="true"><s></s>{line}{dot}</span>'
            f'<span class="verdict {kind}">{safe(comparison.verdict(group, metric))}</span></li>'
        )
    ends = f"<span>{-far:.{m.digits}f}</span><span>0</span><span>+{far:.{m.digits}f} {m.unit}</span>"
    return f'<ul class="differences">{"".join(rows)}</ul><p class="ends" aria-hidden="true">{ends}</p>'


def _place(value: float, far: float) -> float:
    return 50 + value / far * 50


# ---- numbers -----------------------------------------------------------------------------------------------------
def _table(comparison: Comparison, metric: str) -> str:
    head, *body = compare.cells(comparison, metric)
    columns = "".join(f'<th scope="col">{safe(cell)}</th>' for cell in head[:-1])
    rows = []
    for place, (name, *cells) in enumerate(row[:-1] for row in body):
        told = "".join(f"<td>{safe(cell)}</td>" for cell in cells)
        first = f'<th scope="row"><b class="name" data-role="{role(comparison, place)}">{safe(name)}</b></th>'
        rows.append(f"<tr>{first}{told}</tr>")
    differing = f" They differ in {safe(', '.join(comparison.differing))}." if comparison.differing else ""
    same = safe(comparison.baseline.config.title())
    return (
        f'<div class="scroller"><table><thead><tr>{columns}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        f'<p class="caption">{same}. As each run reports itself: after its last epoch, unless it stopped early.{differing}</p>'
    )


def _speed(comparison: Comparison, target: float, axis: str) -> tuple[str, str]:
    unit = {"epoch": "epochs", "step": "steps", "seconds": "seconds of training"}[axis]
    rows = []
    for place, group in enumerate(comparison.groups):
        told = compare.soon(compare.reached(group, target, axis))
        name = f'<b class="name" data-role="{role(comparison, place)}">{safe(group.label)}</b>'
        rows.append(f'<tr><th scope="row">{name}</th><td>{told}</td></tr>')
    return (
        f"The first of the {unit} at which validation accuracy was at least {target:.0%}; the mean, and lowest to highest.",
        f"<table><tbody>{''.join(rows)}</tbody></table>",
    )
