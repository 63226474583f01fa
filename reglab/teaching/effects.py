"""What each technique did here: the figures of `benchmarks/effects.json`, which `benchmarks/effects.py` writes, in words.

Each is the difference from the same network without the technique, paired by seed. Whether it helped is decided for all
techniques together (Dunnett): of 29 that do nothing, one alone would often seem to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from reglab import ROOT
from reglab.experiments import stats
from reglab.runs.files import read_json

EFFECTS = ROOT / "benchmarks/effects.json"  # not there where the package is installed alone


@dataclass(frozen=True)
class Figure:
    """A mean with its spread over the seeds; no spread for a single seed."""

    mean: float
    sd: float | None

    def text(self, scale: float = 1, digits: int = 3, sign: str = "+") -> str:
        """`+2.3 ± 0.6`: both times `scale`, with so many digits."""
        mean = f"{self.mean * scale:{sign}.{digits}f}".replace("-", "−")
        return mean if self.sd is None else f"{mean} ± {self.sd * scale:.{digits}f}"


@dataclass(frozen=True)
class Effect:
    """What the technique alone changed here, against the same network without it; paired by seed."""

    condition: str  # clean or noise
    labels: str  # the same in words
    n: int  # seeds
    network: str
    test: Figure  # test accuracy, a fraction
    gap: Figure | None
    ece: Figure | None
    time: float | None  # an epoch takes so many times as long

    judged: stats.Difference | None = None  # test accuracy in points, together with all techniques of the condition
    gap_judged: stats.Difference | None = None  # the gap likewise

    @property
    def helped(self) -> bool:
        """Whether test accuracy rose by more than chance explains, of so many techniques and so few seeds."""
        return self._is_clear and self.test.mean > 0

    @property
    def hurt(self) -> bool:
        """Whether test accuracy fell by more than chance explains."""
        return self._is_clear and self.test.mean < 0

    @property
    def _is_clear(self) -> bool:
        """By the 95 % interval: nobody looks a second time at what is recorded."""
        return self.judged is not None and self.judged.is_likely

    @property
    def gap_word(self) -> str:
        """`clearly narrower` or `clearly wider`, by the same measure; empty where that is not certain."""
        if self.gap is None or self.gap_judged is None or not self.gap_judged.is_likely:
            return ""
        return "clearly narrower" if self.gap.mean < 0 else "clearly wider"

    @property
    def verdict(self) -> str:
        """In three words."""
        if self.n < 2:
            return "One seed only, so not certain"
        if self.helped or self.hurt:
            return "Helped here" if self.helped else "Hurt here"
        is_equal = self.judged is not None and stats.word(self.judged) == "practically equal"
        return "Practically no effect here" if is_equal else "No clear effect here"

    @property
    def lead(self) -> str:
        """That it did not help, where it did not, to begin a sentence with; a rise of one seed may be chance."""
        if self.n < 2:
            return "" if self.test.mean > 0 else "Did not help here: "
        return "" if self.helped else "Did not help here, it hurt: " if self.hurt else "Did not clearly help here: "

    def sentence(self) -> str:
        """The figures in words, beginning with whether it helped."""
        seeds = f"{self.n} seeds" if self.n > 1 else "one seed, so chance is not ruled out"
        where = "" if self.network == "basic_cnn" else f" on {self.network}"
        said = [f"{self.lead}{self.test.text(100, 1)} points of test accuracy with {self.labels}{where} ({seeds})"]
        if self.gap:
            said.append(f"gap {self.gap.text(100, 1)} points{f' ({self.gap_word})' if self.gap_word else ''}")
        if self.ece:
            said.append(f"calibration error {self.ece.text()}")
        if self.time:
            said.append(f"an epoch takes {self.time:.2f} times as long")
        return ", ".join(said) + "."


@dataclass(frozen=True)
class Measured:
    """The effects of a technique, and the conditions they hold for."""

    conditions: str
    effects: tuple[Effect, ...]


def measured(key: str, file: Path | None = None) -> Measured | None:
    """What `benchmarks/effects.json` holds about a technique; None where nothing was measured, or the file is missing."""
    path = file or EFFECTS
    told = _read(path, path.stat().st_mtime_ns if path.exists() else 0)
    conditions = told.get("conditions")
    if not isinstance(conditions, Mapping):
        return None
    effects = []
    for condition, rows in told.get("rows", {}).items():
        row = rows.get(key)
        if row and row.get("test_difference"):
            effect = _effect(condition, conditions, row, rows.get(row["baseline"], {}))
            judged = (told[name][condition].get(key) for name in ("judged", "gap_judged"))
            effects.append(replace(effect, **dict(zip(("judged", "gap_judged"), judged, strict=True))))
    return Measured(str(conditions.get("sentence", "")), tuple(effects)) if effects else None


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Mapping[str, Any]:
    """The file, and what its techniques amount to; anew where it has changed."""
    told = read_json(path)
    rows = told.get("rows", {})
    judged = {condition: _judged(told, "test_accuracy") for condition, told in rows.items()}
    return {
        **told,
        "judged": judged,
        "gap_judged": {condition: _judged(told, "gap") for condition, told in rows.items()},
    }


def _judged(rows: Mapping[str, Any], metric: str) -> dict[str, stats.Difference]:
    """Technique -> its difference in points; all techniques of a condition count, whichever network they are compared with."""
    found: dict[str, stats.Difference] = {}
    values = {name: _by_seed(row, metric) for name, row in rows.items()}
    families: dict[str, list[str]] = {}
    for name, row in rows.items():
        if row.get("baseline") in values and values[name].keys() & values[row["baseline"]].keys():
            families.setdefault(row["baseline"], []).append(name)
    several = {
        b: sum(len(values[name].keys() & values[b].keys()) > 1 for name in names) for b, names in families.items()
    }
    for baseline, names in families.items():
        beside = sum(several.values()) - several[baseline]
        told = stats.differences(values[baseline], [values[name] for name in names], beside=beside)
        found |= dict(zip(names, told, strict=True))
    return found


def _by_seed(row: Mapping[str, Any], metric: str) -> dict[int, float]:
    """Seed -> test accuracy or gap in percent."""
    values = row.get(metric, {}).get("values", [])
    return {seed: value * 100 for seed, value in zip(row.get("seeds", []), values, strict=False)}


def _effect(
    condition: str, conditions: Mapping[str, Any], row: Mapping[str, Any], baseline: Mapping[str, Any]
) -> Effect:
    test, gap, ece = (
        Figure(row[name]["mean"], row[name]["sd"]) if row.get(name) else None
        for name in ("test_difference", "gap_difference", "ece_difference")
    )
    assert test is not None
    own, plain = (_seconds(r.get("seconds_per_epoch")) for r in (row, baseline))
    return Effect(
        condition=condition,
        labels="clean labels" if condition == "clean" else f"{conditions['label_noise'] * 100:g} % wrong labels",
        n=row["n"],
        network=row.get("model", "basic_cnn"),
        test=test,
        gap=gap,
        ece=ece,
        time=own / plain if own and plain else None,
    )


def _seconds(told: Any) -> float | None:
    """The typical time of an epoch."""
    return (told.get("median") or told.get("mean")) if isinstance(told, Mapping) else told
