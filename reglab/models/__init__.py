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
    norm: str = "none"  # or "batch"
    dropout: float = 0.0  # before the classifier

    def replace(self, **changes: Any) -> ModelSpec:
        return replace(self, **changes)


@dataclass(frozen=True)
class Family:
    """What is known of a network before it is built."""

    title: str
    about: str
    module: str  # the file in this folder
    places: frozenset[str]  # fields of ModelSpec that this network has a place for


MODELS: dict[str, Family] = {
    "basic_cnn": Family(
        title="basic_cnn",
        about="six convolutions in three blocks and two dense layers, 0.55 M weights",
        module="basic",
        places=frozenset({"norm", "dropout"}),
    ),
    "resnet20": Family(
        title="resnet20",
        about="the CIFAR residual network of He et al. 2016, 0.27 M weights",
        module="resnet",
        places=frozenset({"norm", "dropout"}),
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
    places = family(spec.name).places | {"name", "classes"}
    for f in fields(spec):
        if f.name not in places and getattr(spec, f.name) != f.default:
            able = [name for name, other in MODELS.items() if f.name in other.places]
            instead = f"choose {' or '.join(able)}, or switch it off." if able else "switch it off."
            raise ConfigError(f"{spec.name} has no place for {f.name}: {instead}")


def build(spec: ModelSpec) -> nn.Module:
    """The network, with torch's global generator deciding its weights: (N, 3, 32, 32) -> logits (N, classes)."""
    check(spec)
    module = importlib.import_module(f"{__name__}.{family(spec.name).module}")
    network: nn.Module = module.build(spec)
    return network


def parameter_kind(parameter: Any) -> str:
    """`weight` for kernels and matrices, `norm_and_bias` for the vectors beside them, which decay usually spares."""
    return "weight" if parameter.ndim > 1 else "norm_and_bias"
