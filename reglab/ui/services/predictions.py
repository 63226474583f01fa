"""What trained networks make of pictures: answers, mistakes, what is inside, and how much an answer is worth."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from reglab.analysis import evaluate, inside, mistakes, predict, preview
from reglab.analysis.mistakes import Answered, Mistakes
from reglab.analysis.pictures import View
from reglab.analysis.predict import Answer
from reglab.analysis.preview import Look
from reglab.config import RunConfig
from reglab.errors import BusyError, ConfigError, RunError
from reglab.jobs.decoder import Decoder
from reglab.jobs.isolation import IsolatedProcess, Lanes
from reglab.jobs.turns import address_of
from reglab.models import pretrained
from reglab.numbers import percent
from reglab.publishing import model_card
from reglab.runs.run import Run
from reglab.teaching.links import offered
from reglab.ui.services.datasets import Datasets
from reglab.ui.services.runs import Runs
from reglab.ui.services.stores import Stores

MEMORY = 4 * 2**30  # bytes of data for a process that answers; torch alone takes most of 1
EVALUATING = 3_600.0  # seconds until an evaluation is given up
LOADING = 180.0  # seconds for an answer of timm, whose import alone takes many
LOOKS = 64  # looks inside that are remembered; a few kilobytes each


class Predictions:
    """Networks at work, each in a process that may die without taking the server along."""

    def __init__(self, stores: Stores, datasets: Datasets, runs: Runs) -> None:
        self.stores, self.datasets, self.runs = stores, datasets, runs
        # What takes seconds (timm's import, the inside of a large network, all errors of a run) has a lane of its own, so
        # that nobody's prediction waits for it; evaluations take minutes.
        self.lanes = Lanes("predictions", "preview", "inside", "errors", "cards", "timm", memory=MEMORY)
        self.decoder = Decoder()  # pictures are opened in none of these
        self.evaluations = IsolatedProcess()
        self.evaluating: dict[str, str] = {}  # the id of a run -> the address of whoever asked
        self._evaluating = threading.Lock()
        self._looks: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()
        self._looking = threading.Lock()

    def over(self, runs: Runs) -> Predictions:
        """The same processes for whoever has these runs."""
        seen = copy.copy(self)
        seen.runs, seen.stores = runs, runs.stores
        return seen

    def close(self) -> None:
        """End the processes that answer."""
        self.decoder.close()
        self.lanes.close()
        self.evaluations.close()

    # ---- answers
    def networks(self) -> list[tuple[str, str]]:
        """(what it is, id) of every network that can predict, in the order of `Stores.summaries`."""
        choices = []
        for summary in self.stores.summaries():
            if summary["status"] not in ("finished", "stopped"):
                continue
            for run in self.stores.open([summary["run"]]):
                if (run.path / "model.safetensors").exists():
                    test = f" · test {percent(summary['test_accuracy'])}" if "test_accuracy" in summary else ""
                    choices.append((f"{summary['name']}{test}", run.id))
        return choices

    def predict(self, picture: str | None, run: Run) -> dict[str, float]:
        """Class -> probability. Raises `ConfigError` or `RunError`."""
        answer, _ = self.answer(picture, run, cam=False)
        return dict(answer.top(len(answer.classes)))

    def answer(self, picture: str | None, run: Run, how: str = "crop", **asked: Any) -> tuple[Answer, Any]:
        """The network's answer and the 32 x 32 pixels it saw; `asked` as `predict.answer` takes it. Raises as above."""
        pixels = self.decoder.seen(_asked(picture), View(how))
        lane = _lane("predictions", run.config)
        found: Answer = self.lanes.call(lane, partial(predict.answer, **asked), str(run.path), pixels)
        return found, pixels

    def imagenet(self, name: str, picture: str | None) -> tuple[tuple[str, float], ...]:
        """The likeliest of ImageNet's classes. Raises `ConfigError`, `DataError` or `RunError`."""
        likeliest: tuple[tuple[str, float], ...]
        path = _asked(picture)
        pixels = self.decoder.seen(path, self.lanes.call("timm", predict.imagenet_view, name, timeout=LOADING))
        likeliest = self.lanes.call("timm", predict.imagenet, name, pixels, timeout=LOADING)
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
        found: list[tuple[Any, str]] = self.lanes.call("predictions", predict.examples, dataset)
        return found

    # ---- before and inside
    def preview(self, values: Mapping[str, Any]) -> Look:
        """What the network would see first with this config. Raises `ConfigError`, `DataError` or `RunError`."""
        config = offered(values)
        self.datasets.ready_to_look(config)
        seen: Look = self.lanes.call(_lane("preview", config), preview.look, config.model_dump(mode="json"))
        return seen

    def inside(self, run: Run) -> dict[str, Any]:
        """What regularizers have left behind in it, kept until its weights change. Raises as `answer`."""
        key = (run.id, *weights_stamp(run))
        with self._looking:
            if key in self._looks:
                self._looks.move_to_end(key)
                return self._looks[key]
        seen: dict[str, Any] = self.lanes.call("inside", inside.look, str(run.path), timeout=LOADING)
        if "problem" not in seen:  # which may have gone by the next look
            with self._looking:
                self._looks[key] = seen
                while len(self._looks) > LOOKS:
                    self._looks.popitem(last=False)
        return seen

    # ---- what a run is worth
    def evaluate(self, run: Run) -> None:
        """Answer the run's validation and test images and keep the answers in its folder: seconds to minutes.

        Raises `ConfigError`, `DataError` or `RunError`.
        """
        self.runs.check_taken(run)
        if run.config.on_features:
            self.datasets.ready(run.config)
        else:
            self.datasets.ready_to_look(run.config)
        limits, address = self.runs.access.deployment.limits, address_of(self.runs.training.seat)
        most = limits.run_minutes if address else None  # of the host nothing is limited
        with self._evaluating:
            if run.id in self.evaluating:
                raise RunError(f"Run “{run.name}” is being evaluated already: wait for that.")
            if most and address in self.evaluating.values():
                raise BusyError("You have an evaluation under way already: wait for it before you ask for another.")
            self.evaluating[run.id] = address
        try:
            self.evaluations.call(evaluate.evaluate, run, timeout=60 * most if most else EVALUATING)
        finally:
            with self._evaluating:
                del self.evaluating[run.id]
                if not self.evaluating:
                    self.evaluations.close()  # it has done its work and need not sit in memory
        if not mistakes.is_ready(run):
            raise RunError(
                f"Run “{run.name}” was evaluated, but nothing can be kept in its folder: free some disk space, or copy it to"
                " where it can be written."
            )

    def mistakes(self, run: Run) -> Mistakes:
        """Its wrong answers to the test images. Raises `DataError`, or `RunError` for one that was not evaluated."""
        self.datasets.ready_to_look(run.config)
        found: Mistakes = self.lanes.call("errors", mistakes.look, str(run.path))
        return found

    def card(self, run: Run) -> str:
        """Its model card. Raises `ConfigError`, `DataError` or `RunError` where there is none: no epoch, no backbone."""
        return str(self.lanes.call("cards", model_card.model_card, run))

    def taken_for(self, run: Run, true: int, predicted: int) -> tuple[Answered, ...]:
        """Test pictures of one class that are taken for another. Raises as `mistakes`, and `ConfigError`."""
        found: tuple[Answered, ...] = self.lanes.call("errors", mistakes.pictures, str(run.path), true, predicted)
        return found


def _lane(usual: str, config: RunConfig) -> str:
    """Where to call for this network: one of timm brings the whole of timm along, which takes seconds to import."""
    return "timm" if pretrained.is_timm(config.model) else usual


def weights_stamp(run: Run) -> tuple[int, int]:
    """Changes when the weights do. Raises `RunError` when there are none."""
    try:
        facts = (run.path / "model.safetensors").stat()
    except OSError:
        raise RunError(
            f"Run “{run.name}” has no weights yet: wait for its first epoch, or choose another run."
        ) from None
    return facts.st_size, facts.st_mtime_ns


def _asked(picture: str | None) -> Path:
    if not picture:
        raise ConfigError("There is no picture yet: upload, paste or photograph one, or click an example.")
    return Path(picture)
