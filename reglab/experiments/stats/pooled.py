"""The scatter that many groups have in common, seeds as blocks: it tells much from few seeds, but only of groups that scatter alike.

Techniques do not: in `benchmarks/effects.json` the difference from plain scatters by 0.1 points for one and by 1.8 for another,
and a plain network often by more than a regularized one. Pooled all the same, one sweep in five of cells that are equal calls one
real (`benchmarks/verdicts.py`). So what is pooled is tested first, at 25 %, as Bozivich, Bancroft and Hartley (1956) advise for
tests that only decide about pooling ("Power of analysis of variance test procedures", Ann. Math. Stat. 27).
"""

from __future__ import annotations

import numpy as np

from reglab.experiments.stats.late import special

ALIKE = 0.25  # level of the tests whether scatter is alike
BROKEN = 1e-7  # a group that scatters so much more would hide all others: a learning rate with which some runs diverge


def scatter(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each difference from the first row the variance (of one seed) and its degrees of freedom, both (..., k).

    `rows` are values (..., k + 1 groups, seeds). A group that scatters more than the pool is judged by its own scatter.
    """
    k, seeds = rows.shape[-2] - 1, rows.shape[-1]
    own = (rows[..., 1:, :] - rows[..., :1, :]).var(-1, ddof=1)
    if k < 2:
        return own, np.full(own.shape, seeds - 1.0)
    variance, df = _pooled(rows, _whole(own, seeds - 1))
    alone = own > (variance * special().fdtri(seeds - 1, df, 1 - ALIKE))[..., None]
    return np.where(alone, own, variance[..., None]), np.where(alone, seeds - 1.0, df[..., None])


def _whole(own: np.ndarray, df: int) -> np.ndarray:
    """Which of k groups may be pooled, 1.0 or 0.0: all but those that scatter out of all proportion to the median."""
    k = own.shape[-1]
    usual = np.median(own, axis=-1, keepdims=True) / (special().gammaincinv(df / 2, 0.5) * 2 / df)
    return np.asarray(own <= usual * special().fdtri(df, k * df / 2, 1 - BROKEN), dtype=float)


def _pooled(rows: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for all of them; where the baseline scatters more than the others do, its part is counted apart."""
    seeds, k = rows.shape[-1], whole.sum(-1)  # at least half of the groups are whole
    of_others = (k - 1) * (seeds - 1)
    others = _residual(rows[..., 1:, :], whole) / of_others
    mean = (rows[..., 1:, :] * whole[..., None]).sum(-2) / k[..., None]
    between = (rows[..., 0, :] - mean).var(-1, ddof=1)  # the baseline, and the mean of k others
    rest = (1 - 1 / k) * others
    with np.errstate(invalid="ignore", divide="ignore"):
        df = (between + rest) ** 2 / (between**2 / (seeds - 1) + rest**2 / of_others)
    apart = between / (1 + 1 / k) > others * special().fdtri(seeds - 1, of_others, 1 - ALIKE)
    every = np.concatenate([np.ones_like(whole[..., :1]), whole], axis=-1)
    together = 2 * _residual(rows, every) / (k * (seeds - 1))
    return np.where(apart, between + rest, together), np.where(apart, df, k * (seeds - 1.0))


def _residual(rows: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """What is left over once each row and each seed has its mean, squared; of the rows that count."""
    counts = counted[..., None]
    left = rows - rows.mean(-1, keepdims=True)
    left = left - (left * counts).sum(-2, keepdims=True) / counts.sum(-2, keepdims=True)
    return np.asarray((left**2 * counts).sum((-2, -1)))
