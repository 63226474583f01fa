"""What a run can say while it trains. `train()` yields these; printing, plotting, saving and testing listen.

All but `Preparing`, `Step`, `Snapshot` and `Paused` become one line of `metrics.jsonl` each, `{"event": "epoch", "epoch": 3, ...}`.
They hold nothing that a second run of the same config would not repeat: wall clock and speed are measured by whoever listens.
Accuracies, the gap and calibration errors are fractions from 0 to 1; losses are in nats per image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from reglab.config import standard_error

if TYPE_CHECKING:
    from torch import Tensor

    from reglab.config import RunConfig

Tensors = Mapping[str, "Tensor"]


class Interrupted(Exception):
    """Someone asked to stop; `train` catches it and says `Stopped`."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that a run says, and the line of `metrics.jsonl` that it becomes."""

    name: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """Everything but tensors, with the event's name first and what does not apply left out."""
        values = {k: v for k, v in asdict(self).items() if v is not None}
        return {"event": self.name, **values}


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """What is about to be trained, and with what. Said once; a resumed run does not say it again."""

    name: ClassVar[str] = "started"
    parameters: int
    train_images: int
    val_images: int
    test_images: int
    steps_per_epoch: int
    device: str
    precision: str
    threads: int
    mean: tuple[float, ...]  # of each channel, subtracted from every image before the network sees it
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Switched(Event):
    """A run with precision `auto` goes on in another one, on a device that has not the one `before` natively."""

    name: ClassVar[str] = "switched"
    epoch: int
    step: int
    precision: str
    before: str


@dataclass(frozen=True, kw_only=True)
class Preparing(Event):
    """Something that must be there before training begins is being computed."""

    name: ClassVar[str] = "preparing"
    what: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """One optimizer step is under way, with what is known within its epoch without waiting for the device.

    That is for a page to move by, and no part of the record: `running_*` are means over the steps of the epoch, as in `Epoch`,
    and `val_*` now and then, on a few validation images (`Trainer.glimpse`).
    """

    name: ClassVar[str] = "step"
    epoch: int
    batch: int  # counted from 1
    batches: int
    images: int  # in this step, and in those before it that were not told of
    running_loss: float | None = None
    running_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Epoch(Event):
    """The network after an epoch; epoch 0 is the untrained one.

    `train_*`, `fit_*` and `val_*` are measured in eval mode, without augmentation, on fixed slices of the training and the
    validation images (`RunConfig.judged` says how many): `train_*` against the true labels, `fit_*` against the labels as
    given. Without label noise they are the same, and `fit_*` and `memorised` (share of the wrong labels in the slice that
    the network has learned) are left out.
    `running_*` is what the optimiser saw: dropout on, images augmented, labels mixed.
    """

    name: ClassVar[str] = "epoch"
    epoch: int
    step: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    ece: float
    gap: float
    running_loss: float | None = None
    running_accuracy: float | None = None
    penalty: float | None = None
    fit_loss: float | None = None
    fit_accuracy: float | None = None
    memorised: float | None = None


@dataclass(frozen=True, kw_only=True)
class Best(Event):
    """The best epoch so far by its validation accuracy. The tensors are live: copy or write them before asking for more."""

    name: ClassVar[str] = "best"
    epoch: int
    val_accuracy: float
    weights: Tensors = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Without the weights, which are a file of their own."""
        return {"event": self.name, "epoch": self.epoch, "val_accuracy": self.val_accuracy}


@dataclass(frozen=True, kw_only=True)
class Snapshot(Event):
    """Everything needed to go on from here. The tensors are live: write them before asking for more."""

    name: ClassVar[str] = "snapshot"
    state: dict[str, Any]
    tensors: Tensors = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Paused(Event):
    """The time that the run had in this place is over: it goes on from the snapshot before this event as if nothing had been."""

    name: ClassVar[str] = "paused"


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """The end, with the numbers on the test images, which were opened just now for the first time.

    `best` and `last` are the best epoch by its validation accuracy (`best_epoch`), and the last one. `reported` says which of
    the two the run stands by: the last, unless there is a regularizer that may end training (`reason`) to go back. In runs
    from before, it had to have ended it. That one is judged on everything: all training images up to 2,000, all validation
    and all test images. The other has the numbers of its point, and `test_images` says on how many its test numbers are.
    `right` says which test images they got right that were judged on all (`right.py`); it is a file of its own, for a page
    that reads events has no use for it.
    """

    name: ClassVar[str] = "finished"
    epochs: int
    reported: str
    best: dict[str, Any]
    last: dict[str, Any]
    reason: str = ""
    right: dict[str, Any] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Without the bits, which are a file of their own."""
        return {k: v for k, v in super().to_json().items() if k != "right"}


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """Someone asked to stop, or the run was pruned (`reason`); it can be resumed from the snapshot before this event.

    `cut_off`: nobody asked, and it was not pruned; `reason` says what stood in the way, and it is meant to go on.
    """

    name: ClassVar[str] = "stopped"
    epoch: int
    step: int
    reason: str | None = None
    cut_off: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """Training cannot go on: one sentence that says where, why, and what usually helps."""

    name: ClassVar[str] = "failed"
    reason: str
    epoch: int | None = None
    step: int | None = None


def best_epoch(history: Sequence[Epoch], config: RunConfig) -> Epoch:
    """The epoch with the highest validation accuracy, of equals the first; of those that its slice cannot tell apart, the last.

    The highest of many on few images is as likely a lucky one: on 125, chosen so, it is right about a point less often on test
    images than the last. As two epochs are judged on the same images, half of a standard error tells them apart.
    """
    best = highest = history[0]
    for e in history[1:]:
        error = standard_error(highest.val_accuracy, config.judged[1], config.judgeable[1]) / 2
        best = e if e.val_accuracy > highest.val_accuracy - error else best
        highest = e if e.val_accuracy > highest.val_accuracy else highest
    return best


def as_reported(epoch: Epoch, told: Mapping[str, Any]) -> Epoch:
    """The epoch with the numbers that `Finished` has of it, judged on everything; its calibration there is that of the test."""
    known = {f.name for f in fields(Epoch)} - {"epoch", "ece"}
    return replace(epoch, **{k: v for k, v in told.items() if k in known})


def epoch_from_json(line: Mapping[str, Any]) -> Epoch:
    """The `Epoch` a line of `metrics.jsonl` tells of. Raises TypeError when a required number is missing."""
    known = {f.name for f in fields(Epoch)}
    return Epoch(**{k: v for k, v in line.items() if k in known})
