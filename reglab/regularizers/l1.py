"""L1 penalty: charge for the size of every weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class L1(Regularizer):
    """Charges for the absolute value of every weight, which pushes small weights all the way to zero.

    What you will see: the share of near-zero weights grows; at the usual strength accuracy and gap hardly move. Too strong,
    and the network stops learning altogether.

    When it helps: when a sparse network is wanted, one whose weights can be removed.

    When it does not: against overfitting; weight decay narrows the gap more and is easier to set.

    Biases and normalization parameters are spared. An adaptive optimizer rescales this gradient like any other.
    """

    title = "L1 penalty"
    group = "Penalties"
    hint = "Penalize the size of every weight"
    synonyms = ("L1", "lasso", "sparsity", "sparse", "regularisation")
    paper = "Tibshirani 1996, Regression shrinkage and selection via the lasso, J. Royal Statistical Society B 58"
    formula = r"L + \lambda \lVert w \rVert_1"
    pytorch = "loss = loss + 1e-5 * sum(p.abs().sum() for p in model.parameters() if p.ndim > 1)"
    keras = "x = keras.layers.Conv2D(32, 3, kernel_regularizer=keras.regularizers.L1(1e-5))(x)  # in every layer"
    advice = {
        "weight_decay": "L1 with weight decay is the elastic net: both shrink the weights, so each may be weaker than alone."
    }
    off = {"strength": 0}

    strength: float = Field(
        1e-5,
        ge=0,
        le=1,
        title="strength",
        description="usually 0.00001 for a whole network",
        json_schema_extra={"slider": [0, 1e-4, 5e-6]},
    )

    def penalty(self, model: nn.Module, logits: Tensor, state: State) -> Tensor | None:
        """The strength times the summed sizes of all kernels and matrices that learn."""
        import torch

        from reglab.models import parameter_kind

        weights = [p for p in model.parameters() if p.requires_grad and parameter_kind(p) == "weight"]
        return self.strength * torch.stack([w.abs().sum() for w in weights]).sum()
