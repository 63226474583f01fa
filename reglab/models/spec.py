"""A `ModelSpec` says which network to build, with what in it. Regularizers inside the network set their fields here."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class ModelSpec:
    """The network to build. Regularizers that live inside the network set their fields here before it is built."""

    name: str = "basic_cnn"
    classes: int = 10
    width: float = 1.0  # channels, as a multiple of what is usual
    pretrained: bool = False  # whether training begins from weights that were learned elsewhere
    head_only: bool = False  # whether only the head is built, which is trained on features of a frozen backbone
    side: int | None = None  # pixels that a network of timm enlarges pictures to; None: what is usual for it
    init: str = ""  # of the weights, see `layers.initialized`; empty: what is usual for the network
    norm: str = "none"  # or "batch", or "group" with num_groups
    num_groups: int = 8
    dropout: float = 0.0  # before the classifier
    spatial_dropout: float = 0.0  # of whole channels, between convolutions
    dropblock: float = 0.0  # of squares with sides of block_size, between convolutions
    block_size: int = 3
    stochastic_depth: float = 0.0  # of the last residual branch; those before it less, in even steps
    spectral_norm: int = 0  # power iterations a step that estimate the largest singular value; 0 is off
    view_below: float = 0.0  # the largest probability of an image that is looked at again, in other views; 0 is off
    view_shift: int = 0  # pixels that these are moved by
    view_mirror: bool = False  # whether there are mirror images among them

    @property
    def looks(self) -> int:
        """How many passes an answer takes, at most: one, and where the image is looked at again one for each view."""
        views = (3 if self.view_shift else 1) * (2 if self.view_mirror else 1)
        return 1 + views if self.view_below else 1

    def replace(self, **changes: Any) -> ModelSpec:
        return replace(self, **changes)

    def has_weights_of(self, other: ModelSpec) -> bool:
        """Whether both networks have the same weights in the same order: they differ at most in layers without any."""
        weightless = {"init", "num_groups", "dropout", "spatial_dropout", "dropblock", "block_size", "stochastic_depth"}
        weightless |= {"view_below", "view_shift", "view_mirror"}
        usual = {f.name: f.default for f in fields(self) if f.name in weightless}
        mine, others = (s.replace(**usual, spectral_norm=min(s.spectral_norm, 1)) for s in (self, other))
        return mine == others
