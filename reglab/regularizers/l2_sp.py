"""L2-SP: pull weights back to the pretrained ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.errors import ConfigError, setting
from reglab.regularizers.base import Regularizer, State

if TYPE_CHECKING:
    from torch import Tensor, nn

    from reglab.models import ModelSpec


class L2SP(Regularizer):
    """Pulls the weights of a pretrained network back to where they started, instead of toward zero.

    What you will see: the weights stay nearer to the pretrained ones, so the network keeps more of what it knew and fits few
    images less closely.

    When it helps: fine-tuning all layers on few images: in its paper it is more accurate there than weight decay.

    When it does not: networks trained from scratch have no starting point worth keeping, so it is refused there.

    The new classifier, which was not pretrained, is pulled toward zero with strength beta.
    """

    title = "L2-SP"
    group = "Transfer"
    hint = "Pull weights back to the pretrained ones"
    synonyms = ("L2", "starting point", "fine-tuning", "finetuning", "transfer learning", "overfitting")
    paper = (
        "Li et al. 2018, Explicit inductive bias for transfer learning with convolutional networks, arXiv:1802.01483"
    )
    formula = r"L + \tfrac{\alpha}{2} \lVert w_S - w_S^0 \rVert_2^2 + \tfrac{\beta}{2} \lVert w_{\bar{S}} \rVert_2^2"
    pytorch = """
        start = [p.detach().clone() for p in backbone.parameters()]  # before the training
        moved = sum((p - old).square().sum() for p, old in zip(backbone.parameters(), start))
        loss = loss + 0.1 / 2 * moved + 0.01 / 2 * sum(p.square().sum() for p in head.parameters())
    """
    keras = """
        for w in backbone.trainable_variables:  # before the training
            w.regularizer = lambda w, old=keras.ops.copy(w): 0.1 / 2 * keras.ops.sum(keras.ops.square(w - old))
        for w in head.trainable_variables:
            w.regularizer = lambda w: 0.01 / 2 * keras.ops.sum(keras.ops.square(w))
    """
    advice = {
        "weight_decay": "L2-SP pulls weights toward the pretrained ones while weight decay pulls them toward zero: "
        "choose one.",
    }

    alpha: float = Field(
        0.1,
        ge=0,
        le=100,
        title="alpha",
        description="pull back to the start",
        json_schema_extra={"slider": [0, 1, 0.01]},
    )
    beta: float = Field(
        0.01,
        ge=0,
        le=100,
        title="beta",
        description="pull of the new layers toward zero",
        json_schema_extra={"slider": [0, 1, 0.01]},
    )

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """The network as it is. Raises `ConfigError` where there is no pretrained backbone that learns."""
        if not spec.pretrained:
            raise ConfigError(
                f"{setting('l2_sp')} pulls weights back to pretrained ones, but {spec.name} is trained from scratch:"
                f" use {setting('weight_decay')}, which pulls toward zero, or switch it off."
            )
        if spec.head_only:
            raise ConfigError(
                f"{setting('l2_sp')} pulls the weights of a backbone back, but with {setting('finetune')} features all of it"
                f" is frozen already: use {setting('finetune')} head_then_all or all, or switch it off."
            )
        return spec

    def on_train_begin(self, model: nn.Module, state: State) -> None:
        """Remember every pretrained parameter by its name."""
        state.update({name: p.detach().clone() for name, p in self._pretrained(model).items()})

    def penalty(self, model: nn.Module, logits: Tensor, state: State) -> Tensor | None:
        """Half of alpha times the squared way from the start, half of beta times the squares of the new part."""
        import torch

        old, everything = self._pretrained(model), dict(model.named_parameters())
        new = [p for name, p in everything.items() if name not in old and p.requires_grad]
        moved = [(p - state[name]).square().sum() for name, p in old.items() if p.requires_grad]
        total = logits.new_zeros(())
        for strength, squares in ((self.alpha, moved), (self.beta, [p.square().sum() for p in new])):
            if squares:
                total = total + strength / 2 * torch.stack(squares).sum()
        return total

    def _pretrained(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """All parameters but those of the classifier."""
        from reglab.models import weight_layers

        *_, classifier = weight_layers(model)
        return {n: p for n, p in model.named_parameters() if not n.startswith(classifier + ".")}
