"""A run's network for use elsewhere: an ONNX file, or torch's own exported program (.pt2).

The exported network takes RGB images in 0..1, float32 (N, 3, 32, 32) for any N, normalises them itself and gives logits
(N, classes). Class names, normalisation and run id travel in the file. What was written is read back and its answers
compared with the network's own, so a file that exists is a file that agrees.

A .pt2 file holds its example input as a pickle. Writing one is safe; load none that you do not trust.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reglab import compat, data, models
from reglab.analysis.networks import network_of, statistics
from reglab.analysis.pictures import SIDE
from reglab.download import why
from reglab.errors import ConfigError, RunError
from reglab.runs.run import Run

if TYPE_CHECKING:
    from torch import Tensor, nn

PICTURES = 5  # to compare on; not the number the network was traced with
TOLERANCE = 1e-4  # of the largest logit: other kernels round otherwise, and nothing more


@dataclass(frozen=True)
class Exported:
    """A file that was written and found to agree."""

    path: Path
    bytes: int
    difference: float  # largest absolute difference between its logits and the network's
    pictures: int  # it was compared on


def export(run: Run, path: Path | str) -> Exported:
    """Write the run's best weights as `path`, by its suffix: .onnx or .pt2; one that is there is replaced.

    Raises `ConfigError` for another suffix, a folder that cannot be written, or packages that are missing; `RunError`
    for a run without weights, and where the file does not answer as the network does (nothing is left behind then).
    """
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise ConfigError(f"{path.name} cannot be exported to: the file must end in {' or '.join(WRITERS)}.")
    if path.is_dir() or not path.parent.is_dir():
        instead = "it is a folder" if path.is_dir() else "its folder does not exist"
        raise ConfigError(f"{path} cannot be written ({instead}): choose another file.")
    if write is write_onnx:
        need_onnx()

    import torch

    network = whole(run)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(PICTURES, 3, SIDE, SIDE, generator=generator)
    with torch.no_grad():
        expected = network(images)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
            half = Path(folder) / f"network{path.suffix.lower()}"
            found = write(network, half, described(run))(images)
            difference = (found - expected).abs().max().item()
            if not difference <= TOLERANCE * max(1.0, expected.abs().max().item()):  # NaN is no agreement either
                raise RunError(
                    f"{path.name} was not written: its answers differ from those of run “{run.name}” by {difference:.2g}."
                )
            size = half.stat().st_size
            os.replace(half, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({why(error)}): choose another file.") from None
    return Exported(path, size, difference, PICTURES)


def need_onnx() -> None:
    """Raises `ConfigError` when the packages for ONNX are not installed."""
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"ONNX files need {' and '.join(missing)}: install with `pip install onnx onnxruntime`, or export to .pt2."
        )


def described(run: Run) -> dict[str, str]:
    """What travels in the file, as text; lists are JSON."""
    mean, std = statistics(run)
    return {
        "run": run.id,
        "model": run.config.model,
        "classes": json.dumps(data.source(run.config.dataset).classes),
        "mean": json.dumps(mean.tolist()),
        "std": json.dumps(std.tolist()),
        "input": f"RGB in 0..1, (N, 3, {SIDE}, {SIDE}); normalized inside",
        "output": "logits (N, classes)",
    }


def whole(run: Run) -> nn.Module:
    """A copy of the run's network with normalisation before it, in eval mode."""
    from torch import nn

    from reglab.training.batches import Normalize

    network, mean, std = network_of(run)
    network = without_parametrizations(run, network)
    normalize = Normalize.to_device(mean, std, next(network.parameters()).device)

    class Whole(nn.Module):
        mean: Tensor
        std: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", normalize.mean)
            self.register_buffer("std", normalize.std)
            self.network = network

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.network((images - self.mean) / self.std)
            return logits

    return Whole().eval()


def without_parametrizations(run: Run, network: nn.Module) -> nn.Module:
    """A copy in which weights that are computed from others (spectral normalization) are plain weights.

    Built anew: torch's own `remove_parametrizations` changes the class, which the copy shares with the original.
    """
    from torch.nn.utils.parametrize import is_parametrized

    computed = {name: layer for name, layer in network.named_modules() if is_parametrized(layer, "weight")}
    if not computed:
        return deepcopy(network)
    spec = run.config.spec(len(data.source(run.config.dataset).classes))
    plain = models.build(spec.replace(pretrained=False, spectral_norm=0))
    weights = compat.torch.without_parametrized(network.state_dict())
    plain.load_state_dict(weights | {f"{name}.weight": layer.weight for name, layer in computed.items()})
    return plain


# ---- the formats: write a file, and answer as it does ------------------------------------------------------------
def write_onnx(network: nn.Module, path: Path, told: dict[str, str]) -> Callable[[Tensor], Tensor]:
    """Write the network as ONNX. Returns the file as a function of images (N, 3, H, W), to compare it with the network.

    Raises `RunError` where it cannot be written so.
    """
    import onnx
    import onnxruntime
    import torch

    try:
        compat.torch.write_onnx(network, path, torch.rand(2, 3, SIDE, SIDE), "images", "logits")
        model = onnx.load(path)
        onnx.helper.set_model_props(model, told)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # three libraries, each with its own
        raise RunError(f"The network cannot be written as ONNX ({why(error)}): export to .pt2.") from error
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def write_pt2(network: nn.Module, path: Path, told: dict[str, str]) -> Callable[[Tensor], Tensor]:
    """Write the network as torch's exported program. Returns the file as a function of images (N, 3, H, W).

    Raises `RunError` where it cannot be written so.
    """
    import torch

    try:
        batch = torch.export.Dim("batch")
        program = torch.export.export(network, (torch.rand(2, 3, SIDE, SIDE),), dynamic_shapes=({0: batch},))
        torch.export.save(program, path, extra_files={"reglab.json": json.dumps(told)})
        loaded = torch.export.load(path).module()  # written here, a moment ago
    except Exception as error:  # torch.export raises dozens of kinds
        raise RunError(f"The network cannot be written as .pt2 ({why(error)}): export to .onnx.") from error

    def answer(images: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = loaded(images)
            return logits

    return answer


WRITERS = {".onnx": write_onnx, ".pt2": write_pt2}
