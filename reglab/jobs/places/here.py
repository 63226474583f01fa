"""Chooses where this server trains: the only place that knows all places."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reglab import compat, machine
from reglab.jobs import capacity
from reglab.jobs.capacity import Capacity
from reglab.jobs.pace import ZERO_GPU, Pace
from reglab.jobs.places.place import Place
from reglab.jobs.places.process import LocalPlace


def places(root: Path) -> Mapping[str, Place]:
    """Device -> where its runs are trained, for the runs in that folder."""
    local = LocalPlace(root)
    if not compat.spaces.is_on():
        return {"cpu": local, "cuda": local}
    from reglab.jobs.places.zero_gpu import ZeroGpuPlace  # where it is not on, there is nothing that it could decorate

    return {"cpu": local, "cuda": ZeroGpuPlace()}


def look() -> dict[str, Any]:
    """What the process that asks can see of the machine; it loads torch, and computes from then on as a worker does."""
    import torch

    torch.set_num_threads(machine.cpu_count())
    device = machine.choose_device("auto")
    return {
        "device": device.type,
        "name": machine.device_name(device),
        "precision": machine.choose_precision("auto", device),
        "threads": torch.get_num_threads(),
        "memory": machine.free_memory(device),
        "capacity": capacity.here(),
    }


def corrected(seen: dict[str, Any]) -> dict[str, Any]:
    """What runs are trained on, where this is what a process of the machine has seen."""
    if not compat.spaces.is_on():
        return seen
    own: Capacity = seen["capacity"]
    lent = Capacity("cuda", {**own.native, "cuda": ("bf16", "fp16", "fp32")}, own.memory)
    return {**seen, "device": "cuda", "name": "ZeroGPU", "precision": "bf16", "capacity": lent}


def known_pace() -> Pace | None:
    """How fast runs are trained where that cannot be measured here."""
    return ZERO_GPU if compat.spaces.is_on() else None
