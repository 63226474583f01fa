"""Several comparisons at once: Dunnett's distribution for many against one, and Holm's steps for everything else.

Of twelve techniques that do nothing, one in two or three sweeps would show one that "helps" if each were judged alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from reglab.experiments.stats.late import special

SHARED = 0.5  # correlation of two differences that share their baseline, and scatter alike
_NODES_Z, _NODES_S = 48, 96  # of the two integrals: agrees with scipy.stats.dunnett and with tables to 1e-6


def tail(t: float, k: int, df: float, rho: float = SHARED) -> float:
    """The chance that the largest of k |t| exceeds this one where nothing differs: the p of a comparison among k.

    Dunnett (1955), "A multiple comparison procedure for comparing several treatments with a control", JASA 50. With `rho` 0 it is
    the studentized maximum modulus, which is safe whatever the correlation (Sidak 1967). For one comparison it is Student's.
    """
    if k == 1:
        return float(2 * special().stdtr(df, -abs(t)))
    z, weights = _normal()
    s, density = _scatter(df)
    beyond, apart = np.sqrt(rho) * z[None], np.sqrt(1 - rho)
    at = (abs(t) * s)[:, None]
    one = special().ndtr((-at - beyond) / apart) + special().ndtr((-at + beyond) / apart)
    any_of_them = -np.expm1(k * np.log1p(-np.minimum(one, 1 - 1e-16)))
    return float(min(1.0, (any_of_them @ weights) @ density))


@lru_cache(maxsize=4096)
def critical(level: float, k: int, df: float, rho: float = SHARED) -> float:
    """How large a |t| must be: the tail beyond it is `level`."""
    if k == 1:
        return float(special().stdtrit(df, 1 - level / 2))
    from scipy.optimize import brentq

    low, high = (float(special().stdtrit(df, 1 - level / 2 / n)) for n in (1, k))  # alone, and after Bonferroni
    return float(brentq(lambda t: tail(t, k, df, rho) - level, low * 0.99, high * 1.01, xtol=1e-7))


@lru_cache(maxsize=1)
def _normal() -> tuple[np.ndarray, np.ndarray]:
    """Where the standard normal distribution is looked at, and how much each place counts."""
    z, weights = np.polynomial.hermite_e.hermegauss(_NODES_Z)
    return z, weights / weights.sum()


@lru_cache(maxsize=4096)
def _scatter(df: float) -> tuple[np.ndarray, np.ndarray]:
    """The same of the estimated standard deviation beside the true one: a chi with `df` degrees of freedom, over sqrt(df)."""
    low, high = (
        np.sqrt(special().gammaincinv(df / 2, 1e-14) * 2 / df),
        np.sqrt(special().gammainccinv(df / 2, 1e-15) * 2 / df),
    )
    x, weights = np.polynomial.legendre.leggauss(_NODES_S)
    s = (high - low) / 2 * x + (high + low) / 2
    log = np.log(2) + df / 2 * np.log(df / 2) - special().gammaln(df / 2) + (df - 1) * np.log(s) - df * s**2 / 2
    return s, weights * (high - low) / 2 * np.exp(log)


# ---- Holm --------------------------------------------------------------------------------------------------------
def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p's after Holm (1979), "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, ps[i] * (len(ps) - rank)))
        adjusted[i] = largest
    return adjusted


def holm_levels(ps: Sequence[float], level: float) -> list[float]:
    """The level at which Holm's steps test each: an interval at it leaves zero out where the adjusted p is below `level`.

    Those that the steps no longer reach have the level of the step that failed (Serlin 1993; Ludbrook 2000).
    """
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    levels, step, goes_on = [level] * len(ps), level, True
    for rank, i in enumerate(order):
        if goes_on:
            step = level / (len(ps) - rank)
            goes_on = ps[i] <= step
        levels[i] = step
    return levels
