"""Chooses where this server trains: the only place that knows all places."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reglab import compat
from reglab.jobs.pace import ZERO_GPU
from reglab.jobs.places.place import Place
from reglab.jobs.places.process import LocalPlace


def places(root: Path) -> Mapping[str, Place]:
    """Device -> where its runs are trained, for the runs in that folder."""
    local = LocalPlace(root)
    if not compat.spaces.is_on():
        return {"cpu": local, "cuda": local}
    from reglab.jobs.places.zero_gpu import ZeroGpuPlace  # where it is not on, there is nothing that it could decorate

    return {"cpu": local, "cuda": ZeroGpuPlace()}


def machine(seen: dict[str, Any]) -> dict[str, Any]:
    """What runs are trained on, where this is what a process of the machine has seen."""
    if not compat.spaces.is_on():
        return seen
    return {**seen, "device": "cuda", "name": "ZeroGPU", "precision": "bf16", "pace": ZERO_GPU}
