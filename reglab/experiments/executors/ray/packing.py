"""What travels between this machine and a node: events and snapshots, as numbers, words and bytes of safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reglab.runs.run import Run
from reglab.runs.tensors import tensor_bytes
from reglab.training.events import Best, Epoch, Event, Finished, Snapshot

EVENTS = {kind.name: kind for kind in Event.__subclasses__()}


def packed(event: Event, seconds: float) -> dict[str, Any]:
    """Numbers and words as they are, tensors as the bytes of a safetensors file."""
    if isinstance(event, Snapshot):
        return {"event": event.name, "state": event.state, "tensors": tensor_bytes(event.tensors), "seconds": seconds}
    item = {**event.to_json(), "seconds": seconds}
    if isinstance(event, Finished):
        item["right"] = event.right
    return {**item, "weights": tensor_bytes(event.weights)} if isinstance(event, Best) else item


def unpacked(item: Mapping[str, Any]) -> Event:
    """The inverse of `packed`."""
    from safetensors.torch import load

    values = {k: v for k, v in item.items() if k not in ("event", "seconds")}
    return EVENTS[item["event"]](**{k: load(v) if k in ("tensors", "weights") else v for k, v in values.items()})


def packed_resume(run: Run) -> dict[str, Any]:
    """Where the run stands, read from its folder here; empty at the beginning."""
    if (resume := run.resume()) is None:
        return {}
    tensors, best = tensor_bytes(resume.tensors), tensor_bytes(resume.best_weights)
    history = [json.dumps(epoch.to_json()) for epoch in resume.history]
    return {
        "state": dict(resume.state),
        "tensors": tensors,
        "history": history,
        "best": best,
        "precision": resume.precision,
    }


def unpacked_resume(told: Mapping[str, Any]) -> Any:
    """What `packed_resume` made, as the training takes it."""
    from safetensors.torch import load

    from reglab.training.events import epoch_from_json
    from reglab.training.train import Resume

    if not told:
        return None
    history: list[Epoch] = [epoch_from_json(json.loads(line)) for line in told["history"]]
    return Resume(told["state"], load(told["tensors"]), history, load(told["best"]), told["precision"])


def plain(value: Any) -> Any:
    """An array that is no memory map any more, since its file lies on this machine only."""
    import numpy as np

    return np.asarray(value) if isinstance(value, np.ndarray) else value
