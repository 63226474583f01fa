"""The layers that regularizers ask a network for, and where none is asked for, nothing."""

from __future__ import annotations

from math import gcd, log1p
from typing import Any

import torch
from torch import Tensor, nn

from reglab import compat
from reglab.models.group_norm import GroupNorm
from reglab.models.spec import ModelSpec


def norm(spec: ModelSpec, channels: int, batch_norm: type[nn.Module] = nn.BatchNorm2d) -> list[nn.Module]:
    """What follows a convolution, or with BatchNorm1d a dense layer.

    Where the channels cannot be divided into `num_groups` groups, into the greatest common divisor of the two.
    """
    if spec.norm == "batch":
        return [batch_norm(channels)]
    if spec.norm == "group":
        return [GroupNorm(gcd(spec.num_groups, channels), channels)]
    return []


def conv(
    spec: ModelSpec, channels: int, width: int, kernel: int = 3, stride: int = 1, padding: int | None = None
) -> list[nn.Module]:
    """A convolution that keeps the size of its maps, divided by the stride, and its normalization."""
    bias = spec.norm == "none"  # a normalization has its own
    padding = kernel // 2 if padding is None else padding
    return [nn.Conv2d(channels, width, kernel, stride, padding, bias=bias), *norm(spec, width)]


def scaled(spec: ModelSpec, channels: int) -> int:
    """So many channels at the width that was asked for: a multiple of 8, which kernels like; all of them at width 1."""
    return channels if spec.width == 1 else max(8, round(channels * spec.width / 8) * 8)


def initialized(network: nn.Module, init: str) -> nn.Module:
    """The network with the weights that training begins with, those of normalizations apart.

    he: He et al. 2015 (arXiv:1502.01852), a normal distribution that keeps the variance of the signal through ReLUs.
    glorot: Glorot and Bengio 2010, the uniform one that Keras takes, of half that variance where a layer has as many
    outputs as inputs. Both have biases of zero. torch: what the layers of torch are made with, uniform and of a sixth.
    """
    if init == "torch":
        return network
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            if init == "he":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def undecided_(network: nn.Module) -> nn.Module:
    """The classifier, the last layer, of N(0, 0.01), as in AlexNet and VGG: with He's it begins by being sure of itself."""
    classifier: Any = [*network.modules()][-1]
    nn.init.normal_(classifier.weight, std=0.01)
    return network


def dropout(spec: ModelSpec) -> list[nn.Module]:
    """What stands before the classifier."""
    return [nn.Dropout(spec.dropout)] if spec.dropout else []


def map_dropout(spec: ModelSpec, block: bool = True) -> list[nn.Module]:
    """What stands where feature maps pass from one part of the network to the next; `block` where DropBlock has room."""
    layers: list[nn.Module] = []
    if spec.spatial_dropout:
        layers.append(nn.Dropout2d(spec.spatial_dropout))
    if spec.dropblock and block:
        layers.append(DropBlock2d(spec.dropblock, spec.block_size))
    return layers


class DropBlock2d(nn.Module):
    """Hides square blocks of feature maps (N, C, H, W) and scales up what is left; Ghiasi et al. 2018, algorithm 1.

    Every position where a whole block fits is a block's corner with probability gamma, in each channel for itself.
    """

    def __init__(self, drop_prob: float, block_size: int) -> None:
        super().__init__()
        self.drop_prob, self.block_size = drop_prob, block_size

    def extra_repr(self) -> str:
        return f"drop_prob={self.drop_prob}, block_size={self.block_size}"

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training:
            return maps
        mask = self.mask(maps)
        return maps * mask * (mask.numel() / mask.sum().clamp(min=1))

    def mask(self, maps: Tensor) -> Tensor:
        """0 in the hidden blocks and 1 elsewhere, in the shape of the maps."""
        n, channels, height, width = maps.shape
        size = min(self.block_size, height, width)
        rows, columns = height - size + 1, width - size + 1  # where a corner may lie
        gamma = self.drop_prob / size**2 * (height * width) / (rows * columns)
        # Few positions are drawn, so drawing how many, and then where, is ten times as fast as asking every position.
        # It is the same: a Poisson number of uniform draws hits every position independently (Poisson splitting).
        positions = n * rows * columns * channels
        draws = int(torch.poisson(torch.tensor(-positions * log1p(-min(gamma, 0.999)))).item())
        at = torch.randint(positions, (draws, 1, 1), device=maps.device)
        channel, column = at % channels, at // channels % columns
        row, image = at // (channels * columns) % rows, at // (channels * columns * rows)
        side = torch.arange(size, device=maps.device)
        row, column = row + side.view(1, -1, 1), column + side.view(1, 1, -1)
        hidden = ((image * height + row) * width + column) * channels + channel
        mask = torch.ones(n * height * width * channels, device=maps.device, dtype=maps.dtype)
        mask[hidden.view(-1)] = 0
        return mask.view(n, height, width, channels).permute(0, 3, 1, 2)  # channels_last, like the maps


class StochasticDepth(nn.Module):
    """Leaves out a residual branch for a random share of the images and scales up the others; Huang et al. 2016.

    Drawn for each image, as in timm's DropPath; the paper draws once for a mini-batch and scales when it predicts.
    """

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def extra_repr(self) -> str:
        return f"drop_prob={self.drop_prob}"

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or not self.drop_prob:
            return branch
        kept = 1 - self.drop_prob
        mask = torch.empty(len(branch), 1, 1, 1, device=branch.device, dtype=branch.dtype).bernoulli_(kept)
        return branch * (mask / kept)


def normalize_spectrum(network: nn.Module, n_power_iterations: int) -> None:
    """Let every convolution and dense layer that learns use W / sigma(W), its weight divided by its largest singular value."""
    from torch.nn.utils.parametrizations import spectral_norm

    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.weight.requires_grad:
            spectral_norm(layer, n_power_iterations=n_power_iterations)


def settle_spectrum(network: nn.Module, iterations: int = 15) -> None:
    """Fit the vectors of spectral normalization to weights that they were not found with: an average of weights, say."""
    from torch.nn.utils.parametrize import is_parametrized

    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and is_parametrized(layer, "weight"):
            compat.torch.iterate_power(layer, iterations)
