"""An experiment: which networks are trained, under which labels, with which seeds, and how. Everything here begins with one.

    Experiment.run(config)                 one run
    Experiment.pair(config, scratch=...)   the same without regularizers beside it, or from random weights
    Experiment.fork(run, epoch, changes)   a run up to an epoch, then with another setting
    Experiment.change(run, config)         a run that is trained, from the end of its epoch on
    sweep.sweep(base, axes, seeds)         every combination of some values
    factorial.factorial(base, names)       techniques on and off in all combinations
    Lesson.experiment(dataset, seed)       the arms of a lesson                 (`reglab.teaching.lessons`)
    Publication.experiment(recipe, seeds)  the rows of a published table

It is frozen, and written to `.experiments/GROUP/experiment.json` beside its runs before the first of them is made. The same
plan finds the runs it made before, so whoever trains it (`executors/`) skips what is finished and goes on with the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reglab.config import EVERYTHING, RunConfig, described, init_before
from reglab.config.fork import changes
from reglab.errors import ConfigError, RunError
from reglab.experiments.labels import labels
from reglab.runs.files import read_json, write_json
from reglab.runs.names import fitted
from reglab.runs.run import Run
from reglab.runs.store import Store, cannot_be_made

FORMAT = 1
FOLDER, FILE = ".experiments", "experiment.json"
GROUP = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")  # what is looked up as a folder, since a group may come from elsewhere

Kind = Literal["run", "pair", "fork", "lesson", "sweep", "factorial", "publication", "group"]
Order = Literal["side by side", "one after the other"]
NAMED = ("sweep", "factorial", "publication", "group")  # kinds whose group says something to people


class Experiment(BaseModel):
    """What is trained, under which labels, with which seeds, and how."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    arms: Mapping[str, RunConfig] = Field(min_length=1)
    """Label -> config; its seed means nothing. The first is what the others are compared with."""
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    order: Order = "side by side"
    """Side by side: one job, a step of each in turn. One after the other: each for itself, so that it can be broken off."""
    prune: bool = False
    """Whether runs that cannot win are stopped early (`jobs/pruning.py`)."""
    group: str = ""
    """What ties its runs together; empty where there is only one."""
    title: str = ""
    """What people call it; empty where its runs say it all."""
    subject: str = ""
    """The key of the lesson or of the publication."""
    axes: tuple[str, ...] = ()
    """The settings that a sweep varies, the techniques of a factorial."""
    parent: str = ""
    """The id of the run that it is a fork of."""

    # ---- building one ------------------------------------------------------------------------------------------
    @classmethod
    def run(cls, config: RunConfig) -> Experiment:
        """One run."""
        return cls(kind="run", arms={"run": config}, seeds=(config.seed,))

    @classmethod
    def pair(cls, config: RunConfig, *, plain: bool = True, scratch: bool = False) -> Experiment:
        """A run, the same without its regularizers first, and the same from random weights last, as far as these differ."""
        arms = {"plain": config.plain()} if plain and config.regularizers else {}
        arms["regularized" if config.regularizers else "pretrained" if config.pretrained else "run"] = config
        if scratch and config.pretrained:
            arms["random weights"] = config.from_scratch()
        if len(arms) == 1:
            return cls.run(config)
        return cls(kind="pair", arms=arms, seeds=(config.seed,), group=os.urandom(6).hex())

    @classmethod
    def fork(cls, run: Run, epoch: float, changes: Mapping[str, Any]) -> Experiment:
        """The run up to that epoch, then with these changes of its regularizers. Raises `ConfigError` or `RunError`."""
        if not isinstance(epoch, int | float) or not math.isfinite(epoch) or epoch != int(epoch):
            raise ConfigError("A fork needs the last epoch that both runs have in common: give a whole number.")
        config = run.forked(int(epoch), changes)
        return cls(kind="fork", arms={described(config): config}, seeds=(config.seed,), parent=run.id)

    @classmethod
    def change(cls, run: Run, config: RunConfig) -> Experiment:
        """The run to the end of its epoch, then with the regularizers of that config. Raises as `fork`."""
        if not differs_in_regularizers(run.config, config):
            raise ConfigError(
                "While a network is trained its regularizers can be changed, and nothing else:"
                " set the other settings back, or press Train for a run of its own."
            )
        epoch = run.next_end()
        if epoch >= run.config.epochs:
            raise ConfigError(
                "The run is in its last epoch or about to end, so there is nothing left to change: press Train instead."
            )
        return cls.fork(run, epoch, changes(run.config.regularizers, config.regularizers))

    @classmethod
    def planned(cls, kind: Kind, cells: Sequence[RunConfig], seeds: Sequence[int], **more: Any) -> Experiment:
        """Cells that are called by that in which they differ, each of them once; the same ones always have the same group."""
        once = {_without_seed(cell).set_up(): _without_seed(cell) for cell in cells}
        arms = dict(zip(labels(list(once.values())), once.values(), strict=True))
        made = cls(kind=kind, arms=arms, seeds=tuple(seeds), order="one after the other", **more)
        group = made.group or name_of(made.configs)
        return made.model_copy(update={"group": group, "title": made.title or group})

    # ---- what is in it -----------------------------------------------------------------------------------------
    @property
    def configs(self) -> list[RunConfig]:
        """Every arm with the first seed before any with the second: a broken-off experiment is a whole one with fewer."""
        return [arm.model_copy(update={"seed": seed}) for seed in self.seeds for arm in self.arms.values()]

    @property
    def is_one_job(self) -> bool:
        """Whether its runs are trained together, shown together and gone on with together."""
        return self.order == "side by side"

    @property
    def is_named(self) -> bool:
        """Whether its group is one that people know: a sweep, a publication, or a name that somebody gave."""
        return self.kind in NAMED

    def name(self, config: RunConfig) -> str:
        """What the run of one of its configs is called; empty where by what it is."""
        label = self._label(config)
        match self.kind:
            case "sweep" | "factorial" | "publication":
                return fitted(f"{label}, seed {config.seed}")
            case "lesson":
                return fitted(f"{self.title}, {label}")
        return ""

    def _label(self, config: RunConfig) -> str:
        set_up = config.set_up()
        return next((label for label, arm in self.arms.items() if arm.set_up() == set_up), "")

    # ---- its runs ----------------------------------------------------------------------------------------------
    def made(self, store: Store, configs: Sequence[RunConfig] | None = None) -> dict[str, Run]:
        """Config (as JSON) -> its run, where there is one; the finished one if there are several. Of these configs, or all."""
        wanted = {_key(config) for config in (self.configs if configs is None else configs)}
        found: dict[str, Run] = {}
        for run in store.group(self.group):
            try:
                key = _key(run.config)
            except RunError:
                continue
            if key in wanted and (key not in found or store.view(run).status == "finished"):
                found[key] = run
        return found

    def folders(self, store: Store, configs: Sequence[RunConfig] | None = None) -> list[Run]:
        """The run of each of its configs, or of these of them, made where there is none yet; one run alone is made anew.

        Raises:
            ConfigError: The folder cannot be written, or the group's name is none that a folder may have.
        """
        with self.locked(store):
            return self.folders_while_locked(store, configs)

    def folders_while_locked(self, store: Store, configs: Sequence[RunConfig] | None = None) -> list[Run]:
        """The same, for a caller who holds the lock and does more while holding it."""
        wanted = self.configs if configs is None else configs
        if self.group:
            self._write(store)
        found = self.made(store, wanted)
        for config in wanted:
            if (key := _key(config)) not in found:
                found[key] = store.create(config, name=self.name(config), group=self.group, parent=self.parent)
        return [found[_key(config)] for config in wanted]

    @contextlib.contextmanager
    def locked(self, store: Store) -> Iterator[None]:
        """Be the only one, of all threads and processes, who makes or queues its runs. A single run needs no lock.

        Raises `ConfigError` for a group that cannot be called so, and for a folder that cannot be made.
        """
        if not self.group:
            yield
            return
        if not GROUP.fullmatch(self.group):
            raise ConfigError(f"{self.group[:80]!r} cannot be the name of a group: use small letters, digits, - and _.")
        folder = store.root / FOLDER / self.group
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_be_made(store.root, error) from None
        with FileLock(folder / ".lock"):
            yield

    # ---- its file ----------------------------------------------------------------------------------------------
    def _write(self, store: Store) -> None:
        """Of the same arms the seeds add up; the caller holds the lock."""
        path, told = store.root / FOLDER / self.group / FILE, self
        if (before := _from_file(path)) is not None and list(before.arms.values()) == list(self.arms.values()):
            told = self.model_copy(update={"seeds": tuple(dict.fromkeys((*before.seeds, *self.seeds)))})
        if told != before:
            write_json(path, {"format": FORMAT, **told.model_dump(mode="json")})

    @classmethod
    def read(cls, store: Store, group: str) -> Experiment:
        """The experiment of a group: as it was written, else as its runs tell it. Raises `RunError` where there is none."""
        found = _from_file(store.root / FOLDER / group / FILE) if GROUP.fullmatch(group) else None
        return found or cls._from_runs(store, group)

    @classmethod
    def of(cls, run: Run) -> Experiment:
        """The experiment that a run is part of. Raises `RunError` for a run that cannot be read."""
        group, parent = str(run.described.get("group") or ""), str(run.described.get("parent") or "")
        if group:
            return cls.read(Store(run.path.parent), group)
        told = cls.run(run.config)
        return told.model_copy(update={"kind": "fork", "parent": parent}) if parent else told

    @classmethod
    def _from_runs(cls, store: Store, group: str) -> Experiment:
        """A group from before there was a file, or one that `train --group` has gathered.

        Here alone something is guessed: sweeps and recipes of publications were told by the names of their groups, and
        pairs and lessons, which were one job, had at most five runs and a group of twelve random digits.
        """
        by_set_up: dict[str, RunConfig] = {}
        seeds: dict[int, None] = {}
        runs = store.group(group)
        for run in runs:
            with contextlib.suppress(RunError):
                by_set_up.setdefault(run.config.set_up(), _without_seed(run.config))
                seeds[run.config.seed] = None
        if not by_set_up:
            raise RunError(
                f"There is no group called {group[:80]!r}: `python -m reglab runs` lists the runs and their groups."
            )
        kind: Kind = "group"
        if re.fullmatch(r"[0-9a-f]{12}", group):
            kind = "pair"
        elif group.startswith("sweep-"):
            kind = "sweep"
        elif group.endswith(("-budget", "-full")):
            kind = "publication"
        one_job = kind in ("pair", "group") and len(runs) <= 5
        return cls(
            kind=kind,
            arms=dict(zip(labels(list(by_set_up.values())), by_set_up.values(), strict=True)),
            seeds=tuple(seeds),
            order="side by side" if one_job else "one after the other",
            group=group,
            title="" if kind == "pair" else group,
        )


def name_of(configs: Sequence[RunConfig]) -> str:
    """The group of a sweep's runs: the same plan has the same name, today and tomorrow.

    What a config of before had without saying so isn't part of it, so that sweeps of before are found.
    """
    digest = hashlib.sha256("\n".join(sorted(map(_as_before, configs))).encode())
    return f"sweep-{digest.hexdigest()[:8]}"


def differs_in_regularizers(before: RunConfig, after: RunConfig) -> bool:
    """Whether it is the same run with other regularizers, whatever it is a fork of."""
    return before.plain() == after.plain() and before.regularizers != after.regularizers


def _from_file(path: Path) -> Experiment | None:
    """None where the file is missing, damaged, or of another version."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return _parsed(path, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=256)
def _parsed(path: Path, changed: int, size: int) -> Experiment | None:
    """Read once for each version of the file, since a page that lists groups asks at every look."""
    told = read_json(path)
    if told.pop("format", None) != FORMAT:
        return None
    try:
        return Experiment.model_validate(told)
    except (ValidationError, ConfigError, TypeError, RecursionError):
        return None


def _key(config: RunConfig) -> str:
    return config.model_dump_json()


def _as_before(config: RunConfig) -> str:
    before = {"init": init_before(config.model, config.regularizers), "judged_size": EVERYTHING}
    return config.model_dump_json(exclude={name for name, value in before.items() if getattr(config, name) == value})


def _without_seed(config: RunConfig) -> RunConfig:
    return config.model_copy(update={"seed": 0})
