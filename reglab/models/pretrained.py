"""Networks from timm, with weights from ImageNet or with random ones: what is known of them, their weights, and `build`.

The pictures of 32x32 pixels are enlarged inside the network to the size that was asked for, since networks made for 224
pixels shrink them 32 times. Of timm's network everything up to its last feature maps is kept (the *backbone*); their mean
goes through dropout into one new dense layer (the *head*). That is timm's own head for all families but VGG, whose two
dense layers of 120 million weights are left out.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from reglab import compat, download
from reglab.errors import ConfigError, DataError, option

if TYPE_CHECKING:
    from torch import nn

    from reglab.models.spec import ModelSpec

PREFIX = "timm/"
FILE = "model.safetensors"  # nothing else is ever loaded: no pickles
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALVES = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Pretrained:
    """What is known of a network of timm before it is built."""

    timm: str  # the name timm knows it by
    repo: str | None  # of its weights on the Hub
    megabytes: int
    features: int  # channels of the last feature maps
    mean: tuple[float, ...] = IMAGENET[0]  # what its weights want subtracted from RGB in 0..1
    std: tuple[float, ...] = IMAGENET[1]
    side: int = 96  # pixels to enlarge pictures to, unless asked otherwise
    least: int = 32  # the smallest side at which its maps do not vanish
    branches: bool = False  # whether it has residual branches that timm can drop
    batch_norm: bool = True  # whether its layers are normalised by the batch
    depthwise: bool = False  # whether it has depthwise convolutions
    repo_type: str = "model"
    files: Mapping[str, str] = field(default_factory=lambda: {"weights": FILE})

    @property
    def name(self) -> str:
        return PREFIX + self.timm

    @property
    def title(self) -> str:
        return f"{self.name} ({self.megabytes} MB)"

    @property
    def about(self) -> str:
        return f"{self.megabytes} MB of ImageNet weights from timm; pictures enlarged to {self.side} pixels"


OFFERED: dict[str, Pretrained] = {
    known.name: known
    for known in (
        Pretrained("resnet18", "timm/resnet18.a1_in1k", 47, 512, branches=True),
        Pretrained("resnet34", "timm/resnet34.a1_in1k", 87, 512, branches=True),
        Pretrained("resnet50", "timm/resnet50.a1_in1k", 102, 2048, branches=True),
        Pretrained("vgg11", "timm/vgg11.tv_in1k", 532, 512, side=64, batch_norm=False),
        Pretrained("vgg11_bn", "timm/vgg11_bn.tv_in1k", 532, 512, side=64),
        Pretrained("vgg16", "timm/vgg16.tv_in1k", 553, 512, side=64, batch_norm=False),
        Pretrained("vgg16_bn", "timm/vgg16_bn.tv_in1k", 554, 512, side=64),
        Pretrained("inception_v3", "timm/inception_v3.tv_in1k", 96, 2048, *HALVES, least=75),
        Pretrained("inception_v4", "timm/inception_v4.tf_in1k", 171, 1536, *HALVES, least=75),
        Pretrained("inception_resnet_v2", "timm/inception_resnet_v2.tf_in1k", 224, 1536, *HALVES, least=75),
        Pretrained(
            "tf_efficientnet_lite0",
            "timm/tf_efficientnet_lite0.in1k",
            19,
            1280,
            *HALVES,
            side=128,
            branches=True,
            depthwise=True,
        ),
    )
}


def is_timm(name: str) -> bool:
    """Whether a network of that name comes from timm."""
    return name.startswith(PREFIX)


def known(name: str) -> Pretrained:
    """What is known of `timm/NAME`. One that is not in OFFERED is looked up in timm, which takes seconds to import.

    Raises `ConfigError` where timm has no such classifier, or where it is not made of convolutions.
    """
    return OFFERED[name] if name in OFFERED else _asked_of_timm(name.removeprefix(PREFIX))


@lru_cache(maxsize=32)
def _asked_of_timm(name: str) -> Pretrained:
    import timm
    import torch

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [n.removeprefix(PREFIX) for n in OFFERED] + timm.list_models(), n=1)
        instead = (
            f"did you mean {PREFIX}{near[0]}?" if near else f"choose from {', '.join(OFFERED)}, or see timm's list."
        )
        raise ConfigError(f"timm has no network called {name[:80]!r}: {instead}", ["model"])
    cfg = compat.timm.config_of(name)
    if cfg is None or cfg.hf_hub_id is None or cfg.input_size[0] != 3:
        raise ConfigError(f"timm has no weights for {name} on the Hub: choose one of {', '.join(OFFERED)}.", ["model"])
    with torch.device("meta"):
        network, side, maps = compat.timm.create_backbone(name, 0.0), 96, None
        branches = compat.timm.accepts_drop_path(name)
        for trial in (96, 224, max(tuple(cfg.input_size)[1:])):
            try:
                side, maps = trial, network.eval().forward_features(torch.zeros(1, 3, trial, trial))
                break
            except (RuntimeError, AssertionError, ValueError):
                continue
    if not isinstance(maps, torch.Tensor) or maps.ndim != 4 or maps.shape[1] != network.num_features:
        raise ConfigError(
            f"{PREFIX}{name} does not end in feature maps (N, C, H, W): choose a convolutional network.", ["model"]
        )
    megabytes = sum(t.numel() for t in network.state_dict().values()) * 4 // 10**6
    return Pretrained(
        timm=name,
        repo=cfg.hf_hub_id,
        megabytes=max(1, megabytes),
        features=network.num_features,
        mean=tuple(cfg.mean),
        std=tuple(cfg.std),
        side=side,
        least=32 if side == 96 else side,
        branches=branches,
        batch_norm=bool(compat.torch.batch_norms(network)),
        depthwise=any(isinstance(m, torch.nn.Conv2d) and 1 < m.groups == m.in_channels for m in network.modules()),
    )


def side_of(name: str, asked: int | None) -> int:
    """Pixels to enlarge pictures to. Raises `ConfigError` where that is too few for the network."""
    here = known(name)
    if asked is not None and asked < here.least:
        raise ConfigError(
            f"{name} was asked to see {asked} pixels, but its maps vanish below {here.least}: "
            f"ask for {option('side')} {here.side}."
        )
    return asked or here.side


# ---- its weights -------------------------------------------------------------------------------------------------
def is_local(name: str) -> bool:
    """Whether the weights are on this machine."""
    return download.cached(known(name)) is not None


def fetch(name: str, progress: download.Progress | None = None, timeout: float = 900) -> Path:
    """The weights' file: from the Hub's cache, else downloaded. DataError where it cannot be had, in one sentence."""
    here = known(name)
    files = download.cached(here) or download.fetch(here, instead(), progress, timeout)
    return files.paths["weights"]


def cached_file(name: str) -> Path:
    """The weights' file in the Hub's cache; never waits for the network. DataError where it is not there."""
    files = download.cached(known(name))
    if files is None:
        raise DataError(
            f"The weights of {known(name).title} are not on this machine: {instead()}, or fetch them first."
        )
    return files.paths["weights"]


def local() -> list[str]:
    """Those of OFFERED whose weights are on this machine."""
    return [name for name in OFFERED if is_local(name)]


def instead() -> str:
    """The way out that needs no network."""
    here = local()
    return f"on this machine are {', '.join(here)}" if here else "no weights are on this machine, so train from scratch"


# ---- the network -------------------------------------------------------------------------------------------------
def build(spec: ModelSpec) -> nn.Module:
    """The network with a new head; its backbone with the weights from the Hub's cache if `spec.pretrained`.

    Images (N, 3, H, W), minus `mean` and divided by `std` -> logits (N, classes). Raises DataError for weights that are
    missing, damaged, or of another network.
    """
    from reglab.models.transfer import Transfer

    backbone = compat.timm.create_backbone(spec.name.removeprefix(PREFIX), spec.stochastic_depth)
    if spec.pretrained:
        load(backbone, spec.name)
    return Transfer(backbone, known(spec.name).features, side_of(spec.name, spec.side), spec.classes, spec.dropout)


def load(network: nn.Module, name: str) -> None:
    """Copy the weights from the Hub's cache into a network of timm; those of layers that it lacks are left out.

    Raises `DataError` where they are not there, or damaged.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = cached_file(name)
    try:
        check_digest(path)
        weights = load_file(path)
        wanted = network.state_dict()
        network.load_state_dict({key: weights[key] for key in wanted if not key.endswith("num_batches_tracked")}, False)
    except (SafetensorError, OSError, KeyError, RuntimeError, ValueError) as error:
        raise DataError(
            f"The weights of {known(name).title} in the Hub's cache are damaged ({download.why(error)}):"
            f" delete {path.name} of {known(name).repo} there and fetch it again."
        ) from None
    if not all(torch.isfinite(p).all() for p in network.parameters()):
        raise DataError(f"The weights of {known(name).title} are not all finite numbers: choose another network.")


def check_digest(path: Path) -> None:
    """Raises ValueError where a file is not what the Hub says: its cache names every large file by its SHA-256.

    A file that does not lie in the cache's usual layout has no such name, and is taken as it is.
    """
    said = compat.huggingface_hub.digest_in_name(path)
    if said is not None:
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != said:
                raise ValueError("its checksum does not fit")


def imagenet(name: str) -> nn.Module:
    """timm's whole network with its own 1,000 classes, in eval mode. Raises as `build` does."""
    import timm

    known(name)
    network: nn.Module = timm.create_model(name.removeprefix(PREFIX))
    load(network, name)
    return network.eval()


def eval_crop(name: str) -> tuple[int, float, str]:
    """What the weights were made for: the side in pixels, the share of the middle square that is seen, and the resizing."""
    cfg = compat.timm.config_of(name.removeprefix(PREFIX))
    return cfg.input_size[-1], cfg.crop_pct, cfg.interpolation


def imagenet_classes() -> list[str]:
    """A short name for each of ImageNet's 1,000 classes."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return [info.index_to_description(i).split(",")[0] for i in range(info.num_classes())]
