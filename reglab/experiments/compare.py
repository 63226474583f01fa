"""Runs side by side: grouped by everything but the seed, what differs between the groups, and whether it matters.

    runs -> groups (one config, several seeds) -> means with intervals, differences from the baseline, curves with bands

Only finished runs count; what is left out, and why, is said in `notes`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from reglab import data
from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.experiments import stats
from reglab.experiments.labels import differing, labels
from reglab.numbers import counted
from reglab.runs.right import Right, right_of
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.view import RunView
from reglab.training.events import Epoch

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Metric:
    """A number of `Run.summary()` and how it is told; `scale` makes points of fractions."""

    title: str
    scale: float = 100.0
    unit: str = "points"
    digits: int = 1
    curve: str = ""  # the field of `Epoch` that shows how it came about


METRICS = {
    "test_accuracy": Metric("test accuracy", curve="val_accuracy"),
    "val_accuracy": Metric("validation accuracy", curve="val_accuracy"),
    "train_accuracy": Metric("training accuracy", curve="train_accuracy"),
    "gap": Metric("gap", curve="gap"),
    "test_loss": Metric("test loss", 1.0, "", 3, curve="val_loss"),
    "ece": Metric("calibration error", 1.0, "", 3, curve="ece"),
    "seconds": Metric("training time", 1.0, "s", 0),
}
AXES = ("epoch", "step", "seconds")


def check(metric: str = "test_accuracy", axis: str = "epoch") -> None:
    """Raises `ConfigError` for a metric or an axis that there is not."""
    if metric not in METRICS:
        raise ConfigError(f"There is no metric {metric[:40]!r}: choose from {', '.join(METRICS)}.")
    if axis not in AXES:
        raise ConfigError(f"There is no axis {axis[:40]!r}: choose from {', '.join(AXES)}.")


@dataclass(frozen=True)
class Group:
    """The finished runs of one config, one for each seed."""

    label: str
    config: RunConfig  # its seed means nothing
    runs: tuple[Run, ...]  # by seed
    summaries: tuple[Mapping[str, Any], ...]  # of the runs, read once
    histories: tuple[Sequence[Epoch], ...]
    right: tuple[np.ndarray | None, ...] = ()
    """Which test images each run got right, bool (test_images,); None of old runs, and where the test images differ."""

    def values(self, metric: str) -> dict[int, float]:
        """Seed -> value, in the unit of the metric; of the runs that have the number."""
        scale = METRICS[metric].scale
        return {s["seed"]: s[metric] * scale for s in self.summaries if is_number(s.get(metric))}

    def mean(self, metric: str) -> stats.Interval:
        """The mean over its seeds with its 95 % interval, in the unit of the metric; test images count where answers were kept."""
        values, answers = self.values(metric), self.answers(metric)
        return stats.interval(list(values.values()), [answers[seed] for seed in values if seed in answers])

    def answers(self, metric: str) -> dict[int, np.ndarray]:
        """Seed -> which test images the run got right, where that is what the metric counts and the run kept it."""
        if metric != "test_accuracy":
            return {}
        kept = zip(self.summaries, self.right, strict=False)
        return {s["seed"]: bits for s, bits in kept if bits is not None}


@dataclass(frozen=True)
class Comparison:
    """Groups in the order in which their first runs were given; the first is the baseline."""

    groups: tuple[Group, ...]
    differing: tuple[str, ...]  # the settings in which they differ, as dotted names
    notes: tuple[str, ...]

    @property
    def baseline(self) -> Group:
        """The group that all others are compared with."""
        return self.groups[0]

    def differences(self, metric: str) -> dict[str, stats.Difference]:
        """Label -> what the group has more than the baseline, in the unit of the metric; judged together, as they are shown.

        Groups without that number are left out, and so are all where the baseline has none.
        """
        values = {group.label: group.values(metric) for group in self.groups}
        others = [group for group in self.groups[1:] if values[group.label]]
        if not others or not values[self.baseline.label]:
            return {}
        right = (self.baseline.answers(metric), [group.answers(metric) for group in others])
        found = stats.differences(values[self.baseline.label], [values[group.label] for group in others], right)
        return {group.label: d for group, d in zip(others, found, strict=True)}

    def difference(self, group: Group, metric: str) -> stats.Difference:
        """That of one group. Raises `ConfigError` where there is none to be had."""
        if (d := self.differences(metric).get(group.label)) is None:
            raise ConfigError("There is nothing to compare: every group needs a finished run with that number.")
        return d

    def verdict(self, group: Group, metric: str) -> str:
        """Whether that difference is real, as a sentence."""
        m = METRICS[metric]
        return stats.verdict(self.difference(group, metric), m.unit, m.digits)

    def covers(self, metric: str) -> str:
        """One line: what the intervals hold for, of the differences and, without any, of the means. Empty where there are none."""
        found = list(self.differences(metric).values())
        means = [group.mean(metric) for group in self.groups if group.values(metric)]
        return stats.covers(found, self.baseline.label) or stats.covers(means)


def compare(runs: Sequence[Run], baseline: str = "", view: Callable[[Run], RunView] = Run.view) -> Comparison:
    """Runs of one data set, grouped. The baseline is the group of the run of this id; else the first without regularizers.

    Whoever compares the same runs again and again gives `Store.view`, which reads on from its last look.
    Raises `ConfigError` where nothing is finished or the data sets differ, `RunError` where the baseline is not among them.
    """
    if not runs:
        raise ConfigError("There is nothing to compare: name at least one run, or a group.")
    looked = [_look(run, view) for run in {run.path: run for run in runs}.values()]
    whole = [told for told in looked if not told.why_not]
    left_out = Counter(told.why_not for told in looked if told.why_not)
    notes = [f"{counted(n, 'run is', 'runs are')} {why} and left out." for why, n in left_out.items()]
    if not whole:
        raise ConfigError(f"None of these runs can be compared ({', '.join(left_out)}): wait for one, or resume it.")
    if len(sets := list(dict.fromkeys(told.config.dataset for told in whole))) > 1:
        titles = " and ".join(data.source(key).title for key in sets)
        raise ConfigError(f"Runs on {titles} cannot be compared: choose runs of one data set.")
    if not (one_test_set := _share_test_images(whole)):
        notes.append("These runs were judged on different test images, which moves their test numbers as well.")
    found: dict[str, list[_Looked]] = {}
    for told in whole:
        found.setdefault(told.config.set_up(), []).append(told)
    alike = list(found.values())
    if baseline and not any(baseline == told.run.id for same in alike for told in same):
        raise RunError(f"The baseline {baseline[:80]!r} is none of the finished runs: choose one of those compared.")
    first = next((same for same in alike if _is_baseline(same, baseline)), alike[0])
    alike = [first, *(same for same in alike if same is not first)]
    configs = [_without_seed(same[0].config) for same in alike]
    groups = []
    for same, config, label in zip(alike, configs, labels(configs), strict=True):
        one_each = {told.config.seed: told for told in sorted(same, key=lambda told: told.run.age)}  # the newest
        if older := len(same) - len(one_each):
            notes.append(f"{label}: {counted(older, 'older run')} of a seed that is there again left out.")
        kept = [one_each[seed] for seed in sorted(one_each)]
        columns = [tuple(column) for column in zip(*((t.run, t.summary, t.history) for t in kept), strict=True)]
        bits = tuple(told.right.bits if told.right and one_test_set else None for told in kept)
        groups.append(Group(label, config, columns[0], columns[1], columns[2], bits))
    return Comparison(tuple(groups), tuple(differing(configs)), (*notes, *_about(groups)))


def _share_test_images(whole: Sequence[_Looked]) -> bool:
    """Whether all were judged on the same test images, as far as their folders tell."""
    sets = {told.right.test_set for told in whole if told.right}
    return len(sets) < 2 and len({told.summary.get("test_images") for told in whole} - {None}) < 2


@dataclass(frozen=True)
class _Looked:
    """A run as it was when it was looked at."""

    run: Run
    config: RunConfig
    summary: Mapping[str, Any]
    history: Sequence[Epoch]
    why_not: str = ""  # it cannot be compared
    right: Right | None = None


def _look(run: Run, view: Callable[[Run], RunView]) -> _Looked:
    try:
        seen, config = view(run), run.config
        summary, history = seen.summary(), seen.history
    except RunError:
        return _Looked(run, RunConfig(), {}, [], "unreadable")
    why_not = "" if summary["status"] == "finished" else summary["status"]
    needed = [summary.get(key) for key in ("test_accuracy", "gap", "ece")]
    curves = [getattr(e, key) for e in history for key in ("train_accuracy", "val_accuracy", "val_loss", "gap", "ece")]
    if not why_not and not (history and all(map(is_number, [*needed, *curves]))):
        why_not = "damaged"
    return _Looked(run, config, summary, history, why_not, right_of(run, summary))


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it can be drawn and averaged; NaN, infinity and what is missing cannot."""
    return isinstance(value, int | float) and math.isfinite(value)


def in_group(store: Store, name: str) -> list[Run]:
    """The runs that were started together under that name. Raises `RunError` when there are none."""
    if not (runs := store.group(name)):
        raise RunError(
            f"There is no group called {name[:80]!r}: `python -m reglab runs` lists the runs and their groups."
        )
    return runs


def _is_baseline(same: Sequence[_Looked], asked: str) -> bool:
    return any(told.run.id == asked for told in same) if asked else not same[0].config.regularizers


def _without_seed(config: RunConfig) -> RunConfig:
    return config.model_copy(update={"seed": 0})


def _about(groups: Sequence[Group]) -> list[str]:
    """What to know before one believes the numbers."""
    notes = []
    for group in groups:
        epochs = sorted({len(history) - 1 for history in group.histories})
        if len(epochs) > 1:
            notes.append(
                f"{group.label}: its runs ended after {epochs[0]} to {epochs[-1]} epochs; curves reach to the first end."
            )
    return notes + _about_seeds(groups)


def _about_seeds(groups: Sequence[Group]) -> list[str]:
    if len(groups) == 1:
        return ["These runs differ in nothing but their seed, so there is nothing to compare them with."]
    notes = []
    seeds = [{run.config.seed for run in group.runs} for group in groups]
    single = [group.label for group, own in zip(groups, seeds, strict=True) if len(own) == 1]
    if len(single) == len(groups):
        notes.append("There is one seed for each of them, so there are no intervals.")
    elif single:
        notes.append(f"One seed only, so no interval: {', '.join(single)}.")
    if any(own != seeds[0] for own in seeds) and len(single) < len(groups):
        shared = sorted(set.intersection(*seeds))
        told = f"seeds {', '.join(map(str, shared))} are in all of them" if shared else "no seed is in all of them"
        notes.append(
            f"The groups have different seeds ({told}): differences pair those that two groups share, if these are many."
        )
    return notes
