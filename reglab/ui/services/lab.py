"""What the tabs do, in plain values: start, follow, stop, predict. Knows nothing of Gradio."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from reglab import data
from reglab.analysis import evaluate, mistakes, predict
from reglab.analysis import preview as look
from reglab.analysis.mistakes import Answered, Mistakes
from reglab.analysis.predict import Answer
from reglab.analysis.preview import Look
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError, RunError
from reglab.experiments import compare, grid, report, reproduce, sweep
from reglab.experiments.grid import Grid
from reglab.experiments.publications import Publication
from reglab.experiments.sweep import checked
from reglab.jobs import fetch
from reglab.jobs.fetch import Fetch
from reglab.jobs.isolation import IsolatedProcess
from reglab.jobs.queue import Jobs
from reglab.models import pretrained
from reglab.publishing import model_card
from reglab.runs import index
from reglab.runs.run import Run
from reglab.runs.store import Store, checkpoints_store, find, runs_store
from reglab.teaching import lessons, sheet
from reglab.teaching.links import offered
from reglab.ui.views import comparison
from reglab.ui.views import curves as view
from reglab.ui.views.reproduction import Shown

DECODER_MEMORY = 4 * 2**30  # bytes of data for the process that opens strangers' pictures; torch alone takes most of 1
EVALUATING = 3_600.0  # seconds until an evaluation is given up
KEPT = 3_600.0  # seconds that a download can be fetched in
OWN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")  # which says nothing to anybody
OWN_GROUP = re.compile(r"[0-9a-f]{12}")  # neither does this
MOST_COMPARED = MOST_SWEPT = 300  # runs on one page
LOADING = 180.0  # seconds for an answer of timm, whose import alone takes many


class Lab:
    """One server's runs, queue and data sets."""

    def __init__(self, runs: Store | None = None, shipped: Store | None = None) -> None:
        self.runs, self.shipped = runs or runs_store(), shipped or checkpoints_store()
        self.jobs = Jobs(self.runs)
        self.pictures = IsolatedProcess(DECODER_MEMORY)
        self.evaluations = IsolatedProcess()  # which take minutes, so that no prediction waits for one
        self.evaluating: set[str] = set()
        self._evaluating = threading.Lock()
        self._downloads = tempfile.TemporaryDirectory(prefix="reglab-")
        self.fetches = {key: Fetch(key) for key in (*data.SOURCES, *pretrained.OFFERED) if fetch.remote(key).repo}

    def warm(self) -> None:
        """In the background: the fork server with torch, and CIFAR-10 if it is not here yet."""
        self.jobs.warm()
        if data.open_decoded(data.source("cifar10")) is None:
            self.fetches["cifar10"].start()

    def close(self) -> None:
        for going in self.fetches.values():
            going.close()
        self.pictures.close()
        self.evaluations.close()
        self.jobs.close()
        self._downloads.cleanup()

    # ---- data sets
    def first_dataset(self) -> str:
        """CIFAR-10 where it is at hand, else the digits, which always are."""
        return "cifar10" if data.is_local("cifar10") else "digits"

    def fetch(self, key: str) -> None:
        """Begin to fetch a data set, or a network's weights, that are not here yet, or try again."""
        if key in self.fetches and not fetch.is_local(key):
            self.fetches[key].start()

    def data_notice(self, dataset: str, model: str = "") -> tuple[str, bool]:
        """A sentence on what is fetched, when there is something to say, and whether trying again is an offer.

        With the digits chosen it speaks of CIFAR-10, which is what most people came for.
        """
        if model in self.fetches and self.fetches[model].state != "idle" and not fetch.is_local(model):
            return self.fetches[model].sentence, self.fetches[model].state == "failed"
        key = "cifar10" if dataset == "digits" else dataset
        going = self.fetches[key]
        if fetch.is_local(key) or going.state == "idle":
            return "", False
        if going.state == "failed" and dataset == "digits":
            return f"{going.sentence.partition(': ')[0]}: the built-in digits are selected.", True
        return going.sentence, going.state == "failed"

    def is_fetching(self) -> bool:
        return any(going.state == "running" for going in self.fetches.values())

    # ---- training
    def start(self, values: Mapping[str, Any], compare: bool, owner: str, scratch: bool = False) -> list[str]:
        """Queue a run and what it is compared with: the same without regularizers, and the same from random weights.

        Returns their ids. Raises `ConfigError`, `DataError` or `RunError` with one sentence; nothing is started then.
        """
        config = offered(values)
        self._ready(config)
        configs = [config.plain(), config] if compare and config.regularizers else [config]
        if scratch and config.pretrained:
            configs.append(config.from_scratch())
        group = os.urandom(6).hex() if len(configs) > 1 else ""
        return [run.id for run in self.jobs.submit(configs, owner=owner, group=group)]

    def start_lesson(self, key: str, seed: int, owner: str) -> list[str]:
        """Queue the runs of a lesson as one job. Returns their ids. Raises like `start`."""
        lesson = lessons.lesson(key)
        arms = lesson.arms(self.first_dataset(), seed)
        names = [f"{lesson.title}, {name}" for name in arms]
        runs = self.jobs.submit(list(arms.values()), owner=owner, names=names, group=os.urandom(6).hex())
        return [run.id for run in runs]

    def start_fork(self, run_id: str, epoch: Any, name: str, value: str, owner: str) -> list[str]:
        """Queue a fork of a run: the same up to that epoch, then with one setting changed. Ids of the run and its fork.

        Raises like `start`.
        """
        run = find(run_id, self.runs, self.shipped)
        if not isinstance(epoch, int | float) or epoch != int(epoch):
            raise ConfigError("A fork needs the last epoch that both runs have in common: give a whole number.")
        config = run.forked(int(epoch), {name: sweep.one_value(name, value)})
        self._ready(config)
        called = checked(f"{run.name} from epoch {int(epoch) + 1}- {name} {value}")
        return [run.id, *(r.id for r in self.jobs.submit([config], owner=owner, names=[called], parent=run.id))]

    def start_plan(
        self,
        configs: Sequence[RunConfig],
        owner: str,
        group: str = "",
        prune: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Queue the runs of a sweep that are not done yet, one by one, with turns for other visitors between them.

        `names` (config as JSON -> name) are what new runs are called, by default that in which they differ. Returns the ids
        of all its runs. Raises like `start`.
        """
        if len(configs) > MOST_SWEPT:
            why = f"That would be {len(configs):,} runs, and the page takes at most {MOST_SWEPT}"
            raise ConfigError(f"{why}: take fewer values or seeds, or use `reglab sweep`.")
        for config in {(c.dataset, c.model, c.pretrained): c for c in configs}.values():
            self._ready(offered(config.model_dump()))
        self.jobs.admit(owner)  # before anything is made
        runs = sweep.folders(configs, self.runs, group or sweep.name_of(configs), names or sweep.names_of(configs))
        left = [run for run in runs if sweep.is_left(run, self.jobs.status(run), prune)]
        self.jobs.submit_each(left, owner=owner, prune=prune)
        return [run.id for run in runs]

    def _ready(self, config: RunConfig) -> None:
        for key, instead in ((config.dataset, data.INSTEAD), (config.model if config.pretrained else "", "")):
            if not key or fetch.is_local(key):
                continue
            going = self.fetches.setdefault(key, Fetch(key))
            if going.state == "failed":
                raise DataError(going.sentence)
            going.start()
            raise DataError(f"{going.sentence} Wait until it is here, or {instead or pretrained.instead()}.")

    def stop(self, ids: Sequence[str]) -> None:
        for run in self.open(ids):
            self.jobs.stop(run.id)

    def stop_group(self, group: str) -> None:
        """Stop the runs of a sweep, those that wait first."""
        told = [s["run"] for s in self.summaries() if s.get("group") == group and s["status"] in ("running", "queued")]
        self.jobs.stop_all(told)

    def resume(self, run_id: str, owner: str) -> list[str]:
        """Go on with a run, and with the one it is compared with if that was broken off too. Returns all their ids."""
        run = self.runs.open(run_id)
        together = self._started_with(run)
        self._ready(run.config)
        self.jobs.resume(
            [r for r in together if self.jobs.status(r) in ("stopped", "interrupted", "failed")], owner=owner
        )
        return [r.id for r in together]

    def together(self, run: Run) -> list[Run]:
        """The run and those it was started to be seen with: its pair, its lesson, the run it is a fork of."""
        parent = run.described.get("parent")
        if parent and (parents := self.open([parent])):
            return [*parents, run]
        return self._started_with(run)

    def _started_with(self, run: Run) -> list[Run]:
        """The runs of its job. A sweep is no job: its runs are trained, and gone on with, each for itself."""
        store = self.shipped if run.path.parent == self.shipped.root else self.runs
        found = store.group(run.described.get("group", ""))
        return found if 1 < len(found) <= len(view.ROLES) else [run]

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

    def look(self, values: Mapping[str, Any]) -> Look:
        """What the network would see first with this config. Raises `ConfigError`, `DataError` or `RunError`."""
        config = offered(values)
        self._ready(config.model_copy(update={"pretrained": False}))
        seen: Look = self.pictures.call(look.look, config.model_dump(mode="json"))
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

    def predict(self, picture: str | None, run_id: str | None) -> dict[str, float]:
        """Class -> probability. Raises `ConfigError` or `RunError`."""
        answer, _ = self.answer(picture, run_id, cam=False)
        return dict(answer.top(len(answer.classes)))

    def answer(self, picture: str | None, run_id: str | None, how: str = "crop", **asked: Any) -> tuple[Answer, Any]:
        """The network's answer and the 32 x 32 pixels it saw; `asked` as `predict.answer` takes it. Raises as above."""
        if not run_id:
            raise ConfigError("There is no trained network yet: train one first.")
        run = find(run_id, self.runs, self.shipped)
        answer_file = partial(predict.answer_file, **asked)
        found: tuple[Answer, Any] = self.pictures.call(answer_file, str(run.path), _asked(picture), how)
        return found

    def imagenet(self, name: str, picture: str | None) -> tuple[tuple[str, float], ...]:
        """The likeliest of ImageNet's classes. Raises `ConfigError`, `DataError` or `RunError`."""
        likeliest: tuple[tuple[str, float], ...]
        likeliest = self.pictures.call(predict.imagenet_file, name, _asked(picture), timeout=LOADING)
        return likeliest

    def imagenet_networks(self) -> list[tuple[str, str]]:
        """(what it is, name) of every network of timm that is offered, those on this machine first."""
        here = pretrained.local()
        return [
            (f"{known.timm} · {'on this machine' if name in here else f'a download of {known.megabytes} MB'}", name)
            for name, known in sorted(pretrained.OFFERED.items(), key=lambda item: item[0] not in here)
        ]

    def examples(self, dataset: str) -> list[tuple[Any, str]]:
        """Test pictures of the data set, or of the digits when it is not here."""
        found: list[tuple[Any, str]] = self.pictures.call(predict.examples, dataset)
        return found

    # ---- what a run is worth
    def evaluate(self, run_id: str) -> None:
        """Answer the run's validation and test images and keep the answers: seconds to minutes.

        Raises `ConfigError`, `DataError` or `RunError`.
        """
        run = find(run_id, self.runs, self.shipped)
        config = run.config
        self._ready(config if config.on_features else config.model_copy(update={"pretrained": False}))
        with self._evaluating:
            if run.id in self.evaluating:
                raise RunError(f"Run {run.name} is being evaluated already: wait for that.")
            self.evaluating.add(run.id)
        try:
            self.evaluations.call(evaluate.evaluate, run, timeout=EVALUATING)
        finally:
            with self._evaluating:
                self.evaluating.discard(run.id)
                if not self.evaluating:
                    self.evaluations.close()  # it has done its work and need not sit in memory
        if not mistakes.is_ready(run):
            raise RunError(
                f"Run {run.name} was evaluated, but nothing can be kept in its folder: free some disk space, or copy it to"
                " where it can be written."
            )

    def mistakes(self, run: Run) -> Mistakes:
        """Its wrong answers to the test images. Raises `DataError`, or `RunError` for one that was not evaluated."""
        self._ready(run.config.model_copy(update={"pretrained": False}))
        found: Mistakes = self.pictures.call(mistakes.look, str(run.path))
        return found

    def taken_for(self, run: Run, true: int, predicted: int) -> tuple[Answered, ...]:
        """Test pictures of one class that are taken for another. Raises as `mistakes`, and `ConfigError`."""
        found: tuple[Answered, ...] = self.pictures.call(mistakes.pictures, str(run.path), true, predicted)
        return found

    # ---- lists
    def summaries(self) -> list[dict[str, Any]]:
        """The summary of every run, newest first, the shipped ones last; `queued` where only this server knows of it."""
        told = [summary for store in (self.runs, self.shipped) for summary in index.summaries(store)]
        live = {summary["run"] for summary in told if summary["status"] != "finished"}
        return [
            s | {"status": self.jobs.status(Run(self.runs.root / s["run"]))} if s["run"] in live else s for s in told
        ]

    # ---- sweeps
    def sweeps(self) -> list[tuple[str, str]]:
        """(what it is, name) of every group that somebody named or that a sweep has made, newest first."""
        found: dict[str, list[dict[str, Any]]] = {}
        for s in self.summaries():
            if (group := s.get("group", "")) and not OWN_GROUP.fullmatch(group):
                found.setdefault(group, []).append(s)
        return [(self._called(name, told), name) for name, told in found.items() if len(told) > 1]

    def in_sweep(self, group: str) -> list[dict[str, Any]]:
        """The summaries of its runs, the oldest first."""
        told = (s for s in self.summaries() if s.get("group") == group and s["status"] != "unreadable")
        return sorted(told, key=_age)

    def grid(self, told: Sequence[Mapping[str, Any]], metric: str, target: float) -> Grid:
        """These runs over the settings in which they differ. Raises `ConfigError` where there are none."""
        found = [find(s["run"], self.runs, self.shipped) for s in told]
        return grid.grid(
            [(_config(run), grid.read(run, s, metric, target)) for run, s in zip(found, told, strict=True)]
        )

    # ---- comparisons
    def groups(self) -> list[tuple[str, str]]:
        """(what it is, name) of every group with at least two finished runs, newest first."""
        found: dict[str, list[dict[str, Any]]] = {}
        for summary in self._finished():
            if summary["group"]:
                found.setdefault(summary["group"], []).append(summary)
        return [(self._called(name, told), name) for name, told in found.items() if len(told) > 1]

    def _called(self, group: str, told: Sequence[Mapping[str, Any]]) -> str:
        """A group by what is trained in it; its own name where somebody gave it one."""
        seeds = len({summary["seed"] for summary in told})
        own = "" if OWN_GROUP.fullmatch(group) else f"{group} · "
        title = find(told[0]["run"], self.runs, self.shipped).config.title()
        return f"{own}{title} · {len(told)} runs, {seeds} {'seed' if seeds == 1 else 'seeds'}"

    def finished_in(self, group: str) -> list[str]:
        """The ids of the finished runs of a group, in the order in which they were made."""
        told = (summary for summary in self._finished() if summary["group"] == group)
        return [summary["run"] for summary in sorted(told, key=_age)]

    def finished_rows(self) -> list[list[Any]]:
        """A row of the table of all finished runs, those of one set-up together: numbers to sort by, and the id last."""
        rows = [[*_what(s), s["seed"], *_numbers([s]), s["run"]] for s in self._finished()]
        places = {tuple(row[1:4]): place for place, row in reversed(list(enumerate(rows)))}
        return sorted(rows, key=lambda row: (places[tuple(row[1:4])], row[4]))

    def finished_set_ups(self) -> list[list[Any]]:
        """The same with a row for each set-up: how many seeds it has, and the means over them; last the newest run's id."""
        found: dict[str, list[dict[str, Any]]] = {}
        for s in self._finished():
            found.setdefault(self._set_up(s), []).append(s)
        return [
            [*_what(told[0]), len({s["seed"] for s in told}), *_numbers(told), told[0]["run"]]
            for told in found.values()
        ]

    def alike(self, run_id: str) -> list[str]:
        """The finished runs that differ from this one in nothing but their seed, and itself, by seed."""
        told = self._finished()
        set_up = next((self._set_up(s) for s in told if s["run"] == run_id), None)
        return [s["run"] for s in sorted(told, key=lambda s: s["seed"]) if self._set_up(s) == set_up]

    def _set_up(self, summary: Mapping[str, Any]) -> str:
        return _config(find(summary["run"], self.runs, self.shipped)).set_up()

    def _finished(self) -> list[dict[str, Any]]:
        """The runs that can be compared, newest first, the shipped ones last."""
        wanted = {"test_accuracy", "gap", "ece", "train_size"}
        told = [summary for store in (self.runs, self.shipped) for summary in index.summaries(store)]
        return [summary for summary in told if summary["status"] == "finished" and wanted <= summary.keys()]

    def comparison_page(self, ids: Sequence[str], metric: str, axis: str, target: float | None) -> str:
        """Raises `ConfigError` or `RunError`."""
        return comparison.page(compare.compare(self._asked_for(ids)), metric, axis, target)

    def comparison_file(self, kind: str, ids: Sequence[str], metric: str, axis: str) -> Path:
        """A file of that kind (html, png, csv or json) to take along. Raises `ConfigError` or `RunError`."""
        content = report.file(kind, compare.compare(self._asked_for(ids)), metric, axis)
        target = self._download_folder() / f"comparison.{kind}"
        target.write_bytes(content)
        return target

    def _asked_for(self, ids: Sequence[str]) -> list[Run]:
        if len(ids) > MOST_COMPARED:
            raise ConfigError(
                f"{len(ids)} runs are too many for the page: take at most {MOST_COMPARED}, or `reglab compare`."
            )
        return self.open(ids)

    # ---- published results
    def reproduction(self, publication: Publication, recipe: str) -> Shown:
        """What the runs of a recipe have shown; before there are any, what was recorded with this project."""
        runs = reproduce.runs_of(publication, recipe, self.runs)
        told = reproduce.to_json(reproduce.look(publication, recipe, runs))
        if view.is_live(runs, self.jobs):
            return Shown(told, progress=view.progress_of(runs, self.jobs), live=True)
        price = sweep.price(publication.configs(recipe), self.runs, publication.group(recipe))
        if not price.runs:
            return Shown(told, price="Every run of this recipe is finished.", done=True)
        kept = reproduce.recorded(publication.key, recipe)
        said = f"{price} When it was recorded it took {kept['took']} on {kept['machine']}." if kept else str(price)
        if kept and not told["runs"]:
            return Shown(kept, f"Recorded with this project on {kept['date']}; nothing is trained here yet.", said)
        return Shown(told, price=said)

    def _download_folder(self) -> Path:
        """A folder of its own for what is handed out; those of long ago are removed."""
        for folder in Path(self._downloads.name).iterdir():
            if time.time() - folder.stat().st_mtime > KEPT:
                shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=self._downloads.name))

    def sheet_file(self, ids: Sequence[str], tries: Mapping[str, tuple[Any, Any]], name: str) -> Path:
        """The lesson sheet of these runs, one of which is what the others are compared with: that with regularizers.

        `tries`: run id -> (link of the assignment, prediction). Raises `ConfigError` or `RunError`.
        """
        runs = self.open(ids)
        if not runs or runs[0].path.parent == self.shipped.root:
            raise ConfigError("There is no run of yours on the screen: press Train, and wait until it is finished.")
        mine = max(runs, key=lambda run: (run.id in tries, len(run.config.regularizers)))
        told = sheet.make(mine, name, *tries.get(mine.id, (None, None)))
        target = self._download_folder() / told.file_name
        target.write_text(told.to_json(), "utf-8")
        return target

    def download(self, run_id: str | None) -> Path:
        """The run as a zip file, with its model card where it has one. Raises `RunError`."""
        run = find(run_id or "", self.runs, self.shipped)
        target = run.zip(self._download_folder())
        if not (run.path / "README.md").exists():
            with contextlib.suppress(*PROBLEMS):  # no epoch, or no backbone here: no card
                card = self.pictures.call(model_card.model_card, run)
                with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr(f"{run.id}/README.md", card)
        return target


def _age(s: Mapping[str, Any]) -> tuple[str, str]:
    """As `Run.age`, of a summary."""
    return str(s.get("created", "")), s["run"]


def _what(s: Mapping[str, Any]) -> list[str]:
    """What a run is called, its network, its data and its regularizers."""
    wrong = f" · {s['label_noise']:.0%} wrong" if s["label_noise"] else ""
    name = "" if s["name"] == s["run"] and OWN_ID.fullmatch(s["run"]) else s["name"]
    return [name, s["model"], f"{s['dataset']} · {s['train_size']:,}{wrong}", " ".join(s["regularizers"]) or "none"]


def _numbers(told: Sequence[Mapping[str, Any]]) -> list[float]:
    """The means of test accuracy (%), gap (points) and calibration error."""
    digits = {"test_accuracy": (100, 2), "gap": (100, 1), "ece": (1, 3)}
    return [round(sum(s[key] for s in told) / len(told) * scale, n) for key, (scale, n) in digits.items()]


@lru_cache(maxsize=2_000)
def _config(run: Run) -> RunConfig:
    """What is trained in it, which never changes."""
    return run.config


def _asked(picture: str | None) -> str:
    if not picture:
        raise ConfigError("There is no picture yet: upload, paste or photograph one, or click an example.")
    return str(Path(picture))


PROBLEMS = (ConfigError, DataError, RunError)
