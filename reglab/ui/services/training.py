"""What is trained, and when: start, stop, resume, and what the machine is doing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments import sweep
from reglab.experiments.sweep import checked
from reglab.jobs.queue import Jobs
from reglab.runs import index
from reglab.runs.run import Run
from reglab.teaching import lessons
from reglab.teaching.links import offered
from reglab.ui.services.datasets import Datasets
from reglab.ui.services.stores import Stores

MOST_SWEPT = 300  # runs on one page
SIDE_BY_SIDE = 5  # runs of one job, at most


class Training:
    """The queue of one server."""

    def __init__(self, stores: Stores, datasets: Datasets) -> None:
        self.stores, self.datasets = stores, datasets
        self.jobs = Jobs(stores.own)

    def warm(self) -> None:
        """In the background: the fork server with torch."""
        self.jobs.warm()

    def close(self) -> None:
        self.jobs.close()

    # ---- starting
    def start(self, values: Mapping[str, Any], compare: bool, owner: str, scratch: bool = False) -> list[Run]:
        """Queue a run and what it is compared with: the same without regularizers, and the same from random weights.

        Raises `ConfigError`, `DataError` or `RunError` with one sentence; nothing is started then.
        """
        config = offered(values)
        self.datasets.ready(config)
        configs = [config.plain(), config] if compare and config.regularizers else [config]
        if scratch and config.pretrained:
            configs.append(config.from_scratch())
        group = os.urandom(6).hex() if len(configs) > 1 else ""
        return self.jobs.submit(configs, owner=owner, group=group)

    def start_lesson(self, key: str, seed: int, owner: str) -> list[Run]:
        """Queue the runs of a lesson as one job. Raises like `start`."""
        lesson = lessons.lesson(key)
        arms = lesson.arms(self.datasets.first(), seed)
        names = [f"{lesson.title}, {name}" for name in arms]
        return self.jobs.submit(list(arms.values()), owner=owner, names=names, group=os.urandom(6).hex())

    def start_fork(self, run_id: str, epoch: Any, name: str, value: str, owner: str) -> list[Run]:
        """Queue a fork of a run: the same up to that epoch, then with one setting changed. The run and its fork.

        Raises like `start`.
        """
        run = self.stores.find(run_id)
        if not isinstance(epoch, int | float) or epoch != int(epoch):
            raise ConfigError("A fork needs the last epoch that both runs have in common: give a whole number.")
        config = run.forked(int(epoch), {name: sweep.one_value(name, value)})
        self.datasets.ready(config)
        called = checked(f"{run.name} from epoch {int(epoch) + 1}- {name} {value}")
        return [run, *self.jobs.submit([config], owner=owner, names=[called], parent=run.id)]

    def start_plan(
        self,
        configs: Sequence[RunConfig],
        owner: str,
        group: str = "",
        prune: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> list[Run]:
        """Queue the runs of a sweep that are not done yet, one by one, with turns for other visitors between them.

        `names` (config as JSON -> name) are what new runs are called, by default that in which they differ. Returns all its
        runs. Raises like `start`.
        """
        if len(configs) > MOST_SWEPT:
            why = f"That would be {len(configs):,} runs, and the page takes at most {MOST_SWEPT}"
            raise ConfigError(f"{why}: take fewer values or seeds, or use `reglab sweep`.")
        for config in {(c.dataset, c.model, c.pretrained): c for c in configs}.values():
            self.datasets.ready(offered(config.model_dump()))
        self.jobs.admit(owner)  # before anything is made
        group, names = group or sweep.name_of(configs), names or sweep.names_of(configs)
        runs = sweep.folders(configs, self.stores.own, group, names)
        left = [run for run in runs if sweep.is_left(run, self.jobs.status(run), prune)]
        self.jobs.submit_each(left, owner=owner, prune=prune)
        return runs

    # ---- stopping, and going on
    def stop(self, runs: Sequence[Run]) -> None:
        for run in runs:
            self.jobs.stop(run.id)

    def stop_group(self, group: str) -> None:
        """Stop the runs of a sweep, those that wait first."""
        told = [s for s in index.summaries(self.stores.own) if s.get("group") == group and s["status"] != "finished"]
        live = [run.id for run in self.stores.open(s["run"] for s in told) if self.is_live([run])]
        self.jobs.stop_all(live)

    def resume(self, run_id: str, owner: str) -> list[Run]:
        """Go on with a run, and with the one it is compared with if that was broken off too. Returns all of them."""
        run = self.stores.own.open(run_id)
        together = self._started_with(run)
        self.datasets.ready(run.config)
        self.jobs.resume(
            [r for r in together if self.jobs.status(r) in ("stopped", "interrupted", "failed")], owner=owner
        )
        return together

    def together(self, run: Run) -> list[Run]:
        """The run and those it was started to be seen with: its pair, its lesson, the run it is a fork of."""
        parent = run.described.get("parent")
        if parent and (parents := self.stores.open([parent])):
            return [*parents, run]
        return self._started_with(run)

    def _started_with(self, run: Run) -> list[Run]:
        """The runs of its job. A sweep is no job: its runs are trained, and gone on with, each for itself."""
        found = self.stores.group(run)
        return found if 1 < len(found) <= SIDE_BY_SIDE else [run]

    # ---- looking
    def is_live(self, runs: Sequence[Run]) -> bool:
        """Whether any of them is still being trained, or waits for it."""
        return any(self.jobs.status(run) in ("running", "queued") for run in runs)

    def machine_line(self) -> str:
        """`AMD EPYC, 2 cores · bf16 · idle` for the top of the page."""
        machine = self.jobs.machine()
        if not machine:
            return "looking at the machine ..."
        if "error" in machine:
            return f"torch cannot be used here: {machine['error']}"
        running, waiting = self.jobs.counts()
        busy = "training" if running else "idle"
        return " · ".join([machine["name"], machine["precision"], busy + (f", {waiting} waiting" if waiting else "")])
