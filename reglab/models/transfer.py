"""A backbone with a new head: the network that fine-tuning trains, and the stages in which it thaws."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reglab import compat

STAGES = 4  # in which a backbone thaws, whatever the number of its layers
SLOWER = 2.6  # each stage learns so many times slower than the next: Howard and Ruder 2018, section 3.2


class Head(nn.Module):
    """Dropout and one dense layer; features (N, F) or (N, F, 1, 1) -> logits (N, classes)."""

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(features, classes)
        nn.init.zeros_(self.classifier.weight)  # no opinion yet, so that the first gradients do not shake the backbone
        nn.init.zeros_(self.classifier.bias)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.drop(features.flatten(1)))
        return logits

    def hidden_layers(self) -> list[nn.Module]:
        """None: what goes into it are the features."""
        return []


class Transfer(nn.Module):
    """A network of timm whose last feature maps are averaged and classified by a new head."""

    def __init__(self, backbone: Any, features: int, side: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.backbone, self.side = backbone, side
        self.head = Head(features, classes, dropout)

    def features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, F): enlarged, through the backbone, and averaged over all places."""
        if images.shape[-1] != self.side:
            images = interpolate(images, (self.side, self.side), mode="bilinear", align_corners=False, antialias=False)
        maps: Tensor = self.backbone.forward_features(images.contiguous(memory_format=torch.channels_last))
        return maps.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits

    def hidden_layers(self) -> list[nn.Module]:
        """The last module of each stage of the backbone, as timm tells them."""
        return compat.timm.stage_modules(self.backbone)

    def stage_of(self) -> dict[str, int]:
        """Parameter name -> stage: 0 for the layers next to the picture, STAGES for the head."""
        depth = compat.timm.depth_of_parameters(self.backbone)
        layers = sorted(set(depth.values()))
        stage = {layer: place * STAGES // len(layers) for place, layer in enumerate(layers)}
        own = {f"backbone.{name}": stage[depth[name]] for name in depth}
        return own | {name: STAGES for name, _ in self.named_parameters() if name not in own}


class Thaw:
    """Which stages of a `Transfer` learn when, and how fast: gradual unfreezing and discriminative learning rates.

    Howard and Ruder 2018, Universal language model fine-tuning, sections 3.2 and 3.3, arXiv:1801.06146. The head learns
    alone for the first third of the run; then a stage after the other joins it, the last first, until from two thirds
    on everything learns. Frozen stages keep their batch-normalization statistics, too. What something else has frozen
    for good stays frozen.
    """

    def __init__(self, network: Transfer) -> None:
        self.stage_of = network.stage_of()
        self._layers = [
            (layer, params, self.stage_of[f"{name}.{next(iter(params))}"])
            for name, layer in network.named_modules()
            if (params := {k: p for k, p in layer.named_parameters(recurse=False) if p.requires_grad})
        ]

    def scale(self, parameter: str) -> float:
        """The learning rate of a parameter, as a share of that of the head."""
        return float(SLOWER ** (self.stage_of[parameter] - STAGES))

    def begin_step(self, share: float) -> int:
        """Freeze and thaw for a step at this share of the run, after the network was set to training mode: how many stages learn."""
        stages = learning(share)
        first = STAGES - stages
        for layer, parameters, stage in self._layers:
            for p in parameters.values():
                p.requires_grad_(stage >= first)
            layer.train(stage >= first)
        return stages


def learning(share: float) -> int:
    """How many stages below the head learn at this share of the run."""
    return min(STAGES, max(0, int((3 * share - 1) * STAGES) + 1)) if share >= 1 / 3 else 0
