"""Group normalization: normalise groups of channels by image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from reglab.models import ModelSpec


class GroupNorm(Regularizer):
    """Normalizes groups of channels of every image by itself, so that nothing depends on what else is in the batch.

    What you will see: like batch normalization, the training loss falls much faster, after a few epochs at the latest, and
    higher learning rates become possible. The gap widens about as much: training images, and wrong labels, are known by
    heart sooner.

    When it helps: small batches, where the statistics of a batch are too noisy to divide by.

    When it does not: against overfitting on few images; and on a CPU, where it takes longer than batch normalization.

    Where the channels of a layer cannot be divided into so many groups, the greatest common divisor is taken.
    """

    title = "Group normalization"
    group = "Structure"
    hint = "Normalize groups of channels in each image"
    synonyms = ("GN", "groupnorm", "normalisation", "layer norm", "instance norm", "small batches")
    paper = "Wu and He 2018, Group normalization, arXiv:1803.08494"
    formula = r"\hat{x} = \gamma\,\frac{x - \mu_G}{\sqrt{\sigma_G^2 + \epsilon}} + \beta"
    pytorch = "block = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.GroupNorm(8, 32), nn.ReLU())"
    keras = """
        x = keras.layers.Conv2D(32, 3, padding="same", use_bias=False)(x)
        x = keras.layers.GroupNormalization(groups=8, epsilon=1e-5)(x)  # Keras: 0.001
        x = keras.layers.ReLU()(x)
    """
    excludes = {"batch_norm": "both normalize every layer"}

    num_groups: int = Field(
        8,
        ge=1,
        le=64,
        title="groups",
        description="the paper's 32 is for wide layers",
        json_schema_extra={"slider": [1, 32, 1], "try": "1,4,8"},
    )

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """A group normalization behind every convolution and hidden dense layer, which lose their biases."""
        return spec.replace(norm="group", num_groups=self.num_groups)
