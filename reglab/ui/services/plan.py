"""What the Sweep view asks for beside the set-up of the Train tab, as its form says it; and the experiment that this makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reglab.config import RunConfig, quoted
from reglab.config.numbers import read
from reglab.errors import ConfigError
from reglab.experiments.axes import axis
from reglab.experiments.experiment import Experiment
from reglab.experiments.factorial import factorial
from reglab.experiments.sweep import sweep

SEEDS = 3  # of each set-up, where nobody says


@dataclass(frozen=True)
class SweepPlan:
    """Values as a browser sends them: nothing is checked before `experiment` is asked for."""

    is_factorial: bool
    techniques: Sequence[str]
    seeds: Any
    images: Any
    epochs: Any
    axes: Sequence[tuple[str, str]]  # setting, its values as one types them; no setting: no axis
    prune: bool = False

    def experiment(self, base: RunConfig) -> Experiment:
        """Raises `ConfigError`."""
        base = self._sized(base)
        if self.is_factorial:
            return factorial(base, self._toggled(), self._seeds())
        return sweep(base, [axis(text) for text in self._over()], self._seeds(), prune=self.prune)

    def command(self, base: RunConfig) -> str:
        """The same on the command line. Raises `ConfigError`."""
        words = ["python -m reglab sweep", *map(quoted, self._sized(base).flags()), f"--seeds {self._seeds()}"]
        if self.is_factorial:
            return " ".join([*words, f"--factorial {quoted(','.join(self._toggled()))}"])
        return " ".join([*words, *(f"--over {quoted(text.replace(' ', ''))}" for text in self._over())])

    def _sized(self, base: RunConfig) -> RunConfig:
        asked = {"train_size": ("Images", self.images), "epochs": ("Epochs", self.epochs)}
        read_off = {name: read(value, called, whole=True, field=name) for name, (called, value) in asked.items()}
        return base.override({name: value for name, value in read_off.items() if value is not None})

    def _toggled(self) -> Sequence[str]:
        if not self.techniques:
            raise ConfigError("Choose the techniques to switch on and off: at least two make a factorial.")
        return self.techniques

    def _over(self) -> list[str]:
        texts = [f"{name}={values}" for name, values in self.axes if name]
        if not texts:
            raise ConfigError("Choose a setting and the values it should take, or one of the questions above.")
        return texts

    def _seeds(self) -> int:
        seeds = read(self.seeds, "Seeds", whole=True, field="seeds")
        if seeds is None:
            return SEEDS
        if not isinstance(seeds, int):
            raise ConfigError(f"Seeds must be a whole number, not {seeds!r}.", ["seeds"])
        return seeds
