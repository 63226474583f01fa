"""How often the lab's verdicts are wrong, and how often they see what is there: simulated, since only then is the truth known.

    python benchmarks/verdicts.py            # about two minutes on one core; writes benchmarks/verdicts.json, prints the tables
    python benchmarks/verdicts.py --table    # the tables of what was simulated last
    python benchmarks/verdicts.py --quick    # seconds, few experiments, writes nothing; the tests do the same

Runs scatter by 0.7 points from seed to seed, as those of the small networks here do. Four questions:

- 3, 12 or 28 cells of a sweep, all equal to the plain network: how often is at least one of them called "real"?
- Somebody obeys "run N seeds in all", and looks again: how often is it "real" at either look, where nothing is?
- 10,000 or 500 test images, 57 % accuracy: how often does the interval hold the true value, which is that of all seeds and images?
- A technique that is worth exactly 0.5 points: how often is it "practically equal", and how often one that is worth nothing?
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

import numpy as np
from scipy import special

from reglab.experiments import stats
from reglab.experiments.stats import many, pooled, verdicts
from reglab.experiments.stats.differences import LEVEL
from reglab.runs.files import read_json, write_json

OUTPUT = Path(__file__).with_suffix(".json")
SD = 0.7  # points, from seed to seed
CELLS, SEEDS, TEST_SETS = (3, 12, 28), (3, 5), (10_000, 500)
ALSO_TWO = (2, *SEEDS)  # which is too few, and shows
REPETITIONS = 4_000
RNG_SEED = 20261127

Rng = np.random.Generator


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="print what was simulated last")
    parser.add_argument("--quick", action="store_true", help="few experiments, write nothing")
    args = parser.parse_args(arguments)
    told = read_json(OUTPUT) if args.table else simulate(200 if args.quick else REPETITIONS)
    if not args.table and not args.quick:
        write_json(OUTPUT, told)
    print(table(told))
    return 0


def simulate(repetitions: int) -> dict[str, Any]:
    """Everything, from the same random numbers each time."""
    rng = np.random.default_rng(RNG_SEED)
    return {
        "repetitions": repetitions,
        "sd": SD,
        "family": [family(cells, seeds, repetitions, rng) for cells in CELLS for seeds in SEEDS],
        "advice": [advice(cells, seeds, repetitions, rng) for cells in (1, *CELLS) for seeds in ALSO_TWO],
        "coverage": [coverage(images, seeds, repetitions, rng) for images in TEST_SETS for seeds in ALSO_TWO],
        "equal": [equal(seeds, repetitions, rng) for seeds in (3, 5, 10, 20)],
    }


# ---- many cells at once ------------------------------------------------------------------------------------------
def family(cells: int, seeds: int, repetitions: int, rng: Rng) -> dict[str, Any]:
    """Shares of experiments with at least one wrong verdict, and of those in which the one cell that differs is found."""
    same = np.full((repetitions, cells + 1), SD)
    restless = same * np.r_[2, np.ones(cells)]

    def otherwise() -> np.ndarray:
        return SD * np.exp(rng.normal(0, 0.7, (repetitions, cells + 1)))

    def wrong(judge: Judge, scatter: np.ndarray, level: float) -> float:
        return float(judge(runs(scatter, seeds, rng), level).any(1).mean())

    def found(points: float) -> float:
        rows = runs(same, seeds, rng)
        rows[:, 1] += points
        return float(judged(rows, LEVEL)[:, 0].mean())

    return {
        "cells": cells,
        "seeds": seeds,
        "alone": wrong(one_by_one, same, 0.05),
        "likely": wrong(judged, same, 0.05),
        "real": wrong(judged, same, LEVEL),
        "plain scatters twice as much": wrong(judged, restless, LEVEL),
        "each scatters otherwise": wrong(judged, otherwise(), LEVEL),
        "the same, pooled blindly": wrong(pooled_blindly, otherwise(), LEVEL),
        **{f"power, {points} points": found(points) for points in (2, 3, 5)},
    }


Judge = Callable[[np.ndarray, float], np.ndarray]


def runs(scatter: np.ndarray, seeds: int, rng: Rng) -> np.ndarray:
    """Values (experiments, cells, seeds) around zero; what the seeds have in common cancels and is left out."""
    return rng.normal(size=(*scatter.shape, seeds)) * scatter[..., None]


def judged(rows: np.ndarray, level: float) -> np.ndarray:
    """Which cells differ from the first row, as `stats.differences` decides it; here for all experiments at once."""
    variance, df = pooled.scatter(rows)
    return beyond(rows, variance, critical(level, rows.shape[1] - 1, df))


def pooled_blindly(rows: np.ndarray, level: float) -> np.ndarray:
    """Dunnett's test as textbooks have it, for cells that scatter alike."""
    k, seeds = rows.shape[1] - 1, rows.shape[2]
    left = rows - rows.mean(1, keepdims=True) - rows.mean(2, keepdims=True) + rows.mean((1, 2), keepdims=True)
    variance = 2 * (left**2).sum((1, 2)) / (k * (seeds - 1))
    return beyond(rows, variance[:, None], critical(level, k, np.array(float(k * (seeds - 1)))))


def one_by_one(rows: np.ndarray, level: float) -> np.ndarray:
    """Student's paired test of each cell, as if there were no other."""
    d = rows[:, 1:] - rows[:, :1]
    return beyond(rows, d.var(2, ddof=1), special.stdtrit(rows.shape[2] - 1, 1 - level / 2))


def beyond(rows: np.ndarray, variance: np.ndarray, limit: np.ndarray) -> np.ndarray:
    means = (rows[:, 1:] - rows[:, :1]).mean(2)
    return np.asarray(np.abs(means) > limit * np.sqrt(variance / rows.shape[2]))


def critical(level: float, k: int, df: np.ndarray) -> np.ndarray:
    """`many.critical` of many degrees of freedom, between those of a table."""
    at, logs = criticals(level, k)
    return np.exp(np.interp(1 / df, at, logs))


@lru_cache
def criticals(level: float, k: int) -> tuple[np.ndarray, np.ndarray]:
    at = np.r_[0.0002, np.linspace(0.002, 0.26, 44), np.linspace(0.27, 0.52, 12), 1.0]
    return at, np.log([many.critical(level, k, float(1 / x)) for x in at])


# ---- obeying, and looking again ----------------------------------------------------------------------------------
def advice(cells: int, seeds: int, repetitions: int, rng: Rng) -> dict[str, Any]:
    """Shares of experiments in which an equal cell is called real at one of the two looks.

    Where cells are given different advice, somebody follows the smallest number of seeds, somebody else the largest.
    """
    rows = runs(np.full((repetitions, cells + 1), SD), verdicts.MOST_SEEDS, rng)
    first = judged(rows[..., :seeds], LEVEL).any(1)
    advised = seeds_in_all(rows[..., :seeds])
    told = {"cells": cells, "seeds": seeds, "first look": float(first.mean())}
    for name, n in (
        ("smallest", advised.min(1)),
        ("largest", np.where(advised > verdicts.MOST_SEEDS, 0, advised).max(1)),
    ):
        told[f"both, {name}"] = float((first | second_look(rows, n)).mean())
    if cells == 1:
        told["as before"] = float(as_before(rows, seeds).mean())
    return told


def second_look(rows: np.ndarray, n: np.ndarray, judge: Judge = judged, level: float = LEVEL) -> np.ndarray:
    """Whether any cell is called real with so many seeds; not where nothing was advised."""
    wrong = np.zeros(len(rows), bool)
    for seeds in np.unique(n[(n > 1) & (n <= verdicts.MOST_SEEDS)]):
        wrong[n == seeds] = judge(rows[n == seeds][..., :seeds], level).any(1)
    return wrong


def seeds_in_all(rows: np.ndarray) -> np.ndarray:
    """`stats.seeds_in_all` for all experiments and cells at once; more than `MOST_SEEDS` where it has no advice."""
    k, seeds = rows.shape[1] - 1, rows.shape[2]
    variance, df = pooled.scatter(rows)
    ratio = np.abs((rows[:, 1:] - rows[:, :1]).mean(2)) / np.sqrt(variance)
    n = np.arange(verdicts.FEW + 1, verdicts.MOST_SEEDS + 1)
    told, rounded = np.empty(ratio.shape, int), np.round(df, 1)
    for own in np.unique(rounded):
        then = own * (n - 1) / (seeds - 1)
        needed = special.nctdtrinc(then, 1 - stats.POWER, critical(LEVEL, k, then)) / np.sqrt(n)
        cells = rounded == own
        told[cells] = n[0] + np.searchsorted(-needed, -ratio[cells], side="left")
    return told


def as_before(rows: np.ndarray, seeds: int) -> np.ndarray:
    """5 % at each look; the seeds asked for are those with which the mean seen so far would just be significant."""
    d = (rows[:, 1] - rows[:, 0])[:, :seeds]
    n = np.arange(seeds + 1, verdicts.MOST_SEEDS + 1)
    enough = special.stdtrit(n - 1, 0.975) * d.std(1, ddof=1)[:, None] / np.sqrt(n) < np.abs(d.mean(1))[:, None]
    asked = np.where(enough.any(1), n[enough.argmax(1)], 0)
    return one_by_one(rows[..., :seeds], 0.05)[:, 0] | second_look(rows, asked, one_by_one, 0.05)


# ---- seeds and test images ---------------------------------------------------------------------------------------
HARD = 1.33  # how much test images differ: two plain networks then agree about 72 % of them, as real ones do (0.70 to 0.76)
TOGETHER = 0.47  # of a run's luck, what it shares with the run of the same seed: these agree about 80 % (0.77 and 0.85)
OF_SEED = 0.025  # of a whole run: accuracy scatters by 0.7 points on 10,000 images
ELSEWHERE = 0.4  # a technique gets other images right
MEAN = special.ndtri(0.57) * (1 + HARD**2 + OF_SEED**2) ** 0.5


def coverage(images: int, seeds: int, repetitions: int, rng: Rng) -> dict[str, Any]:
    """How often intervals hold the true accuracy, and the true difference; with the test images in them and without."""
    truth = 57.0
    gain = 100 * special.ndtr((MEAN + 0.1) / (1 + HARD**2 + ELSEWHERE**2 + OF_SEED**2) ** 0.5) - truth
    held = {"mean": 0, "mean, seeds only": 0, "difference": 0, "difference, seeds only": 0}
    widths: list[float] = []
    for _ in range(repetitions):
        plain, other = answers(images, seeds, rng)
        a, b = ({seed: 100 * float(bits.mean()) for seed, bits in enumerate(side)} for side in (plain, other))
        right = dict(enumerate(plain)), dict(enumerate(other))
        both, alone = stats.difference(a, b, right), stats.difference(a, b)
        for name, told, true in (
            ("mean", stats.interval(list(a.values()), list(plain)), truth),
            ("mean, seeds only", stats.interval(list(a.values())), truth),
            ("difference", both, gain),
            ("difference, seeds only", alone, gain),
        ):
            held[name] += told.low is not None and told.high is not None and told.low <= true <= told.high
        assert both.low is not None and both.high is not None
        widths.append(both.high - both.low)
    shares = {name: times / repetitions for name, times in held.items()}
    return {"images": images, "seeds": seeds, **shares, "width": float(np.median(widths))}


def answers(images: int, seeds: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Which images the plain runs and those with a technique get right: two tables (seeds, images) of a probit model."""
    hard = rng.standard_normal(images, dtype=np.float32) * HARD + MEAN
    moved = rng.standard_normal(images, dtype=np.float32) * ELSEWHERE + 0.1
    own = rng.standard_normal((3, seeds, images), dtype=np.float32) + rng.normal(0, OF_SEED, (3, seeds, 1))
    luck = own[:2] * (1 - TOGETHER) ** 0.5 + own[2] * TOGETHER**0.5
    return hard + luck[0] > 0, hard + moved + luck[1] > 0


# ---- practically equal -------------------------------------------------------------------------------------------
def equal(seeds: int, repetitions: int, rng: Rng) -> dict[str, Any]:
    """How often one technique is practically equal: where it is worth nothing, and where it is worth the limit itself."""
    told: dict[str, Any] = {"seeds": seeds}
    for worth in (0.0, stats.ROPE):
        d = rng.normal(worth, SD, (repetitions, seeds))  # paired; what one pair differs by
        error = d.std(1, ddof=1) / seeds**0.5
        inside = [stats.within(*each, seeds - 1, stats.ROPE)[1] for each in zip(d.mean(1), error, strict=True)]
        told[f"worth {worth:g}"] = float(np.mean(np.array(inside) >= stats.CONFIDENCE))
    return told


# ---- told --------------------------------------------------------------------------------------------------------
def table(told: dict[str, Any]) -> str:
    """Markdown; shares in percent."""
    parts = []
    for name, caption in CAPTIONS.items():
        rows = told[name]
        counts = [key for key in rows[0] if key in ("cells", "seeds", "images")]
        shares = list(dict.fromkeys(key for row in rows for key in row if key not in (*counts, "width")))
        more = ["width"] if "width" in rows[0] else []
        parts.append(f"{caption}\n")
        parts.append(f"| {' | '.join([*counts, *shares, *(f'{key}, points' for key in more)])} |")
        parts.append("|---" * len([*counts, *shares, *more]) + "|")
        for row in rows:
            cells = [f"{row[key]:,}" for key in counts]
            cells += [f"{row[key]:.1%}".replace("%", " %") if key in row else "" for key in shares]
            parts.append(f"| {' | '.join([*cells, *(f'{row[key]:.1f}' for key in more)])} |")
        parts.append("")
    parts.append(
        f"{told['repetitions']:,} experiments each, so that 5 % is known to ±0.7; runs scatter by {told['sd']} points."
    )
    return "\n".join(parts)


CAPTIONS = {
    "family": "At least one of the cells, all equal to plain, is called so; and the chance to find the one that differs:",
    "advice": "An equal cell is called real, at the first look or when the advice was followed:",
    "coverage": "Intervals that hold the truth, of 57 % accuracy and of a technique's gain:",
    "equal": "Called practically equal:",
}


if __name__ == "__main__":
    raise SystemExit(main())
