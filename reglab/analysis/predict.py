"""A picture and a run -> probabilities, and how far to trust them. Pictures come from strangers: refused early, in words."""

from __future__ import annotations

import io
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, isfinite, log2
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab import data, models
from reglab.errors import ConfigError, DataError, RunError
from reglab.models import pretrained
from reglab.runs.store import Run

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor, nn

    from reglab.training.batches import ImageSet

    Loaded = tuple[nn.Module, np.ndarray, np.ndarray]

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 25_000_000
MAX_SIDE = 10_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
SIDE = 32
GREY = (125, 123, 114)  # the mean colour of CIFAR-10
HOW = ("crop", "fit")
MAX_PASSES = 1_000
MEMORY = 2**30  # bytes of weights that stay loaded


@dataclass(frozen=True)
class Answer:
    """What a network makes of one picture, and how far to trust it. Probabilities are in the order of the classes."""

    classes: tuple[str, ...]
    probabilities: tuple[float, ...]  # calibrated where the run's temperature is known, else as they come
    raw: tuple[float, ...]  # as the network gives them
    temperature: float | None
    entropy: float  # of `probabilities`, in bits
    energy: float  # log of the summed exponentials of the raw logits: high for pictures like those it was trained on
    unlike: str = ""  # a sentence where the energy says that the picture is unlike the data set
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
            "spread": None if self.spread is None else by_class(self.spread),
            "cam_layer": self.cam_layer,
            "seconds": round(self.seconds, 4),
        }


def open_picture(source: Path | bytes, name: str = "", least: int = SIDE * 8) -> Image.Image:
    """The picture, upright, RGB on white, first frame. Raises `ConfigError` for what is no picture or too large a one.

    Size is read off the header, before any pixel is decoded. A JPEG may come shrunk, its shorter side not below `least`.
    """
    from PIL import Image, ImageOps

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
            warnings.simplefilter("ignore")  # of bombs, where the limit below is stricter, and of damaged metadata
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
            width, height = picture.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise ConfigError(
                    f"{name} has {width:,} x {height:,} pixels, more than {MAX_PIXELS // 10**6} million"
                    f" or {MAX_SIDE:,} on a side: choose a smaller picture."
                )
            # A JPEG decoder can shrink on the way, at a fraction of the work.
            picture.draft("RGB", (least, least))
            picture.load()
            return _rgb(ImageOps.exif_transpose(picture), name)
    except ConfigError:
        raise
    except Image.DecompressionBombError:
        raise ConfigError(
            f"{name} has more than {MAX_PIXELS // 10**6} million pixels: choose a smaller picture."
        ) from None
    except MemoryError:
        raise ConfigError(f"{name} needs more memory than there is: choose a smaller picture.") from None
    except Exception:  # what decoders raise for damaged files is not to be listed: OSError, struct.error, KeyError ...
        raise ConfigError(f"{name} is not a picture that can be read: choose a PNG, JPEG or WebP file.") from None


def _read(path: Path) -> bytes:
    with open(path, "rb") as f:
        return f.read(MAX_BYTES + 1)


def _rgb(picture: Image.Image, name: str) -> Image.Image:
    from PIL import Image

    if picture.mode[0] in "IF":
        return _grey(picture, name).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _grey(picture: Image.Image, name: str) -> Image.Image:
    """A picture of 16 or 32 bits a pixel, or of floats, in 8 bits.

    Wide integers and floats do not say where white is: at the smallest of 1, 255 and 65,535 that no pixel exceeds, else
    at the brightest pixel. Where there are negative ones, the lowest is black.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(picture).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (isfinite(low) and isfinite(high)):
        raise ConfigError(f"{name} has pixels that are no finite numbers: choose another picture.")
    if picture.mode.startswith("I;16"):
        black, white = 0.0, 65_535.0
    else:
        black = min(low, 0.0)
        white = next((w for w in (1.0, 255.0, 65_535.0) if low >= 0 and high <= w), high)
    see_through = picture.info.get("transparency")
    if isinstance(see_through, int):
        values[values == see_through] = white
    return Image.fromarray(((values - black) * (255 / max(white - black, 1e-30))).round().astype(np.uint8))


def as_seen(picture: Image.Image, how: str = "crop") -> Image.Image:
    """The 32 x 32 pixels that the network sees. Raises `ConfigError` for another `how` than crop or fit.

    crop: the middle square, as the pictures of CIFAR-10 are filled by their object. fit: the whole picture, on the mean
    colour of CIFAR-10. Normalization makes that nearly zero, which is what networks pad pictures with, so the bars beside
    the picture look to the network like the outside of any picture.
    """
    from PIL import Image, ImageOps

    def filter_for(pixels: int) -> Image.Resampling:
        """The mean over an area when shrinking, as fast as it is right; when enlarging, curves instead of steps."""
        return Image.Resampling.BOX if pixels >= SIDE else Image.Resampling.BICUBIC

    if how == "crop":
        return ImageOps.fit(picture, (SIDE, SIDE), filter_for(min(picture.size)))
    if how == "fit":
        longest = max(picture.size)
        width, height = (max(1, round(side * SIDE / longest)) for side in picture.size)
        seen = Image.new("RGB", (SIDE, SIDE), GREY)
        whole = picture.resize((width, height), filter_for(longest))
        seen.paste(whole, ((SIDE - width) // 2, (SIDE - height) // 2))
        return seen
    raise ConfigError(f"A picture cannot be made to fit by {how[:40]!r}: choose {' or '.join(HOW)}.")


def answer(run_path: str, seen: np.ndarray, *, cam: bool = True, dropout_passes: int = 0, tta: bool = False) -> Answer:
    """What the run's network makes of a (32, 32, 3) uint8 picture. The same picture always gets the same answer.

    cam: with Grad-CAM for the most likely class. dropout_passes: with the spread over so many passes in which dropout
    stays on. tta: the mean of the probabilities over slightly shifted and mirrored views; the energy is that of the
    picture itself, as are those it is compared with. Raises `ConfigError` or `RunError`.
    """
    import torch

    from reglab.analysis import evaluate, explain
    from reglab.training import metrics

    if not 0 <= dropout_passes <= MAX_PASSES:
        raise ConfigError(f"{dropout_passes} passes with dropout were asked for: choose 0 to {MAX_PASSES:,}.")
    began = time.perf_counter()
    run = Run(Path(run_path))
    source = data.source(run.config.dataset)
    network, mean, std = network_of(run)
    inputs = _inputs(seen[None], mean, std)
    views = explain.tta_views(inputs, source.mirror) if tta else inputs
    with torch.inference_mode():
        logits = network(views).double()
    if not torch.isfinite(logits).all():
        raise RunError(f"Run {run.name} does not answer in finite numbers: choose another run.")
    known = evaluate.known(run)
    temperature = known.temperature if known else 1.0
    raw = logits.softmax(1).mean(0)
    probabilities = (logits / temperature).softmax(1).mean(0)
    top = int(probabilities.argmax())
    energy = metrics.energy(logits[:1]).item()
    spread = None
    if dropout_passes and explain.has_dropout(network):
        passes = explain.monte_carlo(network, inputs, dropout_passes, seed=0, temperature=temperature)
        spread = tuple(passes.std(0, correction=0).tolist())
    heat, layer = explain.grad_cam(network, inputs, top) if cam else (None, "")
    return Answer(
        classes=source.classes,
        probabilities=tuple(probabilities.tolist()),
        raw=tuple(raw.tolist()),
        temperature=known.temperature if known else None,
        entropy=-sum(p * log2(p) for p in probabilities.tolist() if p > 0),
        energy=energy,
        unlike=_unlike(source.title, energy, known.energy) if known else "",
        spread=spread,
        cam=None if heat is None else heat.numpy(),
        cam_layer=layer,
        seconds=time.perf_counter() - began,
    )


def answer_file(
    run_path: str,
    picture_path: str,
    how: str = "crop",
    *,
    cam: bool = True,
    dropout_passes: int = 0,
    tta: bool = False,
) -> tuple[Answer, np.ndarray]:
    """The answer to a picture file, and the 32 x 32 pixels that were seen. For use in a process of its own."""
    import numpy as np

    seen = np.asarray(as_seen(open_picture(Path(picture_path)), how))
    return answer(run_path, seen, cam=cam, dropout_passes=dropout_passes, tta=tta), seen


def imagenet_file(name: str, picture_path: str) -> tuple[tuple[str, float], ...]:
    """The five likeliest of ImageNet's 1,000 classes for a picture file, with their probabilities, from a network of timm.

    It sees the middle square at the size it was made for, as timm evaluates it: not the 32 x 32 pixels that the networks
    here see. For use in a process of its own. Raises `ConfigError`, and `DataError` where its weights are not here.
    """
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    known = pretrained.known(name)
    side, share, by = pretrained.eval_crop(name)
    picture = open_picture(Path(picture_path), least=2 * side)
    seen = ImageOps.fit(picture, (side, side), Image.Resampling[by.upper()], bleed=(1 - share) / 2)
    network, mean, std = _networks.get(
        (name, 0.0), lambda: (pretrained.imagenet(name), np.asarray(known.mean), np.asarray(known.std))
    )
    with torch.inference_mode():
        likeliest = network(_inputs(np.asarray(seen)[None], mean, std))[0].softmax(0).topk(5)
    classes = pretrained.imagenet_classes()
    return tuple((classes[i], p) for p, i in zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True))


def _unlike(title: str, energy: float, usual: dict[str, float]) -> str:
    """A sentence where the energy is below nearly all of the validation images', as Liu et al. 2020 find strange pictures.

    `usual` holds quantiles of the validation images' energy, which the paper calls the negative energy.
    """
    if energy < usual.get("1%", -inf):
        return (
            f"This picture is unlike anything in {title}: the network's energy score {energy:.1f} is below that of"
            " 99 % of validation images. Do not trust the answer."
        )
    if energy < usual.get("5%", -inf):
        return (
            f"This picture is unlike most of {title}: the network's energy score {energy:.1f} is below that of"
            " 95 % of validation images. Take the answer with care."
        )
    return ""


def overlay(seen: np.ndarray, cam: np.ndarray, times: int = 8) -> Image.Image:
    """The seen picture, magnified, with orange where the Grad-CAM is strong; pixels stay square, the map is smooth."""
    import numpy as np
    from PIL import Image

    size = (seen.shape[1] * times, seen.shape[0] * times)
    picture = np.asarray(Image.fromarray(seen).resize(size, Image.Resampling.NEAREST), dtype=np.float32)
    heat = np.asarray(Image.fromarray(cam.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))[..., None]
    share = 0.7 * heat.clip(0, 1)  # something of the picture shows everywhere
    orange = np.array([255, 140, 0], dtype=np.float32)
    return Image.fromarray(((1 - share) * picture + share * orange).round().astype(np.uint8))


def logits_of(run: Run, pixels: np.ndarray, stop: Callable[[], bool] = lambda: False) -> Tensor:
    """Raw logits (N, classes) in float32 for uint8 pictures (N, 32, 32, 3). Raises `RunError`, and `Halt` when stopped."""
    import torch

    from reglab.training.batches import Normalize
    from reglab.training.train import predict

    network, mean, std = network_of(run)
    if run.config.on_features:
        return _logits_of_features(run, pixels, stop)
    normalize = Normalize.to_device(mean, std, torch.device("cpu"))  # whoever trains may have the GPU
    return predict(network, _images(pixels), normalize, "fp32", stop)


def _logits_of_features(run: Run, pixels: np.ndarray, stop: Callable[[], bool]) -> Tensor:
    """The same for a head alone, on features that are kept: those that training has used are not computed again."""
    import torch

    from reglab.training.features import features_of

    head: Any = network_of(run)[0].head
    with torch.inference_mode():
        return head(torch.from_numpy(features_of(run.config, pixels, stop)).float())


def _images(pixels: np.ndarray) -> ImageSet:
    import numpy as np
    import torch

    from reglab.training.batches import ImageSet

    return ImageSet.to_device(pixels, np.zeros(len(pixels), dtype=np.int64), torch.device("cpu"))


def _inputs(pixels: np.ndarray, mean: np.ndarray, std: np.ndarray) -> Tensor:
    """uint8 pictures (N, H, W, 3) as a network gets them: (N, 3, H, W), normalised."""
    import torch

    from reglab.training.batches import Normalize

    return Normalize.to_device(mean, std, torch.device("cpu"))(_images(pixels).images(slice(None)))


# ---- the run's network -------------------------------------------------------------------------------------------
def network_of(run: Run) -> Loaded:
    """The run's network in eval mode, with the mean and deviation of its images. Shared: do not change it."""
    return _networks.get((str(run.path), _stamp(run)), lambda: _load(run))


def _stamp(run: Run) -> float:
    """Changes when the weights do, so that a run still in training is read anew."""
    try:
        return (run.path / "model.safetensors").stat().st_mtime
    except OSError:
        raise RunError(f"Run {run.name} has no weights yet: wait for its first epoch, or choose another run.") from None


def _load(run: Run) -> Loaded:
    source = data.source(run.config.dataset)
    weights = run.weights()
    try:  # float16 ones, as shipped, become float32 on the way
        network = models.restored(run.config.spec(len(source.classes)), weights)
    except RuntimeError as error:
        if isinstance(error, (DataError, RunError)):
            raise
        raise RunError(f"The weights of run {run.name} do not fit its config: train it again.") from None
    mean, std = statistics(run)
    return network, mean, std


def size_of(network: nn.Module) -> int:
    """Bytes of its parameters and buffers."""
    return sum(t.nbytes for t in (*network.parameters(), *network.buffers()))


class Networks:
    """Keeps the networks that were used last, up to so many bytes; the newest stays even where it alone has more."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self._kept: OrderedDict[tuple[str, float], Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, float], load: Callable[[], Loaded]) -> Loaded:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        loaded = load()
        with self._lock:
            self._kept[key] = loaded
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(size_of(network) for network, *_ in self._kept.values()) > self.memory:
                self._kept.popitem(last=False)
        return loaded


_networks = Networks(MEMORY)


def statistics(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the channels of what the network sees; those of the training stand in its config.json."""
    import numpy as np

    if run.config.on_features:  # it was trained on features; its backbone sees pictures
        known = pretrained.known(run.config.model)
        return np.asarray(known.mean), np.asarray(known.std)
    try:
        mean, std = run.described["normalization"]["mean"], run.described["normalization"]["std"]
    except (KeyError, TypeError):
        raise RunError(f"Run {run.name} cannot be used: its config.json lacks the normalization.") from None
    return np.asarray(mean), np.asarray(std)


def examples(dataset: str) -> list[tuple[np.ndarray, str]]:
    """Pictures from the test set, which no network has trained on, with their true class; one of each class.

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
