"""From a `ModelSpec` to a network, with new weights or with those of a run. torch is imported when one is built."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reglab.models import pretrained
from reglab.models.families import check, family
from reglab.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


def build(spec: ModelSpec) -> nn.Module:
    """The network, with torch's global generator deciding its weights: (N, 3, 32, 32) -> logits (N, classes).

    With `head_only` the head alone: features (N, F, 1, 1) -> logits. Raises `ConfigError`, and DataError where
    pretrained weights are asked for that cannot be had.
    """
    check(spec)
    spec = spec.replace(init=spec.init or family(spec.name).init)
    if spec.head_only:
        from reglab.models.transfer import Head

        return Head(pretrained.known(spec.name).features, spec.classes, spec.dropout)
    module = importlib.import_module(f"reglab.models.{family(spec.name).module}")
    network: nn.Module = module.build(spec)
    if spec.spectral_norm:
        from reglab.models.layers import normalize_spectrum

        normalize_spectrum(network, spec.spectral_norm)
    if spec.view_below:
        from reglab.models.views import look_again

        look_again(network, spec)
    return network


def restored(spec: ModelSpec, weights: Mapping[str, Tensor]) -> nn.Module:
    """The whole network with the weights of a run, in eval mode; a head that was trained alone gets its backbone back.

    Raises RuntimeError where the weights do not fit, and DataError where the backbone's are not on this machine.
    """
    if spec.head_only:
        network: Any = build(spec.replace(head_only=False))
        network.head.load_state_dict(weights)
    else:
        network = build(spec.replace(pretrained=False))  # its own weights come now; others need not be here
        network.load_state_dict(weights)
    return network.eval()


def statistics(spec: ModelSpec) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation of the channels that the network's weights were made for; None: those of the data at hand."""
    if pretrained.is_timm(spec.name) and not spec.head_only:
        known = pretrained.known(spec.name)
        return known.mean, known.std
    return None


def prepare(network: nn.Module, images: Tensor) -> None:
    """Let a network that begins with statistics of its data (speed_cnn) see some: normalised images (N, 3, 32, 32)."""
    begin: Any = getattr(network, "prepare", None)
    if begin is not None:
        begin(images)
