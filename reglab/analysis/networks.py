"""The network of a run, and what it says to pictures: loaded once, kept as far as memory goes, shared by all who ask."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reglab import data, models
from reglab.errors import DataError, RunError
from reglab.models import pretrained
from reglab.runs.run import Run

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from reglab.training.batches import ImageSet

    Loaded = tuple[nn.Module, np.ndarray, np.ndarray]

MEMORY = 2**30  # bytes of weights that stay loaded


def network_of(run: Run) -> Loaded:
    """The run's network in eval mode, with the mean and deviation of its images. Shared: do not change it."""
    return LOADED.get((str(run.path), _stamp(run)), lambda: _load(run))


def statistics(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the channels of what the network sees, (3,) each; those of the training stand in its config.json.

    Raises `RunError` where they do not.
    """
    import numpy as np

    if run.config.on_features:  # it was trained on features; its backbone sees pictures
        known = pretrained.known(run.config.model)
        return np.asarray(known.mean), np.asarray(known.std)
    try:
        mean, std = run.described["normalization"]["mean"], run.described["normalization"]["std"]
    except (KeyError, TypeError):
        raise RunError(f"Run “{run.name}” cannot be used: its config.json lacks the normalization.") from None
    return np.asarray(mean), np.asarray(std)


def logits_of(run: Run, pixels: np.ndarray, stop: Callable[[], bool] = lambda: False) -> Tensor:
    """Raw logits (N, classes) in float32 for uint8 pictures (N, 32, 32, 3). Raises `RunError`, and `Interrupted` when stopped."""
    import torch

    from reglab.training.batches import Normalize
    from reglab.training.evaluation import predict

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
    anywhere = run.config.model_copy(update={"device": "auto", "precision": "auto"})  # looking needs nothing of its own
    trained_in = str(run.summary().get("precision", ""))
    with torch.inference_mode():
        return head(torch.from_numpy(features_of(anywhere, pixels, stop, trained_in)).float())


def _images(pixels: np.ndarray) -> ImageSet:
    import numpy as np
    import torch

    from reglab.training.batches import ImageSet

    return ImageSet.to_device(pixels, np.zeros(len(pixels), dtype=np.int64), torch.device("cpu"))


def inputs(pixels: np.ndarray, mean: np.ndarray, std: np.ndarray) -> Tensor:
    """uint8 pictures (N, H, W, 3) as a network gets them: (N, 3, H, W), normalised."""
    import torch

    from reglab.training.batches import Normalize

    return Normalize.to_device(mean, std, torch.device("cpu"))(_images(pixels).images(slice(None)))


def _stamp(run: Run) -> float:
    """Changes when the weights do, so that a run still in training is read anew."""
    try:
        return (run.path / "model.safetensors").stat().st_mtime
    except OSError:
        raise RunError(
            f"Run “{run.name}” has no weights yet: wait for its first epoch, or choose another run."
        ) from None


def _load(run: Run) -> Loaded:
    source = data.source(run.config.dataset)
    weights = run.weights()
    try:  # float16 ones, as shipped, become float32 on the way
        network = models.restored(run.config.spec(len(source.classes)), weights)
    except RuntimeError as error:
        if isinstance(error, (DataError, RunError)):
            raise
        raise RunError(f"The weights of run “{run.name}” do not fit its config: train it again.") from None
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
        """What is kept under this key, or what `load` makes, which is then kept in place of the one used longest ago."""
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


LOADED = Networks(MEMORY)
