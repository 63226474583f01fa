"""What a run cost, read off its `timing.jsonl`: what comes once, what comes with each epoch, and what each image costs.

    cost = cost_of(run, summary)
    cost.of(config)

A tiny run spends most of its time on its start, on judging and on saving. Divided by its few images that would make every
image a thousand times too dear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from reglab.config import TEST, RunConfig
from reglab.data import SIDE, source
from reglab.errors import RunError
from reglab.runs.lines import Line, is_timing

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
    memory: int = 0  # bytes of a GPU beside its pictures; 0 where it was trained without one

    def of(self, c: RunConfig) -> float:
        """Seconds of this run, which is of the same kind."""
        learning = self.per_image * c.epochs * c.train_images
        return self.start + learning + self.per_judged * judged(c, c.epochs) + self.per_epoch * c.epochs

    def memory_of(self, c: RunConfig) -> int:
        """Bytes of the GPU that this run takes, which is of the same kind; 0 where that was not measured."""
        return self.memory + pictures(c.train_images, c) if self.memory else 0


def pictures(train_images: int, c: RunConfig) -> int:
    """Bytes of the pictures of a run that learns from so many."""
    return (train_images + c.val_size + source(c.dataset).test_images) * 3 * SIDE**2


def judged(c: RunConfig, epochs: int) -> int:
    """How many images a run of so many epochs answers without learning, at most.

    Those behind a point after each epoch and before the first; at the end all of them, and all test images, and some of these
    once more where its best epoch is not its last.
    """
    test, points, everything = source(c.dataset).test_images, sum(c.judged), sum(c.judgeable)
    if points == everything:
        return (epochs + 1) * points + 2 * test
    return (epochs + 1) * points + everything + test + min(test, TEST * c.judged_size)


def cost_of(run: Run, summary: Mapping[str, Any]) -> Cost | None:
    """Of a finished run; None where it took too few steps to tell, or its times are damaged."""
    try:
        *lines, last = [line for line in run.lines(file="timing.jsonl")[0] if is_timing(line)]
        return _cost(lines, last, run.config, summary["epoch"], summary["train_size"])
    except (KeyError, TypeError, ValueError, ArithmeticError, RunError):
        return None


def _cost(lines: Sequence[Line], last: Line, c: RunConfig, epochs: int, train_images: int) -> Cost | None:
    """`last` is the line after the test; `train_images` as many as it had, which the config says where it does not say all."""
    batch_size = min(c.batch_size, train_images)
    steps = train_images // batch_size
    learned = steps * batch_size  # images of an epoch
    if steps * epochs < LEAST_STEPS:
        return None
    ends = {line["epoch"]: line for line in lines if line["epoch"] == 0 or line["batch"] == line["batches"]}
    took = {e: ends[e]["seconds"] - ends[e - 1]["seconds"] for e in ends if e - 1 in ends}
    stepping = {e: learned / ends[e]["images_per_second"] for e in took}
    later = [e for e in took if e > 1]
    steady = later if len(later) * steps >= LEAST_STEPS else list(took)
    per_image = sum(stepping[e] for e in steady) / (len(steady) * learned)
    per_judged = max(0.0, median(took[e] - stepping[e] for e in steady)) / sum(c.judged)
    known = per_image * learned * epochs + per_judged * judged(c, epochs)
    saved = {e: ends[e].get("saving", 0.0) - ends[e - 1].get("saving", 0.0) for e in took}
    per_epoch = max(0.0, median(saved[e] for e in steady))
    rest = last["seconds"] - known, last.get("saving", 0.0) - per_epoch * epochs, last.get("loading", 0.0)
    memory = max(0, int(last.get("memory", 0)) - pictures(train_images, c))
    return Cost(sum(max(0.0, seconds) for seconds in rest), per_image, per_judged, per_epoch, memory)


def clock(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`, `55 days`."""
    for most, unit, name in ((90, 1, "s"), (5_400, 60, "min")):
        if seconds < most:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 3_600:.1f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:,.0f} days"
