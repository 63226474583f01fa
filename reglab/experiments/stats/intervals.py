"""The mean of one group, and the interval that covers the true one in 95 of 100 experiments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reglab.errors import ConfigError
from reglab.experiments.stats import crossed
from reglab.experiments.stats.late import special

CONFIDENCE = 0.95
ROUNDING = 1e-9  # what is smaller, beside the numbers it comes from, is no spread


@dataclass(frozen=True)
class Interval:
    """A mean and the interval that covers the true one in 95 of 100 experiments; without bounds where n = 1."""

    mean: float
    low: float | None
    high: float | None
    n: int
    sd: float | None = None
    images: int = 0  # test images that the interval covers as well; 0: seeds only


def interval(values: Sequence[float], right: Sequence[np.ndarray] = (), scale: float = 100.0) -> Interval:
    """Mean and 95 % interval after Student (1908): mean +- t(n - 1) * sd / sqrt(n).

    With `right`, which test images each of the runs got right, it covers the choice of the test images too; `scale` makes
    values of shares. Raises `ConfigError` for no values.
    """
    x = numbers(values)
    if len(x) == 1:
        return Interval(float(x[0]), None, None, 1)
    mean, sd = float(x.mean()), float(x.std(ddof=1))
    variance, df, images = sd**2 / len(x), float(len(x) - 1), 0
    if len(right) == len(x):
        parts = crossed.parts(np.stack(right), scale)
        images = parts.images
        variance, df = crossed.total(variance, df, parts)
    low, high = around(mean, math.sqrt(variance), df)
    return Interval(mean, low, high, len(x), sd, images)


def numbers(values: Sequence[float]) -> np.ndarray:
    """As an array. Raises `ConfigError` where there is none, or one is not finite."""
    x = np.asarray(values, dtype=float)
    if not len(x) or not np.isfinite(x).all():
        raise ConfigError("There is nothing to compare: every group needs a finished run with that number.")
    return x


def around(mean: float, error: float, df: float, level: float = 1 - CONFIDENCE) -> tuple[float, float]:
    """Student's interval, which is wrong with probability `level`."""
    half = float(special().stdtrit(df, 1 - level / 2)) * error
    return mean - half, mean + half


def two_sided(t: float, df: float) -> float:
    """Student's p of a t."""
    return float(2 * special().stdtr(df, -abs(t)))


def in_common(right: Mapping[int, np.ndarray], seeds: Sequence[int]) -> list[np.ndarray]:
    """The answers of these seeds; empty where one is missing, or they are about different test sets."""
    kept = [right[seed] for seed in seeds if seed in right]
    return kept if len(kept) == len(seeds) and len({len(answers) for answers in kept}) == 1 else []
