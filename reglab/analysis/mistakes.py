"""Which test images a run takes for what: its confusions, its surest mistakes, and how sure it is before and after tempering.

Everything is read off the answers that `evaluate` has kept, so no network is asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab import data
from reglab.analysis import evaluate
from reglab.errors import ConfigError, RunError
from reglab.runs.run import Run
from reglab.training import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

SUREST = 16  # mistakes that are shown
OF_A_CELL = 20  # pictures that are shown of a cell of the table
IN_TABLE = 20  # classes that a table can show


@dataclass(frozen=True)
class Answered:
    """A test image, what it is, what it is taken for, and how confidently."""

    pixels: np.ndarray  # (32, 32, 3) uint8
    true: str
    predicted: str
    confidence: float  # as the network gives it
    calibrated: float  # the same with the logits divided by the temperature


@dataclass(frozen=True)
class Mistakes:
    """What the test images say of a run's best weights."""

    run: str
    dataset: str  # its title
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # rows: the true class, columns: what it is taken for
    per_class: tuple[float | None, ...]  # accuracy; None without images
    images: int
    accuracy: float
    temperature: float
    raw: dict[str, Any]  # how sure it is as it comes, see `sureness`
    calibrated: dict[str, Any]  # the same with the logits divided by the temperature
    surest: tuple[Answered, ...]


def is_ready(run: Run) -> bool:
    """Whether the run has been evaluated, so that `look` takes no time."""
    return evaluate.known(run) is not None and (run.path / evaluate.ANSWERS).exists()


def look(run_path: str) -> Mistakes:
    """The mistakes of an evaluated run. Raises `RunError` for another, `DataError` without the data set."""
    run = Run(Path(run_path))
    known, source = _evaluation(run), data.source(run.config.dataset)
    logits, labels = _answers(run, known)
    return Mistakes(
        run=run.id,
        dataset=source.title,
        classes=source.classes,
        counts=tuple(map(tuple, metrics.confusion(logits, labels, len(source.classes)).tolist())),
        per_class=tuple(metrics.per_class(logits, labels, len(source.classes))),
        images=len(labels),
        accuracy=metrics.accuracy(logits, labels),
        temperature=known.temperature,
        raw=sureness(logits, labels),
        calibrated=sureness(logits / known.temperature, labels),
        surest=_pictures(run, surest(logits, labels)[:SUREST], logits, labels, known.temperature),
    )


def pictures(run_path: str, true: int, predicted: int) -> tuple[Answered, ...]:
    """Test images of one class that are taken for another, or for what they are; the surest answers first, 20 at most.

    Raises as `look` does, and `ConfigError` for a class that there is not.
    """
    run = Run(Path(run_path))
    known, classes = _evaluation(run), data.source(run.config.dataset).classes
    if not (0 <= true < len(classes) and 0 <= predicted < len(classes)):
        raise ConfigError(f"There are no classes {true} and {predicted}: choose 0 to {len(classes) - 1}.")
    logits, labels = _answers(run, known)
    rows = taken_for(logits, labels, true, predicted)[:OF_A_CELL]
    return _pictures(run, rows, logits, labels, known.temperature)


# ---- from logits (N, classes) and labels (N,) --------------------------------------------------------------------
def surest(logits: Tensor, labels: Tensor) -> list[int]:
    """The rows that are answered wrongly, the most confident first."""
    return _by_confidence(logits, logits.argmax(1) != labels)


def taken_for(logits: Tensor, labels: Tensor, true: int, predicted: int) -> list[int]:
    """The rows of one class that are taken for `predicted`, the most confident first."""
    return _by_confidence(logits, (labels == true) & (logits.argmax(1) == predicted))


def _by_confidence(logits: Tensor, wanted: Tensor) -> list[int]:
    confidence = logits.double().softmax(1).amax(1)
    order: list[int] = confidence.argsort(descending=True, stable=True).tolist()
    return [row for row in order if wanted[row]]


def sureness(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """ece, and the bins that it is made of: reliability, as `metrics.reliability` tells it."""
    confidence, predicted = logits.double().softmax(1).max(1)
    return {
        "ece": metrics.calibration_error(logits, labels),
        "confidence": confidence.mean().item(),
        "reliability": metrics.reliability(confidence, predicted == labels),
    }


def in_table(counts: Sequence[Sequence[int]], most: int = IN_TABLE) -> list[int]:
    """The classes to show: all, or so many of those in the most frequent confusions, in their own order."""
    if len(counts) <= most:
        return list(range(len(counts)))
    pairs = sorted(
        ((true, taken) for true in range(len(counts)) for taken in range(len(counts)) if true != taken),
        key=lambda pair: -counts[pair[0]][pair[1]],
    )
    return sorted(list(dict.fromkeys(c for pair in pairs for c in pair))[:most])


# ---- from a run --------------------------------------------------------------------------------------------------
def _evaluation(run: Run) -> evaluate.Evaluation:
    known = evaluate.known(run)
    if known is None:
        raise RunError(f"Run “{run.name}” has not been evaluated on the test images: press Evaluate first.")
    return known


def _answers(run: Run, known: evaluate.Evaluation) -> tuple[Tensor, Tensor]:
    import torch

    logits, dataset = evaluate.answers(run), data.load(run.config.dataset, test_images=run.test_images)
    if known.revision != dataset.revision:
        raise RunError(
            f"Run “{run.name}” was evaluated on another edition of {dataset.source.title} than is here: evaluate it again."
        )
    return logits, torch.from_numpy(dataset.test_labels.copy())


def _pictures(run: Run, rows: list[int], logits: Tensor, labels: Tensor, temperature: float) -> tuple[Answered, ...]:
    dataset = data.load(run.config.dataset, test_images=run.test_images)
    classes = dataset.source.classes
    found = []
    for row in rows:
        said = logits[row].double()
        confidence, predicted = (v.item() for v in said.softmax(0).max(0))
        found.append(
            Answered(
                pixels=dataset.test_images[row].copy(),
                true=classes[int(labels[row])],
                predicted=classes[int(predicted)],
                confidence=confidence,
                calibrated=(said / temperature).softmax(0).max().item(),
            )
        )
    return tuple(found)
