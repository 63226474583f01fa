"""A small chart with two logarithmic axes, as SVG: what the pictures of the benchmarks are drawn with.

panel = Panel("Seconds of a run", x=(500, 8_000), y=(1, 100), across="training images")
panel.line(points, "#2a5db0")
picture("What it costs", [panel])     # the whole file
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

Point = tuple[float, float]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 62, 14, 34, 46
INK, GRID, MUTED = "#1b2a41", "#e3e7ee", "#555"


class Panel:
    """One pair of axes, `x` and `y` from .. to. What is drawn later lies on top."""

    def __init__(
        self,
        title: str,
        x: Point,
        y: Point,
        across: str,
        up: str = "",
        size: tuple[int, int] = (WIDTH, HEIGHT),
        ticks: Sequence[float] = (),
        told: Callable[[float], str] = "{:g}".format,
    ) -> None:
        self.x, self.y, (self.width, self.height) = x, y, size
        self.drawn = [f'<text x="{LEFT}" y="20" font-weight="700" fill="{INK}">{escape(title)}</text>']
        for value in ticks or decades(*x):
            at, _ = self.at(value, y[0])
            self.drawn.append(f'<path d="M{at:.1f} {TOP}V{self.height - BOTTOM}" stroke="{GRID}"/>')
            self.text((value, y[0]), told(value), MUTED, "middle", dy=18)
        for value in decades(*y):
            _, at = self.at(x[0], value)
            self.drawn.append(f'<path d="M{LEFT} {at:.1f}H{self.width - RIGHT}" stroke="{GRID}"/>')
            self.text((x[0], value), f"{value:,g}", MUTED, "end", dx=-6, dy=4)
        middle = (LEFT + self.width - RIGHT) / 2
        label = (
            f'<text x="{middle:g}" y="{self.height - 10}" text-anchor="middle" fill="{MUTED}">{escape(across)}</text>'
        )
        self.drawn.append(label)
        if up:
            down = (TOP + self.height - BOTTOM) / 2
            turned = f'transform="translate(14 {down:g}) rotate(-90)" text-anchor="middle"'
            self.drawn.append(f'<text {turned} fill="{MUTED}">{escape(up)}</text>')

    def at(self, x: float, y: float) -> Point:
        """Where that is, in pixels of the panel."""
        right, up = (math.log(v / low) / math.log(high / low) for v, (low, high) in ((x, self.x), (y, self.y)))
        across, height = self.width - LEFT - RIGHT, self.height - TOP - BOTTOM
        return LEFT + right * across, TOP + (1 - up) * height

    def line(self, points: Iterable[Point], color: str, dashes: str = "") -> None:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (self.at(*p) for p in points))
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.drawn.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="1.6"{dashed}/>')

    def dot(self, point: Point, color: str, hollow: bool = False) -> None:
        x, y = self.at(*point)
        fill = "#fff" if hollow else color
        self.drawn.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{fill}" stroke="{color}" stroke-width="1.4"/>'
        )

    def text(
        self, point: Point, words: str, color: str = INK, anchor: str = "start", dx: float = 0, dy: float = 0
    ) -> None:
        x, y = self.at(*point)
        place = f'x="{x + dx:.1f}" y="{y + dy:.1f}" text-anchor="{anchor}"'
        halo = 'paint-order="stroke" stroke="#fff" stroke-width="3"'  # so that a line behind it crosses no letter
        self.drawn.append(f'<text {place} fill="{color}" {halo}>{escape(words)}</text>')


def decades(low: float, high: float) -> list[float]:
    """1, 10, 100 ... within the range, and 2 and 5 of each where it is short."""
    steps = (1,) if high / low > 1_000 else (1, 2, 5)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [m * 10**e for e in exponents for m in steps if low <= m * 10**e * 1.000001 and m * 10**e <= high * 1.000001]


def apart(places: Sequence[float], least: float) -> list[float]:
    """The places, so far moved that each two are that far from one another; in the order in which they came."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = [0.0] * len(places)
    above = -math.inf
    for i in order:
        above = moved[i] = max(places[i], above + least)
    return moved


def picture(title: str, panels: Sequence[Panel], columns: int = 1) -> str:
    """All panels in one file, so many beside one another."""
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    width = max(sum(p.width for p in row) for row in rows)
    height = sum(max(p.height for p in row) for row in rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    top = 0
    for row in rows:
        left = 0
        for panel in row:
            parts += [f'<g transform="translate({left} {top})">', *panel.drawn, "</g>"]
            left += panel.width
        top += max(p.height for p in row)
    return "\n".join([*parts, "</svg>", ""])
