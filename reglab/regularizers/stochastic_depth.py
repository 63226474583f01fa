"""Stochastic depth: leave out residual branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from reglab.models import ModelSpec


class StochasticDepth(Regularizer):
    """Leaves out residual branches at random, the deep ones most often, so that a training step sees a shorter network.

    What you will see: training loss falls a little more slowly. In long trainings of deep networks the validation curve ends
    higher; in a short one nothing else is to be seen.

    When it helps: deep residual networks: in its paper ResNet-110 went from 6.41 to 5.23 % error on CIFAR-10.

    When it does not: shallow ones. The paper leaves out the last branch half of the time; of the nine branches of
    resnet20 few are superfluous, so the rate here begins lower. Networks without residual branches have nothing to leave out.

    The branch l of L is left out for an image with probability rate * l / L.
    """

    title = "Stochastic depth"
    group = "Structure"
    hint = "Leave out residual branches"
    synonyms = ("DropPath", "drop path", "layer dropout", "ResNet")
    paper = "Huang et al. 2016, Deep networks with stochastic depth, arXiv:1603.09382"
    formula = r"h_l = \mathrm{ReLU}\big(h_{l-1} + \tfrac{b_l}{1 - p_l} f_l(h_{l-1})\big),\quad p_l = \tfrac{l}{L}\, p"
    pytorch = "x = F.relu(x + timm.layers.DropPath(0.2)(branch(x)))  # branch l of L: 0.2 * l / L"
    keras = """
        skip = keras.layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))  # branch l of L: 0.2 * l / L
        x = keras.layers.ReLU()(keras.layers.Add()([x, skip(branch(x))]))
    """
    off = {"rate": 0}

    rate: float = Field(
        0.2,
        ge=0,
        le=0.9,
        title="rate",
        description="of the last branch; earlier ones less",
        json_schema_extra={"slider": [0, 0.8, 0.05]},
    )

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """Residual branches that are left out at random, the last at this rate, those before it less."""
        return spec.replace(stochastic_depth=self.rate)
