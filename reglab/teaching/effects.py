"""What each technique did here: the figures of `benchmarks/effects.json`, which `benchmarks/effects.py` writes, in words.

Each is the difference from the same network without the technique, paired by seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt
from pathlib import Path
from typing import Any

from reglab import ROOT
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

    @property
    def margin(self) -> float:
        """Half the 95 % interval of the mean change of test accuracy; nothing is certain of a single seed."""
        if self.n < 2 or self.test.sd is None:
            return inf
        from scipy import special  # a quarter of the time that scipy.stats takes to import

        return float(special.stdtrit(self.n - 1, 0.975)) * self.test.sd / sqrt(self.n)  # Student's t

    @property
    def helped(self) -> bool:
        """Whether test accuracy rose by more than the choice of the seeds explains."""
        return self.test.mean > self.margin

    @property
    def hurt(self) -> bool:
        """Whether test accuracy fell by more than the choice of the seeds explains."""
        return self.test.mean < -self.margin

    @property
    def verdict(self) -> str:
        """In three words."""
        if self.n < 2:
            return "One seed only, so not certain"
        return "Helped here" if self.helped else "Hurt here" if self.hurt else "No clear effect here"

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
            said.append(f"gap {self.gap.text(100, 1)} points")
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
    told = read_json(file or EFFECTS)
    conditions = told.get("conditions")
    if not isinstance(conditions, Mapping):
        return None
    effects = []
    for condition, rows in told.get("rows", {}).items():
        row = rows.get(key)
        if row and row.get("test_difference"):
            effects.append(_effect(condition, conditions, row, rows.get(row["baseline"], {})))
    return Measured(str(conditions.get("sentence", "")), tuple(effects)) if effects else None


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
