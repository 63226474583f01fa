"""How large the comparison is that is proposed: what a machine trains in about a minute, and what would be larger.

proposed("cifar10", known("cifar10", seconds))     # the largest of `sizes("cifar10")` whose pair takes at most a minute
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reglab import data
from reglab.config import RunConfig
from reglab.regularizers import CATALOGUE

MINUTE = 60.0  # seconds, for both networks together
SIZES: tuple[Mapping[str, Any], ...] = (
    {"train_size": 1_000, "width": 0.5, "epochs": 20, "batch_size": 32},
    {"train_size": 1_500, "width": 0.5, "epochs": 20, "batch_size": 48},
    {"train_size": 2_000, "width": 0.5, "epochs": 20, "batch_size": 64},
    {"train_size": 5_000, "width": 0.5, "epochs": 20, "batch_size": 128},
    {"train_size": 5_000, "width": 1.0, "epochs": 20, "batch_size": 128},
    {"train_size": 20_000, "width": 1.0, "epochs": 20, "batch_size": 128},
    {"train_size": None, "width": 1.0, "epochs": 20, "batch_size": 128},
)
"""From the smallest to all images, where a data set has them. An epoch has at least 31 steps: with fewer the plain network has hardly
overfitted when the run ends. Of 2,000 images in batches of 128 it is 3.6 points behind then, in batches of 64 twice that."""
SIZED = tuple(SIZES[0])
"""The settings that make a size; all others are as they are."""


def preset(dataset: str) -> RunConfig:
    """What is proposed for a data set where it is not known how fast the machine is: about a minute on two plain cores."""
    techniques: Mapping[str, bool] = {key: True for key, t in CATALOGUE.items() if t.default_on}
    return RunConfig.parse({"dataset": dataset, "regularizers": dict(techniques), **data.source(dataset).preset})


def sizes(dataset: str) -> list[RunConfig]:
    """The preset of a data set in all its sizes; one where it is so small that it takes seconds anywhere."""
    usual = preset(dataset)
    if usual.train_size not in [size["train_size"] for size in SIZES]:
        return [usual]
    return [usual.override(size) for size in SIZES]


@dataclass(frozen=True)
class Size:
    """A regularized run, and about how many seconds it takes together with the plain one; whether it is what is proposed."""

    config: RunConfig
    seconds: float
    is_proposed: bool = False

    def is_of(self, config: RunConfig) -> bool:
        """Whether a config is of this size, whatever else it says; all images are as many as there are."""
        own, other = ({n: getattr(c, n) for n in SIZED} | {"train_size": c.train_images} for c in (self.config, config))
        return own == other and config.dataset == self.config.dataset


def known(dataset: str, seconds: Callable[[Sequence[RunConfig]], Sequence[float]]) -> list[Size]:
    """All sizes, of which the largest that takes at most a minute is proposed, else the smallest.

    None where `seconds` cannot tell, which is 0, or where there is nothing to choose.
    """
    found = sizes(dataset)
    took = seconds(found) if len(found) > 1 else [0.0]
    if not all(took):
        return []
    fits = max((at for at, each in enumerate(took) if each <= MINUTE), default=0)
    return [Size(config, each, at == fits) for at, (config, each) in enumerate(zip(found, took, strict=True))]


def proposed(dataset: str, among: Sequence[Size]) -> RunConfig:
    """The size that is proposed among those that are known; the preset of the data set where none is."""
    return next((size.config for size in among if size.is_proposed), preset(dataset))
