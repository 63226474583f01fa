"""Weight decay: pull weights toward zero at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from reglab.regularizers.base import Regularizer, State

if TYPE_CHECKING:
    from torch import Tensor, nn


DECAY_OVER_A_RUN = (
    0.25  # the usual strength times the learning rates of all steps: exp(-0.25) of an idle weight is left
)
USUAL_L2 = 5e-4
STRONGEST = 1000.0


class WeightDecay(Regularizer):
    """Pulls every weight a little toward zero at each step, so that only weights the data insist on stay large.

    What you will see: the gap narrows, since the training accuracy rises more slowly, and the validation loss climbs later
    and less. The accuracy on new images hardly moves. Too strong, and the network cannot even fit its training images.

    When it helps: against overfitting, and with batch normalization, where it keeps the effective learning rate up.

    When it does not: where strength times the learning rates of all steps, added up, is far below 0.1. What counts is that
    product (Wang and Aitchison 2024, arXiv:2405.13698): a weight that nothing holds ends at exp(-product) of itself. So
    where nobody chooses a strength it follows from the run, and such a weight loses about a fifth. Nor does it help where
    the network learns its images by heart all the same, as with the wrong labels of the digits at full width.

    Biases and normalization parameters are spared unless you say otherwise: shrinking them saves nothing and hurts.

    `decoupled` shrinks the weights beside the gradient step, w -= lr * strength * w, as torch's AdamW does. In Loshchilov
    and Hutter 2019, who proposed it, the decay follows the schedule alone, without the learning rate.
    `l2` adds strength * sum(w^2) to the loss, without a half, as Keras' `regularizers.L2` does; the gradient is then
    2 * strength * w, and an adaptive optimizer rescales it like any other gradient.
    """

    title = "Weight decay"
    group = "Penalties"
    hint = "Pull weights toward zero at each step"
    synonyms = ("L2", "ridge", "Tikhonov", "AdamW", "SGDW", "overfitting", "regularisation")
    paper = "Loshchilov and Hutter 2019, Decoupled weight decay regularization, arXiv:1711.05101; Krogh and Hertz 1991"
    formula = r"w \leftarrow w - \eta\,\nabla L - \eta\,\lambda\,w \quad\text{or}\quad L + \lambda \lVert w \rVert^2"
    pytorch = """
        weights = [p for p in model.parameters() if p.ndim > 1]
        spared = [p for p in model.parameters() if p.ndim <= 1]  # biases and normalization
        optimizer = torch.optim.AdamW([{"params": weights, "weight_decay": 1.6},  # times 300 steps
                                       {"params": spared, "weight_decay": 0}], lr=1e-3)
        # or l2: loss = loss + 5e-4 * sum(p.square().sum() for p in weights)
    """
    keras = """
        optimizer = keras.optimizers.AdamW(1e-3, weight_decay=1.6)  # times 300 steps
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])  # norms are gamma and beta
        # or l2: keras.layers.Conv2D(32, 3, kernel_regularizer=keras.regularizers.L2(5e-4))
    """
    default_on = True
    off = {"strength": 0}

    strength: float | None = Field(
        None,
        ge=0,
        le=STRONGEST,
        title="strength",
        description="how hard to pull",
        json_schema_extra={
            "unset": "follows the run; for L2 0.0005",
            "scale": "log",
            "slider": [0.01, 100],
            "slider_by": {"mode": {"l2": [1e-6, 0.1]}},
            "try": "0,0.5,1.5,5",
        },
    )
    mode: Literal["decoupled", "l2"] = Field("decoupled", title="mode", description="as in AdamW, or in Keras")
    norm_and_bias: bool = Field(False, title="also norms and biases", description="usually left alone")

    @model_validator(mode="before")
    @classmethod
    def _usual_strength(cls, settings: Any) -> Any:
        """A penalty is charged at every step of every run alike, so in the mode `l2` there is one usual strength."""
        if isinstance(settings, dict) and settings.get("mode") == "l2" and settings.get("strength") is None:
            return {**settings, "strength": USUAL_L2}
        return settings

    def for_schedule(self, summed_lr: float) -> WeightDecay:
        """With the strength as a number, where none was chosen: an idle weight then loses a fifth over the run."""
        if self.strength is not None:
            return self
        usual = min(float(f"{DECAY_OVER_A_RUN / summed_lr:.2g}"), STRONGEST)
        return self.model_copy(update={"strength": usual})

    def configure_optimizer(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The groups that decay, decoupled from the gradient; as they are in the mode `l2`."""
        if self.mode == "l2":
            return groups
        return [g | {"weight_decay": self.strength} if self._decays(g["kind"]) else g for g in groups]

    def penalty(self, model: nn.Module, logits: Tensor, state: State) -> Tensor | None:
        """In the mode `l2` the strength times the summed squares, else None."""
        if self.mode == "decoupled" or self.strength is None:
            return None
        import torch

        from reglab.models import parameter_kind

        squares = [p.square().sum() for p in model.parameters() if p.requires_grad and self._decays(parameter_kind(p))]
        return self.strength * torch.stack(squares).sum()

    def _decays(self, kind: str) -> bool:
        return kind == "weight" or self.norm_and_bias
