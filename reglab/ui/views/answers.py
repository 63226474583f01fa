"""What networks make of a picture, as a page: a panel for each, all bars on the same scale.

Text in, text out; knows nothing of Gradio. The colours are those of the runs in the chart.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

from reglab.analysis.pictures import overlay
from reglab.ui.views.preview import embedded

if TYPE_CHECKING:
    import numpy as np

    from reglab.analysis.predict import Answer

TOP = 5
PASSES = 30  # with dropout left on, for the spread
WAITING = "Click an example, or upload, paste or photograph a picture: the networks answer here, side by side."
CALIBRATING = "calibrating: it answers all validation and test images, which takes seconds to minutes"


@dataclass(frozen=True)
class Panel:
    """A network on the page: its colour and name, and its answer to what it saw, or why there is none."""

    run: str
    role: str
    name: str
    answer: Answer | None = None
    seen: np.ndarray | None = None
    problem: str = ""
    is_calibrating: bool = False


def page(panels: Sequence[Panel], with_spread: bool = False) -> str:
    """The whole page; before there is a picture, a sentence. `with_spread`: the spread under dropout was asked for."""
    if not panels:
        return f'<div class="reglab-answers"><p class="empty">{WAITING}</p></div>'
    # What is wrong with the picture is wrong for all of them, and said once.
    problems = list(dict.fromkeys(panel.problem for panel in panels if panel.problem))
    told = "".join(f'<p class="warning" role="alert">{html.escape(problem)}</p>' for problem in problems)
    shown = "".join(_panel(panel, with_spread) for panel in panels if panel.answer)
    return (
        f'<div class="reglab-answers">{told}<div class="panels">{shown}</div>{_legend(panels) if shown else ""}</div>'
    )


def _legend(panels: Sequence[Panel]) -> str:
    answers = [panel.answer for panel in panels if panel.answer]
    parts = ["All bars end at 100 %."]
    if any(a.temperature is not None for a in answers):
        parts.append("Bar: calibrated probability. Tick: as the network gives it (raw).")
    if any(a.spread for a in answers):
        parts.append(f"Thin line: one standard deviation over {PASSES} passes with dropout left on.")
    return f'<p class="legend">{" ".join(parts)}</p>'


def _panel(panel: Panel, with_spread: bool) -> str:
    answer = panel.answer
    assert answer
    first, p = answer.top(1)[0]
    name, label = html.escape(panel.name, quote=True), html.escape(first)
    return (
        f'<section data-role="{panel.role}" aria-label="{name}">'
        f'<header><b class="name" title="{name}">{name}</b><strong>{label}</strong><em>{_sure(p)}</em></header>'
        f"{_pictures(panel, label)}"
        f'<ul class="bars">{_bars(answer)}</ul>'
        f"<dl>{_facts(panel, answer, with_spread)}</dl>"
        f"{_unlike(answer)}</section>"
    )


def _unlike(answer: Answer) -> str:
    return f'<p class="warning" role="status">{html.escape(answer.unlike)}</p>' if answer.unlike else ""


def _pictures(panel: Panel, label: str) -> str:
    """What the network sees, and the same with what speaks for its answer."""
    from PIL import Image

    if panel.seen is None or panel.answer is None:
        return ""
    side = panel.seen.shape[0]
    seen = embedded(Image.fromarray(panel.seen))
    alt = f"The picture in {side} x {side} pixels"
    figures = (
        f'<figure><img src="{seen}" alt="{alt}"><figcaption>What it sees: {side} x {side} pixels</figcaption></figure>'
    )
    if panel.answer.cam is not None:
        heat = embedded(overlay(panel.seen, panel.answer.cam), "webp")
        layer = html.escape(panel.answer.cam_layer)
        speaks = "Orange: speaks" if panel.answer.cam.any() else "Nothing in it speaks"
        figures += (
            f'<figure><img src="{heat}" alt="The same, orange where it speaks for {label}">'
            f"<figcaption>{speaks} for {label}, at {layer} (Grad-CAM)</figcaption></figure>"
        )
    return f'<div class="seen">{figures}</div>'


def _bars(answer: Answer) -> str:
    raw = dict(zip(answer.classes, answer.raw, strict=True))
    spread = dict(zip(answer.classes, answer.spread, strict=True)) if answer.spread else {}
    rows = []
    for name, p in answer.top(TOP):
        words, mark = _sure(p), None
        if name in spread:
            words += f" <small>± {100 * spread[name]:.1f}</small>"
        if answer.temperature is not None:
            mark = raw[name]
            words += f" <small>raw {_sure(mark)}</small>"
        rows.append(bar(name, p, words, mark, spread.get(name)))
    return "".join(rows)


def bar(label: str, share: float, words: str, mark: float | None = None, spread: float | None = None) -> str:
    """A row of a list of class `bars`: a name, a bar from 0 to 1, perhaps with a tick and a spread, and words (HTML)."""
    ticks = f'<s style="left:{100 * mark:.2f}%"></s>' if mark is not None else ""
    if spread is not None:
        low, high = max(0.0, share - spread), min(1.0, share + spread)
        ticks += f'<u style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></u>'
    track = f'<i><b style="width:{100 * share:.2f}%"></b>{ticks}</i>'
    return f"<li><span>{html.escape(label)}</span>{track}<em>{words}</em></li>"


def _facts(panel: Panel, answer: Answer, with_spread: bool) -> str:
    most = log2(len(answer.classes))
    facts = [
        ("Temperature", _temperature(panel, answer)),
        (
            "Entropy",
            f"{answer.entropy:.2f} of {most:.2f} bits <small>0: certain of one class; {most:.2f}: all"
            f" {len(answer.classes)} are alike to it</small>",
        ),
    ]
    if with_spread:
        told = "see the thin lines" if answer.spread else "this network has no dropout"
        facts.append(("Dropout", f"{told} <small>{PASSES} passes with dropout left on</small>"))
    facts.append(("Time", f"{answer.seconds * 1000:,.0f} ms"))
    return "".join(f"<div><dt>{name}</dt><dd>{words}</dd></div>" for name, words in facts)


def _temperature(panel: Panel, answer: Answer) -> str:
    if answer.temperature is not None:
        why = "above 1: it was too sure" if answer.temperature > 1 else "below 1: it was not sure enough"
        return f"{answer.temperature:.2f} <small>{why}; its logits are divided by this</small>"
    if panel.is_calibrating:
        return f"<small>{CALIBRATING}</small>"
    run = html.escape(panel.run, quote=True)
    return (
        f'not calibrated <button type="button" data-run="{run}" data-meanwhile="{CALIBRATING}">Calibrate</button>'
        " <small>learns from validation images how sure to be</small>"
    )


def sure(p: float) -> str:
    """`12.3 %`, and neither 0 nor 100 where it is neither."""
    if 0 < p < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < p < 1 else f"{100 * p:.1f} %"


def _sure(p: float) -> str:
    return html.escape(sure(p))


def imagenet(name: str, likeliest: Sequence[tuple[str, float]]) -> str:
    """What a network of timm makes of the picture itself: the likeliest of ImageNet's 1,000 classes."""
    rows = "".join(bar(label, p, _sure(p)) for label, p in likeliest)
    return (
        f'<div class="reglab-answers"><section data-role="run" aria-label="{html.escape(name, quote=True)}">'
        f'<header><b class="name">{html.escape(name)}</b><strong>{html.escape(likeliest[0][0])}</strong>'
        f'<em>{_sure(likeliest[0][1])}</em></header><ul class="bars">{rows}</ul></section></div>'
    )
