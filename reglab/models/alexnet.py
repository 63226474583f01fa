"""The small AlexNet of Zhang et al. 2017, Understanding deep learning requires rethinking generalization (1611.03530).

Two convolutions with pooling and local response normalization, two dense layers, a classifier: 1,387,786 parameters, as
in table 1. The paper crops images to 28x28, and so does this.
"""

from __future__ import annotations

from torch import Tensor, nn

from reglab.models.layers import conv, dropout, initialized, map_dropout, norm, scaled, undecided_
from reglab.models.spec import ModelSpec

WIDTH = 64  # the paper does not say; with these channels its count comes out, and TensorFlow's tutorial has them, too
HIDDEN = (384, 192)


def response_norm() -> nn.Module:
    """Krizhevsky et al. 2012, section 3.3, with the numbers of TensorFlow's CIFAR-10 tutorial; the paper gives none."""
    return nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)


class SmallAlexNet(nn.Module):
    """Where batch or group normalization is asked for, it stands behind each layer instead of the response normalization."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block in range(2):
            width = scaled(spec, WIDTH)
            layers += [*conv(spec, channels, width, 5), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)]
            layers += [response_norm()] if spec.norm == "none" else []
            layers += map_dropout(spec, block=block < 1)
            channels = width
        self.features = nn.Sequential(*layers)
        dense: list[nn.Module] = [nn.Flatten()]
        units = channels * 7 * 7
        for hidden in (scaled(spec, h) for h in HIDDEN):
            dense += [nn.Linear(units, hidden, bias=spec.norm == "none"), *norm(spec, hidden, nn.BatchNorm1d)]
            dense += [nn.ReLU(inplace=True)]
            units = hidden
        self.head = nn.Sequential(*dense, *dropout(spec), nn.Linear(units, spec.classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images[..., 2:-2, 2:-2]))
        return logits

    def hidden_layers(self) -> list[nn.Module]:
        """Behind each block: its pooling."""
        return [layer for layer in self.features if isinstance(layer, nn.MaxPool2d)]


def build(spec: ModelSpec) -> nn.Module:
    """The network of this spec, with fresh weights. It takes images (N, 3, 32, 32) and gives logits (N, classes)."""
    return undecided_(initialized(SmallAlexNet(spec), spec.init))
