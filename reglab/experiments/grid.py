"""What a sweep found, or has found so far: its runs as cells over the settings in which they differ.

The settings are read off the runs, not off a plan that somebody kept, so any group of runs can be drawn: a grid on the
page or on the command line, a factorial, the arms of a lesson. Cells without a finished run are there as well, and say why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.experiments import compare, curves, labels, stats
from reglab.experiments.compare import METRICS, Metric
from reglab.regularizers import CATALOGUE
from reglab.runs.right import right_of
from reglab.runs.view import RunView

if TYPE_CHECKING:
    import numpy as np

UNTIL = {  # how soon validation accuracy reached a target; the axis of `curves.reached`
    "epochs_until": Metric("epochs to the target", 1.0, "epochs", 1),
    "steps_until": Metric("steps to the target", 1.0, "steps", 0),
    "seconds_until": Metric("seconds to the target", 1.0, "s", 1),
}
_UNTIL_AXIS = {"epochs_until": "epoch", "steps_until": "step", "seconds_until": "seconds"}
METRICS_OF_A_SWEEP: dict[str, Metric] = {**METRICS, **UNTIL}
LESS_IS_BETTER = ("gap", "test_loss", "ece", "seconds", *UNTIL)


@dataclass(frozen=True)
class Axis:
    """A setting in which the runs differ, and its values as they are drawn; a technique is off or on."""

    name: str
    title: str
    values: tuple[Any, ...]
    shown: tuple[str, ...]

    @property
    def is_toggle(self) -> bool:
        """Whether this is a technique, on and off."""
        return self.name in CATALOGUE


@dataclass(frozen=True)
class Cell:
    """The runs that differ in nothing but their seed."""

    place: tuple[int, ...]  # on each axis, the place of its value
    config: RunConfig
    runs: tuple[Mapping[str, Any], ...]  # summaries, by seed
    label: str = ""

    def values(self, metric: str) -> dict[int, float]:
        """Seed -> value in the unit of the metric, of the finished runs."""
        scale = METRICS_OF_A_SWEEP[metric].scale
        told = {s["seed"]: s.get(metric) for s in self.runs if s["status"] == "finished"}
        return {seed: v * scale for seed, v in told.items() if compare.is_number(v)}

    def answers(self, metric: str) -> dict[int, np.ndarray]:
        """Seed -> which test images the run got right, read off its folder when it is asked for; see `read`."""
        if metric != "test_accuracy":
            return {}
        found = {s["seed"]: right_of(s["folder"], s) for s in self.runs if s["status"] == "finished" and "folder" in s}
        return {seed: right.bits for seed, right in found.items() if right}

    def interval(self, metric: str) -> stats.Interval | None:
        """The mean over the seeds with its 95 % interval; None where no run has that number."""
        values = list(self.values(metric).values())
        return stats.interval(values) if values else None

    @property
    def statuses(self) -> Counter[str]:
        """How many of its runs are in which state."""
        return Counter(state(s) for s in self.runs)


@dataclass(frozen=True)
class Grid:
    """Every cell of a group of runs."""

    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    config: RunConfig  # of one of them
    by_place: Mapping[tuple[int, ...], Cell] = field(repr=False, default_factory=dict)

    @property
    def is_factorial(self) -> bool:
        """Whether the runs differ in nothing but which techniques are on, and in more than one."""
        return len(self.axes) > 1 and all(axis.is_toggle for axis in self.axes)

    def best(self, metric: str) -> list[tuple[Cell, stats.Interval]]:
        """The cells that have the number, the best first."""
        told = [(cell, i) for cell in self.cells if (i := cell.interval(metric)) is not None]
        return sorted(told, key=lambda pair: pair[1].mean * (1 if metric in LESS_IS_BETTER else -1))

    def effects(self, metric: str) -> list[stats.Effect]:
        """What each technique, and each pair, bought. Raises `ConfigError` where the finished runs cannot tell."""
        told = [(cell.config, summary) for cell in self.cells for summary in cell.runs]
        return effects(told, [axis.name for axis in self.axes], metric)


def effects(
    told: Sequence[tuple[RunConfig, Mapping[str, Any]]], names: Sequence[str], metric: str
) -> list[stats.Effect]:
    """Main effects and pairs of these techniques, in the unit of the metric, from each run's config and summary.

    Raises `ConfigError` where the finished runs cannot tell.
    """
    scale = METRICS_OF_A_SWEEP[metric].scale
    finished = [(c, s) for c, s in told if s["status"] == "finished" and compare.is_number(s.get(metric))]
    if not finished:
        raise ConfigError("No run of this factorial is finished: nothing can be said of the effects yet.")
    arms = [{name: name in c.regularizers for name in names} for c, _ in finished]
    return stats.effects(arms, [s["seed"] for _, s in finished], [s[metric] * scale for _, s in finished])


def grid(told: Sequence[tuple[RunConfig, Mapping[str, Any]]]) -> Grid:
    """From each run's config and summary. Raises `ConfigError` where there is none."""
    if not told:
        raise ConfigError("There is no run in this sweep: start it, or choose another.")
    by_cell: dict[str, list[tuple[RunConfig, Mapping[str, Any]]]] = {}
    for config, summary in told:
        by_cell.setdefault(config.set_up(), []).append((config, summary))
    configs = [of_cell[0][0] for of_cell in by_cell.values()]
    flat = [labels.settings(config) for config in configs]
    axes = _axes(configs, flat)
    cells = []
    for config, own, of_cell, label in zip(configs, flat, by_cell.values(), labels.labels(configs), strict=True):
        runs = {s["seed"]: s for _, s in sorted(of_cell, key=lambda pair: pair[1]["status"] == "finished")}
        place = tuple(axis.values.index(_value(own, axis.name)) for axis in axes)
        cells.append(Cell(place, config, tuple(runs[seed] for seed in sorted(runs)), label))
    cells.sort(key=lambda cell: cell.place)
    return Grid(axes, tuple(cells), configs[0], {cell.place: cell for cell in cells})


def _axes(configs: Sequence[RunConfig], flat: Sequence[Mapping[str, Any]]) -> tuple[Axis, ...]:
    """The settings that differ; those that always change together (an optimizer and its learning rate) are one axis."""
    together: dict[str, list[str]] = {}  # a setting, and those that follow it
    columns: dict[str, list[Any]] = {}
    for name in labels.differing(configs):
        columns[name] = [_value(own, name) for own in flat]
        leader = next((other for other in together if _follows(columns[name], columns[other])), "")
        together.setdefault(leader or name, []).append(name)
    axes = []
    for name, names in together.items():
        values = tuple(sorted(dict.fromkeys(columns[name]), key=_order))
        shown = tuple(_shown(name, value) for value in values)
        axes.append(Axis(name, " + ".join(map(labels.title, names)), values, shown))
    return tuple(axes)


def _follows(column: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether one column says no more than the other: each value of the one goes with one value of the other."""
    pairs = set(zip(map(repr, column), map(repr, other), strict=True))
    return len(pairs) == len({repr(v) for v in other}) == len({repr(v) for v in column})


def _value(own: Mapping[str, Any], name: str) -> Any:
    """A technique that is off, and a setting of one, is False; fields that are left open are None."""
    return own.get(name, False)


def _order(value: Any) -> tuple[int, float, str]:
    if value is False:
        return 0, 0.0, ""
    if isinstance(value, bool):
        return 3, 0.0, ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return (4, 0.0, "") if value is None else (2, 0.0, str(value))


def _shown(name: str, value: Any) -> str:
    if name in CATALOGUE or value is False:
        return "on" if value is True else "off" if value is False else str(value)
    return labels.shown(name, value)


def read(view: RunView, summary: Mapping[str, Any], metric: str, target: float) -> Mapping[str, Any]:
    """The summary, with the run itself, and with how soon it reached a validation accuracy where that is what is asked for.

    A run that never did has no such number, and neither has one whose epochs have no times.
    """
    summary = {**summary, "folder": view.run}
    if metric not in UNTIL or summary["status"] != "finished":
        return summary
    try:
        return {**summary, metric: curves.first_reached(view.run, view.history, target, _UNTIL_AXIS[metric])}
    except RunError:
        return summary


def state(summary: Mapping[str, Any]) -> str:
    """The run's status, or `pruned` where it was stopped because it could not win."""
    return "pruned" if summary["status"] == "stopped" and summary.get("reason") else str(summary["status"])
