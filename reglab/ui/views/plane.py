"""Curves with bands around them, measured out for `plane.html`: values in, paths in pixels out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reglab.experiments.figures import Axis, Curve, Curves, shares
from reglab.numbers import between, number
from reglab.ui.views.points import Points, Row

LINE = 18  # from one line of words to the next
Point = tuple[float, float]


@dataclass(frozen=True)
class Room:
    """Of a drawing, in about the pixels it gets; the plane in it leaves room for words at the left, below and beside it."""

    wide: int = 440
    tall: int = 250
    left: int = 46
    below: int = 40
    top: int = 10
    beside: int = 14

    @property
    def right(self) -> int:
        """Where the plane ends."""
        return self.wide - self.beside

    @property
    def bottom(self) -> int:
        """On what it stands."""
        return self.tall - self.below


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
    wide: int
    tall: int
    left: int
    right: int
    top: int
    bottom: int
    ends: list[tuple[str, float, str]]  # role, how far down, and the last value of a line
    points: Points


def place(x: float) -> str:
    """An epoch, a step or a second, as it is written."""
    return number(x).removesuffix(".0")


def drawing(
    of: Curves,
    room: Room = Room(),
    *,
    digits: int,
    where: Callable[[float], str] = place,
    has_ends: bool = False,
) -> Drawing:
    """The plane of these curves.

    Values have so many digits; `where` writes a place on the axis. `has_ends` if the last value of a line
    stands where it ends.
    """

    def tell(value: float) -> str:
        return f"{number(value, digits)} {of.unit}".rstrip()

    def told(curve: Curve) -> dict[float, str]:
        """Its mean at each of its points, and how far its band reaches."""
        bands = [f" ({between(*ends, digits)})" for ends in zip(curve.low, curve.high, strict=True)]
        ends = bands if curve.has_band else [""] * len(bands)
        return {x: tell(mean) + end for x, mean, end in zip(curve.x, curve.mean, ends, strict=True)}

    return Drawing(
        of.words,
        of.across.title,
        levels=[(_down(room, of.up, value), told) for value, told in of.up.marks],
        marks=[(_across(room, of.across, value), told) for value, told in of.across.marks],
        lines=[_line(room, curve, of) for curve in of.curves],
        wide=room.wide,
        tall=room.tall,
        left=room.left,
        right=room.right,
        top=room.top,
        bottom=room.bottom,
        ends=_ends(room, of, tell) if has_ends else [],
        points=_points(room, of, [told(curve) for curve in of.curves], where),
    )


def _points(room: Room, of: Curves, columns: Sequence[Mapping[float, str]], where: Callable[[float], str]) -> Points:
    """A row for each place where a curve has a point, and a column for each curve: what it has there, by the place."""
    rows = [
        Row(_across(room, of.across, x), where(x), [column.get(x, "") for column in columns])
        for x in sorted(set().union(*columns))
    ]
    return Points(f"{of.up.title} by {of.across.title}", (of.across.title, *(c.label for c in of.curves)), rows)


def _ends(room: Room, of: Curves, tell: Callable[[float], str]) -> list[tuple[str, float, str]]:
    """From the top down, each far enough below the one before that both can be read."""
    told = sorted((_down(room, of.up, curve.mean[-1]), curve.role, tell(curve.mean[-1])) for curve in of.curves)
    ends: list[tuple[str, float, str]] = []
    for down, role, words in told:
        ends.append((role, max(down, ends[-1][1] + LINE) if ends else down, words))
    return ends


def _line(room: Room, curve: Curve, of: Curves) -> Line:
    xs = [room.left + share * (room.right - room.left) for share in shares(of.across, curve.x)]
    mean, low, high = (
        list(zip(xs, (room.bottom - share * (room.bottom - room.top) for share in shares(of.up, side)), strict=True))
        for side in (curve.mean, curve.low, curve.high)
    )
    band = f"M{_path(high + low[::-1])}Z" if curve.has_band else ""
    return Line(curve.role, curve.is_dashed, f"M{_path(mean)}", band, mean)


def _across(room: Room, axis: Axis, value: float) -> float:
    return room.left + shares(axis, [value])[0] * (room.right - room.left)


def _down(room: Room, axis: Axis, value: float) -> float:
    return room.bottom - shares(axis, [value])[0] * (room.bottom - room.top)


def _path(points: Iterable[Point]) -> str:
    return " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
