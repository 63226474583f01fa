"""What weight decay does over a whole run, which its strength alone does not say.

A decoupled decay shrinks a weight by lr * strength at each step, so that one whose gradient is zero is left with
exp(-strength * sum of lr) of itself when the run ends. How hard a strength pulls is therefore a matter of how many steps
there are and how large they are (Wang and Aitchison 2024, arXiv:2405.13698, who call the inverse the timescale).
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reglab.config.run_config import RunConfig

MEAN_SHARE = {"one_cycle": 0.506, "cosine": 0.5, "constant": 1.0}
"""The mean learning rate of a schedule as a share of its peak. One cycle has two half cosines: from a 25th of the peak to
the peak over 0.3 of the steps, then to nothing, so 0.3 * (1 + 1/25) / 2 + 0.7 / 2."""


def steps(config: RunConfig) -> int:
    """How many steps the optimizer takes in the run."""
    return config.epochs * max(1, config.train_images // config.batch_size)


def summed_lr(config: RunConfig) -> float:
    """The learning rates of all steps, added up; what a technique makes of the schedule is not counted."""
    return steps(config) * config.lr * MEAN_SHARE[config.schedule]


def shrinkage(config: RunConfig) -> float | None:
    """The share, from 0 to 1, that a weight without gradients loses over the run; None where nothing decays decoupled."""
    decay = config.regularizers.get("weight_decay")
    if decay is None or getattr(decay, "mode", "") != "decoupled":
        return None
    return 1 - exp(-float(getattr(decay, "strength", None) or 0) * summed_lr(config))
