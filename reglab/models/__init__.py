"""The networks: what each family can do, and `build(spec)`. One file a family; torch is imported when one is built."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from reglab.errors import ConfigError
from reglab.models import pretrained

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ModelSpec:
    """The network to build. Regularizers that live inside the network set their fields here before it is built."""

    name: str = "basic_cnn"
    classes: int = 10
    width: float = 1.0  # channels, as a multiple of what is usual
    pretrained: bool = False  # whether training begins from weights that were learned elsewhere
    head_only: bool = False  # whether only the head is built, which is trained on features of a frozen backbone
    side: int | None = None  # pixels that a network of timm enlarges pictures to; None: what is usual for it
    norm: str = "none"  # or "batch", or "group" with num_groups
    num_groups: int = 8
    dropout: float = 0.0  # before the classifier
    spatial_dropout: float = 0.0  # of whole channels, between convolutions
    dropblock: float = 0.0  # of squares with sides of block_size, between convolutions
    block_size: int = 3
    stochastic_depth: float = 0.0  # of the last residual branch; those before it less, in even steps
    spectral_norm: int = 0  # power iterations a step that estimate the largest singular value; 0 is off

    def replace(self, **changes: Any) -> ModelSpec:
        return replace(self, **changes)

    def has_weights_of(self, other: ModelSpec) -> bool:
        """Whether both networks have the same weights in the same order: they differ at most in layers without any."""
        weightless = ("num_groups", "dropout", "spatial_dropout", "dropblock", "block_size", "stochastic_depth")
        usual = {f.name: f.default for f in fields(self) if f.name in weightless}
        mine, others = (s.replace(**usual, spectral_norm=min(s.spectral_norm, 1)) for s in (self, other))
        return mine == others


# What a network may have room for: fields of ModelSpec, and how to say that there is no such place.
PLACES = {
    "norm": "layers to normalise",
    "dropout": "units before the classifier for dropout to switch off",
    "spatial_dropout": "feature maps for spatial_dropout to switch off",
    "dropblock": "feature maps for dropblock to hide squares of",
    "stochastic_depth": "residual branches for stochastic_depth to drop",
}
ANYWHERE = frozenset(PLACES)
EVERYWHERE = ANYWHERE - {"stochastic_depth"}
TIMM = frozenset({"dropout"})  # what every network of timm has room for


@dataclass(frozen=True)
class Family:
    """What is known of a network before it is built."""

    title: str
    about: str
    module: str  # the file in this folder
    places: frozenset[str] = EVERYWHERE  # which of PLACES this network has


MODELS: dict[str, Family] = {
    known.title: known
    for known in (
        Family("basic_cnn", "six convolutions in three blocks and two dense layers, 0.55 M weights", "basic"),
        Family("resnet20", "the CIFAR residual network of He et al. 2016, 0.27 M weights", "resnet", ANYWHERE),
        Family("resnet18", "ResNet-18 with a first layer for small pictures, 11.2 M weights", "resnet", ANYWHERE),
        Family("vgg11", "eight 3x3 convolutions of Simonyan and Zisserman 2015, 9.2 M weights", "vgg"),
        Family("vgg16", "thirteen 3x3 convolutions of Simonyan and Zisserman 2015, 14.7 M weights", "vgg"),
        Family("inception_small", "the small Inception of Zhang et al. 2017, 1.65 M weights", "inception"),
        Family("alexnet_small", "the small AlexNet of Zhang et al. 2017, 1.39 M weights", "alexnet"),
        Family("speed_cnn", "made for the shortest time to 94 %, after Jordan 2024, 1.97 M weights", "speed"),
    )
}


def family(name: str) -> Family:
    """The lab's own network of that name, or the one that timm has for `timm/NAME`.

    Raises `ConfigError` with a suggestion when there is no such network.
    """
    if pretrained.is_timm(name):
        known = pretrained.known(name)
        return Family(name, known.about, "pretrained", TIMM | {"stochastic_depth"} if known.branches else TIMM)
    if name not in MODELS:
        near = difflib.get_close_matches(name, [*MODELS, *pretrained.OFFERED], n=1)
        if pretrained.PREFIX + name in pretrained.OFFERED:
            near = [pretrained.PREFIX + name]
        instead = f"did you mean {near[0]}?" if near else f"choose from {', '.join(MODELS)}, or timm/NAME."
        raise ConfigError(f"There is no network called {name[:80]!r}: {instead}")
    return MODELS[name]


def check(spec: ModelSpec) -> None:
    """Raises `ConfigError` when the spec asks for something the network cannot do."""
    here = family(spec.name)
    timm = pretrained.is_timm(spec.name)
    if timm:
        _check_timm(spec)
    elif spec.pretrained:
        instead = next((n for n in pretrained.OFFERED if n.startswith(pretrained.PREFIX + spec.name)), "timm/resnet18")
        raise ConfigError(
            f"{spec.name} was asked for with pretrained weights, but it is the lab's own network for 32 x 32 pixels,"
            f" which is trained from scratch: choose {instead}, or switch pretrained off."
        )
    elif spec.side is not None:
        raise ConfigError(f"{spec.name} sees pictures as they are, 32 x 32 pixels: leave the side out.")
    for f in fields(spec):
        if f.name in PLACES and f.name not in here.places and getattr(spec, f.name) != f.default:
            able = [] if timm else [name for name, other in MODELS.items() if f.name in other.places]
            instead = f"choose {' or '.join(able)}, or switch it off." if able else "switch it off."
            raise ConfigError(f"{spec.name} has no {PLACES[f.name]}: {instead}")


def _check_timm(spec: ModelSpec) -> None:
    pretrained.side_of(spec.name, spec.side)
    if spec.width != 1:
        raise ConfigError(f"{spec.name} comes from timm with the width it has: leave the width out.")
    if spec.norm != "none":
        raise ConfigError(
            f"{spec.name} comes from timm with the normalization it has: switch {spec.norm}_norm off,"
            " or choose a network of the lab."
        )
    if spec.spectral_norm:
        raise ConfigError(f"spectral_norm would undo what {spec.name} has learned: switch it off.")
    if spec.head_only and spec.stochastic_depth:
        raise ConfigError(
            "stochastic_depth was asked for, but the branches of a frozen backbone always stay:"
            " use finetune head_then_all or all, or switch it off."
        )


def build(spec: ModelSpec) -> nn.Module:
    """The network, with torch's global generator deciding its weights: (N, 3, 32, 32) -> logits (N, classes).

    With `head_only` the head alone: features (N, F, 1, 1) -> logits. Raises `ConfigError`, and DataError where
    pretrained weights are asked for that cannot be had.
    """
    check(spec)
    if spec.head_only:
        from reglab.models.transfer import Head

        return Head(pretrained.known(spec.name).features, spec.classes, spec.dropout)
    module = importlib.import_module(f"{__name__}.{family(spec.name).module}")
    network: nn.Module = module.build(spec)
    if spec.spectral_norm:
        from reglab.models.layers import normalize_spectrum

        normalize_spectrum(network, spec.spectral_norm)
    return network


def restored(spec: ModelSpec, weights: Mapping[str, Tensor]) -> nn.Module:
    """The whole network with the weights of a run, in eval mode; a head that was trained alone gets its backbone back.

    Raises RuntimeError where the weights do not fit, and DataError where the backbone's are not on this machine.
    """
    if spec.head_only:
        network: Any = build(spec.replace(head_only=False))
        network.head.load_state_dict(weights)
    else:
        network = build(spec.replace(pretrained=False))  # its own weights come now; others need not be here
        network.load_state_dict(weights)
    return network.eval()


def statistics(spec: ModelSpec) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation of the channels that the network's weights were made for; None: those of the data at hand."""
    if pretrained.is_timm(spec.name) and not spec.head_only:
        known = pretrained.known(spec.name)
        return known.mean, known.std
    return None


def prepare(network: nn.Module, images: Tensor) -> None:
    """Let a network that begins with statistics of its data (speed_cnn) see some: normalised images (N, 3, 32, 32)."""
    begin: Any = getattr(network, "prepare", None)
    if begin is not None:
        begin(images)


def weight_layers(network: nn.Module) -> dict[str, nn.Module]:
    """The convolutions and dense layers by name, in the order in which they were built; the last is the classifier."""
    from torch import nn

    return {name: layer for name, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}


def parameter_kind(parameter: Any) -> str:
    """`weight` for kernels and matrices, `norm_and_bias` for the vectors beside them, which decay usually spares."""
    return "weight" if parameter.ndim > 1 else "norm_and_bias"
