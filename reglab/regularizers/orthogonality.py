"""Orthogonality: ask filters to differ from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class Orthogonality(Regularizer):
    """Asks the filters of every layer to be different from each other and of length one.

    What you will see: the penalty falls, where without it it would grow; accuracy and gap hardly move.

    When it helps: deep networks, whose signal neither fades nor explodes through orthogonal layers.

    When it does not: shallow networks, which have no trouble with their signal, with normalization or without.

    The kernel of a convolution counts as a matrix W of (outputs) x (inputs * height * width); where there are more
    outputs than that, they cannot all be orthogonal and the inputs are asked instead. This is the soft orthogonality of
    Bansal et al. 2018, equation 1, which lowers its strength during training; here it is constant.
    """

    title = "Orthogonality"
    group = "Penalties"
    hint = "Ask filters to differ from each other"
    synonyms = ("orthogonal", "decorrelation")
    paper = "Bansal et al. 2018, Can we gain more from orthogonality regularizations, arXiv:1810.09102"
    formula = r"L + \lambda \sum_l \lVert W_l W_l^\top - I \rVert_F^2"
    pytorch = """
        for layer in model.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                w = layer.weight.flatten(1)
                w = w if len(w) <= w.shape[1] else w.T
                loss = loss + 1e-3 * (w @ w.T - torch.eye(len(w), device=w.device)).square().sum()
    """
    keras = """
        def orthogonal(kernel):  # keras.regularizers.OrthogonalRegularizer looks at angles only
            w = keras.ops.reshape(kernel, (-1, kernel.shape[-1]))
            w = w if w.shape[0] >= w.shape[1] else keras.ops.transpose(w)
            apart = keras.ops.matmul(keras.ops.transpose(w), w) - keras.ops.eye(w.shape[1])
            return 1e-3 * keras.ops.sum(keras.ops.square(apart))

        x = keras.layers.Conv2D(32, 3, kernel_regularizer=orthogonal)(x)  # in every layer
    """
    advice = {
        "weight_decay": "Orthogonality asks filters to have length one while weight decay shrinks them: the two pull "
        "against each other."
    }
    off = {"strength": 0}

    strength: float = Field(
        1e-3,
        ge=0,
        le=10,
        title="strength",
        description="usually 0.1 to 0.0001",
        json_schema_extra={"slider": [0, 0.01, 0.0005]},
    )

    def penalty(self, model: nn.Module, logits: Tensor, state: State) -> Tensor | None:
        """The strength times the squared distance of W W^T from the identity, summed over the layers; W is (outputs, the rest)."""
        import torch

        from reglab.models import weight_layers

        apart = []
        for layer in weight_layers(model).values():
            w: Tensor = layer.weight.flatten(1)  # type: ignore[operator]
            w = w if w.shape[0] <= w.shape[1] else w.T
            apart.append((w @ w.T - torch.eye(len(w), device=w.device)).square().sum())
        return self.strength * torch.stack(apart).sum()
