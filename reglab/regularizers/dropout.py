"""Dropout: switch off random units before the classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from reglab.models import ModelSpec


class Dropout(Regularizer):
    """Switches off a random share of the units before the classifier at every step, so that none can rely on another.

    What you will see: the training curve rises more slowly and stays lower, the gap narrows, and the validation loss
    climbs later and less. With right labels test accuracy moves little: it is the gap and the loss that dropout is for.
    With wrong ones it rises, since fewer of them are learned by heart. Too high a rate starves a small network: both curves
    stay low.

    When it helps: large dense layers, few images and wrong labels.

    When it does not: networks whose classifier is small, or which underfit already.
    """

    title = "Dropout"
    group = "Structure"
    hint = "Switch off random units before the classifier"
    synonyms = ("overfitting", "Bernoulli", "co-adaptation")
    paper = "Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting, JMLR 15"
    formula = r"\tilde{h} = \frac{m \odot h}{1 - p},\quad m_i \sim \mathrm{Bernoulli}(1 - p)"
    pytorch = "classifier = nn.Sequential(nn.Dropout(p=0.3), nn.Linear(128, 10))"
    keras = "logits = keras.layers.Dense(10)(keras.layers.Dropout(0.3)(x))"
    default_on = True
    off = {"rate": 0}

    rate: float = Field(
        0.3,
        ge=0,
        le=0.95,
        title="rate",
        description="share of units switched off",
        json_schema_extra={"slider": [0, 0.9, 0.05]},
    )

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """A dropout layer before the classifier."""
        return spec.replace(dropout=self.rate)
