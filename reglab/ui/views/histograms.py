"""How sure a network is, measured out for `histograms.html`: confidences, logits and reliability of one run, in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from reglab.analysis.inside import CONFIDENCE_BINS
from reglab.experiments.figures import nice
from reglab.numbers import between, counted, percent, written
from reglab.ui.views.points import Points, Row

WIDE, TALL, SQUARE = 320, 196, 228  # of a drawing, about the pixels it gets; a reliability diagram is nearly square
LEFT, RIGHT, TOP, BOTTOM = 40, 320 - 12, 8, 34  # of the plane; the last is the room below it


@dataclass(frozen=True)
class Shown:
    """A run on the page: its colour, what it is called there, and what was found inside."""

    role: str
    name: str
    look: dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    words: str
    opacity: float | None = None


@dataclass(frozen=True)
class Claim:
    """Where a bar would end if the network knew itself."""

    x: float
    end: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """What all drawings have: whose it is, what it says to those who cannot see it, its plane and the axis below."""

    role: str
    words: str
    title: str
    ticks: Sequence[tuple[float, str]]
    points: Points
    bars: Sequence[Bar] = ()
    middle: float | None = None  # the line on which right answers stand and from which wrong ones hang
    tall: int = TALL
    wide: int = WIDE
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP

    @property
    def bottom(self) -> int:
        """Where the bars stand, in pixels from the top."""
        return self.tall - BOTTOM


@dataclass(frozen=True)
class Reliability(Drawing):
    """Bars and what they claim, on three levels."""

    ece: float = 0.0
    claims: Sequence[Claim] = ()
    levels: Sequence[tuple[float, str]] = ()


def _across(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)


def _bar(
    kind: str, x: float, right: float, y: float, bottom: float, words: str, opacity: float | None = None
) -> Bar | None:
    """With a pixel between bars that are wide enough. None where it would have no height."""
    if bottom - y < 0.05:
        return None
    gap = 1 if right - x > 5 else 0
    return Bar(kind, x + gap / 2, y, right - x - gap, bottom - y, words, opacity)


PERCENT = [(_across(share / 4), f"{share * 25} %") for share in range(5)]


# ---- confidence --------------------------------------------------------------------------------------------------
def confidences(run: Shown, runs: Sequence[Shown]) -> Drawing:
    """Right answers stand on the middle line, wrong ones hang from it; all runs have the same scale."""
    right_top, wrong_top = (
        max(max(each.look["confidences"][kind]) / each.look["images"] for each in runs) for kind in ("right", "wrong")
    )
    scale = (TALL - BOTTOM - TOP) / ((right_top + wrong_top) or 1)
    middle = TOP + right_top * scale
    images, seen = run.look["images"], run.look["confidences"]
    bars, rows = [], []
    for n in range(CONFIDENCE_BINS):
        bound = f"{between(100 * n / CONFIDENCE_BINS, 100 * (n + 1) / CONFIDENCE_BINS, 0)} %"
        both = [f"{seen[kind][n]:,}" for kind in ("right", "wrong")]
        rows.append(Row(_across((n + 0.5) / CONFIDENCE_BINS), bound, both))
        for kind, sign in (("right", -1), ("wrong", 1)):
            far = middle + sign * seen[kind][n] / images * scale
            words = f"{bound} sure: {seen[kind][n]:,} {kind} of {images:,}"
            x, end = _across(n / CONFIDENCE_BINS), _across((n + 1) / CONFIDENCE_BINS)
            bars.append(_bar(kind, x, end, min(far, middle), max(far, middle), words))
    words = (
        f"{run.name}: mean confidence {percent(run.look['confidence'])}, accuracy {percent(run.look['accuracy'])};"
        f" wrong yet more than 90 % sure: {percent(run.look['sure_and_wrong'])} of {images:,} images"
    )
    points = Points(f"{run.name}: images by confidence", ("confidence", "right", "wrong"), rows)
    return Drawing(run.role, words, "confidence", PERCENT, points, [bar for bar in bars if bar], middle)


# ---- logits ------------------------------------------------------------------------------------------------------
def logits(run: Shown, runs: Sequence[Shown]) -> Drawing:
    """The same stretch of logits for all runs; heights are their own, since only the places are compared."""
    low = min(each.look["logits"]["start"] for each in runs)
    high = max(_end(each.look["logits"]) for each in runs)
    found, bottom = run.look["logits"], TALL - BOTTOM
    tallest = {kind: (bottom - TOP) / (max(found[kind]) or 1) for kind in ("all", "largest")}

    def across(logit: float) -> float:
        return _across((logit - low) / ((high - low) or 1))

    bars, rows = [], []
    for n, (every, largest) in enumerate(zip(found["all"], found["largest"], strict=True)):
        start = found["start"] + n * found["width"]
        x, end = across(start), across(start + found["width"])
        bound = f"{written(start)} to {written(start + found['width'])}"
        rows.append(Row((x + end) / 2, bound, [f"{every:,}", f"{largest:,}"]))
        bars.append(_bar("pale", x, end, bottom - every * tallest["all"], bottom, f"{bound}: {every:,} logits"))
        words = f"{bound}: the largest logit of {largest:,} images"
        bars.append(_bar("right", x, end, bottom - largest * tallest["largest"] * 0.7, bottom, words))
    step = nice(((high - low) or 1) / 6)
    places = range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)
    ticks = [(across(n * step), written(n * step)) for n in places]
    middle = _median(found["largest"], found["start"], found["width"])
    words = (
        f"{run.name}: logits from {written(found['start'])} to {written(_end(found))};"
        f" half of the images have a largest logit above {written(middle, 3)}"
    )
    points = Points(f"{run.name}: logits", ("logit", "all logits", "images whose largest it is"), rows)
    return Drawing(run.role, words, "logit", ticks, points, [bar for bar in bars if bar])


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


# ---- reliability -------------------------------------------------------------------------------------------------
def reliability(run: Shown) -> Reliability:
    """Bars: how many are right of those it is so sure of; the diagonal is where they would be if it knew itself."""
    bottom = SQUARE - BOTTOM

    def up(share: float) -> float:
        return bottom - share * (bottom - TOP)

    bins = run.look["reliability"]
    most = max((b["count"] for b in bins), default=0) or 1
    bars, claims, told, rows = [], [], [], []
    for n, b in enumerate(bins):
        if not b["count"]:
            continue
        told.append(
            f"{percent(b['confidence'], 0)} sure, {percent(b['accuracy'], 0)} right, {counted(b['count'], 'image')}"
        )
        bound = f"{between(100 * n / len(bins), 100 * (n + 1) / len(bins), 0)} %"
        shares = [percent(b["accuracy"], 0), percent(b["confidence"], 0)]
        rows.append(Row(_across((n + 0.5) / len(bins)), bound, [*shares, f"{b['count']:,}"]))
        x, end = _across(n / len(bins)), _across((n + 1) / len(bins))
        opacity = 0.3 + 0.7 * (b["count"] / most) ** 0.5
        bars.append(_bar("right", x, end, up(b["accuracy"]), bottom, told[-1], opacity))
        claims.append(Claim(x, end, up(b["confidence"])))
    ece = run.look["ece"]
    return Reliability(
        run.role,
        f"{run.name}: calibration error {ece:.3f}; {'; '.join(told)}",
        "confidence",
        PERCENT,
        Points(f"{run.name}: accuracy by confidence", ("confidence", "right", "sure on average", "images"), rows),
        [bar for bar in bars if bar],
        tall=SQUARE,
        ece=ece,
        claims=claims,
        levels=[(up(at), f"{at * 100:.0f} %") for at in (0, 0.5, 1)],
    )
