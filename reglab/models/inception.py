"""The small Inception of Zhang et al. 2017, Understanding deep learning requires rethinking generalization (1611.03530).

Figure 3 of the appendix draws it; table 1 gives 1,649,402 parameters. The paper crops images to 28x28, and so does this.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reglab.models.layers import conv, dropout, initialized, map_dropout, scaled
from reglab.models.spec import ModelSpec

STEM = 96
INCEPTIONS = (  # channels of the 1x1 and 3x3 branches, stage by stage
    ((32, 32), (32, 48)),
    ((112, 48), (96, 64), (80, 80), (48, 96)),
    ((176, 160), (176, 160)),
)
DOWNSAMPLES = (80, 96)  # channels of the strided convolution beside the pooling, between the stages


def unit(
    spec: ModelSpec, channels: int, width: int, kernel: int, stride: int = 1, padding: int | None = None
) -> nn.Module:
    """The paper's conv module: convolution, normalization, ReLU."""
    return nn.Sequential(*conv(spec, channels, width, kernel, stride, padding), nn.ReLU(inplace=True))


class Side(nn.Module):
    """Runs modules side by side and stacks their channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([branch(maps) for branch in self.branches], 1)


class SmallInception(nn.Module):
    """Three stages of Inception modules, a 1x1 beside a 3x3 convolution, and the mean over all 7x7 places."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        channels = scaled(spec, STEM)
        layers: list[nn.Module] = [unit(spec, 3, channels, 3)]
        for stage, inceptions in enumerate(INCEPTIONS):
            if stage:
                width = scaled(spec, DOWNSAMPLES[stage - 1])
                layers.append(Side(unit(spec, channels, width, 3, stride=2), nn.MaxPool2d(3, 2, padding=1)))
                channels += width
            for one, three in inceptions:
                one, three = scaled(spec, one), scaled(spec, three)
                layers.append(Side(unit(spec, channels, one, 1), unit(spec, channels, three, 3)))
                channels = one + three
            layers += map_dropout(spec)
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(*dropout(spec), nn.Linear(channels, spec.classes))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images[..., 2:-2, 2:-2]).mean((2, 3)))
        return logits

    def hidden_layers(self) -> list[nn.Module]:
        """The first convolution, and every module of branches side by side."""
        return [layer for layer in self.features if isinstance(layer, (nn.Sequential, Side))]


def build(spec: ModelSpec) -> nn.Module:
    """The network of this spec, with fresh weights. It takes images (N, 3, 32, 32) and gives logits (N, classes)."""
    return initialized(SmallInception(spec), spec.init)
