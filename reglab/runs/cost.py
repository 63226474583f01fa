"""What a run cost, read off its `timing.jsonl`: what comes once, what comes with each epoch, and what each image costs.

    cost = cost_of(run, summary)
    cost.seconds(epochs=20, train_images=5_000, val_images=2_000, test_images=10_000)

A tiny run spends most of its time on its start, on judging and on saving. Divided by its few images that would make every
image a thousand times too dear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from reglab.config import RunConfig
from reglab.data import source
from reglab.errors import RunError
from reglab.runs.lines import Line, is_timing
from reglab.training.events import CLEAN_SLICE

if TYPE_CHECKING:
    from reglab.runs.run import Run

LEAST_STEPS = 20  # of fewer the first few, in which libraries warm up, are too large a part


@dataclass(frozen=True)
class Cost:
    """Seconds on the machine that trained it."""

    start: (
        float  # whatever its size: loading the data, building the network, what the first of all took more than others
    )
    per_image: float  # learned from once
    per_judged: float  # image that is only answered
    per_epoch: float  # writing its folder

    def of(self, c: RunConfig) -> float:
        """Seconds of this run, which is of the same kind."""
        return self.seconds(c.epochs, c.train_images, c.val_size, source(c.dataset).test_images)

    def seconds(self, epochs: int, train_images: int, val_images: int, test_images: int) -> float:
        """Of a run of the same kind with so many images."""
        learning = self.per_image * epochs * train_images
        judging = self.per_judged * judged(epochs, train_images, val_images, test_images)
        return self.start + learning + judging + self.per_epoch * epochs


def judged(epochs: int, train_images: int, val_images: int, test_images: int) -> int:
    """How many images a run answers without learning: after each epoch and before the first, and twice those of the test."""
    return (epochs + 1) * (min(CLEAN_SLICE, train_images) + val_images) + 2 * test_images


def cost_of(run: Run, summary: Mapping[str, Any]) -> Cost | None:
    """Of a finished run; None where it took too few steps to tell, or its times are damaged."""
    try:
        *lines, last = [line for line in run.lines(file="timing.jsonl")[0] if is_timing(line)]
        sizes = summary["train_size"], summary["val_images"], summary["test_images"]
        return _cost(lines, last, run.config.batch_size, summary["epoch"], sizes)
    except (KeyError, TypeError, ValueError, ArithmeticError, RunError):
        return None


def _cost(lines: Sequence[Line], last: Line, batch_size: int, epochs: int, sizes: tuple[int, int, int]) -> Cost | None:
    """`last` is the line after the test; `sizes` are the training, validation and test images."""
    train_images, val_images, _ = sizes
    steps = train_images // min(batch_size, train_images)
    learned = steps * min(batch_size, train_images)  # images of an epoch
    if steps * epochs < LEAST_STEPS:
        return None
    ends = {line["epoch"]: line for line in lines if line["epoch"] == 0 or line["batch"] == line["batches"]}
    took = {e: ends[e]["seconds"] - ends[e - 1]["seconds"] for e in ends if e - 1 in ends}
    stepping = {e: learned / ends[e]["images_per_second"] for e in took}
    later = [e for e in took if e > 1]
    steady = later if len(later) * steps >= LEAST_STEPS else list(took)
    per_image = sum(stepping[e] for e in steady) / (len(steady) * learned)
    per_judged = max(0.0, median(took[e] - stepping[e] for e in steady)) / (min(CLEAN_SLICE, train_images) + val_images)
    known = per_image * learned * epochs + per_judged * judged(epochs, *sizes)
    saved = {e: ends[e].get("saving", 0.0) - ends[e - 1].get("saving", 0.0) for e in took}
    per_epoch = max(0.0, median(saved[e] for e in steady))
    rest = last["seconds"] - known, last.get("saving", 0.0) - per_epoch * epochs, last.get("loading", 0.0)
    return Cost(sum(max(0.0, seconds) for seconds in rest), per_image, per_judged, per_epoch)


def clock(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`, `55 days`."""
    for most, unit, name in ((90, 1, "s"), (5_400, 60, "min")):
        if seconds < most:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 3_600:.1f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:,.0f} days"
