"""Residual networks for 32x32 images: section 4.2 of He et al. 2016 (arXiv:1512.03385), and ResNet-18 with a CIFAR stem."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, relu

from reglab.models.layers import StochasticDepth, conv, dropout, initialized, map_dropout, scaled
from reglab.models.spec import ModelSpec


@dataclass(frozen=True)
class Shape:
    """Channels of each stage, residual blocks a stage, and what the shortcut does where the shape changes."""

    widths: tuple[int, ...]
    blocks: int
    projection: bool  # the paper's option B, a 1x1 convolution; else option A, which has no weights


SHAPES = {
    "resnet20": Shape((16, 32, 64), 3, projection=False),
    "resnet18": Shape((64, 128, 256, 512), 2, projection=True),
}


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Where the shape changes, option A subsamples the shortcut and pads it with zeros, option B projects it.
    `drop_path` is the probability that the branch is left out for an image. Feature maps are dropped between the
    convolutions, as in Zagoruyko and Komodakis 2016; squares of them (`block`) in all stages but the first, as in
    DropBlock's paper, and where 4 x 4 pixels have no room for them.
    """

    def __init__(
        self, spec: ModelSpec, channels: int, width: int, stride: int, projection: bool, drop_path: float, block: bool
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *conv(spec, channels, width, stride=stride),
            nn.ReLU(inplace=True),
            *map_dropout(spec, block),
            *conv(spec, width, width),
        )
        self.drop_path = StochasticDepth(drop_path)
        self.stride, self.extra = stride, width - channels
        changes = stride > 1 or self.extra != 0
        self.project = nn.Sequential(*conv(spec, channels, width, 1, stride)) if projection and changes else None

    def shortcut(self, x: Tensor) -> Tensor:
        if self.project is not None:
            out: Tensor = self.project(x)
            return out
        if self.stride > 1:
            x = avg_pool2d(x, 1, self.stride)
        return pad(x, (0, 0, 0, 0, 0, self.extra)) if self.extra else x

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.shortcut(x) + self.drop_path(self.branch(x)))

    def convolutions(self) -> list[nn.Conv2d]:
        return [layer for layer in self.branch if isinstance(layer, nn.Conv2d)]


class ResNet(nn.Module):
    """A 3x3 convolution, stages of residual blocks, the mean over all places, a classifier.

    With batch normalization and 10 classes 269,722 parameters as resnet20 and 11,173,962 as resnet18; the latter is
    torchvision's ResNet-18 but for its first layer, a 3x3 convolution without pooling instead of 7x7 with.
    """

    def __init__(self, spec: ModelSpec, shape: Shape) -> None:
        super().__init__()
        channels = scaled(spec, shape.widths[0])
        self.stem = nn.Sequential(*conv(spec, 3, channels), nn.ReLU(inplace=True))
        stages: list[nn.Module] = []
        for stage, width in enumerate(scaled(spec, w) for w in shape.widths):
            for i in range(shape.blocks):
                # section 3 of the stochastic depth paper: the rate grows linearly with depth
                drop_path = spec.stochastic_depth * (len(stages) + 1) / (len(shape.widths) * shape.blocks)
                stride = 2 if i == 0 and stage > 0 else 1
                stages.append(Block(spec, channels, width, stride, shape.projection, drop_path, block=0 < stage < 3))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(*dropout(spec), nn.Linear(channels, spec.classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stages(self.stem(images)).mean((2, 3)))
        return logits

    def hidden_layers(self) -> list[nn.Module]:
        """The last block of each stage."""
        blocks = [block for block in self.stages if isinstance(block, Block)]
        ends = [block for block, following in pairwise(blocks) if following.stride > 1]
        return [*ends, blocks[-1]]


def fan_out(network: nn.Module) -> None:
    """He's initialization of the convolutions, with the variance kept on the way back; biases of zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def build(spec: ModelSpec) -> nn.Module:
    """The network of this spec, with fresh weights. It takes images (N, 3, 32, 32) and gives logits (N, classes).

    In the initialization `he` the variance is kept on the way back (fan out), as in He et al. 2016, and the classifier
    begins with torch's weights.
    """
    network = ResNet(spec, SHAPES[spec.name])
    if spec.init == "he":
        fan_out(network)
    else:
        initialized(network, spec.init)
    if spec.norm == "none" and not spec.spectral_norm:  # which bounds the branches, and cannot divide a weight of zero
        # Without normalization the variance would double with every block. Branches that start at zero keep a deep
        # residual network trainable: Zhang et al. 2019, Fixup initialization, arXiv:1901.09321.
        blocks = [m for m in network.modules() if isinstance(m, Block)]
        with torch.no_grad():
            for block in blocks:
                first, second = block.convolutions()
                first.weight.mul_(len(blocks) ** -0.5)
                second.weight.zero_()
    return network
