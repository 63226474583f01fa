"""What a network takes to compute: counted layer by layer on the meta device, where nothing is computed and nothing stored.

effort(spec)        # Effort(parameters=550570, multiply_adds=38896896, ...)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reglab.models import pretrained
from reglab.models.building import build
from reglab.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

SIDE = 32  # pixels of the pictures that come in


@dataclass(frozen=True)
class Effort:
    """What a network takes; multiply-adds and activations are those of one image in one pass forward."""

    parameters: int
    multiply_adds: int
    activations: int
    """Numbers that its layers hand on, which training keeps for the way back."""
    layers: int
    """Modules that are called: each takes its time, even for one image."""


def effort(spec: ModelSpec) -> Effort:
    """Counted by an image that has no values; of a head that is trained alone it is the head's. Raises as `models.build`."""
    import torch
    from torch import Tensor, nn

    multiply_adds = activations = layers = 0

    def count(layer: nn.Module, _: Any, out: Any) -> None:
        nonlocal multiply_adds, activations, layers
        layers += 1
        if isinstance(out, Tensor):
            activations += out.numel()
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            multiply_adds += layer.weight.numel() * (out.numel() // layer.weight.shape[0])

    with torch.device("meta"), torch.no_grad():
        network = build(spec.replace(pretrained=False, view_below=0.0)).eval()  # one pass
        for layer in network.modules():
            if not [*layer.children()]:
                layer.register_forward_hook(count)
        features = pretrained.known(spec.name).features if spec.head_only else 0
        network(torch.zeros(1, features, 1, 1) if features else torch.zeros(1, 3, SIDE, SIDE))
    return Effort(sum(p.numel() for p in network.parameters()), multiply_adds, activations, layers)
