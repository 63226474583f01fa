"""Parts of `gpu.py` that train whole runs: the default comparison, a sweep through the queue, and two networks to their targets."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reglab import data
from reglab.config import RunConfig
from reglab.experiments.axes import axis
from reglab.experiments.executors import local, queue
from reglab.experiments.experiment import Experiment
from reglab.experiments.sweep import sweep as swept
from reglab.jobs.queue import Jobs
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.teaching.presets import PRESETS
from reglab.training.events import Epoch, Event

if TYPE_CHECKING:
    from gpu import Asked, Told

ROOT = Path(__file__).resolve().parent.parent
OVER = ("dropout.rate=0,0.2,0.4,0.6", "weight_decay.strength=0,1.5,5")
SEEDS = 3
SMALL = {"dataset": "digits", "train_size": 64, "val_size": 64, "batch_size": 16, "width": 0.125, "epochs": 1}
RESNET18 = {
    "model": "resnet18",
    "epochs": 30,
    "batch_size": 256,
    "lr": 0.2,
    "optimizer": "sgd",
    "regularizers": {
        "batch_norm": {},
        "weight_decay": {"strength": 0.005},
        "flip_crop": {},
        "cutout": {"length": 8},
        "label_smoothing": {},
    },
}


def pair(asked: Asked, told: Told) -> None:
    """Plain and with the regularizers of the course, 20 epochs of all images, in one job: as Train does it."""
    classic = next(preset for preset in PRESETS if preset.title == "Classic")
    config = RunConfig.parse({"regularizers": classic.regularizers, **(SMALL if asked.small else {})})
    data.load(config.dataset)
    first: dict[Run, float] = {}
    began = time.perf_counter()

    def listen(run: Run, event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 1:
            first[run] = time.perf_counter() - began

    with tempfile.TemporaryDirectory() as folder:
        runs = local.train(Experiment.pair(config), Store(folder), listen)
        seconds = time.perf_counter() - began
        for run in runs:
            told.row(run.config.recipe(), **{"first point, s": first.get(run), **numbers(run)})
    told.row("both", **{"first point, s": max(first.values()), "seconds": seconds})
    told.target("the default comparison, 20 epochs of all images, seconds", seconds, most=15)


def numbers(run: Run) -> dict[str, Any]:
    """What stands in a row about a run. Raises `RuntimeError` where it has not finished."""
    summary = run.summary()
    if summary["status"] != "finished":
        raise RuntimeError(f"{run.config.title()}: {summary.get('reason', summary['status'])}")
    told = {name: summary[name] for name in ("train_accuracy", "val_accuracy", "test_accuracy", "images_per_second")}
    memory = run.last_timing().get("memory")
    return {**told, "memory, MiB": memory >> 20 if memory else None}


def sweep(asked: Asked, told: Told) -> None:
    """4 x 3 settings with 3 seeds, 20 epochs of 2,000 images each, asked of the queue of the app and waited for."""
    base = RunConfig.parse(SMALL if asked.small else {"train_size": 2_000, "device": "auto"})
    over = ("dropout.rate=0,0.5",) if asked.small else OVER
    experiment = swept(base, [axis(text) for text in over], 1 if asked.small else SEEDS)
    data.load(base.dataset)
    with tempfile.TemporaryDirectory() as folder:
        jobs = Jobs(Store(folder))
        try:
            jobs.machine(timeout=60)  # as a page does that has been open for a while
            began, most = time.perf_counter(), 0
            runs = queue.train(experiment, jobs)
            while any(jobs.status(run) in ("queued", "running") for run in runs):
                most = max(most, jobs.counts()[0])
                time.sleep(0.05)
            seconds = time.perf_counter() - began
            accuracies = [numbers(run)["test_accuracy"] for run in runs]
            told.row("whole", **{"runs": len(runs), "at once, at most": most, "seconds": seconds})
            told.row("each", **{"test accuracy, median": statistics.median(accuracies), **numbers(runs[0])})
        finally:
            jobs.close()
    told.target("a sweep of 4 x 3 settings with 3 seeds, seconds", seconds, most=60)


# ---- to an accuracy ----------------------------------------------------------------------------------------------
def to_accuracy(config: RunConfig, told: Told, seeds: int) -> tuple[float, float, float]:
    """Over some seeds: the median of a run's seconds, of those that it trained and was judged, and its mean test accuracy."""
    seconds, training, accuracies = [], [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            [run] = local.train(Experiment.run(config.model_copy(update={"seed": seed})), Store(folder))
            seconds.append(time.perf_counter() - began)
            accuracies.append(numbers(run)["test_accuracy"])
            training.append(run.summary()["seconds"])
            spent = {"seconds": seconds[-1], "training, s": training[-1]}
            told.row(f"{config.model}, seed {seed}", **spent, **numbers(run))
    middle, trained, accuracy = statistics.median(seconds), statistics.median(training), statistics.mean(accuracies)
    told.row(f"{config.model}, all", **{"seconds": middle, "training, s": trained, "test_accuracy": accuracy})
    return middle, trained, accuracy


def speed(asked: Asked, told: Told) -> None:
    """The recipe of the network that is shipped, with other seeds; then somebody's script on the same card."""
    recipe = json.loads((ROOT / "checkpoints/speed_cnn/config.json").read_text("utf-8"))["config"]
    changes = {"epochs": 1, **{k: SMALL[k] for k in ("dataset", "train_size", "val_size", "batch_size")}, "width": 0.25}
    config = RunConfig.parse({**recipe, "train_size": None, **(changes if asked.small else {})})
    data.load(config.dataset)
    _, training, accuracy = to_accuracy(config, told, 1 if asked.small else 3)
    told.target("speed_cnn, mean test accuracy", accuracy, least=0.94)
    if not asked.theirs:
        told.row("their script", said="none was given: --theirs SCRIPT")
        return
    write_as_they_read_it(asked.dataset)
    began = time.perf_counter()
    done = subprocess.run([sys.executable, str(asked.theirs)], capture_output=True, text=True)
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-12:]
    told.row("their script", **{"seconds": time.perf_counter() - began, "said": " / ".join(last)[-1_500:]})
    if theirs := seconds_said(done.stdout):
        told.row("their script, a run", **{"training, s": statistics.median(theirs)})
        told.target("speed_cnn, times the seconds of their script", training / statistics.median(theirs), most=1.25)


def seconds_said(printed: str) -> list[float]:
    """The seconds of each run by airbench's table: the last column of the lines of an evaluation."""
    rows = [re.findall(r"\d+\.\d+", line) for line in printed.splitlines() if "|" in line and "eval" in line]
    return [float(numbers[-1]) for numbers in rows if numbers]


def write_as_they_read_it(dataset: str) -> None:
    """The images where airbench's scripts look before they ask the network: `cifar10/train.pt` and `test.pt`."""
    whole = data.load(dataset)
    folder = Path("cifar10")
    folder.mkdir()
    for name, images, labels in (("train", whole.images, whole.labels), ("test", whole.test_images, whole.test_labels)):
        held = {"images": torch.from_numpy(images.copy()), "labels": torch.from_numpy(labels.copy())}
        torch.save({**held, "classes": list(whole.source.classes)}, folder / f"{name}.pt")


def resnet18(asked: Asked, told: Told) -> None:
    """Thirty epochs of all images, once."""
    config = RunConfig.parse({**RESNET18, **(SMALL if asked.small else {})})
    data.load(config.dataset)
    seconds, _, accuracy = to_accuracy(config, told, 1)
    told.target("resnet18, test accuracy", accuracy, least=0.95)
    told.target("resnet18, seconds", seconds, most=60)
