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

    def proposed(self, dataset: str) -> RunConfig:
        """What takes about a minute here; the preset of the data set until it is known how fast this machine is."""
        return sizes.proposed(dataset, self._seconds)

    def known(self, dataset: str) -> Sequence[Size]:
        """All that there are to choose from; none until then."""
        return sizes.known(dataset, self._seconds)

    def wait(self, seconds: float) -> None:
        """Until it is known how fast this machine is, but no longer than that."""
        self.training.jobs.machine(timeout=seconds)

    def _seconds(self, config: RunConfig) -> float:
        """Of both networks, about; 0 where that cannot be told. How much of a GPU's day is spent is for the visitor to say."""
        if compat.spaces.is_on():
            return 0.0
        return sum(self.training.jobs.admission.seconds(Experiment.pair(config).configs))
