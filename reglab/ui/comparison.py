"""A comparison as a page: curves with bands over the seeds, differences with their intervals, and what they amount to.

Text in, text out; knows nothing of Gradio. The colours are those of the chart; the first group is the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence

from reglab import compare
from reglab.compare import METRICS, Band, Comparison
from reglab.ui.inside import card, nice, safe
from reglab.ui.view import ROLES

WIDE, TALL = 440, 250  # of a drawing, about the pixels it gets
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 10, 36
TICKS = 5


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
    bottom, top = _bounds(bands)

    def at(x: float, y: float) -> str:
        across = LEFT + x / right * (WIDE - LEFT - RIGHT)
        up = TALL - BOTTOM - (y - bottom) / (top - bottom) * (TALL - TOP - BOTTOM)
        return f"{across:.1f} {up:.1f}"

    drawn, told = [], []
    for place, (group, b) in enumerate(zip(comparison.groups, bands, strict=True)):
        line = "M" + " L".join(at(x, y) for x, y in zip(b.x, b.mean, strict=True))
        there = [at(x, y) for x, y in zip(b.x, b.high, strict=True)]
        back = [at(x, y) for x, y in zip(reversed(b.x), reversed(b.low), strict=True)]
        band = f'<path class="band" d="M{" L".join(there + back)}Z"/>' if len(group.runs) > 1 else ""
        dashed = " dashed" if place // len(ROLES) % 2 else ""
        drawn.append(f'<g data-role="{role(comparison, place)}">{band}<path class="line{dashed}" d="{line}"/></g>')
        told.append(f"{group.label}: {_said(b.mean[-1], share)} at the end, {len(group.runs)} seeds")
    content = _grid(bottom, top, share) + _across(right, axis) + "".join(reversed(drawn))  # the baseline on top
    legend = "".join(
        f'<b class="name" data-role="{role(comparison, i)}">{safe(group.label)} <small>n = {len(group.runs)}</small></b>'
        for i, group in enumerate(comparison.groups)
    )
    words = f"{_of_curve(metric)}: {'; '.join(told)}"
    svg = f'<svg role="img" viewBox="0 0 {WIDE} {TALL}" aria-label="{safe(words)}">{content}</svg>'
    return f"<figure><figcaption>{legend}</figcaption>{svg}</figure>"


def _bounds(bands: Sequence[Band]) -> tuple[float, float]:
    low, high = min(min(b.low) for b in bands), max(max(b.high) for b in bands)
    step = nice((high - low or 1) / TICKS)
    return step * (low // step), step * -(-high // step) if high > low else low + step


def _said(y: float, share: bool) -> str:
    return f"{y * 100:.4g} %" if share else f"{y:.4g}"


def _grid(bottom: float, top: float, share: bool) -> str:
    step, lines = nice((top - bottom) / TICKS * 0.9), []
    n = round((top - bottom) / step)
    for i in range(n + 1):
        y = TALL - BOTTOM - i / n * (TALL - TOP - BOTTOM)
        lines.append(
            f'<line x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_said(bottom + (top - bottom) * i / n, share)}</text>'
        )
    return f'<g class="axis">{"".join(lines)}</g>'


def _across(right: float, axis: str) -> str:
    step, y, marks = nice(right / 8), TALL - BOTTOM, []
    for i in range(int(right / step * 1.0001) + 1):
        x = LEFT + i * step / right * (WIDE - LEFT - RIGHT)
        marks.append(f'<text x="{x:.1f}" y="{y + 16}" text-anchor="middle">{i * step:g}</text>')
    words = {"seconds": "seconds of training"}.get(axis, axis)
    middle = (LEFT + WIDE - RIGHT) / 2
    return f'<g class="axis">{"".join(marks)}<text x="{middle}" y="{TALL - 4}" text-anchor="middle">{words}</text></g>'


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
