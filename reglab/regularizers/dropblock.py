"""DropBlock: hide squares of the feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from reglab.models import ModelSpec


class DropBlock(Regularizer):
    """Hides squares of the feature maps between convolutions, so that the network must find the object in what is left.

    What you will see: as with spatial dropout, training rises more slowly and the gap narrows, about as much at
    the same rate; every map keeps most of what it saw.

    When it helps: larger networks and long trainings; its paper gains a point and a half on ImageNet with ResNet-50.

    When it does not: for accuracy in a short training of a small network with right labels, which neither gains nor loses.
    The paper raises the rate slowly during training, which a short run has no time for; here it is constant.
    """

    title = "DropBlock"
    group = "Structure"
    hint = "Hide squares of the feature maps"
    synonyms = ("overfitting", "DropBlock2d", "dropout")
    paper = "Ghiasi et al. 2018, DropBlock: a regularization method for convolutional networks, arXiv:1810.12890"
    formula = r"\gamma = \frac{p}{b^2} \cdot \frac{HW}{(H - b + 1)(W - b + 1)},\quad \tilde{h} = h \odot m\, \frac{|m|}{\sum m}"
    pytorch = "x = torchvision.ops.DropBlock2d(p=0.1, block_size=3)(x)  # between the blocks; odd sizes only"
    keras = """
        # not in Keras; by hand, for the maps of training, (n, h, w, c)
        n, h, w, c = x.shape
        corners = keras.random.uniform((n, h - 2, w - 2, c)) < 0.1 / 3**2 * h * w / ((h - 2) * (w - 2))
        corners = keras.ops.pad(keras.ops.cast(corners, x.dtype), [[0, 0], [2, 2], [2, 2], [0, 0]])
        kept = 1 - keras.ops.max_pool(corners, 3, 1)
        x = x * kept / keras.ops.mean(kept)
    """
    advice = {
        "spatial_dropout": "DropBlock and spatial dropout both hide parts of feature maps: together they hide a lot, so "
        "halve the rates.",
    }
    off = {"rate": 0}

    rate: float = Field(
        0.1,
        ge=0,
        le=0.9,
        title="rate",
        description="share of each map hidden, before overlaps",
        json_schema_extra={"slider": [0, 0.5, 0.05]},
    )
    block_size: int = Field(
        3,
        ge=1,
        le=16,
        title="block size",
        description="side of a square, in map pixels",
        json_schema_extra={"slider": [1, 7, 1]},
    )

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """A DropBlock layer between the parts of the network, where its maps have room for blocks."""
        return spec.replace(dropblock=self.rate, block_size=self.block_size)
