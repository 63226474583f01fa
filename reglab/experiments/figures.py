"""What is drawn of a comparison, computed once: curves with bands over the seeds, and differences with their intervals.

The page draws these values as SVG (`ui/views/plane.py`), the report as a picture (`report.py`). What a curve is called, which
colour it has and how far its interval reaches is said here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10

from reglab.colours import is_dashed, role
from reglab.experiments import compare, curves, stats
from reglab.experiments.compare import METRICS, Comparison
from reglab.numbers import counted, number, written

LEVELS = 5  # lines of a grid, about
MARKS = 8  # below a plane, about


@dataclass(frozen=True)
class Axis:
    """From where to where it goes, its marks (value, what it says), and what it is."""

    title: str
    low: float
    high: float
    marks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Curve:
    """A group: the mean of its runs over the axis, and the lowest and the highest of them."""

    label: str
    role: str  # its colour, see colours.py
    is_dashed: bool
    n: int  # runs
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def has_band(self) -> bool:
        """Whether several seeds make a band around the line."""
        return self.n > 1


@dataclass(frozen=True)
class Curves:
    """How a metric came about; accuracies in percent, gaps in percentage points."""

    curves: tuple[Curve, ...]  # the baseline first
    across: Axis
    up: Axis
    unit: str  # of the values: "%", "points" or nothing
    words: str  # the same, for those who cannot see it


@dataclass(frozen=True)
class Difference:
    """What a group has more than the baseline, in the unit of the metric; no interval without several seeds."""

    label: str
    role: str
    mean: float
    low: float | None
    high: float | None
    is_real: bool
    verdict: str


@dataclass(frozen=True)
class Differences:
    """Every group but the baseline, on an axis with zero in its middle."""

    title: str
    rows: tuple[Difference, ...]
    far: float  # the axis goes from -far to far
    ends: tuple[str, str, str]  # what stands at its left, its middle and its right
    covers: str  # what the intervals hold for, in a line; empty where there are none


def curves_of(comparison: Comparison, metric: str, axis: str = "epoch") -> Curves:
    """A curve for each group.

    Raises `ConfigError` for a metric or an axis that there is not, and `RunError` where the axis is seconds and a run has
    no times.
    """
    compare.check(metric, axis)
    key = METRICS[metric].curve or "val_accuracy"
    unit = "%" if key.endswith("accuracy") else "points" if key == "gap" else ""
    found = []
    for place, group in enumerate(comparison.groups):
        b = curves.band(group, key, axis)
        mean, low, high = (tuple(y * 100 if unit else y for y in line) for line in (b.mean, b.low, b.high))
        found.append(Curve(group.label, role(place), is_dashed(place), len(group.runs), tuple(b.x), mean, low, high))
    title = curve_title(metric)
    last = [f"{written(c.mean[-1])} {unit}".rstrip() for c in found]
    told = "; ".join(f"{c.label}: {end} at the end, {counted(c.n, 'seed')}" for c, end in zip(found, last, strict=True))
    of_axis = f"{title} (points)" if unit == "points" else title  # a mark has no room for the word
    return Curves(
        tuple(found),
        across_axis(max(c.x[-1] for c in found), {"seconds": "seconds of training"}.get(axis, axis)),
        up_axis((y for c in found for y in (*c.low, *c.high)), of_axis, " %" if unit == "%" else ""),
        unit,
        f"{title}: {told}",
    )


def curve_title(metric: str) -> str:
    """What the curve of a metric shows, in words: that of test accuracy is "validation accuracy"."""
    key = METRICS[metric].curve or "val_accuracy"
    return key.replace("_", " ").replace("val", "validation").replace("ece", "calibration error")


def differences_of(comparison: Comparison, metric: str) -> Differences:
    """A row for each group but the baseline. Raises `ConfigError` for a metric that there is not."""
    compare.check(metric)
    m = METRICS[metric]
    rows = []
    differences = comparison.differences(metric)
    for place, group in enumerate(comparison.groups[1:], 1):
        if (d := differences.get(group.label)) is None:
            continue
        verdict = stats.verdict(d, m.unit, m.digits)
        rows.append(Difference(group.label, role(place), d.mean, d.low, d.high, d.is_real, verdict))
    far = max((abs(x) for d in rows for x in (d.mean, d.low or 0, d.high or 0)), default=0) * 1.08 or 1.0
    unit = f" ({m.unit})" if m.unit else ""
    return Differences(
        f"{m.title} against {comparison.baseline.label}{unit}",
        tuple(rows),
        far,
        (number(-far, m.digits), "0", f"{number(far, m.digits, signed=True)} {m.unit}".rstrip()),
        comparison.covers(metric),
    )


# ---- axes --------------------------------------------------------------------------------------------------------
def across_axis(right: float, title: str) -> Axis:
    """From zero to `right`, with round marks."""
    right = right or 1.0
    step = nice(right / MARKS)
    marks = tuple((i * step, f"{i * step:g}") for i in range(int(right / step * 1.0001) + 1))
    return Axis(title, 0.0, right, marks)


def up_axis(values: Iterable[float], title: str = "", unit: str = "") -> Axis:
    """Holds these values, at least one, between two lines of its grid."""
    every = list(values)
    least, most = min(every), max(every)
    step = nice((most - least or 1) / LEVELS)
    low, high = step * (least // step), step * -(-most // step)
    high = high if high > low else low + step
    n = max(1, round((high - low) / nice((high - low) / LEVELS * 0.9)))
    levels = [round(low + (high - low) * i / n, 10) for i in range(n + 1)]  # zero is zero, not 1.4e-15
    return Axis(title, low, high, tuple((level, f"{written(level)}{unit}") for level in levels))


def nice(least: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... that is at least this: the distance between the marks of an axis."""
    power: float = 10.0 ** floor(log10(least))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= least * 0.999), 10 * power)


def shares(axis: Axis, values: Sequence[float]) -> list[float]:
    """Where values lie on an axis, from 0 to 1."""
    return [(value - axis.low) / (axis.high - axis.low) for value in values]
