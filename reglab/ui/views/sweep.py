"""A sweep as a page: a heat map for two axes, a line with a band for one, parallel coordinates for more, bars for a factorial.

Text in, text out; knows nothing of Gradio. A cell is a button that carries the ids of its runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from reglab.errors import ConfigError
from reglab.experiments import stats
from reglab.experiments.compare import Metric, bounds, number
from reglab.experiments.grid import LESS_IS_BETTER, METRICS_OF_A_SWEEP, UNTIL, Axis, Cell, Grid, state
from reglab.experiments.sweep import clock
from reglab.regularizers import CATALOGUE
from reglab.ui.views.inside import card, safe
from reglab.ui.views.plane import Plane, below, svg

LISTED = 60  # cells in the table
PARALLEL = 200  # lines of parallel coordinates
FAN = 20.0  # pixels between the worst and the best line at one value


def page(grid: Grid, metric: str = "test_accuracy", told: Sequence[Mapping[str, Any]] = ()) -> str:
    """The whole page; `told` are the summaries of all runs, for how far the sweep has come."""
    drawn = {0: _alone, 1: line, 2: heat_map}.get(len(grid.axes), parallel)
    title = METRICS_OF_A_SWEEP[metric].title
    parts = [card(title.capitalize(), _how_to_read(grid, metric), drawn(grid, metric))]
    if grid.is_factorial:
        parts.append(card("What did each one buy?", BOUGHT, bought(grid, metric)))
    words = winner(grid, metric)
    head = f'<p class="so-far">{progress(told)}</p>{f"<p>{words}</p>" if words else ""}'
    table = card("In numbers", "Press a row's name to see its curves.", _table(grid, metric))
    return f'<div class="reglab-inside reglab-sweep">{head}<div class="stack">{"".join(parts)}{table}</div></div>'


BOUGHT = (
    "Switching a technique on, averaged over the others on and off. The line is the 95 % interval; where it leaves zero out,"
    " chance is a poor explanation. Below, the interaction after Yates: half of what one changes more while the other is on."
)


def progress(told: Sequence[Mapping[str, Any]]) -> str:
    """How far the sweep has come, in words."""
    n = len(told)
    states = [state(s) for s in told]
    done = [s["seconds"] for s in told if s["status"] == "finished" and s.get("seconds")]
    parts = [f"{states.count('finished')} of {n} {'run' if n == 1 else 'runs'} finished"]
    for name, words in STATES.items():
        if count := states.count(name):
            parts.append(f"{count} {words}")
    left = states.count("queued") + states.count("running")
    if left and done:
        parts.append(f"about {clock(left * sum(done) / len(done))} left")
    failed = [s for s in told if s["status"] == "failed" and s.get("reason")]
    why = f" {safe(str(failed[-1]['reason']))}" if failed else ""
    return f"{', '.join(parts)}.{why}"


STATES = {
    "running": "running",
    "queued": "waiting",
    "failed": "failed",
    "pruned": "stopped early, since they could not win",
    "stopped": "stopped",
    "interrupted": "broken off",
}


def winner(grid: Grid, metric: str) -> str:
    """The best cell, and whether it is really better than the next."""
    m, ranked = METRICS_OF_A_SWEEP[metric], grid.best(metric)
    if len(ranked) < 2:
        return ""
    (first, i), (second, _) = ranked[:2]
    d = stats.difference(second.values(metric), first.values(metric))
    verdict = stats.verdict(d, m.unit, m.digits)
    flattered = f" The best of {len(ranked)} flatters: run it again with new seeds." if len(ranked) > 4 else ""
    which = "Lowest" if metric in LESS_IS_BETTER else "Highest"
    return (
        f"{which} {m.title}: <b>{safe(first.label)}</b> ({number(i.mean, m)}). Against the next,"
        f" {safe(second.label)}: {safe(verdict)}{flattered}"
    )


def _how_to_read(grid: Grid, metric: str) -> str:
    less = "lower is better" if metric in LESS_IS_BETTER else "higher is better"
    if len(grid.axes) == 2:
        return f"The mean over the seeds; darker is more, {less}. Press a cell to see its curves."
    if len(grid.axes) == 1:
        return f"The mean over the seeds, {less}; the band reaches from the lowest to the highest. Values are evenly spaced."
    return f"Each line is one combination; the better ones are drawn stronger ({less}). Press a line to see its curves."


# ---- two axes ----------------------------------------------------------------------------------------------------
def heat_map(grid: Grid, metric: str) -> str:
    """A table of buttons: the first axis down, the second across."""
    down, across = grid.axes
    values = [i.mean for cell in grid.cells if (i := cell.interval(metric)) is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    best = grid.best(metric)[:1]
    head = "".join(f'<th scope="col">{safe(v)}</th>' for v in across.shown)
    rows = []
    for y, name in enumerate(down.shown):
        cells = []
        for x in range(len(across.values)):
            cell = grid.by_place.get((y, x))
            is_best = bool(best) and cell is best[0][0]
            cells.append(f"<td>{_heat(cell, metric, low, high, is_best) if cell else ''}</td>")
        rows.append(f'<tr><th scope="row">{safe(name)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroller"><table class="heat"><thead><tr><th class="corner">{safe(down.title)} ↓</th>'
        f'<th class="corner" colspan="{len(across.values)}">{safe(across.title)} →</th></tr>'
        f"<tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heat(cell: Cell, metric: str, low: float, high: float, is_best: bool) -> str:
    m, i = METRICS_OF_A_SWEEP[metric], cell.interval(metric)
    if i is None:
        said, more, share = _state(cell, metric), "", 0.0
    else:
        said, share = f"{i.mean:.{m.digits}f}", (i.mean - low) / (high - low) if high > low else 0.5
        n, wanted = i.n, len(cell.runs)
        more = f"± {(i.high - i.mean):.{m.digits}f}" if i.high is not None else ""
        more += f" n = {n}" if n == wanted else f" {n} of {wanted}"
    words = f"{cell.label}: {said} {more}{', the best' if is_best else ''}".strip()
    return (
        f'<button type="button" class="cell{" best" if is_best else ""}" style="--share:{share * 100:.0f}%"'
        f' data-runs="{_ids(cell)}" aria-label="{safe(words)}" title="{safe(words)}">{said}<small>{more}</small></button>'
    )


def _state(cell: Cell, metric: str) -> str:
    """Why a cell has no number."""
    states = cell.statuses
    for name, words in (("running", "training"), ("queued", "waiting"), ("failed", "diverged")):
        if states[name]:
            failed = name == "failed" and not any("iverged" in str(s.get("reason")) for s in cell.runs)
            return "failed" if failed else words
    if states["finished"] and metric in UNTIL:
        return "never"
    return "pruned" if states["pruned"] else "-" if states["finished"] else "stopped"


def _ids(cell: Cell) -> str:
    return " ".join(str(s["run"]) for s in cell.runs)


# ---- one axis ----------------------------------------------------------------------------------------------------
def line(grid: Grid, metric: str) -> str:
    """The metric over the values of the axis; where that is test accuracy, training accuracy beside it."""
    axis, m = grid.axes[0], METRICS_OF_A_SWEEP[metric]
    curves = {metric: m.title}
    if metric in ("test_accuracy", "val_accuracy"):
        curves = {"train_accuracy": "training accuracy", **curves}  # the gap is what lies between them
    points = {key: _points(grid, key) for key in curves}
    every = [y for told in points.values() for _, _, low, high, _ in told for y in (low, high)]
    if not every:
        return f"<p>{safe(_nothing_yet(grid))}</p>"
    plane = Plane.around(every)
    drawn, said = [], []
    for key, title in curves.items():
        if not (told := points[key]):
            continue
        several = any(n > 1 for *_, n in told)
        band = plane.band([(_across(axis, x), low, high) for x, _, low, high, _ in told]) if several else ""
        means = [(_across(axis, x), mean) for x, mean, *_ in told]
        mean_line = plane.line(means, dashed=key == "train_accuracy" and key != metric)
        drawn.append(f'<g data-role="b">{band}{mean_line}{plane.dots(means)}</g>')
        said.append(f"{title}: " + ", ".join(f"{axis.shown[x]} {number(mean, m)}" for x, mean, *_ in told))
    legend = "".join(
        f'<b class="name {"solid" if key == metric else "broken"}" data-role="b">{safe(title)}</b>'
        for key, title in curves.items()
    )
    every_nth = -(-len(axis.values) // 12)
    names = [(_across(axis, x), name) for x, name in enumerate(axis.shown) if x % every_nth == 0]
    content = plane.grid("{:.4g}".format) + below(names, axis.title) + "".join(drawn)
    caption = legend if len(curves) > 1 else ""
    return f"<figure><figcaption>{caption}</figcaption>{svg(content, '; '.join(said))}</figure>"


def _across(axis: Axis, place: int) -> float:
    """Values are evenly spaced, each in the middle of its part of the width."""
    return (place + 0.5) / len(axis.values)


def _points(grid: Grid, metric: str) -> list[tuple[int, float, float, float, int]]:
    """Place, mean, lowest, highest and n of each cell that has the number."""
    told = []
    for cell in grid.cells:
        if values := list(cell.values(metric).values()):
            told.append((cell.place[0], sum(values) / len(values), min(values), max(values), len(values)))
    return told


def _alone(grid: Grid, metric: str) -> str:
    return f"<p>{safe(_nothing_yet(grid))}</p>"


def _nothing_yet(grid: Grid) -> str:
    if not grid.axes:
        return (
            "These runs differ in nothing but their seed, so there is nothing to draw: give another value to a setting."
        )
    return "No run has this number yet: it comes with the first that is finished."


# ---- three axes and more -----------------------------------------------------------------------------------------
def parallel(grid: Grid, metric: str) -> str:
    """A line for each combination, through its value on every axis to its number on the last."""
    m = METRICS_OF_A_SWEEP[metric]
    ranked = grid.best(metric)[:PARALLEL]
    if not ranked:
        return f"<p>{safe(_nothing_yet(grid))}</p>"
    means = [i.mean for _, i in ranked]
    low, high = min(means), max(means)
    wide, tall, top, bottom = 140 * len(grid.axes) + 120, 260, 34, 226
    xs = [40 + 140 * n for n in range(len(grid.axes) + 1)]

    def on(axis: Axis, place: int) -> float:
        return bottom - (place / (len(axis.values) - 1) if len(axis.values) > 1 else 0.5) * (bottom - top)

    lines = []
    for cell, i in reversed(ranked):  # the best on top
        share = (i.mean - low) / (high - low) if high > low else 0.5
        # Where lines meet at a value, the better ones pass higher, so that one sees which values they share.
        ys = [on(axis, at) - (share - 0.5) * FAN for axis, at in zip(grid.axes, cell.place, strict=True)]
        ys.append(bottom - share * (bottom - top))
        path = f"M{xs[0]} {ys[0]:.1f}" + "".join(
            f" C{(a + b) / 2:.0f} {y:.1f} {(a + b) / 2:.0f} {z:.1f} {b} {z:.1f}"
            for a, b, y, z in zip(xs, xs[1:], ys, ys[1:], strict=False)
        )
        good = 1 - share if metric in LESS_IS_BETTER else share
        words = safe(f"{cell.label}: {number(i.mean, m)}")
        lines.append(
            f'<path class="line" style="opacity:{0.15 + 0.85 * good**2:.2f}" d="{path}"/>'
            f'<path class="touch" data-runs="{_ids(cell)}" d="{path}"><title>{words}</title></path>'
        )
    marks = []
    for x, axis in zip(xs, grid.axes, strict=False):
        marks.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        marks.append(f'<text x="{x}" y="{tall - 12}" text-anchor="middle">{safe(axis.title)}</text>')
        marks += [
            f'<text x="{x - 5}" y="{on(axis, at) + 4:.1f}" text-anchor="end">{safe(name)}</text>'
            for at, name in enumerate(axis.shown)
        ]
    x = xs[-1]
    marks.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
    marks.append(f'<text x="{x}" y="{tall - 12}" text-anchor="middle">{safe(m.title)}</text>')
    marks += [f'<text x="{x + 5}" y="{y}">{v:.{m.digits}f}</text>' for v, y in ((low, bottom + 4), (high, top + 4))]
    words = f"{len(ranked)} combinations; the best: {ranked[0][0].label}, {number(ranked[0][1].mean, m)}"
    return (
        f'<div class="scroller"><svg role="img" class="parallel" style="max-width:{wide * 1.25:.0f}px"'
        f' viewBox="0 0 {wide} {tall}" aria-label="{safe(words)}">'
        f'<g data-role="b">{"".join(lines)}</g><g class="axis">{"".join(marks)}</g></svg></div>'
    )


# ---- a factorial -------------------------------------------------------------------------------------------------
def bought(grid: Grid, metric: str) -> str:
    """Main effects as bars with intervals, pairs as a grid, and what a point of accuracy cost in seconds."""
    m = METRICS_OF_A_SWEEP[metric]
    try:
        effects = grid.effects(metric)
    except ConfigError as error:
        return f"<p>{safe(str(error))}</p>"
    single = [e for e in effects if len(e.names) == 1]
    pairs = {frozenset(e.names): e for e in effects if len(e.names) == 2}
    single.sort(key=lambda e: -e.mean if metric not in LESS_IS_BETTER else e.mean)
    costs = _costs(grid)
    far = max(abs(x) for e in single for x in (e.mean, e.low or 0, e.high or 0)) * 1.08 or 1.0
    rows = []
    for e in single:
        whole = e.low is not None and e.high is not None and isfinite(e.low)
        left, right = sorted((50.0, 50 + e.mean / far * 50))
        interval = ""
        if whole and e.low is not None and e.high is not None:
            a, b = 50 + e.low / far * 50, 50 + e.high / far * 50
            interval = f'<i style="left:{a:.1f}%;width:{b - a:.1f}%"></i>'
        real = "real" if whole and ((e.low or 0) > 0 or (e.high or 0) < 0) else "unsure"
        title = CATALOGUE[e.names[0]].title
        bar = f'<u style="left:{left:.1f}%;width:{right - left:.1f}%"></u>'
        rows.append(
            f'<li data-role="b"><span class="name">{safe(title)}</span>'
            f'<span class="forest bar-of" aria-hidden="true"><s></s>{bar}{interval}</span>'
            f'<span class="verdict {real}">{_effect(e, m)}{costs.get(e.names[0], "")}</span></li>'
        )
    return f'<ul class="differences">{"".join(rows)}</ul>{_interactions(single, pairs, m)}'


def _effect(e: stats.Effect, m: Metric) -> str:
    within = "" if e.low is None or e.high is None else f", 95 % [{e.low:.{m.digits}f}, {e.high:.{m.digits}f}]"
    unit = f" {m.unit}" if m.unit else ""
    return f"{e.mean:+.{m.digits}f}{unit}{within}, {e.n} runs"


def _costs(grid: Grid) -> dict[str, str]:
    """Technique -> what it costs in seconds of training, and for each point of test accuracy that it buys."""
    try:
        seconds = {e.names[0]: e.mean for e in grid.effects("seconds") if len(e.names) == 1}
        points = {e.names[0]: e.mean for e in grid.effects("test_accuracy") if len(e.names) == 1}
    except ConfigError:
        return {}
    told = {}
    for key, cost in seconds.items():
        each = f", {cost / points[key]:.1f} s for each point" if points.get(key, 0) >= 0.1 and cost > 0 else ""
        told[key] = f"; {cost:+.1f} s of training{each}"
    return told


def _interactions(single: Sequence[stats.Effect], pairs: Mapping[frozenset[str], stats.Effect], m: Metric) -> str:
    keys = [e.names[0] for e in single]
    far = max((abs(e.mean) for e in pairs.values()), default=0.0) or 1.0
    head = "".join(f'<th scope="col">{safe(CATALOGUE[key].title)}</th>' for key in keys[1:])
    rows = []
    for i, key in enumerate(keys[:-1]):
        cells = []
        for j, other in enumerate(keys[1:], 1):
            e = pairs.get(frozenset((key, other)))
            if j <= i or e is None:
                cells.append("<td></td>")
                continue
            role = "b" if e.mean >= 0 else "a"
            words = f"{CATALOGUE[key].title} with {CATALOGUE[other].title}: {_effect(e, m)}"
            cells.append(
                f'<td><span class="cell" data-role="{role}" style="--share:{abs(e.mean) / far * 100:.0f}%"'
                f' title="{safe(words)}">{e.mean:+.{m.digits}f}</span></td>'
            )
        rows.append(f'<tr><th scope="row">{safe(CATALOGUE[key].title)}</th>{"".join(cells)}</tr>')
    if not pairs:
        return ""
    return (
        '<div class="scroller"><table class="heat pairs"><caption>Two together: what one adds to the other</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


# ---- numbers -----------------------------------------------------------------------------------------------------
def _table(grid: Grid, metric: str) -> str:
    m = METRICS_OF_A_SWEEP[metric]
    ranked = [cell for cell, _ in grid.best(metric)]
    there = {cell.place for cell in ranked}
    rest = [cell for cell in grid.cells if cell.place not in there]
    shown = (ranked + rest)[:LISTED]
    columns = [m.title, "95 %", "seeds", "gap (points)", "calibration error"]
    rows = []
    for cell in shown:
        i, gap, ece = (cell.interval(key) for key in (metric, "gap", "ece"))
        told = [
            number(i.mean, m) if i else _state(cell, metric), bounds(i, m) if i else "-", str(i.n if i else 0),
            f"{gap.mean:.1f}" if gap else "-", f"{ece.mean:.3f}" if ece else "-",
        ]  # fmt: skip
        name = f'<button type="button" class="open" data-runs="{_ids(cell)}">{safe(cell.label)}</button>'
        rows.append(f'<tr><th scope="row">{name}</th>{"".join(f"<td>{safe(t)}</td>" for t in told)}</tr>')
    head = "".join(f'<th scope="col">{safe(c)}</th>' for c in ("", *columns))
    more = f" The first {LISTED} of {len(grid.cells)}." if len(grid.cells) > LISTED else ""
    return (
        f'<div class="scroller"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        f'<p class="caption">{safe(grid.config.title())}. As each run reports itself: after its last epoch, unless it stopped'
        f" early. Intervals: Student's t over the seeds.{more}</p>"
    )
