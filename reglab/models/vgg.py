"""VGG for 32x32 images: the convolutions of Simonyan and Zisserman 2015 (arXiv:1409.1556), with a CIFAR head.

Five poolings leave one pixel of 32x32, so that the paper's three dense layers, 124 of its 138 million weights, shrink to
one classifier, as in nearly every CIFAR version.
"""

from __future__ import annotations

from torch import Tensor, nn

from reglab.models.layers import conv, dropout, initialized, map_dropout, scaled, undecided_
from reglab.models.spec import ModelSpec

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {"vgg11": (1, 1, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3)}  # in each block: columns A and D of table 1


class VGG(nn.Module):
    """Five blocks of 3x3 convolutions and a 2x2 max pooling, then the classifier.

    With batch normalization and 10 classes 9,228,362 parameters as vgg11 and 14,723,146 as vgg16.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block, (width, convolutions) in enumerate(zip(WIDTHS, CONVOLUTIONS[spec.name], strict=True)):
            for _ in range(convolutions):
                layers += [*conv(spec, channels, scaled(spec, width)), nn.ReLU(inplace=True)]
                channels = scaled(spec, width)
            layers += [nn.MaxPool2d(2), *map_dropout(spec, block=block < 2)]  # from 4 x 4 pixels on there is no room
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), *dropout(spec), nn.Linear(channels, spec.classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits

    def hidden_layers(self) -> list[nn.Module]:
        """Behind each block: its pooling."""
        return [layer for layer in self.features if isinstance(layer, nn.MaxPool2d)]


def build(spec: ModelSpec) -> nn.Module:
    """The network of this spec, with fresh weights. It takes images (N, 3, 32, 32) and gives logits (N, classes)."""
    return undecided_(initialized(VGG(spec), spec.init))
