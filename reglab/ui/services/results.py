"""What has come of the runs: their summaries, lists and groups, comparisons, sweeps and published results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from reglab.config import RunConfig, described
from reglab.errors import ConfigError
from reglab.experiments import compare, grid, labels, reproduce
from reglab.experiments.compare import Comparison
from reglab.experiments.experiment import Experiment
from reglab.experiments.grid import Grid
from reglab.experiments.price import Price, price
from reglab.experiments.publications import Publication
from reglab.experiments.reproduce import Standing
from reglab.numbers import counted
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.view import RunView
from reglab.ui.services.stores import Stores
from reglab.ui.services.training import Training

MOST_COMPARED = 300  # runs on one page


class Results:
    """Everything that can be read off the folders of runs."""

    def __init__(self, stores: Stores, training: Training) -> None:
        self.stores, self.training = stores, training

    # ---- runs
    def open(self, ids: Iterable[str]) -> list[Run]:
        """Those of the runs that are still there."""
        return self.stores.open(ids)

    def example(self) -> list[Run]:
        """The pair of finished runs that a first visit shows."""
        for run in self.stores.shipped.runs():
            if len(pair := self.training.together(run)) == 2:
                return pair
        return []

    def summaries(self) -> list[dict[str, Any]]:
        """As `Stores.summaries`, with `queued` where only this server knows of it."""
        told = self.stores.summaries()
        live = {s["run"] for s in told if s["status"] not in ("finished", "unreadable")}
        status, root = self.training.jobs.status, self.stores.own.root
        return [s | {"status": status(Run(root / s["run"]))} if s["run"] in live else s for s in told]

    def listed(self) -> list[dict[str, Any]]:
        """What a list says of every run that may be seen, in the order of `summaries`.

        `set_up` is the same number for one person's runs that differ in nothing but their seed; `whose` is empty for the
        visitor's own.
        """
        told: list[dict[str, Any]] = []
        places: dict[tuple[str, str], int] = {}
        for s in self.summaries():
            for run in self.stores.open([s["run"]]):
                whose = self.stores.whose(run)
                set_up = places.setdefault((_set_up(run, s), whose), len(places))
                told.append(self._row(run, s, "not yours" if whose else "") | {"set_up": set_up})
        return told

    def _row(self, run: Run, s: Mapping[str, Any], whose: str) -> dict[str, Any]:
        """`what` it is, is the same for every seed."""
        is_read = s["status"] != "unreadable"
        what = described(_config(run).model_copy(update={"seed": 0})) if is_read else s.get("reason", "")
        whose = "shipped example" if self.stores.is_shipped(run) else whose
        numbers = {"val": s.get("val_accuracy"), "gap": s.get("gap"), "seed": s.get("seed")}
        told = {"id": run.id, "name": s["name"], "what": what, "whose": whose, "status": s["status"]}
        return told | {"when": s.get("created")} | numbers

    # ---- sweeps
    def sweeps(self) -> list[tuple[str, str]]:
        """(what it is, name) of every group that somebody named or that a sweep has made, newest first."""
        found: dict[str, list[dict[str, Any]]] = {}
        for s in self.summaries():
            if (group := s.get("group", "")) and self._is_named(s):
                found.setdefault(group, []).append(s)
        return self._named_groups(found)

    def in_sweep(self, group: str) -> list[dict[str, Any]]:
        """The summaries of its runs, the oldest first."""
        told = [s for s in self.summaries() if s.get("group") == group and s["status"] != "unreadable"]
        return sorted(self._of_one(told), key=_age)

    def grid(self, told: Sequence[Mapping[str, Any]], metric: str, target: float) -> Grid:
        """These runs over the settings in which they differ. Raises `ConfigError` where there are none."""
        found = [self.stores.find(s["run"]) for s in told]
        return grid.grid(
            [
                (_config(run), grid.read(self.stores.view(run), s, metric, target))
                for run, s in zip(found, told, strict=True)
            ]
        )

    # ---- comparisons
    def groups(self) -> list[tuple[str, str]]:
        """(what it is, name) of every group with at least two finished runs, newest first."""
        found: dict[str, list[dict[str, Any]]] = {}
        for summary in self._finished():
            if summary["group"]:
                found.setdefault(summary["group"], []).append(summary)
        return self._named_groups(found)

    def _named_groups(self, found: Mapping[str, Sequence[dict[str, Any]]]) -> list[tuple[str, str]]:
        """(what it is, name) of those groups of which somebody has at least two runs."""
        each = {name: self._of_one(told) for name, told in found.items()}
        return [(self._called(name, told), name) for name, told in each.items() if len(told) > 1]

    def _of_one(self, told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return self.stores.of_one(told, lambda s: self.stores.find(s["run"]))

    def _called(self, group: str, told: Sequence[Mapping[str, Any]]) -> str:
        """A group by what is trained in it; its own name where that says something to people."""
        seeds = len({summary["seed"] for summary in told})
        own = f"{self._title(group, told[0])} · " if self._is_named(told[0]) else ""
        title = self.stores.find(told[0]["run"]).config.title()
        return f"{own}{title} · {counted(len(told), 'run')}, {counted(seeds, 'seed')}"

    def _title(self, group: str, summary: Mapping[str, Any]) -> str:
        """What people call the group: what a sweep varies, where nobody has given it another name."""
        run = self.stores.find(summary["run"])
        store = self.stores.shipped if self.stores.is_shipped(run) else self.stores.own
        return _title(store.whole, group)

    def _is_named(self, summary: Mapping[str, Any]) -> bool:
        run = self.stores.find(summary["run"])
        store = self.stores.shipped if self.stores.is_shipped(run) else self.stores.own
        return _is_named(store.whole, summary["group"])

    def finished_in(self, group: str) -> list[Run]:
        """The finished runs of a group, in the order in which they were made."""
        told = [summary for summary in self._finished() if summary["group"] == group]
        return self.open(summary["run"] for summary in sorted(self._of_one(told), key=_age))

    def _finished(self) -> list[dict[str, Any]]:
        """The runs that can be compared, in the order of `Stores.summaries`."""
        wanted = {"test_accuracy", "gap", "ece", "train_size"}
        return [
            summary
            for summary in self.stores.summaries()
            if summary["status"] == "finished" and wanted <= summary.keys()
        ]

    def comparison(self, runs: Sequence[Run]) -> Comparison:
        """These runs side by side. Raises `ConfigError` or `RunError`."""
        if len(runs) > MOST_COMPARED:
            raise ConfigError(
                f"{len(runs)} runs are too many for the page: take at most {MOST_COMPARED}, or `reglab compare`."
            )
        return compare.compare(runs, view=self.stores.view)

    def price(self, experiment: Experiment) -> Price:
        """What the visitor has still to train of it."""
        return price(experiment, self.stores.mine)

    # ---- published results
    def of_recipe(self, publication: Publication, recipe: str) -> list[Run]:
        """The visitor's runs of a recipe, oldest first: a verdict counts nobody else's."""
        return reproduce.runs_of(publication, recipe, self.stores.mine)

    def reproduction(self, publication: Publication, recipe: str) -> Standing:
        """What the runs of a recipe have shown; before there are any, what was recorded with this project."""
        runs = self.of_recipe(publication, recipe)
        told = reproduce.to_json(reproduce.look(publication, recipe, runs, self.stores.own.view))
        views = self.training.views(runs)
        if any(view.is_live for view in views):
            return Standing(told, progress=progress_of(views), live=True)
        left = self.price(publication.experiment(recipe))
        if not left.runs:
            return Standing(told, price="Every run of this recipe is finished.", done=True)
        kept = reproduce.recorded(publication.key, recipe)
        said = f"{left} When it was recorded it took {kept['took']} on {kept['machine']}." if kept else str(left)
        if kept and not told["runs"]:
            return Standing(kept, f"Recorded with this project on {kept['date']}; nothing is trained here yet.", said)
        return Standing(told, price=said)


def progress_of(views: Sequence[RunView]) -> str:
    """How far runs are that are trained one after the other, in words."""
    told = [view.status for view in views]
    parts = [f"{told.count('finished')} of {len(views)} runs are finished"]
    for view in views:
        if view.status == "running":
            parts.append(f"“{view.name}” is in epoch {view.last_timing.get('epoch', 0)} of {view.run.config.epochs}")
        if view.status == "stalled":
            parts.append(f"“{view.name}” does not answer")
    if waiting := told.count("queued"):
        parts.append(f"{waiting} {'waits' if waiting == 1 else 'wait'}")
    return f"{', '.join(parts)}."


def _set_up(run: Run, s: Mapping[str, Any]) -> str:
    """The same for runs that differ in nothing but their seed; what cannot be read is like nothing else."""
    return run.id if s["status"] == "unreadable" else _config(run).set_up()


def _age(s: Mapping[str, Any]) -> tuple[str, str]:
    """As `Run.age`, of a summary."""
    return str(s.get("created", "")), s["run"]


@lru_cache(maxsize=2_000)
def _title(store: Store, group: str) -> str:
    plan = Experiment.read(store, group)
    if plan.kind in ("sweep", "factorial") and plan.title in ("", group):
        return " × ".join(map(labels.title, plan.axes or labels.differing(list(plan.arms.values())))) or group
    return plan.title or group


@lru_cache(maxsize=2_000)
def _is_named(store: Store, group: str) -> bool:
    """Whether people know the group by its name, which never changes."""
    return Experiment.read(store, group).is_named


@lru_cache(maxsize=2_000)
def _config(run: Run) -> RunConfig:
    """What is trained in it, which never changes."""
    return run.config
