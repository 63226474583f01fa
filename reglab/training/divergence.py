"""When the numbers run away: noticing the step in which they did, and saying what usually helps."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from reglab import models

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from reglab.config import RunConfig


class Diverged(Exception):
    """The loss, or what the network says, is no longer a finite number after so many steps."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


class FiniteWatch:
    """Notices the first step whose loss is not finite, one step late, so that the device never waits for the host.

    The sum over the epoch stays NaN or infinite once it is, so it alone needs to be looked at. On CUDA the sum of a
    step is copied to pinned memory while the next step is already queued; on the CPU the value is simply there.
    """

    def __init__(self) -> None:
        self._pending: tuple[int, Tensor, torch.cuda.Event | None] | None = None
        self.seen: tuple[int, list[float]] = 0, []  # the last step whose sums are here, and these

    def look(self, step: int, sums: Tensor) -> None:
        """Remember the sums after this step: loss, penalty, correct, (3,) float64.

        Raises `Diverged` where they, or on CUDA those before, are not finite.
        """
        self.last()
        done = None
        if sums.device.type == "cuda":
            import torch  # not above: whoever asks for advice alone need not wait for it

            sums = torch.empty(sums.shape, dtype=sums.dtype, pin_memory=True).copy_(sums, non_blocking=True)
            done = torch.cuda.Event()
            done.record()
        self._pending = step, sums, done
        if done is None:
            self.last()

    def last(self) -> None:
        """Raises `Diverged` if the sums last remembered are not finite."""
        if self._pending is None:
            return
        (step, sums, done), self._pending = self._pending, None
        if done is not None:
            done.synchronize()
        self.seen = step, sums.tolist()
        if not isfinite(sum(self.seen[1][:2])):
            raise Diverged(step)


NORMALIZING = ("batch_norm", "group_norm")


def is_normalized(config: RunConfig) -> bool:
    """Whether the network has normalization, switched on or of its own, so that there is none to add."""
    return any(key in config.regularizers for key in NORMALIZING) or models.family(config.model).batch_norm


def advice(step: int, epoch: int, config: RunConfig) -> str:
    """Where a run diverged, and what usually helps, in two sentences."""
    helps = [f"a smaller learning rate ({config.lr / 10:g} instead of {config.lr:g})"]
    if not is_normalized(config):
        helps.append("batch normalization")
    return (
        f"Diverged at step {step} (epoch {epoch}): the loss is no longer a finite number."
        f" What usually helps: {' or '.join(helps)}."
    )
