"""A picture and a run -> probabilities. Pictures come from strangers, so they are refused early and in words."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from reglab import data, machine, models
from reglab.errors import ConfigError, RunError
from reglab.store import Run

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import nn

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 25_000_000
MAX_SIDE = 10_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
SIDE = 32


def open_picture(source: Path | bytes, name: str = "") -> Image.Image:
    """The picture, upright, RGB on white, first frame. Raises `ConfigError` for what is no picture or too large a one.

    Size is read off the header, before any pixel is decoded.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = name or (source.name if isinstance(source, Path) else "the upload")
    try:
        raw = source if isinstance(source, bytes) else _read(source)
    except OSError as error:
        raise ConfigError(f"{name} cannot be read ({error.strerror}): give the path of a picture.") from None
    if not raw:
        raise ConfigError(f"{name} is empty: choose a PNG, JPEG or WebP picture.")
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{name} is larger than {MAX_BYTES >> 20} MB: choose a smaller picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is stricter
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
            width, height = picture.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise ConfigError(
                    f"{name} has {width:,} x {height:,} pixels, more than {MAX_PIXELS // 10**6} million: choose a smaller picture."
                )
            picture.draft(
                "RGB", (SIDE * 8, SIDE * 8)
            )  # a JPEG decoder can shrink on the way, at a fraction of the work
            picture.load()
    except ConfigError:
        raise
    except Image.DecompressionBombError:
        raise ConfigError(
            f"{name} has more than {MAX_PIXELS // 10**6} million pixels: choose a smaller picture."
        ) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError, TypeError):
        raise ConfigError(f"{name} is not a picture that can be read: choose a PNG, JPEG or WebP file.") from None
    return _rgb(ImageOps.exif_transpose(picture))


def _read(path: Path) -> bytes:
    with open(path, "rb") as f:
        return f.read(MAX_BYTES + 1)


def _rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode.startswith("I;16") or picture.mode == "I":  # 16 bits a pixel: scale down, do not clip
        return picture.convert("I").point(lambda value: value / 257).convert("L").convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def as_seen(picture: Image.Image) -> Image.Image:
    """The middle square, shrunk to the 32 x 32 pixels that the network sees."""
    from PIL import Image, ImageOps

    return ImageOps.fit(
        picture, (SIDE, SIDE), Image.Resampling.BOX if min(picture.size) >= SIDE else Image.Resampling.BICUBIC
    )


def classify(run_path: str, picture: np.ndarray) -> dict[str, float]:
    """Class -> probability, most likely first, for a (32, 32, 3) uint8 picture. Raises `RunError`."""
    import torch

    from reglab.batches import ImageSet, Normalize
    from reglab.train import predict

    run = Run(Path(run_path))
    network, mean, std = network_of(run)
    device = torch.device("cpu")  # one small picture is not worth waking a GPU
    part = ImageSet.to_device(picture[None], _no_labels(), device)
    logits = predict(network, part, Normalize.to_device(mean, std, device), machine.choose_precision("fp32", device))
    probabilities = logits[0].double().softmax(0).tolist()
    named = zip(data.source(run.config.dataset).classes, probabilities, strict=True)
    return dict(sorted(named, key=lambda item: -item[1]))


def network_of(run: Run) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """The run's network in eval mode, with the mean and deviation of its images. Shared: do not change it."""
    return _network(str(run.path), _stamp(run))


def _no_labels() -> np.ndarray:
    import numpy as np

    return np.zeros(1, dtype=np.int64)


def _stamp(run: Run) -> float:
    """Changes when the weights do, so that a run still in training is read anew."""
    try:
        return (run.path / "model.safetensors").stat().st_mtime
    except OSError:
        raise RunError(f"Run {run.name} has no weights yet: wait for its first epoch, or choose another run.") from None


@lru_cache(maxsize=8)
def _network(run_path: str, stamp: float) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    run = Run(Path(run_path))
    source = data.source(run.config.dataset)
    network = models.build(run.config.spec(len(source.classes)))
    weights = run.weights()
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise RunError(f"The weights of run {run.name} do not fit its config: train it again.") from None
    mean, std = statistics(run)
    return network.eval(), mean, std


def statistics(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the channels the run was trained with; they stand in its config.json."""
    import numpy as np

    try:
        mean, std = run.described["normalization"]["mean"], run.described["normalization"]["std"]
    except (KeyError, TypeError):
        raise RunError(f"Run {run.name} cannot be used: its config.json lacks the normalization.") from None
    return np.asarray(mean), np.asarray(std)


def predict_file(run_path: str, picture: str) -> tuple[dict[str, float], np.ndarray]:
    """What the network makes of a picture file, and the 32 x 32 pixels it saw. For use in a process of its own."""
    import numpy as np

    seen = np.asarray(as_seen(open_picture(Path(picture))))
    return classify(run_path, seen), seen


def examples(dataset: str, each: int = 1) -> list[tuple[np.ndarray, str]]:
    """Pictures from the test set, which no network has trained on, with their true class; one of each class.

    Empty when the data set is not on this machine.
    """
    if not data.is_local(dataset):
        return []
    loaded = data.load(dataset)
    found: list[tuple[np.ndarray, str]] = []
    for label, name in enumerate(loaded.source.classes[:20]):
        rows = (loaded.test_labels == label).nonzero()[0][:each]
        found += [(loaded.test_images[row].copy(), name) for row in rows]
    return found
