"""How fast a machine trains, measured in a few seconds by steps of the lab's own loop, and what a run takes at that pace.

    pace = measured("cpu")
    pace.seconds(config, effort)          # of a whole run: learning, judging, start-up

A step takes a time for each layer, for each parameter (which the optimizer moves), for each multiply-add and for each number
that a layer hands on. Four small trainings tell the four. Over all networks of the lab, with 1 to 128 images a step, what
is estimated is 0.52 to 1.81 times what is measured (one core of an AMD EPYC with bf16, 2026-11-27).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import perf_counter, sleep
from typing import TYPE_CHECKING

from reglab import machine
from reglab.config import RunConfig
from reglab.data import SIDE, SOURCES, source
from reglab.models import ModelSpec
from reglab.models.effort import Effort, effort
from reglab.runs.cost import judged, pictures
from reglab.runs.files import read_json, write_json
from reglab.runs.lines import is_number
from reglab.runs.timed import passes

if TYPE_CHECKING:
    from reglab.data import Split

FORWARD = 1 / 3  # of a step's computing; the way back takes two
PROBES = (("basic_cnn", 0.125, 1), ("basic_cnn", 0.125, 128), ("basic_cnn", 1.0, 128), ("vgg11", 1.0, 1))
QUICKER = 0.95  # of the time before: that much is no chance
CALM = 8  # rounds in a row in which nothing got quicker
PAUSE, PATIENCE = 0.2, 9.0  # seconds between two rounds, and for all of them
ENOUGH = 3  # measurements, of which at least one will have found the machine idle


@dataclass(frozen=True)
class Pace:
    """Seconds of one training step for each of these, and what a run takes before its first."""

    layer: float
    parameter: float
    multiply_add: float
    activation: float
    start: float = 1.0  # of a whole run: its data and its network, where a worker waits for it

    def seconds(self, c: RunConfig, whole: Effort, epochs: float | None = None) -> float:
        """Of a run, or of that many of its epochs. `whole` is the effort of the whole network, also where a head learns."""
        classes, test = len(source(c.dataset).classes), source(c.dataset).test_images
        train, val = c.train_images, c.val_size
        epochs = c.epochs if epochs is None else epochs
        if c.on_features:
            # Every picture goes through the backbone once; a head on top of it takes next to nothing.
            return self.start + FORWARD * self._image(whole) * (train + val + test) + epochs * train * self.layer / 20
        batch = min(c.batch_size, train)
        step = self.layer * whole.layers + self.parameter * whole.parameters + batch * self._image(whole)
        learning = epochs * (train // batch) * step * passes(c)
        return self.start + learning + FORWARD * self._image(whole) * c.spec(classes).looks * judged(c, int(epochs))

    def _image(self, whole: Effort) -> float:
        return self.multiply_add * whole.multiply_adds + self.activation * whole.activations


ZERO_GPU = Pace(layer=2e-4, parameter=3e-11, multiply_add=4e-13, activation=4e-11, start=4.0)
"""Half a large GPU of today, by calculation and not measured: 10 us for each of twenty kernels that a layer comes to, 20 bytes
for a parameter and 40 for an activation at 1 TB/s, and 15 TFLOP/s; each slice has a process of its own, which must make the GPU
ready. The first finished run of a kind tells better."""


# Bytes for each number that a layer hands on; some keep none, some more.
ACTIVATION = {"fp32": 4.4, "bf16": 2.8, "fp16": 2.8}


def memory(c: RunConfig, whole: Effort, precision: str = "fp32") -> int:
    """Bytes that training it takes, about: torch, the pictures, the network with its optimizer, and a batch on its way back.

    Over seventeen set-ups of twelve networks it is 0.71 to 1.25 times the peak that was measured (`benchmarks/memory.json`).
    """
    torch_itself, number = 650 * 2**20, 4
    network = 5 * number * whole.parameters  # weights, gradients, two means of AdamW, and the best weights
    batch = ACTIVATION[precision] * whole.activations * (1 if c.on_features else min(c.batch_size, c.train_images))
    return torch_itself + pictures(c.train_images, c) + network + int(batch)


def measured(device: str, file: Path | None = None) -> Pace:
    """The pace of this machine. Raises what torch raises where it cannot train.

    `file` keeps the quickest that was ever measured here: a server may begin while the run of an earlier one still trains.
    After a few starts that is known, and nothing is measured any more.
    """
    kept = _kept(file, name_of(device))
    return _solved(kept.quickest if kept.measured >= ENOUGH else _keep(file, kept, _quickest(device)))


def _probes(device: str) -> list[RunConfig]:
    settings = {"dataset": "digits", "device": device}
    return [
        RunConfig.parse({**settings, "model": model, "width": width, "batch_size": batch})
        for model, width, batch in PROBES
    ]


def _solved(times: Sequence[float]) -> Pace:
    """What the probes tell that took these seconds a step."""
    import numpy as np
    from scipy.optimize import nnls

    whole = [(effort(ModelSpec(model, width=width)), batch) for model, width, batch in PROBES]
    rows = [[e.layers, e.parameters, batch * e.multiply_adds, batch * e.activations] for e, batch in whole]
    weighed = np.array(rows) / np.array(times)[:, None]  # so that a share of a short step counts as that of a long one
    scales = weighed.max(0)
    shares, _ = nnls(weighed / scales, np.ones(len(rows)))  # none of the four can be less than nothing
    return Pace(*map(float, shares / scales))


@dataclass(frozen=True)
class Kept:
    """What a file says of earlier measurements on a machine: how many there were, and the quickest time of each probe."""

    machine: str
    measured: int = 0
    quickest: Sequence[float] = ()


def _kept(file: Path | None, what: str) -> Kept:
    """Of this machine; what is damaged, or of another one, says nothing."""
    told = read_json(file) if file else {}
    times, n = told.get("seconds"), told.get("measured")
    if (
        told.get("machine") != what
        or not isinstance(n, int)
        or not isinstance(times, list)
        or len(times) != len(PROBES)
    ):
        return Kept(what)
    return Kept(what, n, times) if all(is_number(t) and t > 0 for t in times) else Kept(what)


def _keep(file: Path | None, kept: Kept, times: Sequence[float]) -> Sequence[float]:
    """The quickest of these and the earlier ones."""
    quickest = [*map(min, times, kept.quickest)] if kept.quickest else list(times)
    if file is not None:
        with contextlib.suppress(OSError):  # a folder that cannot be written to
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"machine": kept.machine, "measured": kept.measured + 1, "seconds": quickest})
    return quickest


def name_of(device: str) -> str:
    """What the times hold for: another processor, number of threads or torch has others."""
    import torch

    return f"{machine.device_name(torch.device(device))}, {machine.cpu_count()} threads, torch {torch.__version__}"


def _quickest(device: str) -> list[float]:
    """Seconds of a step of each probe: of as many rounds as it takes until they get no quicker.

    A server begins while a browser opens its page. What else runs makes a step only slower, and passes: so there is a pause
    between two rounds. The first, in which torch prepares itself, never counts for that.
    """
    probes = [_probe(c) for c in _probes(device)]
    quickest, calm, began = [inf] * len(probes), 0, perf_counter()
    while calm < CALM and perf_counter() - began < PATIENCE:
        took = [probe() for probe in probes]
        calm = 0 if any(new < QUICKER * old for new, old in zip(took, quickest, strict=True)) else calm + 1
        quickest = [*map(min, took, quickest)]
        sleep(PAUSE)
    return quickest


def _probe(c: RunConfig) -> Callable[[], float]:
    """What takes a step of the loop, and tells how many seconds that was."""
    import torch

    from reglab.training.train import Trainer

    trainer = Trainer(c, _pictures(c.batch_size))

    def step() -> float:
        trainer.epoch, trainer.batch = 1, 0
        trainer.begin_epoch()
        began = perf_counter()
        trainer.step()
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - began

    return step


def _pictures(n: int) -> Split:
    """So many grey pictures, of which nothing is to be learned."""
    import numpy as np

    from reglab.data import Split

    pixels, labels = np.full((n, SIDE, SIDE, 3), 127, np.uint8), np.zeros(n, np.int64)
    numbers = np.arange(n)
    return Split(
        key="digits", classes=SOURCES["digits"].classes, mirror=False, mean=np.full(3, 0.5), std=np.full(3, 0.25),
        train_images=pixels, train_labels=labels, true_labels=labels, corrupted=labels > 0, train_indices=numbers,
        val_images=pixels[:1], val_labels=labels[:1], val_indices=numbers[:1],
        test_images=pixels[:1], test_labels=labels[:1],
    )  # fmt: skip
