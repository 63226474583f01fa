"""Curves over several seeds, and how soon one was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reglab.errors import RunError
from reglab.experiments.compare import Group, check, is_number
from reglab.numbers import counted, number
from reglab.runs.run import Run
from reglab.training.events import Epoch


@dataclass(frozen=True)
class Band:
    """A curve over the epochs that all runs of a group have: the mean, and the lowest and the highest run."""

    x: list[float]  # of the axis, the mean over the runs
    mean: list[float]
    low: list[float]
    high: list[float]


def band(group: Group, key: str, axis: str = "epoch") -> Band:
    """How a field of `Epoch` went. `axis` is epoch, step or seconds of training."""
    check(axis=axis)
    histories = group.histories
    n = min(map(len, histories))
    across = [places(run, history, axis)[:n] for run, history in zip(group.runs, histories, strict=True)]
    values = [[float(getattr(e, key)) for e in history[:n]] for history in histories]
    columns = list(zip(*values, strict=True))
    return Band(
        [sum(column) / len(column) for column in zip(*across, strict=True)],
        [sum(column) / len(column) for column in columns],
        [min(column) for column in columns],
        [max(column) for column in columns],
    )


def places(run: Run, history: Sequence[Epoch], axis: str) -> list[float]:
    """Where each epoch lies on an axis. Raises `RunError` where that is seconds and the run has no times."""
    if axis != "seconds":
        return [float(getattr(e, axis)) for e in history]
    ends: dict[int, float] = {}
    for line in run.lines(file="timing.jsonl")[0]:
        if is_number(line.get("seconds")) and (line.get("epoch") == 0 or line.get("batch") == line.get("batches")):
            ends.setdefault(int(line.get("epoch", 0)), float(line["seconds"]))
    if any(e.epoch not in ends for e in history):
        raise RunError(
            f"Run “{run.name}” has no times of its epochs (it was pulled, or timing.jsonl is damaged): use epochs."
        )
    return [ends[e.epoch] for e in history]


def reached(group: Group, target: float, axis: str = "epoch") -> dict[int, float | None]:
    """Seed -> where on the axis validation accuracy was first at least `target` (a fraction); None where it never was."""
    runs = zip(group.runs, group.histories, strict=True)
    return {run.config.seed: first_reached(run, history, target, axis) for run, history in runs}


def first_reached(run: Run, history: Sequence[Epoch], target: float, axis: str) -> float | None:
    """The same for one run. Raises as `places`."""
    across = places(run, history, axis)
    return next((place for e, place in zip(history, across, strict=True) if e.val_accuracy >= target), None)


def soon(found: Mapping[int, float | None]) -> str:
    """In words: "6.4 (5 to 8), 5 of 5 seeds"."""
    hits = [place for place in found.values() if place is not None]
    if not hits:
        return f"not reached ({counted(len(found), 'seed')})"
    spread = f" ({min(hits):g} to {max(hits):g})" if len(hits) > 1 else ""
    return f"{number(sum(hits) / len(hits))}{spread}, {len(hits)} of {counted(len(found), 'seed')}"
