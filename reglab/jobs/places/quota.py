"""What ZeroGPU gives its visitors every day, what a run takes of that, and a smaller run that fits.

    quota_of("free").sentence(48.0)     # On ZeroGPU this takes about 48 s of the 5 minutes a day that your free account has.

How many minutes are left to a visitor only the platform knows; it refuses a slice when there are too few.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from reglab.config import RunConfig

SHARE = 0.8  # of a day's minutes may be asked for in one go; the rest is what slices are asked in
SIZES = (20_000, 10_000, 5_000, 2_000, 1_000, 500)  # training images to fall back to
ENOUGH = 5  # epochs, in which something can be seen


@dataclass(frozen=True)
class Quota:
    """The minutes of one kind of visitor."""

    minutes: int
    whose: str
    more: str = ""

    @property
    def seconds(self) -> float:
        """What one press of Train may take."""
        return SHARE * 60 * self.minutes

    def sentence(self, seconds: float) -> str:
        """What a training of so many seconds takes of it, or that it takes too much."""
        if seconds <= self.seconds:
            return f"On ZeroGPU this takes about {in_words(seconds)} of the {self.minutes} minutes a day that {self.whose}."
        more = f", or {self.more}" if self.more else ""
        return (
            f"On ZeroGPU this takes about {in_words(seconds)}, but {self.whose} only {self.minutes} minutes a day:"
            f" train on fewer images or for fewer epochs{more}."
        )


# huggingface.co/docs/hub/spaces-zerogpu, 2026-08-22
ANONYMOUS = Quota(2, "visitors without an account have", "log in on huggingface.co, where a free account has 5")
FREE = Quota(5, "your free account has", "use an account of Hugging Face PRO, which has 40")
PRO = Quota(40, "your account has")


def quota_of(plan: str) -> Quota:
    """`free` or `pro`, as the Hub calls it; anything else has what a visitor has of whom nothing is known."""
    return {"free": FREE, "pro": PRO}.get(plan, ANONYMOUS)


def smaller(config: RunConfig, seconds: Callable[[RunConfig], float], most: float) -> RunConfig | None:
    """The run with fewer images, and with fewer epochs where that is not enough, such that it takes at most so long.

    None where nothing fits. `seconds` says what a config takes; time grows with its epochs in a straight line.
    """
    whole = config.train_images
    for size in (whole, *(size for size in SIZES if size < whole)):
        sized = config if size == whole else config.override({"train_size": size})
        one, two = (seconds(sized.model_copy(update={"epochs": epochs})) for epochs in (1, 2))
        fits = math.floor((most - one) / max(two - one, 1e-9)) + 1
        if fits >= min(ENOUGH, config.epochs):
            return sized.model_copy(update={"epochs": min(fits, config.epochs)})
    return None


def in_words(seconds: float) -> str:
    """`45 s`, `12 minutes`, `3 hours`."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5_400 else f"{seconds / 3_600:.0f} hours"
