"""The forward pass of a training step, with the techniques that act on hidden activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from reglab import models
from reglab.regularizers import Regularizer, overriding
from reglab.training.batches import Draws

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle


def forward(
    model: nn.Module, inputs: Tensor, targets: Tensor, regularizers: Sequence[Regularizer], draws: Draws
) -> tuple[Tensor, Tensor]:
    """Logits (N, classes) of inputs (N, C, H, W), and the targets (N, classes) as the `hidden` hooks have left them.

    Layer 0 is what goes into the network, layers 1 to n are the outputs of `models.hidden_layers(model)`. What a hook draws
    from `draws` is the same at every layer and in a second pass.
    """
    acting = overriding(regularizers, "hidden")
    if not acting:
        return model(inputs), targets
    layers = models.hidden_layers(model)

    def act(layer: int, activations: Tensor) -> Tensor:
        nonlocal targets
        for r in acting:
            rng = draws.generator("hidden", r.key)
            activations, targets = r.hidden(activations, targets, layer, len(layers), rng)
        return activations

    def watch(module: nn.Module, layer: int) -> RemovableHandle:
        def after(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            return act(layer, output)

        return module.register_forward_hook(after)

    handles = [watch(module, layer) for layer, module in enumerate(layers, 1)]
    try:
        logits = model(act(0, inputs))
    finally:
        for handle in handles:
            handle.remove()
    return logits, targets
