"""Lines with bands around them, drawn as SVG: the scale, the grid, and the words below. Knows nothing of Gradio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reglab.ui.views.inside import nice, safe

WIDE, TALL = 440, 250  # of a drawing, about the pixels it gets
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 10, 40
TICKS = 5


@dataclass(frozen=True)
class Plane:
    """The drawing's height in values; its width is told in shares from 0 (left) to 1."""

    bottom: float
    top: float

    @classmethod
    def around(cls, values: Iterable[float]) -> Plane:
        """The plane that holds these values, at least one, between two lines of its grid."""
        every = list(values)
        low, high = min(every), max(every)
        step = nice((high - low or 1) / TICKS)
        bottom, top = step * (low // step), step * -(-high // step)
        return cls(bottom, top if top > bottom else bottom + step)

    def at(self, share: float, value: float) -> tuple[float, float]:
        """Where a point is drawn, in pixels from the upper left."""
        up = (value - self.bottom) / (self.top - self.bottom)
        return across(share), TALL - BOTTOM - up * (TALL - TOP - BOTTOM)

    def line(self, points: Sequence[tuple[float, float]], dashed: bool = False) -> str:
        """A line through (share, value)."""
        return f'<path class="line{" dashed" if dashed else ""}" d="M{self._path(points)}"/>'

    def band(self, points: Sequence[tuple[float, float, float]]) -> str:
        """What lies between the lowest and the highest of (share, lowest, highest)."""
        there = [(x, high) for x, _, high in points]
        back = [(x, low) for x, low, _ in reversed(points)]
        return f'<path class="band" d="M{self._path(there + back)}Z"/>'

    def dots(self, points: Sequence[tuple[float, float]]) -> str:
        return "".join("<circle cx='{:.1f}' cy='{:.1f}' r='3'/>".format(*self.at(x, y)) for x, y in points)

    def grid(self, told: Callable[[float], str]) -> str:
        """Level lines with the values that they stand for."""
        step = nice((self.top - self.bottom) / TICKS * 0.9)
        n = max(1, round((self.top - self.bottom) / step))
        marks = []
        for i in range(n + 1):
            value = self.bottom + (self.top - self.bottom) * i / n
            _, y = self.at(0, value)
            marks.append(
                f'<line x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{told(value)}</text>'
            )
        return f'<g class="axis">{"".join(marks)}</g>'

    def _path(self, points: Sequence[tuple[float, float]]) -> str:
        return " L".join("{:.1f} {:.1f}".format(*self.at(x, y)) for x, y in points)


def across(share: float) -> float:
    return LEFT + share * (WIDE - LEFT - RIGHT)


def below(marks: Iterable[tuple[float, str]], words: str) -> str:
    """What stands below the plane: (share, text) for each mark, and what the axis is."""
    drawn = "".join(
        f'<text x="{across(share):.1f}" y="{TALL - BOTTOM + 16}" text-anchor="middle">{safe(text)}</text>'
        for share, text in marks
    )
    return (
        f'<g class="axis">{drawn}<text x="{across(0.5)}" y="{TALL - 6}" text-anchor="middle">{safe(words)}</text></g>'
    )


def svg(content: str, words: str) -> str:
    """The drawing; `words` say what there is to see."""
    return f'<svg role="img" viewBox="0 0 {WIDE} {TALL}" aria-label="{safe(words)}">{content}</svg>'
