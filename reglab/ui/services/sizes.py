"""How large the comparison is that the Train tab proposes on this machine, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

from reglab import compat
from reglab.config import RunConfig
from reglab.experiments.experiment import Experiment
from reglab.teaching import sizes
from reglab.teaching.sizes import Size
from reglab.ui.services.training import Training


class Sizes:
    """What fits, for a data set."""

    def __init__(self, training: Training) -> None:
        self.training = training

    def known(self, dataset: str) -> Sequence[Size]:
        """All that there are to choose from; none until it is known how fast this machine is."""
        return sizes.known(dataset, self._seconds)

    def are_awaited(self) -> bool:
        """Whether it is still being found out how fast this machine is."""
        return self.training.jobs.lookout.is_measuring()

    def _seconds(self, configs: Sequence[RunConfig]) -> list[float]:
        """Of each with its plain network, about; 0 where that cannot be told.

        How much of a GPU's day is spent is for the visitor to say.
        """
        if compat.spaces.is_on():
            return [0.0] * len(configs)
        pairs = [Experiment.pair(config).configs for config in configs]
        every = [run for pair in pairs for run in pair]
        told = iter(self.training.jobs.admission.seconds(every))  # one look at all runs
        return [sum(next(told) for _ in pair) for pair in pairs]
