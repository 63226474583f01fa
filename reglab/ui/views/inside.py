"""What `mechanism.look` found, as a page: weights by layer, confidence, logits and reliability of one run or of two.

Text in, text out; knows nothing of Gradio. The colours are those of the chart, so that they hold in the dark as well.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from reglab.analysis.inside import CONFIDENCE_BINS, NEAR_ZERO, RELATIVELY_ZERO

WIDE, TALL = 320, 196  # of a drawing, about the pixels it gets
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 8, 34


@dataclass(frozen=True)
class Shown:
    """A run on the page: its colour, what it is called there, and what was found inside."""

    role: str
    name: str
    look: dict[str, Any]


def page(runs: Sequence[Shown]) -> str:
    """The whole page. A run without answers (its images are not here) is left out where they would be drawn."""
    answered = [run for run in runs if "ece" in run.look]
    problems = "".join(
        f'<p class="warning" role="alert">{safe(run.look["problem"])}</p>' for run in runs if "problem" in run.look
    )
    cards = [card("In numbers", "", _numbers(runs))]
    if answered:
        cards += [
            card(
                "How sure it is",
                "Its largest probability for each validation image, right answers upwards, wrong ones downwards."
                " An over-confident network is sure of its mistakes too: its lower bars crowd at the right edge.",
                _side_by_side(answered, _confidences),
            ),
            card(
                "Does it know what it knows?",
                "Of the images it is so sure of, how many are right? An over-confident network's bars lie below the"
                " diagonal. Short lines: how sure it is on average; paler bars rest on fewer images.",
                _side_by_side(answered, reliability),
            ),
            card(
                "What it says before softmax",
                "All logits pale, the largest of each image solid, each to its own height. The further the largest ones"
                " pull away, the surer the network; label smoothing and weight decay hold them back.",
                _side_by_side(answered, _logits),
            ),
        ]
    cards += [
        card(
            "Weight norm by layer",
            "The length (L2) of all weights of a layer. Weight decay, max-norm and their kin keep these bars short; in"
            " front of a normalization only the proportions count, not the length.",
            _layers(runs, _norms),
        ),
        card(
            "Near-zero weights by layer",
            f"Bars: weights smaller than {NEAR_ZERO:g}, which could be left out. Ticks: smaller than"
            f" {RELATIVELY_ZERO * 100:g} % of the layer's typical (RMS) weight, about {RELATIVELY_ZERO * 80:.1f} % in a"
            " bell curve: these rise only where a penalty such as L1 empties a layer, not where it shrinks.",
            _layers(runs, _zeros),
        ),
    ]
    return f'<div class="reglab-inside">{problems}<div class="cards">{"".join(cards)}</div></div>'


def card(title: str, sentence: str, body: str) -> str:
    """A part of the page: what it is, how to read it, and the thing itself."""
    return f"<section><h4>{title}</h4>{f'<p>{sentence}</p>' if sentence else ''}{body}</section>"


def named(run: Shown) -> str:
    """The run's name in its colour."""
    return f'<b class="name" data-role="{run.role}" title="{safe(run.name)}">{safe(run.name)}</b>'


def safe(text: str) -> str:
    """Text of others, as text."""
    return html.escape(text, quote=True)


# ---- numbers -----------------------------------------------------------------------------------------------------
def _numbers(runs: Sequence[Shown]) -> str:
    def row(title: str, tell: Callable[[dict[str, Any]], str]) -> str:
        cells = "".join(f"<td>{tell(run.look)}</td>" for run in runs)
        return f'<tr><th scope="row">{title}</th>{cells}</tr>'

    def share(key: str) -> Callable[[dict[str, Any]], str]:
        return lambda look: percent(look[key]) if key in look else "–"

    def total(look: dict[str, Any]) -> str:
        return _number(sum(layer["norm"] ** 2 for layer in look["layers"]) ** 0.5)

    def empty(look: dict[str, Any]) -> str:
        zeros = sum(layer["near_zero"] * layer["weights"] for layer in look["layers"])
        return percent(zeros / sum(layer["weights"] for layer in look["layers"]))

    head = "".join(f'<th scope="col">{named(run)}</th>' for run in runs)
    rows = [
        row("Validation accuracy", share("accuracy")),
        row("Mean confidence <small>what it expects to get right</small>", share("confidence")),
        row("Wrong, yet more than 90 % sure <small>of all images</small>", share("sure_and_wrong")),
        row(
            "Calibration error (ECE) <small>0 is perfect</small>",
            lambda look: f"{look['ece']:.3f}" if "ece" in look else "–",
        ),
        row("Length of all weights <small>L2 norm</small>", total),
        row(f"Near-zero weights <small>smaller than {NEAR_ZERO:g}</small>", empty),
    ]
    images = {run.look["images"] for run in runs if "images" in run.look}
    seen = f", {' and '.join(f'{n:,}' for n in sorted(images))} validation images" if images else ""
    return (
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f'<p class="caption">Weights of the best epoch by validation{seen}.</p>'
    )


# ---- layers ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Measure:
    """What is drawn of a layer: the bar, perhaps a tick on it, and the words beside it."""

    bar: float
    words: str
    tick: float | None = None


def _norms(layer: dict[str, Any]) -> Measure:
    return Measure(layer["norm"], _number(layer["norm"]))


def _zeros(layer: dict[str, Any]) -> Measure:
    near, relatively = layer["near_zero"], layer["relatively_zero"]
    return Measure(near, f"{percent(near)} <small>{percent(relatively)}</small>", relatively)


def _layers(runs: Sequence[Shown], measure: Callable[[dict[str, Any]], Measure]) -> str:
    """Bars of both runs under each layer, where they have the same layers; else one list after the other."""
    names = [[layer["name"] for layer in run.look["layers"]] for run in runs]
    groups = [runs] if all(each == names[0] for each in names) else [[run] for run in runs]
    measures = {run.look["run"]: [measure(layer) for layer in run.look["layers"]] for run in runs}
    top = max((max(m.bar, m.tick or 0) for each in measures.values() for m in each), default=0) or 1
    lists = []
    for group in groups:
        rows = []
        for number, layer in enumerate(group[0].look["layers"]):
            bars = "".join(_bar(run.role, measures[run.look["run"]][number], top) for run in group)
            rows.append(f"<li><span>{safe(layer['name'])}</span><span>{bars}</span></li>")
        told = "; ".join(
            f"{run.name}: " + ", ".join(
                f"{layer['name']} {_plain(m.words)}"
                for layer, m in zip(run.look["layers"], measures[run.look["run"]], strict=True)
            )
            for run in group
        )  # fmt: skip
        legend = "".join(map(named, group))
        lists.append(f'<figcaption>{legend}</figcaption><ul role="img" aria-label="{safe(told)}">{"".join(rows)}</ul>')
    return "".join(f'<figure class="layers">{each}</figure>' for each in lists)


def _bar(role: str, m: Measure, top: float) -> str:
    tick = f'<s style="left:{100 * m.tick / top:.2f}%"></s>' if m.tick is not None else ""
    bar = f'<i><b style="width:{100 * m.bar / top:.2f}%"></b>{tick}</i>'
    return f'<span class="bar" data-role="{role}">{bar}<em>{m.words}</em></span>'


def _plain(words: str) -> str:
    return words.replace(" <small>", " and ").replace("</small>", "")


# ---- drawings ----------------------------------------------------------------------------------------------------
def _side_by_side(runs: Sequence[Shown], draw: Callable[[Shown, Sequence[Shown]], str]) -> str:
    """A drawing for each run, on the same scale; `draw` is given the run and all of them."""
    drawn = (f"<figure><figcaption>{named(run)}</figcaption>{draw(run, runs)}</figure>" for run in runs)
    return f'<div class="pair">{"".join(drawn)}</div>'


def _svg(run: Shown, told: str, content: str, tall: int = TALL) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDE} {tall}" data-role="{run.role}" aria-label="{safe(told)}">{content}</svg>'
    )


def _across(share: float) -> float:
    return LEFT + share * (WIDE - LEFT - RIGHT)


def _box(kind: str, x: float, right: float, y: float, bottom: float, told: str = "", style: str = "") -> str:
    """A bar of a histogram, with a pixel between bars that are wide enough. Nothing where it would have no height."""
    if bottom - y < 0.05:
        return ""
    title = f"<title>{told}</title>" if told else ""
    gap = 1 if right - x > 5 else 0
    return (
        f'<rect class="{kind}" x="{x + gap / 2:.1f}" y="{y:.1f}" width="{right - x - gap:.1f}"'
        f' height="{bottom - y:.1f}"{style}>{title}</rect>'
    )


def _axis(ticks: Sequence[tuple[float, str]], words: str, tall: int = TALL) -> str:
    """Ticks (a share of the width, what it says) and what the axis is."""
    y = tall - BOTTOM
    marks = "".join(
        f'<line x1="{_across(at):.1f}" x2="{_across(at):.1f}" y1="{y}" y2="{y + 4}"/>'
        f'<text x="{_across(at):.1f}" y="{y + 15}" text-anchor="middle">{told}</text>'
        for at, told in ticks
    )
    middle = (LEFT + WIDE - RIGHT) / 2
    base = f'<line x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y}" y2="{y}"/>'
    return f'<g class="axis">{base}{marks}<text x="{middle}" y="{tall - 5}" text-anchor="middle">{words}</text></g>'


PERCENT = [(share / 4, f"{share * 25} %") for share in range(5)]


def _confidences(run: Shown, runs: Sequence[Shown]) -> str:
    """Right answers stand on the middle line, wrong ones hang from it."""
    right_top, wrong_top = (
        max(max(each.look["confidences"][kind]) / each.look["images"] for each in runs) for kind in ("right", "wrong")
    )
    bottom = TALL - BOTTOM
    scale = (bottom - TOP) / ((right_top + wrong_top) or 1)
    middle = TOP + right_top * scale
    images, seen = run.look["images"], run.look["confidences"]
    bars = []
    for n in range(CONFIDENCE_BINS):
        x, end = _across(n / CONFIDENCE_BINS), _across((n + 1) / CONFIDENCE_BINS)
        bound = f"{n / CONFIDENCE_BINS:.0%} to {(n + 1) / CONFIDENCE_BINS:.0%} sure"
        for kind, sign in (("right", -1), ("wrong", 1)):
            far = middle + sign * seen[kind][n] / images * scale
            told = f"{bound}: {seen[kind][n]:,} {kind} of {images:,}"
            bars.append(_box(kind, x, end, min(far, middle), max(far, middle), told))
    words = (
        f'<g class="axis"><line x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        f'<text x="{LEFT + 2}" y="{middle - 5:.1f}">right</text><text x="{LEFT + 2}" y="{middle + 13:.1f}">wrong</text></g>'
    )
    told = (
        f"{run.name}: mean confidence {percent(run.look['confidence'])}, accuracy {percent(run.look['accuracy'])};"
        f" wrong yet more than 90 % sure: {percent(run.look['sure_and_wrong'])} of {images:,} images"
    )
    return _svg(run, told, "".join(bars) + words + _axis(PERCENT, "confidence"))


def _logits(run: Shown, runs: Sequence[Shown]) -> str:
    """The same stretch of logits for all runs; heights are their own, since only the places are compared."""
    low = min(each.look["logits"]["start"] for each in runs)
    high = max(_end(each.look["logits"]) for each in runs)
    span = (high - low) or 1
    found, bottom = run.look["logits"], TALL - BOTTOM
    tallest = {kind: (bottom - TOP) / (max(found[kind]) or 1) for kind in ("all", "largest")}
    bars = []
    for n, (every, largest) in enumerate(zip(found["all"], found["largest"], strict=True)):
        start = found["start"] + n * found["width"]
        x, end = _across((start - low) / span), _across((start + found["width"] - low) / span)
        bound = f"{start:g} to {start + found['width']:g}"
        bars.append(_box("pale", x, end, bottom - every * tallest["all"], bottom, f"{bound}: {every:,} logits"))
        told = f"{bound}: the largest logit of {largest:,} images"
        bars.append(_box("right", x, end, bottom - largest * tallest["largest"] * 0.7, bottom, told))
    step = nice(span / 6)
    first = ceil(low / step - 1e-9)
    ticks = [
        ((n * step - low) / span, f"{n * step:g}".replace("-", "−"))
        for n in range(first, floor(high / step + 1e-9) + 1)
    ]
    middle = _median(found["largest"], found["start"], found["width"])
    told = (
        f"{run.name}: logits from {found['start']:g} to {_end(found):g};"
        f" half of the images have a largest logit above {middle:.3g}"
    )
    return _svg(run, told, "".join(bars) + _axis(ticks, "logit"))


def _end(found: dict[str, Any]) -> float:
    return float(found["start"] + len(found["all"]) * found["width"])


def _median(counts: Sequence[int], start: float, width: float) -> float:
    """The upper edge of the bin in which the first half of them ends."""
    total, so_far = sum(counts), 0
    for n, count in enumerate(counts):
        so_far += count
        if so_far * 2 >= total:
            return start + (n + 1) * width
    return start


def nice(least: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... that is at least this: the distance between the marks of an axis."""
    power: float = 10.0 ** floor(log10(least))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= least * 0.999), 10 * power)


def reliability(run: Shown, _: Sequence[Shown] = ()) -> str:
    """Bars: how many are right of those it is so sure of; the diagonal is where they would be if it knew itself."""
    tall = 228
    bottom = tall - BOTTOM

    def up(share: float) -> float:
        return bottom - share * (bottom - TOP)

    bins = run.look["reliability"]
    most = max((b["count"] for b in bins), default=0) or 1
    bars, told = [], []
    for n, b in enumerate(bins):
        if not b["count"]:
            continue
        sentence = f"{b['confidence']:.0%} sure, {b['accuracy']:.0%} right, {b['count']:,} images"
        told.append(sentence)
        style = f' style="fill-opacity:{0.3 + 0.7 * (b["count"] / most) ** 0.5:.2f}"'
        x, end = _across(n / len(bins)), _across((n + 1) / len(bins))
        bars.append(_box("right", x, end, up(b["accuracy"]), bottom, sentence, style))
        y = up(b["confidence"])  # where it would be if it knew itself
        bars.append(f'<line class="claim" x1="{x + 0.5:.1f}" x2="{end - 0.5:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    sides = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{up(at):.1f}" y2="{up(at):.1f}"/>'
        f'<text x="{LEFT - 5}" y="{up(at) + 4:.1f}" text-anchor="end">{at * 100:.0f} %</text>'
        for at in (0, 0.5, 1)
    )
    diagonal = f'<line class="diagonal" x1="{LEFT}" y1="{up(0)}" x2="{WIDE - RIGHT}" y2="{up(1)}"/>'
    ece = f'<text class="figure" x="{LEFT + 8}" y="{TOP + 18}">ECE {run.look["ece"]:.3f}</text>'
    words = f"{run.name}: calibration error {run.look['ece']:.3f}; " + "; ".join(told)
    content = f'<g class="axis">{sides}</g>{"".join(bars)}{diagonal}{ece}{_axis(PERCENT, "confidence", tall)}'
    return _svg(run, words, content, tall)


def percent(share: float) -> str:
    """`12.3 %`"""
    return f"{share * 100:.1f} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"
