"""What this machine can train: in which precisions its devices compute natively, and how much memory they have.

    capacity = here()               # looks at the machine, and imports torch for it
    capacity.check(config)          # raises one sentence: what was asked, why not, what instead

The memory is that of the whole machine, container or GPU: what is free changes from minute to minute, and a run that waits
begins in another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from reglab import data, machine
from reglab.config import RunConfig
from reglab.deployment import GIB
from reglab.errors import ConfigError, setting
from reglab.jobs.pace import memory
from reglab.models import ModelSpec, family, is_batch_normalized, pretrained
from reglab.models.effort import Effort, effort

STEP = 0.125  # of the width
Count = Callable[[ModelSpec], Effort]


@dataclass(frozen=True)
class Capacity:
    """Of one machine, by device: "cpu", and "cuda" where there is one."""

    device: str  # that `auto` takes
    native: Mapping[str, tuple[str, ...]]
    memory: Mapping[str, int]
    """Bytes in all; what cannot be told is left out, and refuses nothing."""

    def check(self, c: RunConfig, counted: Count = effort, *, goes_on: bool = False) -> None:
        """Whether this machine can train it. `goes_on` says of a run that it has begun. Raises `ConfigError`."""
        device = self.device if c.device == "auto" else c.device
        machine.check_device(c.device, "cuda" if "cuda" in self.native else "cpu", goes_on=goes_on)
        machine.check_precision(c.precision, self.native[device], device, goes_on=goes_on)
        if most := self.memory.get(device):
            what = "GPU" if device == "cuda" else "machine"
            check_memory(c, most, f"this {what} has {most / GIB:.1f}", counted, self.precision(c))

    def precision(self, c: RunConfig) -> str:
        """The one that it would be trained in here."""
        device = self.device if c.device == "auto" else c.device
        return machine.best_precision(c.precision, self.native[device], device, family(c.model).depthwise)


def here() -> Capacity:
    """That of the machine this process runs on."""
    import torch

    devices = ["cpu", *(["cuda"] if machine.has_cuda() else [])]
    known = {name: torch.device(name) for name in devices}
    memory = {name: size for name, device in known.items() if (size := machine.memory(device))}
    return Capacity(devices[-1], {name: machine.native_precisions(d) for name, d in known.items()}, memory)


def check_memory(c: RunConfig, most: int, why: str, counted: Count, precision: str) -> None:
    """Raises `ConfigError` for a run that takes more memory than so many bytes, with one that takes less."""
    needed = memory(c, counted(spec_of(c)), precision)
    if needed > most:
        raise ConfigError(
            f"{c.model}{'' if c.width == 1 else f' of width {c.width:g}'} with batches of {c.batch_size:,} takes about"
            f" {needed / GIB:.1f} GiB of memory, but {why}: {_smaller(c, most, counted, precision)}.",
            ["batch_size", "model"],
        )


def _smaller(c: RunConfig, most: int, counted: Count, precision: str) -> str:
    """What fits: the largest batch, else the widest network of the kind, else nothing of it."""
    spec = spec_of(c)
    least = 2 if is_batch_normalized(spec) else 1

    def takes(batch: int, whole: Effort) -> int:
        return memory(c.model_copy(update={"batch_size": batch}), whole, precision)

    none, one = takes(0, counted(spec)), takes(1, counted(spec))
    fits = (most - none) // max(1, one - none)
    if least <= fits < c.batch_size:
        return f"use a {setting('batch_size')} of at most {fits if fits < 16 else fits // 8 * 8:,}"
    return widest(c, most / one, lambda whole: takes(least, whole) <= most, counted)


def widest(c: RunConfig, share: float, fits: Callable[[Effort], bool], counted: Count) -> str:
    """The widest network of the kind that fits, looked for from that share of its weights on."""
    if pretrained.is_timm(c.model):
        features = f", or use {setting('finetune')} features" if c.pretrained and not c.on_features else ""
        return f"choose a smaller network{features}"
    for step in count(math.ceil(c.width * math.sqrt(min(share, 1)) / STEP), -1):  # weights grow with its square
        if step < 1:
            return "choose a smaller network"
        if fits(counted(spec_of(c).replace(width=step * STEP))):
            return f"use a width of at most {step * STEP:g}"
    raise AssertionError("unreachable")


def spec_of(c: RunConfig) -> ModelSpec:
    """The whole network, also where only its head is trained."""
    return c.spec(len(data.source(c.dataset).classes)).replace(head_only=False, pretrained=False)
