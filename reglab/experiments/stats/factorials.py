"""What each technique bought: a factorial's design, its main effects and its pairs, judged together after Holm."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reglab.errors import ConfigError
from reglab.experiments.stats.differences import LEVEL
from reglab.experiments.stats.intervals import CONFIDENCE, ROUNDING, around, numbers, two_sided
from reglab.experiments.stats.many import holm, holm_levels


@dataclass(frozen=True)
class Effect:
    """What switching on one technique changes, averaged over the others; for two, by how much more they do together.

    The effect of a pair is Yates' (1937): half the difference between what one buys with and without the other.
    """

    names: tuple[str, ...]
    mean: float
    low: float | None
    high: float | None
    p: float | None  # adjusted after Holm for all effects, as the interval is
    n: int  # runs that it was estimated from
    error: float | None = None  # standard error
    df: int = 0  # its degrees of freedom

    @property
    def is_real(self) -> bool:
        """Whether chance is out of the question, by the same level as for a difference."""
        return self.p is not None and self.p <= LEVEL

    @property
    def word(self) -> str:
        """The verdict; empty where one run each tells nothing of chance."""
        if self.p is None:
            return ""
        return "real" if self.is_real else "likely" if self.p <= 1 - CONFIDENCE else "cannot tell"


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

    Intervals come from what the model leaves over, and are widened after Holm for as many effects as there are.
    Raises `ConfigError` where the runs cannot tell the effects apart.
    """
    y = numbers(values)
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
    errors = 2 * np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * (residual @ residual) / df)
    told = [(2 * float(b), float(error)) for b, error in zip(beta, errors, strict=True)][: len(terms)]
    ps = [two_sided(b / error, df) for b, error in told]
    levels = holm_levels(ps, 1 - CONFIDENCE)
    return [
        Effect(term, b, *around(b, error, df, level), p, len(y), error, df)
        for term, (b, error), level, p in zip(terms, told, levels, holm(ps), strict=True)
    ]
