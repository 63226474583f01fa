"""Spatial dropout: switch off whole feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from reglab.models import ModelSpec


class SpatialDropout(Regularizer):
    """Switches off whole feature maps between convolutions, so that no single detector is relied on.

    What you will see: the training curve rises more slowly and the gap narrows. It acts in every block, so the same
    rate bites much harder than that of dropout before the classifier.

    When it helps: convolutional networks that are trained long enough. Neighboring pixels of a map say nearly the
    same, so switching off single ones, as plain dropout would, hides nothing; switching off the map does.

    When it does not: short trainings and narrow layers. Of 32 maps, 3 are a tenth of all that is known about an image.
    """

    title = "Spatial dropout"
    group = "Structure"
    hint = "Switch off whole feature maps"
    synonyms = ("overfitting", "Dropout2d", "SpatialDropout2D", "channels")
    paper = "Tompson et al. 2015, Efficient object localization using convolutional networks, arXiv:1411.4280"
    formula = r"\tilde{h}_{c} = \frac{m_{c}}{1 - p}\, h_{c},\quad m_{c} \sim \mathrm{Bernoulli}(1 - p)"
    pytorch = "x = nn.Dropout2d(p=0.1)(x)  # between the blocks"
    keras = "x = keras.layers.SpatialDropout2D(0.1)(x)  # between the blocks"
    advice = {
        "batch_norm": "Spatial dropout before batch normalization shifts the variance it has learned when the dropping "
        "ends (Li et al. 2019): keep the rate small.",
    }
    off = {"rate": 0}

    rate: float = Field(
        0.1,
        ge=0,
        le=0.9,
        title="rate",
        description="share of maps switched off",
        json_schema_extra={"slider": [0, 0.5, 0.05]},
    )

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """A layer that drops whole feature maps between the parts of the network."""
        return spec.replace(spatial_dropout=self.rate)
