"""Whether a difference is real: intervals over seeds, differences paired by seed, and what each technique bought.

Two runs that share their seed share their split, their first weights and their batches, so much of what differs between
seeds cancels in the difference of the pair. That is why differences are paired wherever the seeds allow it, and why few
seeds tell more than one would think. Everything here takes plain numbers; what they are (accuracies, gaps) the caller knows.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reglab.errors import ConfigError

CONFIDENCE = 0.95
SEEDS_WORTH_ASKING_FOR = 100  # a difference that needs more of them is too small to matter here
FEW = 5  # accuracies count images, so that two or three seeds may well differ by exactly as much; five hardly do
ROUNDING = 1e-9  # what is smaller, beside the numbers it comes from, is no spread


@dataclass(frozen=True)
class Interval:
    """A mean and the interval that covers the true one in 95 of 100 experiments; without bounds where n = 1."""

    mean: float
    low: float | None
    high: float | None
    n: int
    sd: float | None = None


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval after Student (1908): mean +- t(n - 1) * sd / sqrt(n). Raises `ConfigError` for no values."""
    x = _numbers(values)
    if len(x) == 1:
        return Interval(float(x[0]), None, None, 1)
    mean, sd = float(x.mean()), float(x.std(ddof=1))
    low, high = _around(mean, sd / math.sqrt(len(x)), len(x) - 1)
    return Interval(mean, low, high, len(x), sd)


@dataclass(frozen=True)
class Difference:
    """What b has more than a. `n` counts pairs, or the runs of the smaller group where nothing could be paired."""

    mean: float
    low: float | None
    high: float | None
    n: int
    p: float | None
    paired: bool
    sd: float | None = None  # of the paired differences; without pairs, what one pair would have

    @property
    def is_real(self) -> bool:
        """Whether the interval leaves zero out; one without any width has to come from more than a few seeds."""
        if self.low is None or self.high is None or (not self.sd and self.n < FEW):
            return False
        return self.low > 0 or self.high < 0


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> Difference:
    """b minus a, both by seed, and whether that is real.

    Paired over the seeds they share, where these are at least half of either group; else after Welch (1947), so that no
    run is thrown away for the sake of a few pairs.

    With one pair only, or one run on a side, there is a mean but no interval. Raises `ConfigError` where a side is empty.
    """
    _numbers(list(a.values())), _numbers(list(b.values()))
    shared = sorted(a.keys() & b.keys())
    if shared and (2 * len(shared) >= max(len(a), len(b)) or min(len(a), len(b)) == 1):
        return _paired(np.array([b[seed] for seed in shared]), np.array([a[seed] for seed in shared]))
    return _welch(np.array(list(a.values())), np.array(list(b.values())))


def _paired(y: np.ndarray, x: np.ndarray) -> Difference:
    """Student's t over the differences of the pairs."""
    from scipy.stats import ttest_rel

    d = _without_rounding(y - x, np.abs([*x, *y]).max())
    n, mean = len(d), float(d.mean())
    if n == 1:
        return Difference(mean, None, None, 1, None, True)
    if not np.ptp(d):  # where nothing varies there is nothing to tell chance by
        return Difference(mean, mean, mean, n, float(mean == 0), True, 0.0)
    found = ttest_rel(y, x)
    around = found.confidence_interval(CONFIDENCE)
    return Difference(mean, float(around.low), float(around.high), n, float(found.pvalue), True, float(d.std(ddof=1)))


def _welch(x: np.ndarray, y: np.ndarray) -> Difference:
    """Welch's t, for two groups that need not spread alike; its degrees of freedom are Satterthwaite's."""
    from scipy.stats import ttest_ind

    mean, n = float(y.mean() - x.mean()), min(len(x), len(y))
    if n == 1:
        return Difference(mean, None, None, 1, None, False)
    error = math.sqrt(float(x.var(ddof=1)) / len(x) + float(y.var(ddof=1)) / len(y))
    if error <= ROUNDING * float(np.abs([*x, *y]).max()):
        return Difference(mean, mean, mean, n, float(mean == 0), False, 0.0)
    warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)  # of a side where nothing varies
    found = ttest_ind(y, x, equal_var=False)
    around = found.confidence_interval(CONFIDENCE)
    return Difference(mean, float(around.low), float(around.high), n, float(found.pvalue), False, error * math.sqrt(n))


def _without_rounding(d: np.ndarray, size: float) -> np.ndarray:
    """Differences that are the same but for the last digits of the machine are the same."""
    middle = float(np.median(d))
    if float(np.abs(d - middle).max()) > ROUNDING * size:
        return d
    return np.full(len(d), middle if abs(middle) > ROUNDING * size else 0.0)


def more_seeds(d: Difference) -> int | None:
    """How many more seeds would make a difference of this size and spread stand out; None for more than are worth it.

    The smallest n with t(n - 1) * sd / sqrt(n) below the mean seen so far. A guess, for the mean itself is one.
    """
    if d.sd is None:
        return None
    if not d.sd:
        return FEW - d.n if d.mean and d.n < FEW else None
    n = np.arange(d.n + 1, d.n + SEEDS_WORTH_ASKING_FOR + 1)
    # Two groups that are not paired have twice the degrees of freedom.
    enough = _t().ppf((1 + CONFIDENCE) / 2, (n - 1) * (1 if d.paired else 2)) * d.sd / np.sqrt(n) < abs(d.mean)
    return int(np.argmax(enough)) + 1 if enough.any() else None


def verdict(d: Difference, unit: str = "points", digits: int = 1) -> str:
    """A plain sentence: "+3.1 points, 95 % [1.9, 4.3], 5 seeds: real."."""
    what = f"{d.mean:+.{digits}f} {unit}".rstrip()
    if d.low is None or d.high is None:
        return f"{what}, one seed: an anecdote. Run at least two more seeds."
    pairs = f"{d.n} seeds" if d.paired else f"at least {d.n} runs a side, not paired"
    said = f"{what}, 95 % [{d.low:.{digits}f}, {d.high:.{digits}f}], {pairs}"
    if d.is_real:
        return f"{said}: real."
    more = more_seeds(d)
    if more is None:
        return f"{said}: no difference that {SEEDS_WORTH_ASKING_FOR} more seeds would show."
    if not d.sd:
        said += " (the same each time, as so few can be by chance)"
    return f"{said}: cannot tell yet, about {more} more {'seed' if more == 1 else 'seeds'} might."


# ---- what each technique bought ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Effect:
    """What switching on one technique changes, averaged over the others; for two, by how much more they do together.

    The effect of a pair is Yates' (1937): half the difference between what one buys with and without the other.
    """

    names: tuple[str, ...]
    mean: float
    low: float | None
    high: float | None
    p: float | None
    n: int  # runs that it was estimated from


def design(names: Sequence[str], fraction: bool | None = None) -> list[dict[str, bool]]:
    """Which techniques are on in each arm: all combinations, or the half of them that still tells pairs apart.

    The half holds the arms with an even number of techniques on, so the plain one too. Its shortest word is all k letters, so from five
    techniques on main effects and pairs are clear of each other (resolution V and more; Box and Hunter 1961). By default
    five and more are halved. Raises `ConfigError`.
    """
    if len(set(names)) != len(names) or not 1 <= len(names) <= 10:
        raise ConfigError(f"A factorial takes 1 to 10 different techniques, not {', '.join(names) or 'none'}.")
    halved = len(names) >= 5 if fraction is None else fraction
    if halved and len(names) < 5:
        raise ConfigError(
            f"Half of the combinations of {len(names)} techniques cannot tell pairs apart: take all of them, or five techniques."
        )
    arms = [dict(zip(names, on, strict=True)) for on in itertools.product((False, True), repeat=len(names))]
    return [arm for arm in arms if not halved or sum(arm.values()) % 2 == 0]


def effects(arms: Sequence[Mapping[str, bool]], seeds: Sequence[int], values: Sequence[float]) -> list[Effect]:
    """Main effects, then pairs, from one value for each run: least squares on -1 and +1, seeds as blocks.

    Intervals come from what the model leaves over. Raises `ConfigError` where the runs cannot tell the effects apart.
    """
    y = _numbers(values)
    names = list(arms[0])
    terms = [(name,) for name in names] + list(itertools.combinations(names, 2))
    signs = np.array([[1.0 if arm[name] else -1.0 for name in names] for arm in arms])
    columns = [np.prod(signs[:, [names.index(name) for name in term]], axis=1) for term in terms]
    blocks = [np.asarray(seeds) == seed for seed in sorted(set(seeds))]
    x = np.column_stack([*columns, *blocks]).astype(float)
    if np.linalg.matrix_rank(x) < x.shape[1]:
        raise ConfigError(
            f"{len(y)} runs cannot tell {len(terms)} effects apart: run the missing combinations of"
            f" {', '.join(names)}, each with every seed."
        )
    beta, _, _, _ = np.linalg.lstsq(x, y, rcond=None)
    df, residual = len(y) - x.shape[1], y - x @ beta
    if df <= 0 or float(np.abs(residual).max()) <= ROUNDING * float(np.abs(y).max()):  # nothing to tell chance by
        return [Effect(term, 2 * float(b), None, None, None, len(y)) for term, b in zip(terms, beta, strict=False)]
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * (residual @ residual) / df)
    found = []
    for term, b, error in zip(terms, 2 * beta, 2 * errors, strict=False):
        low, high = _around(float(b), float(error), df)
        found.append(Effect(term, float(b), low, high, float(2 * _t().sf(abs(b) / error, df)), len(y)))
    return found


# ---- helpers -----------------------------------------------------------------------------------------------------
def _numbers(values: Sequence[float]) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    if not len(x) or not np.isfinite(x).all():
        raise ConfigError("There is nothing to compare: every group needs a finished run with that number.")
    return x


def _t() -> Any:
    """Student's distribution; imported here, since scipy.stats takes a second that the first page need not wait."""
    from scipy import stats

    return stats.t


def _around(mean: float, error: float, df: float) -> tuple[float, float]:
    half = float(_t().ppf((1 + CONFIDENCE) / 2, df)) * error
    return mean - half, mean + half
