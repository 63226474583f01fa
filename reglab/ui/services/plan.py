"""What the Sweep tab asks for beside the set-up of the Train tab, as its boxes say it; and the experiment that this makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reglab.config import RunConfig, quoted
from reglab.errors import ConfigError
from reglab.experiments.axes import axis
from reglab.experiments.experiment import Experiment
from reglab.experiments.factorial import factorial
from reglab.experiments.sweep import sweep


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
        return base.override({k: v for k, v in (("train_size", self.images), ("epochs", self.epochs)) if v})

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
        try:
            return int(self.seeds)
        except (TypeError, ValueError, OverflowError):
            raise ConfigError("The number of seeds must be a whole number: 3 is a good one to begin with.") from None
