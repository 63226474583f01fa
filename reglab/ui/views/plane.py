"""Curves with bands around them, measured out for `plane.html`: values in, paths in pixels out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reglab.experiments.figures import Axis, Curve, Curves, shares

WIDE, TALL = 440, 250  # of a drawing, about the pixels it gets
LEFT, RIGHT, TOP, BOTTOM = 46, 440 - 14, 10, 250 - 40  # of the plane in it

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A curve as paths: its mean, its band where it has one, and a point for each value."""

    role: str
    is_dashed: bool
    path: str
    band: str
    dots: list[Point]


@dataclass(frozen=True)
class Drawing:
    """A plane with its lines; `words` say what there is to see."""

    words: str
    title: str  # of the axis below
    levels: list[tuple[float, str]]  # how far down, and what stands beside it
    marks: list[tuple[float, str]]  # how far across, and what stands below it
    lines: list[Line]
    wide: int = WIDE
    tall: int = TALL
    left: int = LEFT
    right: int = RIGHT
    bottom: int = BOTTOM


def drawing(of: Curves) -> Drawing:
    """The plane of these curves."""
    return Drawing(
        of.words,
        of.across.title,
        levels=[(_down(of.up, value), told) for value, told in of.up.marks],
        marks=[(_across(of.across, value), told) for value, told in of.across.marks],
        lines=[_line(curve, of) for curve in of.curves],
    )


def _line(curve: Curve, of: Curves) -> Line:
    xs = [LEFT + share * (RIGHT - LEFT) for share in shares(of.across, curve.x)]
    mean, low, high = (
        list(zip(xs, (BOTTOM - share * (BOTTOM - TOP) for share in shares(of.up, side)), strict=True))
        for side in (curve.mean, curve.low, curve.high)
    )
    band = f"M{_path(high + low[::-1])}Z" if curve.has_band else ""
    return Line(curve.role, curve.is_dashed, f"M{_path(mean)}", band, mean)


def _across(axis: Axis, value: float) -> float:
    return LEFT + shares(axis, [value])[0] * (RIGHT - LEFT)


def _down(axis: Axis, value: float) -> float:
    return BOTTOM - shares(axis, [value])[0] * (BOTTOM - TOP)


def _path(points: Iterable[Point]) -> str:
    return " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
