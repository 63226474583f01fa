"""Chooses where this server trains: the only place that knows all places."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reglab.jobs.places.place import Place
from reglab.jobs.places.process import LocalPlace


def places(root: Path) -> Mapping[str, Place]:
    """Device -> where its runs are trained, for the runs in that folder."""
    local = LocalPlace(root)
    return {"cpu": local, "cuda": local}
