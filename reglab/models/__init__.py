"""The networks: what each family can do, and `build(spec)`. One file a family; torch is imported when one is built.

    spec.py        `ModelSpec`: which network, and with what in it
    families.py    the table of the lab's own networks; a new one is a file with `build(spec)` and a line there
    basic.py, resnet.py, vgg.py, inception.py, alexnet.py, speed.py    the networks, made of layers.py
    pretrained.py  networks of timm and their weights; transfer.py: a backbone with a new head
    building.py    `build` and `restored`; parameters.py: which parameters are weights, which layers hidden

Read first: `families.py`, then `basic.py`.
May import: the ground floor (`errors`, `machine`, `download`, `compat`).
"""

from reglab.models.building import build, prepare, restored, statistics
from reglab.models.families import (
    ANYWHERE,
    EVERYWHERE,
    MODELS,
    PLACES,
    TIMM,
    Family,
    check,
    family,
    is_batch_normalized,
)
from reglab.models.parameters import hidden_layers, parameter_kind, weight_layers
from reglab.models.spec import ModelSpec

__all__ = [
    "ANYWHERE",
    "EVERYWHERE",
    "MODELS",
    "PLACES",
    "TIMM",
    "Family",
    "ModelSpec",
    "build",
    "check",
    "family",
    "hidden_layers",
    "is_batch_normalized",
    "parameter_kind",
    "prepare",
    "restored",
    "statistics",
    "weight_layers",
]
