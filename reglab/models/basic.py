"""The classic six-convolution network of countless CIFAR-10 tutorials: small, quick, and eager to overfit."""

from __future__ import annotations

from torch import Tensor, nn

from reglab.models.layers import conv, dropout, initialized, map_dropout, norm, scaled
from reglab.models.spec import ModelSpec

WIDTHS = (32, 64, 128)
HIDDEN = 128


class BasicCNN(nn.Module):
    """Three blocks of two 3x3 convolutions and a 2x2 max pooling, one hidden dense layer, one classifier.

    550,570 parameters without batch normalization and 10 classes.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block, width in enumerate(scaled(spec, w) for w in WIDTHS):
            for _ in range(2):
                layers += [*conv(spec, channels, width), nn.ReLU(inplace=True)]
                channels = width
            layers += [nn.MaxPool2d(2), *map_dropout(spec, block=block < 2)]  # no room in 4 x 4 pixels
        self.features = nn.Sequential(*layers)
        hidden = scaled(spec, HIDDEN)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * 4 * 4, hidden, bias=spec.norm == "none"),
            *norm(spec, hidden, nn.BatchNorm1d),
            nn.ReLU(inplace=True),
            *dropout(spec),
            nn.Linear(hidden, spec.classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits

    def hidden_layers(self) -> list[nn.Module]:
        """Behind each block: its pooling."""
        return [layer for layer in self.features if isinstance(layer, nn.MaxPool2d)]


def build(spec: ModelSpec) -> nn.Module:
    """The network of this spec, with fresh weights. It takes images (N, 3, 32, 32) and gives logits (N, classes)."""
    return initialized(BasicCNN(spec), spec.init)
