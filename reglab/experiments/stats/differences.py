"""Two groups, or many against one: the difference, its interval, and how likely chance makes one as large.

All others are judged together: their intervals hold at once in 95 of 100 experiments, and the p of one says how often the
largest of so many would be as large by chance. So nobody finds a winner by trying often enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reglab.experiments.stats import crossed, many, pooled
from reglab.experiments.stats.intervals import CONFIDENCE, ROUNDING, in_common, numbers

FEW = 5  # accuracies count images, so that two or three seeds may well differ by exactly as much; five hardly do
LEVEL = 0.025
"""Of each of two looks, at up to five seeds and at as many as were then advised, so that both together err in 5 %. Pocock's 0.0294
(1977, Biometrika 64) is for a second look whose size was fixed before the first: here it follows from it, and with 0.0294 one
comparison errs in 6.4 % (`benchmarks/verdicts.py`)."""

Values = Mapping[int, float]  # by seed
Right = Mapping[int, np.ndarray]  # by seed: for each test image, whether the run got it right


@dataclass(frozen=True)
class Difference:
    """What b has more than a. `n` counts pairs, or the runs of the smaller group where nothing could be paired."""

    mean: float
    low: float | None
    high: float | None
    n: int
    p: float | None  # adjusted, where there are several comparisons
    paired: bool
    sd: float | None = None  # of the difference of one pair; without pairs, what one pair would have
    of: int = 1  # so many comparisons are judged together
    images: int = 0  # test images that the interval covers as well; 0: seeds only
    error: float | None = None  # standard error of the mean
    df: float | None = None  # its degrees of freedom
    df_seeds: float | None = None  # the same, without the images
    beyond: float = 0.0  # variance that no number of seeds takes away: other images might have been drawn
    rho: float = many.SHARED  # correlation that the adjustment counts on

    @property
    def is_telling(self) -> bool:
        """Whether there is anything to tell chance by: no spread at all has to come from more than a few seeds."""
        return self.p is not None and bool(self.error or self.n >= FEW or self.images)

    @property
    def is_real(self) -> bool:
        """Whether chance is out of the question, even for somebody who looks again with the seeds that were advised."""
        return self.is_telling and self.p is not None and self.p <= LEVEL

    @property
    def is_likely(self) -> bool:
        """Whether the 95 % interval leaves zero out."""
        return self.is_telling and self.p is not None and self.p <= 1 - CONFIDENCE


def difference(a: Values, b: Values, right: tuple[Right, Right] | None = None) -> Difference:
    """b minus a, both by seed, and whether that is real; the one comparison there is.

    Paired over the seeds they share, where these are at least half of either group; else after Welch (1947), so that no
    run is thrown away for the sake of a few pairs. With one pair only, or one run on a side, there is a mean but no interval.
    `right` is which test images their runs got right: the interval then covers those as well. Raises `ConfigError` where a
    side is empty.
    """
    return differences(a, [b], right and (right[0], [right[1]]))[0]


def differences(
    baseline: Values, others: Sequence[Values], right: tuple[Right, Sequence[Right]] | None = None, beside: int = 0
) -> list[Difference]:
    """Each of the others minus the baseline, judged together.

    Those that have the seeds of the baseline are judged by their common scatter, seeds as blocks, as far as they scatter alike.
    Where all have, the adjustment is Dunnett's, else that of the studentized maximum modulus; so it is where there are others
    `beside` these, so many, with a baseline of their own. Raises `ConfigError`.
    """
    for values in (baseline, *others):
        numbers(list(values.values()))
    own = [_alone(baseline, other) for other in others]
    judged = sum(one.df is not None for one in own)
    seeds = sorted(baseline)
    block = [i for i, one in enumerate(own) if one.df is not None and sorted(others[i]) == seeds]
    if len(block) > 1:
        rows = np.array([[values[seed] for seed in seeds] for values in (baseline, *(others[i] for i in block))])
        for i, pooled_one in zip(block, _together(rows, [own[i] for i in block]), strict=True):
            own[i] = pooled_one
    of, rho = judged + beside, many.SHARED if len(block) == judged and not beside else 0.0
    told = []
    for one, other, answers in zip(own, others, right[1] if right else [{}] * len(own), strict=True):
        parts = _parts(baseline, other, right[0] if right else {}, answers, one) if one.df is not None else None
        told.append(_judged(one, parts, of, rho))
    return told


@dataclass(frozen=True)
class _Own:
    """A difference before it is judged among the others: its mean, and the variance of one pair as the seeds show it."""

    mean: float
    n: int
    paired: bool
    variance: float | None = None
    df: float | None = None


def _alone(a: Values, b: Values) -> _Own:
    """By its own scatter: Student's over the pairs, or Welch's."""
    if shared := pairs(a, b):
        x, y = (np.array([side[seed] for seed in shared]) for side in (a, b))
        d = _without_rounding(y - x, float(np.abs([*x, *y]).max()))
        n, mean = len(d), float(d.mean())
        return _Own(mean, n, True, float(d.var(ddof=1)), n - 1.0) if n > 1 else _Own(mean, 1, True)
    x, y = np.array(list(a.values())), np.array(list(b.values()))
    mean, n = float(y.mean() - x.mean()), min(len(x), len(y))
    if n == 1:
        return _Own(mean, 1, False)
    one, other = (float(side.var(ddof=1)) / len(side) for side in (x, y))
    if math.sqrt(one + other) <= ROUNDING * float(np.abs([*x, *y]).max()):
        return _Own(mean, n, False, 0.0, len(x) + len(y) - 2.0)
    df = (one + other) ** 2 / (one**2 / (len(x) - 1) + other**2 / (len(y) - 1))
    return _Own(mean, n, False, (one + other) * n, df)


def pairs(a: Values, b: Values) -> list[int]:
    """The seeds over which two groups are paired; none where too few are shared."""
    shared = sorted(a.keys() & b.keys())
    enough = shared and (2 * len(shared) >= max(len(a), len(b)) or min(len(a), len(b)) == 1)
    return shared if enough else []


def _without_rounding(d: np.ndarray, size: float) -> np.ndarray:
    """Differences that are the same but for the last digits of the machine are the same."""
    middle = float(np.median(d))
    if float(np.abs(d - middle).max()) > ROUNDING * size:
        return d
    return np.full(len(d), middle if abs(middle) > ROUNDING * size else 0.0)


def _together(rows: np.ndarray, own: Sequence[_Own]) -> list[_Own]:
    """The same by the scatter that they have in common; `rows` are the values by seed, those of the baseline first."""
    varies = [i for i, one in enumerate(own) if one.variance]  # copies of the baseline say nothing of the others
    if len(varies) < 2:
        return list(own)
    variances, dfs = pooled.scatter(rows[[0, *(i + 1 for i in varies)]])
    told = list(own)
    for i, variance, df in zip(varies, variances, dfs, strict=True):
        told[i] = replace(own[i], variance=float(variance), df=float(df))
    return told


def _parts(baseline: Values, other: Values, answers: Right, own: Right, one: _Own) -> crossed.Parts | None:
    """What the test images add, where every run has kept its answers to the same ones."""
    seeds = pairs(baseline, other) if one.paired else []
    a = in_common(answers, seeds or list(baseline))
    b = in_common(own, seeds or list(other))
    if not a or not b or len(a[0]) != len(b[0]):
        return None
    x, y = np.stack(a).astype(np.int8), np.stack(b).astype(np.int8)
    return crossed.parts(y - x, 100.0) if one.paired else crossed.parts_unpaired(x, y, 100.0)


def _judged(one: _Own, parts: crossed.Parts | None, of: int, rho: float) -> Difference:
    if one.variance is None or one.df is None:
        return Difference(one.mean, None, None, one.n, None, one.paired)
    of_seeds, df, images, beyond = one.variance / one.n, one.df, 0, 0.0
    v = of_seeds
    if parts:
        v, df = crossed.total(of_seeds, one.df, parts)
        of_seeds, images, beyond = v - parts.beyond, parts.images, parts.beyond
    error, sd = math.sqrt(v), math.sqrt(of_seeds * one.n)
    if not error:  # where nothing varies there is nothing to tell chance by
        low = high = one.mean
        p = float(one.mean == 0)
    else:
        half = many.critical(1 - CONFIDENCE, of, df, rho) * error
        low, high = one.mean - half, one.mean + half
        p = many.tail(one.mean / error, of, df, rho)
    return Difference(
        one.mean, low, high, one.n, p, one.paired, sd, of, images, error, df, one.df, beyond, rho
    )  # fmt: skip
