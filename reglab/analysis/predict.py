"""A picture and a run -> probabilities, and how far to trust them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab import data
from reglab.analysis import evaluate, pictures, strange
from reglab.analysis.networks import LOADED, inputs, network_of
from reglab.analysis.pictures import View
from reglab.errors import ConfigError, RunError
from reglab.models import pretrained
from reglab.runs.run import Run

if TYPE_CHECKING:
    import numpy as np

MAX_PASSES = 1_000


@dataclass(frozen=True)
class Answer:
    """What a network makes of one picture, and how far to trust it. Probabilities are in the order of the classes."""

    classes: tuple[str, ...]
    probabilities: tuple[float, ...]  # calibrated where the run's temperature is known, else as they come
    raw: tuple[float, ...]  # as the network gives them
    temperature: float | None
    entropy: float  # of `probabilities`, in bits
    energy: float  # log of the summed exponentials of the raw logits: high for pictures like those it was trained on
    unlike: str = ""  # a warning where the picture is unlike those of the data set, see `strange.py`
    no_warning: str = ""  # what it means that there is none
    spread: tuple[float, ...] | None = None  # standard deviation over Monte-Carlo dropout passes
    cam: np.ndarray | None = field(default=None, compare=False)  # Grad-CAM for the top class, (32, 32) in 0..1
    cam_layer: str = ""  # where in the network it was taken
    seconds: float = field(default=0.0, compare=False)

    @property
    def label(self) -> str:
        """The most likely class."""
        return self.top(1)[0][0]

    def top(self, k: int) -> list[tuple[str, float]]:
        """The k most likely classes with their probabilities, most likely first."""
        return sorted(zip(self.classes, self.probabilities, strict=True), key=lambda item: -item[1])[:k]

    def to_json(self) -> dict[str, Any]:
        """Everything but the map: the label; probabilities, raw and spread by class, most likely first."""

        def by_class(values: tuple[float, ...]) -> dict[str, float]:
            named = dict(zip(self.classes, values, strict=True))
            return {name: named[name] for name, _ in self.top(len(self.classes))}

        return {
            "label": self.label,
            "probabilities": by_class(self.probabilities),
            "raw": by_class(self.raw),
            "temperature": self.temperature,
            "entropy": self.entropy,
            "energy": self.energy,
            "unlike": self.unlike,
            "no_warning": self.no_warning,
            "spread": None if self.spread is None else by_class(self.spread),
            "cam_layer": self.cam_layer,
            "seconds": round(self.seconds, 4),
        }


def answer(run_path: str, seen: np.ndarray, *, cam: bool = True, dropout_passes: int = 0, tta: bool = False) -> Answer:
    """What the run's network makes of a (32, 32, 3) uint8 picture. The same picture always gets the same answer.

    cam: with Grad-CAM for the most likely class. dropout_passes: with the spread over so many passes in which dropout
    stays on. tta: the mean of the probabilities over slightly shifted and mirrored views; the energy is that of the
    picture itself, as are those it is compared with. Raises `ConfigError` or `RunError`.
    """
    import torch

    from reglab.analysis import explain
    from reglab.training import metrics

    if not 0 <= dropout_passes <= MAX_PASSES:
        raise ConfigError(f"{dropout_passes} passes with dropout were asked for: choose 0 to {MAX_PASSES:,}.")
    began = time.perf_counter()
    run = Run(Path(run_path))
    source = data.source(run.config.dataset)
    network, mean, std = network_of(run)
    pixels = inputs(seen[None], mean, std)
    views = explain.tta_views(pixels, source.mirror) if tta else pixels
    with torch.inference_mode():
        logits = network(views).double()
    if not torch.isfinite(logits).all():
        raise RunError(f"Run “{run.name}” does not answer in finite numbers: choose another run.")
    known = evaluate.known(run)
    temperature = known.temperature if known else 1.0
    raw = logits.softmax(1).mean(0)
    probabilities = (logits / temperature).softmax(1).mean(0)
    top = int(probabilities.argmax())
    energy = metrics.energy(logits[:1]).item()
    usual = known.energy if known else {}
    spread = None
    if dropout_passes and explain.has_dropout(network):
        passes = explain.monte_carlo(network, pixels, dropout_passes, seed=0, temperature=temperature)
        spread = tuple(passes.std(0, correction=0).tolist())
    heat, layer = explain.grad_cam(network, pixels, top) if cam else (None, "")
    return Answer(
        classes=source.classes,
        probabilities=tuple(probabilities.tolist()),
        raw=tuple(raw.tolist()),
        temperature=known.temperature if known else None,
        entropy=-sum(p * log2(p) for p in probabilities.tolist() if p > 0),
        energy=energy,
        unlike=strange.warning(seen, source.key, source.title, energy, usual),
        no_warning=strange.worth(source.key, source.title, known.weights if known else "", usual),
        spread=spread,
        cam=None if heat is None else heat.numpy(),
        cam_layer=layer,
        seconds=time.perf_counter() - began,
    )


def answer_file(run_path: str, picture_path: str, how: str = "crop", **asked: Any) -> tuple[Answer, np.ndarray]:
    """The answer to a picture file of one's own, and the 32 x 32 pixels that were seen; `asked` as `answer` takes it."""
    pixels = pictures.seen(Path(picture_path), View(how))
    return answer(run_path, pixels, **asked), pixels


def imagenet_view(name: str) -> View:
    """What a network of timm sees: the middle square at the size it was made for, as timm evaluates it.

    Not the 32 x 32 pixels that the networks here see. Raises `ConfigError`.
    """
    pretrained.known(name)
    side, share, by = pretrained.eval_crop(name)
    return View(side=side, share=share, by=by)


def imagenet(name: str, seen: np.ndarray) -> tuple[tuple[str, float], ...]:
    """The five likeliest of ImageNet's 1,000 classes for pixels of its view, with their probabilities, from a network of timm.

    For use in a process of its own. Raises `ConfigError`, and `DataError` where its weights are not here.
    """
    import numpy as np
    import torch

    known = pretrained.known(name)
    network, mean, std = LOADED.get(
        (name, 0.0), lambda: (pretrained.imagenet(name), np.asarray(known.mean), np.asarray(known.std))
    )
    with torch.inference_mode():
        likeliest = network(inputs(seen[None], mean, std))[0].softmax(0).topk(5)
    classes = pretrained.imagenet_classes()
    return tuple((classes[i], p) for p, i in zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True))


def examples(dataset: str) -> list[tuple[np.ndarray, str]]:
    """Pictures (32, 32, 3) of the test set, which no network has trained on, with their true class; one of each class.

    Empty when the data set is not on this machine.
    """
    if not data.is_local(dataset):
        return []
    loaded = data.load(dataset)
    found: list[tuple[np.ndarray, str]] = []
    for label, name in enumerate(loaded.source.classes[:20]):
        rows = (loaded.test_labels == label).nonzero()[0][:1]
        found += [(loaded.test_images[row].copy(), name) for row in rows]
    return found
