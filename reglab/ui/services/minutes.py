"""What a set-up takes of the minutes that a visitor has on ZeroGPU; nothing anywhere else."""

from __future__ import annotations

from reglab import compat
from reglab.config import RunConfig
from reglab.experiments.experiment import Experiment
from reglab.jobs.places.quota import quota_of, smaller
from reglab.ui.services.training import Training


class Minutes:
    """Tells before Train is pressed what it will take."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.count = compat.spaces.is_on()

    def told(self, plan: str, config: RunConfig, plain: bool, scratch: bool) -> tuple[str, RunConfig | None]:
        """A sentence, and a smaller run where this one takes more than the visitor has a day.

        Nothing on a GPU that is not lent by the minute, or where it is not known yet how long a run takes.
        """

        def seconds(config: RunConfig) -> float:
            pair = Experiment.pair(config, plain=plain, scratch=scratch)
            return sum(self.training.jobs.admission.seconds(pair.configs))

        if not self.count or config.device == "cpu" or not (takes := seconds(config)):
            return "", None
        quota = quota_of(plan)
        fits = takes <= quota.seconds
        return quota.sentence(takes), None if fits else smaller(config, seconds, quota.seconds)
