"""Confidence penalty: charge for being too sure."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class ConfidencePenalty(Regularizer):
    """Charges for being too sure: predictions of low entropy cost extra.

    What you will see: probabilities become more modest, as with label smoothing; at the usual beta of 0.1 only by a little,
    so that the validation loss still climbs. Accuracy and gap hardly move.

    When it helps: overconfident networks; its paper improves language models, translation and speech with it.

    When it does not: against overfitting and wrong labels, of which as many are learned by heart at the usual beta. A
    network that is too modest already gets worse calibrated.

    The penalty shown is beta * (log(classes) - entropy), which is the paper's -beta * entropy plus a constant: zero for
    a network that knows nothing, and never negative.
    """

    title = "Confidence penalty"
    group = "Penalties"
    hint = "Penalize overconfident answers"
    synonyms = ("entropy", "overconfident", "calibration")
    paper = "Pereyra et al. 2017, Regularizing neural networks by penalizing confident outputs, arXiv:1701.06548"
    formula = r"L - \beta\, H(p),\quad H(p) = -\sum_k p_k \log p_k"
    pytorch = "loss = loss - 0.1 * torch.distributions.Categorical(logits=logits).entropy().mean()"
    keras = """
        p, log_p = keras.ops.softmax(logits), keras.ops.log_softmax(logits)
        loss = loss + 0.1 * keras.ops.mean(keras.ops.sum(p * log_p, axis=-1))
    """
    advice = {
        "label_smoothing": "Confidence penalty and label smoothing both make the network modest (one is the reverse KL "
        "divergence of the other): one of them is enough."
    }
    off = {"beta": 0}

    beta: float = Field(
        0.1, ge=0, le=10, title="beta", description="how hard to penalize", json_schema_extra={"slider": [0, 1, 0.05]}
    )

    def penalty(self, model: nn.Module, logits: Tensor, state: State) -> Tensor | None:
        """beta times the entropy in nats that the predictions lack on average; from logits (N, classes)."""
        log_p = logits.log_softmax(1)
        entropy = -(log_p.exp() * log_p).sum(1).mean()
        return self.beta * (log(logits.shape[1]) - entropy)
