"""Spectral normalization: divide weights by their largest stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from reglab.models import ModelSpec


class SpectralNorm(Regularizer):
    """Divides every weight matrix by its largest singular value, so that no layer can stretch its input by much.

    What you will see: a network that cannot shout. Logits stay small, the training loss falls slowly and stays away
    from zero, the gap narrows and the validation loss hardly rises; but accuracy is lower.

    When it helps: where small changes of a picture must not change the answer much; it was made for the discriminators
    of GANs.

    When it does not: for the accuracy of a classifier. Eight layers that each pass on less than they receive leave
    little of the signal, unless batch normalization scales it up again, which undoes the bound.

    The singular value is estimated by power iteration in every step, from where the last step left off; it is that of
    the kernel as a matrix of (outputs) x (inputs * height * width), which bounds the convolution only roughly.
    """

    title = "Spectral normalization"
    group = "Penalties"
    hint = "Divide weights by their largest stretch"
    synonyms = ("SN", "Lipschitz", "singular value", "GAN", "overfitting")
    paper = "Miyato et al. 2018, Spectral normalization for generative adversarial networks, arXiv:1802.05957"
    formula = r"\bar{W} = W / \sigma(W),\quad \sigma(W) = \max_{\lVert x \rVert = 1} \lVert W x \rVert"
    pytorch = """
        for layer in [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]:
            nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=1)
    """
    keras = "x = keras.layers.SpectralNormalization(keras.layers.Conv2D(32, 3), power_iterations=1)(x)  # every layer"
    advice = {
        "batch_norm": "Batch normalization scales up again what spectral normalization holds down, so together they no "
        "longer bound anything.",
        "weight_decay": "Under spectral normalization the size of a weight no longer matters to the output, so weight "
        "decay only changes the effective learning rate.",
        "max_norm": "Max norm acts on weights that spectral normalization rescales anyway.",
    }

    n_power_iterations: int = Field(
        1,
        ge=1,
        le=10,
        title="power iterations",
        description="per step; more is more exact",
        json_schema_extra={"slider": [1, 5, 1]},
    )

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """Every kernel and matrix that learns, divided by its largest singular value."""
        return spec.replace(spectral_norm=self.n_power_iterations)
