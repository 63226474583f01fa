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
    """The modules whose outputs are a network's hidden layers, in order of the forward pass: what `Regularizer.hidden` sees.

    A network says which they are in a method of that name: usually the last one of each stage. Of a network that says
    nothing they are its parts, all but the last, which gives the logits.
    """
    own: Any = getattr(network, "hidden_layers", None)
    layers: list[nn.Module] = [*network.children()][:-1] if own is None else own()
    return layers
