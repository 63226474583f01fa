"""Bootstrapping: trust the network a little over its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Tensor


class Bootstrapping(Regularizer):
    """Believes the labels a little less and the network's own opinion a little more.

    What you will see: at the usual beta hardly anything, with right labels or wrong ones; the network becomes a little surer
    of itself.

    When it helps: noisy labels, in its paper. The network's own opinion must be better than they are, so something else has
    to keep it from learning them by heart first.

    When it does not: right labels; and without other regularization the network's own opinion is soon the wrong label.

    This is the soft version of the paper, for which it has beta 0.95 (0.8 is for the hard version, which believes the
    likeliest class alone). It is cross-entropy with a reward for low entropy; the gradient flows through the network's
    opinion, too.
    """

    title = "Bootstrapping"
    group = "Labels"
    hint = "Trust the network a little, not only its labels"
    synonyms = ("noisy labels", "wrong labels", "soft targets")
    paper = "Reed et al. 2014, Training deep neural networks on noisy labels with bootstrapping, arXiv:1412.6596"
    formula = r"L = -\sum_k \big[\beta\, t_k + (1 - \beta)\, q_k\big] \log q_k"
    order = 1  # after label smoothing: the smoothed label is the one that is believed less
    pytorch = "loss = F.cross_entropy(logits, 0.95 * targets + 0.05 * logits.softmax(1))"
    keras = """
        believed = 0.95 * targets + 0.05 * keras.ops.softmax(logits)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)(believed, logits)
    """
    advice = {
        "label_smoothing": "Label smoothing makes the network modest, bootstrapping makes it surer: they partly cancel.",
        "confidence_penalty": "Bootstrapping rewards the low entropy that the confidence penalty charges for: they "
        "partly cancel.",
    }
    off = {"beta": 1}

    beta: float = Field(
        0.95,
        ge=0,
        le=1,
        title="beta",
        description="how much the label counts",
        json_schema_extra={"slider": [0.5, 1, 0.05]},
    )

    def soft_targets(self, targets: Tensor, logits: Tensor) -> Tensor:
        """Targets (N, classes) mixed with the network's probabilities, through which the gradient flows; rows still sum to one."""
        return self.beta * targets + (1 - self.beta) * logits.softmax(1)
