"""What a difference amounts to, in words that hold: real, likely, practically equal, or cannot tell yet.

Whoever is told "run so many seeds" looks again, so what is called real has to hold for both looks together. Advice is
therefore given at up to five seeds only, always leads beyond five, and names the last look: there is none after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from reglab.experiments.stats import many
from reglab.experiments.stats.differences import FEW, LEVEL, Difference
from reglab.experiments.stats.intervals import CONFIDENCE, Interval
from reglab.experiments.stats.late import special
from reglab.numbers import between, number, percent

POWER = 0.8  # of the look that is advised, for a difference as large as the one seen
MOST_SEEDS = 100  # a difference that needs more of them is too small to matter here
ROPE = 0.5  # points: a smaller difference matters to nobody (region of practical equivalence)

REAL, LIKELY, EQUAL, UNSURE, ANECDOTE = "real", "likely", "practically equal", "cannot tell yet", "an anecdote"
NOT_SHOWN = "not shown"


def word(d: Difference, rope: float | None = ROPE) -> str:
    """The verdict in a word or three; `rope` is what is practically equal, in the unit of the difference."""
    if d.p is None:
        return ANECDOTE
    if d.is_real:
        return REAL
    if is_equal(d, rope):
        return EQUAL
    return LIKELY if d.is_likely else UNSURE if d.n <= FEW else NOT_SHOWN


def is_equal(d: Difference, rope: float | None = ROPE) -> bool:
    """Whether at least 95 % of what one should believe of the difference lies within +-rope."""
    if rope is None or d.error is None or d.df is None or not d.is_telling:
        return False
    return within(d.mean, d.error, d.df, rope)[1] >= CONFIDENCE


def within(mean: float, error: float, df: float, rope: float) -> tuple[float, float, float]:
    """How likely the true difference lies below -rope, within +-rope, and above rope.

    The posterior of Benavoli, Corani, Demsar and Zaffalon (2017), "Time for a change", JMLR 18: Student's t around the mean.
    """
    if not error:
        below, above = float(mean < -rope), float(mean > rope)
    else:
        below, above = (float(special().stdtr(df, (-rope - side * mean) / error)) for side in (1, -1))
    return below, 1 - below - above, above


def seeds_in_all(d: Difference) -> int | None:
    """How many seeds in all would show a difference of this size with 80 % power; None for more than are worth it.

    Always more than five, so that there are two looks: this one, and that. The mean seen so far is a guess itself, and rather
    too large than too small where it was chosen for its size.
    """
    if d.sd is None or d.df_seeds is None or not d.mean:
        return None
    low, high = max(FEW, d.n), MOST_SEEDS + 1
    while high - low > 1:  # the power only rises
        n = (low + high) // 2
        low, high = (low, n) if power(d, n) >= POWER else (n, high)
    return high if high <= MOST_SEEDS else None


def power(d: Difference, n: int) -> float:
    """The chance that n seeds show a difference of this size to be real: the noncentral t distribution."""
    assert d.sd is not None and d.df_seeds is not None
    of_seeds = d.sd**2 / n
    df = d.df_seeds * (n - 1) / (d.n - 1)
    error = math.sqrt(of_seeds + d.beyond)
    if not error:
        return 1.0
    t = many.critical(LEVEL, d.of, float(f"{df:.2g}"), d.rho)
    return float(1 - special().nctdtr(df, abs(d.mean) / error, t))


def verdict(d: Difference, unit: str = "points", digits: int = 1) -> str:
    """A plain sentence: "+3.1 points, 95 % interval 1.9 to 4.3, 5 seeds: real."."""
    what = f"{number(d.mean, digits, signed=True)} {unit}".rstrip()
    if d.low is None or d.high is None:
        return f"{what}, one seed: an anecdote. Run at least two more seeds."
    seeds = f"{d.n} seeds" if d.paired else f"at least {d.n} runs a side, not paired"
    said = f"{what}, 95 % interval {between(d.low, d.high, digits)}, {seeds}"
    rope = ROPE if unit == "points" else None
    told = word(d, rope)
    if told == REAL and is_equal(d, rope):
        return f"{said}: real, but within ±{rope:g} points, so practically equal."
    if told in (REAL, EQUAL):
        return f"{said}: {told}{f' (within ±{rope:g} points)' if told == EQUAL else ''}."
    if not d.error and d.mean:
        said += " (the same each time, as so few can be by chance)"
    return f"{said}: {_open(d, told)}."


def _open(d: Difference, told: str) -> str:
    """What is not decided, and how many seeds would."""
    if d.n > FEW:
        return "likely, but not shown" if told == LIKELY else f"not shown with {d.n} seeds"
    if (n := seeds_in_all(d)) is None:
        return f"{told}; {MOST_SEEDS} seeds would not show so small a difference{_test_set(d)}"
    return f"{told}; run {n} seeds in all ({percent(POWER, 0)} power) and decide then"


def _test_set(d: Difference) -> str:
    """Whether it is the test images that are too few."""
    return f" on {d.images:,} test images" if d.beyond and d.sd and d.beyond > d.sd**2 / MOST_SEEDS else ""


def covers(found: Sequence[Difference | Interval], baseline: str = "the baseline") -> str:
    """One line for page, command line and report: what the intervals of these differences, or means, hold for."""
    bounded = [each for each in found if each.low is not None]
    if not bounded:
        return ""
    images = {each.images for each in bounded}
    of = (
        f"seeds and the {bounded[0].images:,} test images" if len(images) == 1 and bounded[0].images
        else "seeds, and test images where runs kept their answers" if any(images)
        else "seeds only, not test images"
    )  # fmt: skip
    together, several = "", [each for each in bounded if isinstance(each, Difference)]
    if len(several) > 1:
        by = "Dunnett" if all(d.rho for d in several) else "studentized maximum modulus"
        together = f"; those of the {len(several)} differences from {baseline} hold together ({by})"
    return f"95 % intervals cover {of}{together}."
