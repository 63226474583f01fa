"""The networks: what each family can do, and `build(spec)`. One file a family; torch is imported when one is built."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from reglab.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelSpec:
    """The network to build. Regularizers that live inside the network set their fields here before it is built."""

    name: str = "basic_cnn"
    classes: int = 10
    pretrained: bool = False  # whether training begins from weights that were learned elsewhere
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


@dataclass(frozen=True)
class Family:
    """What is known of a network before it is built."""

    title: str
    about: str
    module: str  # the file in this folder
    places: frozenset[str]  # which of PLACES this network has


# What a network may have room for: fields of ModelSpec, and how to say that there is no such place.
PLACES = {
    "norm": "layers to normalise",
    "dropout": "units before the classifier for dropout to switch off",
    "spatial_dropout": "feature maps for spatial_dropout to switch off",
    "dropblock": "feature maps for dropblock to hide squares of",
    "stochastic_depth": "residual branches for stochastic_depth to drop",
}
EVERYWHERE = frozenset(PLACES) - {"stochastic_depth"}


MODELS: dict[str, Family] = {
    "basic_cnn": Family(
        title="basic_cnn",
        about="six convolutions in three blocks and two dense layers, 0.55 M weights",
        module="basic",
        places=EVERYWHERE,
    ),
    "resnet20": Family(
        title="resnet20",
        about="the CIFAR residual network of He et al. 2016, 0.27 M weights",
        module="resnet",
        places=frozenset(PLACES),
    ),
}


def family(name: str) -> Family:
    """Raises `ConfigError` with a suggestion when there is no such network."""
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=1)
        instead = f"did you mean {near[0]}?" if near else f"choose from {', '.join(MODELS)}."
        raise ConfigError(f"There is no network called {name[:80]!r}: {instead}")
    return MODELS[name]


def check(spec: ModelSpec) -> None:
    """Raises `ConfigError` when the spec asks for something the network has no place for."""
    here = family(spec.name).places
    for f in fields(spec):
        if f.name in PLACES and f.name not in here and getattr(spec, f.name) != f.default:
            able = [name for name, other in MODELS.items() if f.name in other.places]
            instead = f"choose {' or '.join(able)}, or switch it off." if able else "switch it off."
            raise ConfigError(f"{spec.name} has no {PLACES[f.name]}: {instead}")


def build(spec: ModelSpec) -> nn.Module:
    """The network, with torch's global generator deciding its weights: (N, 3, 32, 32) -> logits (N, classes)."""
    check(spec)
    module = importlib.import_module(f"{__name__}.{family(spec.name).module}")
    network: nn.Module = module.build(spec)
    if spec.spectral_norm:
        from reglab.models.layers import normalize_spectrum

        normalize_spectrum(network, spec.spectral_norm)
    return network


def weight_layers(network: nn.Module) -> dict[str, nn.Module]:
    """The convolutions and dense layers by name, in the order in which they were built; the last is the classifier."""
    from torch import nn

    return {name: layer for name, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}


def parameter_kind(parameter: Any) -> str:
    """`weight` for kernels and matrices, `norm_and_bias` for the vectors beside them, which decay usually spares."""
    return "weight" if parameter.ndim > 1 else "norm_and_bias"
