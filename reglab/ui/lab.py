"""What the tabs do, in plain values: start, follow, stop, predict. Knows nothing of Gradio."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reglab import data, lessons, look, predict
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError, RunError
from reglab.fetch import Fetch
from reglab.jobs import Apart, Jobs
from reglab.store import Run, Store, checkpoints_store, find, runs_store
from reglab.ui import view

DECODER_MEMORY = 4 * 2**30  # bytes of data for the process that opens strangers' pictures; torch alone takes most of 1


class Lab:
    """One server's runs, queue and data sets."""

    def __init__(self, runs: Store | None = None, shipped: Store | None = None) -> None:
        self.runs, self.shipped = runs or runs_store(), shipped or checkpoints_store()
        self.jobs = Jobs(self.runs)
        self.pictures = Apart(DECODER_MEMORY)
        self.fetches = {key: Fetch(key) for key, source in data.SOURCES.items() if source.repo}

    def warm(self) -> None:
        """In the background: the fork server with torch, and CIFAR-10 if it is not here yet."""
        self.jobs.warm()
        if data.open_decoded(data.source("cifar10")) is None:
            self.fetches["cifar10"].start()

    def close(self) -> None:
        for fetch in self.fetches.values():
            fetch.close()
        self.pictures.close()
        self.jobs.close()

    # ---- data sets
    def first_dataset(self) -> str:
        """CIFAR-10 where it is at hand, else the digits, which always are."""
        return "cifar10" if data.is_local("cifar10") else "digits"

    def fetch(self, dataset: str) -> None:
        """Begin to fetch a data set that is not here yet, or try again."""
        if dataset in self.fetches and not data.is_local(dataset):
            self.fetches[dataset].start()

    def data_notice(self, dataset: str) -> tuple[str, bool]:
        """A sentence on the data set when there is something to say, and whether trying again is an offer.

        With the digits chosen it speaks of CIFAR-10, which is what most people came for.
        """
        key = "cifar10" if dataset == "digits" else dataset
        fetch = self.fetches[key]
        if data.is_local(key) or fetch.state == "idle":
            return "", False
        if fetch.state == "failed" and dataset == "digits":
            return f"{fetch.sentence.partition(': ')[0]}: the built-in digits are selected.", True
        return fetch.sentence, fetch.state == "failed"

    def is_fetching(self) -> bool:
        return any(fetch.state == "running" for fetch in self.fetches.values())

    # ---- training
    def start(self, values: Mapping[str, Any], compare: bool, owner: str) -> list[str]:
        """Queue a run, and the same without regularizers to compare it with. Returns their ids.

        Raises `ConfigError`, `DataError` or `RunError` with one sentence; nothing is started then.
        """
        config = RunConfig.parse(values)
        self._ready(config.dataset)
        configs = [config.plain(), config] if compare and config.regularizers else [config]
        group = os.urandom(6).hex() if len(configs) > 1 else ""
        return [run.id for run in self.jobs.submit(configs, owner=owner, group=group)]

    def start_lesson(self, key: str, seed: int, owner: str) -> list[str]:
        """Queue the runs of a lesson as one job. Returns their ids. Raises like `start`."""
        lesson = lessons.lesson(key)
        arms = lesson.arms(self.first_dataset(), seed)
        runs = self.jobs.submit(list(arms.values()), owner=owner, group=os.urandom(6).hex())
        for name, run in zip(arms, runs, strict=True):
            run.rename(f"{lesson.title}, {name}")
        return [run.id for run in runs]

    def _ready(self, dataset: str) -> None:
        if data.is_local(dataset):
            return
        fetch = self.fetches[dataset]
        if fetch.state != "failed":
            fetch.start()
            raise DataError(f"{fetch.sentence} Wait until it is here, or choose the built-in digits.")
        raise DataError(fetch.sentence)

    def stop(self, ids: Sequence[str]) -> None:
        for run in self.open(ids):
            self.jobs.stop(run.id)

    def resume(self, run_id: str, owner: str) -> list[str]:
        """Go on with a run, and with the one it is compared with if that was broken off too. Returns all their ids."""
        run = self.runs.open(run_id)
        together = self.together(run)
        self._ready(run.config.dataset)
        self.jobs.resume(
            [r for r in together if self.jobs.status(r) in ("stopped", "interrupted", "failed")], owner=owner
        )
        return [r.id for r in together]

    def together(self, run: Run) -> list[Run]:
        """The run and those it was started together with."""
        store = self.shipped if run.path.parent == self.shipped.root else self.runs
        return store.group(run.described.get("group", "")) or [run]

    # ---- looking
    def open(self, ids: Sequence[str]) -> list[Run]:
        """Those of the runs that are still there."""
        found = []
        for run_id in ids:
            try:
                found.append(find(run_id, self.runs, self.shipped))
            except RunError:
                continue
        return found

    def chart(self, ids: Sequence[str]) -> dict[str, Any]:
        """These runs, or the first of them where there are more than colours."""
        found = self.open(ids)
        runs = found[: len(view.ROLES)]
        shipped = runs and all(run.path.parent == self.shipped.root for run in runs)
        note = "A finished example. Press Train to make your own." if shipped else ""
        if len(runs) < len(found):
            note = f"The first {len(runs)} of {len(found)} runs. {note}".strip()
        return view.chart_of(runs, self.jobs, note, view.names_of(runs)) if runs else {"runs": []}

    def lesson_chart(self, key: str, ids: Sequence[str]) -> dict[str, Any]:
        lesson = lessons.lesson(key)
        arms = lessons.arms_of(lesson, self.open(ids))
        names = {run.id: name for name, run in arms.items()}
        chart = view.chart_of(list(arms.values()), self.jobs, names=names) if arms else {"runs": []}
        return chart | {"title": lesson.title}

    def example(self) -> list[str]:
        """The pair of finished runs that a first visit shows."""
        for run in self.shipped.runs():
            if len(pair := self.together(run)) == 2:
                return [r.id for r in pair]
        return []

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

    def look(self, values: Mapping[str, Any]) -> look.Look:
        """What the network would see first with this config. Raises `ConfigError`, `DataError` or `RunError`."""
        config = RunConfig.parse(values)
        self._ready(config.dataset)
        seen: look.Look = self.pictures.call(look.look, config.model_dump(mode="json"))
        return seen

    # ---- predictions
    def networks(self) -> list[tuple[str, str]]:
        """(what it is, id) of every network that can predict, newest first, the shipped ones last."""
        choices = []
        for store in (self.runs, self.shipped):
            for run in store.runs():
                summary = run.summary()
                if (run.path / "model.safetensors").exists() and summary["status"] in ("finished", "stopped"):
                    test = f" · test {summary['test_accuracy']:.1%}" if "test_accuracy" in summary else ""
                    choices.append((f"{run.name} · {run.config.title()} · {run.config.recipe()}{test}", run.id))
        return choices

    def predict(self, picture: str | None, run_id: str | None) -> tuple[dict[str, float], Any]:
        """Class -> probability, and the 32 x 32 pixels that were seen. Raises `ConfigError` or `RunError`."""
        if not picture:
            raise ConfigError("There is no picture yet: upload, paste or photograph one, or click an example.")
        if not run_id:
            raise ConfigError("There is no trained network yet: train one first.")
        run = find(run_id, self.runs, self.shipped)
        result: tuple[dict[str, float], Any] = self.pictures.call(
            predict.predict_file, str(run.path), str(Path(picture))
        )
        return result

    def examples(self, dataset: str) -> list[tuple[Any, str]]:
        """Test pictures of the data set, or of the digits when it is not here."""
        found: list[tuple[Any, str]] = self.pictures.call(predict.examples, dataset)
        return found


PROBLEMS = (ConfigError, DataError, RunError)
