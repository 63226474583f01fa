"""What a run's best weights are worth: every validation and test image answered once, and the answers kept.

    evaluation.json        accuracy, calibration and its temperature, classes, energies: an `Evaluation`
    answers.safetensors    the logits of the test images

Both stand in the run's folder and name the weights they were made with, so that those of other weights never count. The
temperature is fitted on validation images and judged on test images. Validation has also chosen the epoch, and may
look a little better than it is; the test images have chosen nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from reglab import data
from reglab.analysis.networks import logits_of
from reglab.errors import ConfigError, RunError
from reglab.runs.files import read_json, write_bytes, write_json
from reglab.runs.recording import seal
from reglab.runs.run import Run
from reglab.runs.tensors import tensor_bytes
from reglab.training import metrics

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FILE, ANSWERS = "evaluation.json", "answers.safetensors"
AT_ONCE = 2_000  # pictures between two words of progress
QUANTILES = {"0.15%": 0.0015, "1%": 0.01, "5%": 0.05, "50%": 0.5}
LATER = {"0.15%"}  # evaluations of old do without

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Evaluation:
    """How good the best weights of a run are, and how sure they may be; of the test images, where nothing else is said."""

    run: str
    dataset: str
    revision: Annotated[
        str, Field(pattern=r"^[\w.-]{1,64}$")
    ]  # of the data set: its commit on the Hub, or the edition of a built-in one
    weights: str  # SHA-256 of model.safetensors
    test_images: Annotated[int, Field(gt=0)]
    val_images: Annotated[int, Field(gt=0)]
    accuracy: Share
    loss: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    ece: Share
    ece_calibrated: Share  # with the logits divided by the temperature
    temperature: Annotated[float, Field(ge=metrics.COLDEST, le=metrics.HOTTEST)]  # fitted on the validation images
    per_class: dict[str, Share | None]  # accuracy; None without images
    energy: dict[
        str, Annotated[float, Field(allow_inf_nan=False)]
    ]  # quantiles of the validation images' `metrics.energy`

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy, as far as the draw of the test images goes."""
        return metrics.wilson(self.accuracy, self.test_images)

    def to_json(self) -> dict[str, Any]:
        """As it is kept in `evaluation.json`; shares from 0 to 1."""
        return asdict(self)


def evaluate(
    run: Run,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Answer the validation and test images of the run's data set, and keep the result in its folder where that can be.

    It cannot be where the folder is read-only, and must not while the run is being trained. `progress` is told images
    done, and in all. Raises `RunError` without weights, `DataError` without the data set, `Interrupted` when stopped.
    """
    return _evaluated(run, stop, progress)[0]


def known(run: Run) -> Evaluation | None:
    """What `evaluate` has kept; None when there is nothing, nothing whole, or only something of other weights."""
    value = read_json(run.path / FILE)
    try:
        kept = _evaluations().validate_python(value | {"run": run.id})  # a copied run has an id of its own
        source = data.source(run.config.dataset)
        if kept.weights != _digest_of_weights(run):
            return None
    except (ValidationError, RunError, ConfigError):
        return None
    told = (kept.dataset, tuple(kept.per_class), kept.energy.keys() | LATER)
    return kept if told == (source.key, source.classes, QUANTILES.keys()) else None


def answers(run: Run) -> Tensor:
    """The kept logits of the test images (test_images, classes), in their order. RunError where there are none of use."""
    import torch

    source, digest = data.source(run.config.dataset, run.test_images), _digest_of_weights(run)
    with contextlib.suppress(RunError, KeyError):
        tensors, metadata = run.tensors(ANSWERS)
        logits, weights = tensors["logits"], metadata["weights"]
        fits = logits.shape == (source.test_images, len(source.classes)) and bool(torch.isfinite(logits).all())
        if fits and weights == digest:
            return logits
    raise RunError(f"There are no answers of run “{run.name}” to the test images, or no whole ones: evaluate it.")


def _evaluated(
    run: Run,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Evaluation, Tensor]:
    """The evaluation, and the logits of the test images."""
    import torch

    c = run.config
    weights, found = _digest_of_weights(run), ""
    dataset = data.load(c.dataset, test_images=run.test_images)
    split = data.split(dataset, c.train_size, c.val_size, c.label_noise, c.seed)
    while weights != found:  # once more where the run is being trained and has become better meanwhile
        weights = _digest_of_weights(run)
        val, test = _logits(run, (split.val_images, split.test_images), stop, progress)
        found = _digest_of_weights(run)
    if not (torch.isfinite(val).all() and torch.isfinite(test).all()):
        raise RunError(f"Run “{run.name}” does not answer in finite numbers: choose another run.")
    val_labels, test_labels = torch.from_numpy(split.val_labels), torch.from_numpy(split.test_labels.copy())
    degrees = metrics.temperature(val, val_labels)
    energies = metrics.energy(val)
    judged = metrics.judge(test, test_labels)
    result = Evaluation(
        run=run.id,
        dataset=split.key,
        revision=dataset.revision,
        weights=weights,
        test_images=len(test),
        val_images=len(val),
        **judged,
        ece_calibrated=metrics.calibration_error(test.double() / degrees, test_labels),
        temperature=degrees,
        per_class=dict(zip(split.classes, metrics.per_class(test, test_labels, len(split.classes)), strict=True)),
        energy={name: energies.quantile(share).item() for name, share in QUANTILES.items()},
    )
    _keep(run, result, test)
    return result, test


def _logits(
    run: Run, sets: Sequence[np.ndarray], stop: Callable[[], bool], progress: Callable[[int, int], None]
) -> list[Tensor]:
    """The logits of several sets of pictures, with word of all of them together."""
    import torch

    total, done, found = sum(map(len, sets)), 0, []
    for pixels in sets:
        parts = []
        for start in range(0, len(pixels), AT_ONCE):
            parts.append(logits_of(run, pixels[start : start + AT_ONCE], stop))
            done += len(parts[-1])
            progress(done, total)
        found.append(torch.cat(parts))
    return found


def _keep(run: Run, result: Evaluation, test: Tensor) -> None:
    """Write both files, and the manifest anew where there is one: there is none while a run goes on."""
    if not data.is_writable(run.path):
        return
    try:
        with run.locked():
            if _digest_of_weights(run) != result.weights:
                return
            write_bytes(run.path / ANSWERS, tensor_bytes({"logits": test}, {"weights": result.weights}))
            write_json(run.path / FILE, result.to_json())
            if (run.path / "manifest.json").exists():
                seal(run)
    except (RunError, OSError):
        pass  # it is being trained, or the disk is full: the answer is worth having all the same


def _digest_of_weights(run: Run) -> str:
    """SHA-256 of the run's best weights. Raises `RunError` when there are none."""
    path = run.path / "model.safetensors"
    try:
        now = path.stat()
        return _digest(path, (now.st_ino, now.st_mtime_ns, now.st_size))
    except OSError:
        raise RunError(
            f"Run “{run.name}” has no weights yet: wait for its first epoch, or choose another run."
        ) from None


@lru_cache(maxsize=256)
def _digest(path: Path, stamp: tuple[int, ...]) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@lru_cache(maxsize=1)
def _evaluations() -> TypeAdapter[Evaluation]:
    return TypeAdapter(Evaluation)
