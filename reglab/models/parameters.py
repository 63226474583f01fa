"""What the parameters of a network are: which belong to layers with weights, and which are norms and biases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def weight_layers(network: nn.Module) -> dict[str, nn.Module]:
    """The convolutions and dense layers by name, in the order in which they were built; the last is the classifier."""
    from torch import nn

    return {name: layer for name, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}


def parameter_kind(parameter: Any) -> str:
    """`weight` for kernels and matrices, `norm_and_bias` for the vectors beside them, which decay usually spares."""
    return "weight" if parameter.ndim > 1 else "norm_and_bias"


def hidden_layers(network: nn.Module) -> list[nn.Module]:
    """The parts of a network whose outputs are its hidden layers, in order: what `Regularizer.hidden` sees.

    A network with more than one says so in a method of that name; else it is all that stands before its head. The head
    alone, trained on features, has none: what goes into it are the features.
    """
    own: Any = getattr(network, "hidden_layers", None)
    if own is not None:
        layers: list[nn.Module] = own()
        return layers
    return [part for name, part in network.named_children() if name == "features"]
