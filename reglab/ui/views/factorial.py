"""What each technique of a factorial bought: main effects, pairs, and the price in seconds. The template is `factorial.html`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from reglab.config import on_screen
from reglab.errors import ConfigError
from reglab.experiments.compare import Metric
from reglab.experiments.grid import LESS_IS_BETTER, METRICS_OF_A_SWEEP, Grid
from reglab.experiments.stats import Effect
from reglab.numbers import between, number
from reglab.regularizers import CATALOGUE


@dataclass(frozen=True)
class _Row:
    """A technique: its bar from the middle (both in percent of the width), its interval, and what it amounts to."""

    title: str
    left: float
    width: float
    low: float | None
    high: float | None
    is_real: bool
    verdict: str


@dataclass(frozen=True)
class _Pair:
    """What one technique adds to another: blue where it is more, orange where it is less."""

    role: str
    share: str
    said: str
    words: str


@dataclass(frozen=True)
class Factorial:
    """Bars on an axis from -far to far, and the pairs: a row for each technique but the last, a column but the first."""

    far: float
    rows: Sequence[_Row]
    across: Sequence[str]
    pairs: Sequence[tuple[str, Sequence[_Pair | None]]]


def factorial(grid: Grid, metric: str) -> Factorial | str:
    """Everything that is drawn; a sentence where the finished runs cannot tell yet."""
    m = METRICS_OF_A_SWEEP[metric]
    try:
        effects = grid.effects(metric)
    except ConfigError as error:
        return on_screen(error)
    single = [e for e in effects if len(e.names) == 1]
    single.sort(key=lambda e: -e.mean if metric not in LESS_IS_BETTER else e.mean)
    far = max(abs(x) for e in single for x in (e.mean, e.low or 0, e.high or 0)) * 1.08 or 1.0
    costs = _costs(grid)
    keys = [e.names[0] for e in single]
    return Factorial(
        far,
        [_row(e, m, far, costs.get(e.names[0], "")) for e in single],
        [CATALOGUE[key].title for key in keys[1:]],
        _pairs(keys, {frozenset(e.names): e for e in effects if len(e.names) == 2}, m),
    )


def _row(e: Effect, m: Metric, far: float, cost: str) -> _Row:
    left, right = sorted((50.0, 50 + e.mean / far * 50))
    # Without any spread the interval of an effect is infinite, and there is nothing to draw.
    low, high = (e.low, e.high) if e.low is not None and isfinite(e.low) else (None, None)
    return _Row(CATALOGUE[e.names[0]].title, left, right - left, low, high, e.is_real, f"{_effect(e, m)}{cost}")


def _effect(e: Effect, m: Metric) -> str:
    within = "" if e.low is None or e.high is None else f", 95 % interval {between(e.low, e.high, m.digits)}"
    unit = f" {m.unit}" if m.unit else ""
    word = f": {e.word}" if e.word else ""
    return f"{number(e.mean, m.digits, signed=True)}{unit}{within}, {e.n} runs{word}"


def _costs(grid: Grid) -> dict[str, str]:
    """Technique -> what it costs in seconds of training, and for each point of test accuracy that it buys."""
    try:
        seconds = {e.names[0]: e.mean for e in grid.effects("seconds") if len(e.names) == 1}
        points = {e.names[0]: e.mean for e in grid.effects("test_accuracy") if len(e.names) == 1}
    except ConfigError:
        return {}
    told = {}
    for key, cost in seconds.items():
        each = f", {number(cost / points[key])} s for each point" if points.get(key, 0) >= 0.1 and cost > 0 else ""
        told[key] = f"; {number(cost, signed=True)} s of training{each}"
    return told


def _pairs(
    keys: Sequence[str], pairs: Mapping[frozenset[str], Effect], m: Metric
) -> list[tuple[str, list[_Pair | None]]]:
    """Each technique with those after it; nothing where no pair is known."""
    if not pairs:
        return []
    far = max(abs(e.mean) for e in pairs.values()) or 1.0

    def pair(key: str, other: str) -> _Pair | None:
        if (e := pairs.get(frozenset((key, other)))) is None:
            return None
        words = f"{CATALOGUE[key].title} with {CATALOGUE[other].title}: {_effect(e, m)}"
        role = "b" if e.mean >= 0 else "a"
        return _Pair(role, f"{abs(e.mean) / far * 100:.0f}", number(e.mean, m.digits, signed=True), words)

    return [
        (CATALOGUE[key].title, [pair(key, other) if j > i else None for j, other in enumerate(keys[1:], 1)])
        for i, key in enumerate(keys[:-1])
    ]
