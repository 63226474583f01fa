"""Residual networks for 32x32 images, section 4.2 of He et al. 2016 (arXiv:1512.03385)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, relu

from reglab.models import ModelSpec
from reglab.models.layers import StochasticDepth, dropout, map_dropout, norm2d

WIDTHS = (16, 32, 64)
BLOCKS = {"resnet20": 3}  # residual blocks a stage; depth = 6 * blocks + 2


def _norm(spec: ModelSpec, channels: int) -> nn.Module:
    return next(iter(norm2d(spec, channels)), nn.Identity())


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; where the shape changes, the shortcut is subsampled and zero-padded.

    That is the paper's option A: the shortcut has no weights. `drop_path` is the probability that the branch is left
    out for an image. Feature maps are dropped between the convolutions, as in Zagoruyko and Komodakis 2016.
    """

    def __init__(self, spec: ModelSpec, channels: int, width: int, stride: int, drop_path: float) -> None:
        super().__init__()
        bias = spec.norm == "none"
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=bias)
        self.norm1 = _norm(spec, width)
        self.drop = nn.Sequential(
            *map_dropout(spec, block=width != WIDTHS[0])
        )  # the last stages, as in DropBlock's paper
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.norm2 = _norm(spec, width)
        self.drop_path = StochasticDepth(drop_path)
        self.stride, self.extra = stride, width - channels

    def forward(self, x: Tensor) -> Tensor:
        branch = self.norm2(self.conv2(self.drop(relu(self.norm1(self.conv1(x))))))
        if self.stride > 1:
            x = avg_pool2d(x, 1, self.stride)
        if self.extra:
            x = pad(x, (0, 0, 0, 0, 0, self.extra))
        return relu(x + self.drop_path(branch))


class ResNet(nn.Module):
    """A 3x3 convolution, three stages of residual blocks, the mean over all places, a classifier.

    269,722 parameters as resnet20 with batch normalization and 10 classes, 269,034 without.
    """

    def __init__(self, spec: ModelSpec, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=spec.norm == "none"), _norm(spec, WIDTHS[0]), nn.ReLU()
        )
        stages: list[nn.Module] = []
        channels = WIDTHS[0]
        for width in WIDTHS:
            for i in range(blocks):
                drop_path = (
                    spec.stochastic_depth * (len(stages) + 1) / (len(WIDTHS) * blocks)
                )  # section 3, linear decay
                stages.append(Block(spec, channels, width, 2 if i == 0 and width != WIDTHS[0] else 1, drop_path))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(*dropout(spec), nn.Linear(channels, spec.classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stages(self.stem(images)).mean((2, 3)))
        return logits


def build(spec: ModelSpec) -> nn.Module:
    network = ResNet(spec, BLOCKS[spec.name])
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if spec.norm == "none" and not spec.spectral_norm:  # which bounds the branches, and cannot divide a weight of zero
        # Without normalization the variance would double with every block. Branches that start at zero keep a deep
        # residual network trainable: Zhang et al. 2019, Fixup initialization, arXiv:1901.09321.
        blocks = [m for m in network.modules() if isinstance(m, Block)]
        with torch.no_grad():
            for block in blocks:
                block.conv1.weight.mul_(len(blocks) ** -0.5)
                block.conv2.weight.zero_()
    return network
