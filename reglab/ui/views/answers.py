"""What networks make of a picture, as a page: a panel for each, all bars on the same scale.

The template is `answers.html`. The colours are those of the runs in the chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

from reglab.analysis.pictures import overlay
from reglab.ui.views.preview import embedded
from reglab.ui.views.templates import render

if TYPE_CHECKING:
    import numpy as np

    from reglab.analysis.predict import Answer

TOP = 5
PASSES = 30  # with dropout left on, for the spread
WAITING = "Choose an example or a picture of your own, and the networks answer here, side by side."
CALIBRATING = "calibrating: the network classifies all validation and test images, which takes seconds to minutes"


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
    truth: str = ""  # what an example shows


def page(panels: Sequence[Panel], with_spread: bool = False) -> str:
    """The whole page; before there is a picture, a sentence. `with_spread`: the spread under dropout was asked for."""
    answered = [_drawn(panel, panel.answer) for panel in panels if panel.answer]
    return render(
        "answers.html",
        panels=answered,
        # What is wrong with the picture is wrong for all of them, and said once.
        problems=list(dict.fromkeys(panel.problem for panel in panels if panel.problem)),
        with_spread=with_spread,
        is_calibrated=any(panel.answer.temperature is not None for panel in answered),
        has_spread=any(panel.answer.spread for panel in answered),
        passes=PASSES,
        waiting=WAITING,
        calibrating=CALIBRATING,
    )


def examples_html(examples: Sequence[tuple[np.ndarray, str]]) -> str:
    """Pictures to try, each with its true class. Their pixels are kept, so that each is known again when it is given."""
    from PIL import Image

    return render("examples.html", examples=[(embedded(Image.fromarray(pixels)), name) for pixels, name in examples])


def imagenet(name: str, likeliest: Sequence[tuple[str, float]]) -> str:
    """What a network of timm makes of the picture itself: the likeliest of ImageNet's 1,000 classes."""
    return render("imagenet.html", name=name, likeliest=likeliest)


@dataclass(frozen=True)
class _Bar:
    """A class and its probability; the raw one where another was calibrated, and the spread where it was asked for."""

    label: str
    share: float
    raw: float | None
    spread: float | None


@dataclass(frozen=True)
class _Drawn:
    """A panel as the template draws it."""

    run: str
    role: str
    name: str
    answer: Answer
    is_calibrating: bool
    truth: str
    first: str  # the likeliest class
    bars: list[_Bar]
    most: float  # entropy, in bits: all classes alike
    side: int = 0  # of what it sees, in pixels
    seen: str = ""  # the source of the picture
    heat: str = ""  # the same with what speaks for the answer


def _drawn(panel: Panel, answer: Answer) -> _Drawn:
    from PIL import Image

    seen = heat = ""
    if panel.seen is not None:
        seen = embedded(Image.fromarray(panel.seen))
        if answer.cam is not None:
            heat = embedded(overlay(panel.seen, answer.cam), "webp")
    return _Drawn(
        panel.run, panel.role, panel.name, answer, panel.is_calibrating, panel.truth,
        first=answer.top(1)[0][0],
        bars=_bars(answer),
        most=log2(len(answer.classes)),
        side=0 if panel.seen is None else panel.seen.shape[0],
        seen=seen,
        heat=heat,
    )  # fmt: skip


def _bars(answer: Answer) -> list[_Bar]:
    raw = dict(zip(answer.classes, answer.raw, strict=True)) if answer.temperature is not None else {}
    spread = dict(zip(answer.classes, answer.spread, strict=True)) if answer.spread else {}
    return [_Bar(name, p, raw.get(name), spread.get(name)) for name, p in answer.top(TOP)]
