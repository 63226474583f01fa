"""Group normalization that is quick on a CPU, too, where a group has few channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from reglab import compat

VECTOR = 32  # bytes: a group's channels at one place fill a register of the processor from here on
ROWWISE = 1_024  # places: from here on torch takes means over whole rows of channels, though on the way forward alone
CACHED = 2**19  # numbers


class GroupNorm(nn.GroupNorm):
    """torch's, with its names and its numbers, computed otherwise on a CPU where a group is narrow.

    On channels_last maps torch goes through the channels of one group at each place, four of them in the first layers of
    most networks here, and so cannot use the processor's vectors: forward and backward take 28 ms instead of 3.9 for
    batch normalization (128 maps of 32 x 32 x 32 in bf16, one core of an AMD EPYC, torch 2.11). Sums over places are quick,
    and what is left is one product and one sum for each number. `benchmarks/norms.py` measures both. In float32 and without
    gradients it is torch's layer to the bit, as in the code and the files that a run is published as.
    """

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.num_channels // self.num_groups * x.element_size() < VECTOR
        published = x.dtype == torch.float32 and not torch.is_grad_enabled()
        if not narrow or published or x.device.type != "cpu" or x.ndim != 4 or compat.torch.is_written_down():
            return super().forward(x)
        out: Tensor = Normalized.apply(x, self.weight, self.bias, self.num_groups, self.eps)
        return out


class Normalized(torch.autograd.Function):
    """(x - mean) / deviation * weight + bias, each group of channels (N, C, H, W) of each image by itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        n, channels, height, width = x.shape
        if height * width >= ROWWISE:
            y, mean, rdev = torch.native_group_norm(x, weight, bias, n, channels, height * width, groups, eps)
        else:
            told = [normalized(part, weight, bias, groups, eps) for part in x.split(_at_once(x))]
            y, mean, rdev = map(torch.cat, zip(*told, strict=True))
        ctx.save_for_backward(x, weight, mean, rdev)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, rdev = ctx.saved_tensors
        size = _at_once(x)
        parts = zip(*(t.split(size) for t in (gradients[0], x, mean, rdev)), strict=True)
        told = [gradients_of(weight, *part) for part in parts]
        of_x, of_weight, of_bias = map(torch.cat, zip(*told, strict=True))
        return of_x, of_weight.sum(0), of_bias.sum(0), None, None


def normalized(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """y (N, C, H, W), and for the way back mean and 1 / deviation (N, groups)."""
    wide = _wide(x)
    each = wide[0].numel() // groups  # numbers that are normalised together
    mean = wide.sum((2, 3)).view(len(x), groups, -1).sum(2, keepdim=True) / each
    # Before the squares, so that near a large mean no digits are lost.
    centered = wide - _maps(mean.expand(-1, -1, x.shape[1] // groups))
    variance = centered.square().sum((2, 3)).view(len(x), groups, -1).sum(2, keepdim=True) / each
    rdev = (variance + eps).rsqrt_()
    scale = rdev * weight.view(groups, -1)
    y = torch.addcmul(bias.view(1, -1, 1, 1), centered, _maps(scale))
    return y.to(x.dtype), mean.squeeze(2), rdev.squeeze(2)


def gradients_of(weight: Tensor, g: Tensor, x: Tensor, mean: Tensor, rdev: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of x (N, C, H, W), and what each image adds to those of weight and bias, (N, C) each.

    With the normalised x as y and weight * gradient as h, that of x is (h - mean(h) - y * mean(h * y)) / deviation: a sum of
    x, g and one, each with a factor of its own for an image and a channel.
    """
    wide, g = _wide(x), _wide(g)
    n, groups = mean.shape
    mean, rdev, weights = mean.unsqueeze(2), rdev.unsqueeze(2), weight.view(groups, -1)
    each = wide[0].numel() // groups
    of_bias = g.sum((2, 3)).view(n, groups, -1)
    of_weight = ((g * wide).sum((2, 3)).view(n, groups, -1) - mean * of_bias) * rdev
    along = (of_weight * weights).sum(2, keepdim=True) / each * rdev.square()
    constant = mean * along - (of_bias * weights).sum(2, keepdim=True) / each * rdev
    of_x = torch.addcmul(_maps(constant.expand_as(of_bias)), wide, _maps(-along.expand_as(of_bias)))
    of_x.addcmul_(g, _maps(rdev * weights))
    return of_x.to(x.dtype), of_weight.flatten(1), of_bias.flatten(1)


def _at_once(x: Tensor) -> int:
    """How many images: what is made of them on the way stays in the processor's caches."""
    return max(1, CACHED // x[0].numel())


def _wide(maps: Tensor) -> Tensor:
    """In float32, in which means are taken."""
    return maps.float() if maps.dtype in (torch.bfloat16, torch.float16) else maps


def _maps(values: Tensor) -> Tensor:
    """(N, groups, channels of each) as it stands before maps: (N, C, 1, 1)."""
    return values.reshape(len(values), -1, 1, 1)
