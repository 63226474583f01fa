"""What the tests of all techniques share: tiny configs, tensors to try them on, and what a run says."""

from __future__ import annotations

import torch
from conftest import tiny_config
from torch.nn.functional import one_hot

from reglab import models
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE
from reglab.training.events import Snapshot
from reglab.training.train import train


def config_with(*keys: str, **changes) -> RunConfig:
    """A tiny config with these techniques, on the first network that takes them. Raises `ConfigError` where none does."""
    refused = None
    for name in models.MODELS:
        try:
            return tiny_config(**{"model": name, "width": 0.125, "regularizers": dict.fromkeys(keys, True), **changes})
        except ConfigError as error:
            refused = error
    raise refused


def is_trainable(key: str) -> bool:
    try:
        config_with(key)
    except ConfigError:
        return False
    return True


TRAINABLE = [key for key in CATALOGUE if is_trainable(key)]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 16, side: int = 32) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=rng(n)).to(memory_format=torch.channels_last)


def targets(n: int = 16, classes: int = 10) -> torch.Tensor:
    return one_hot(torch.arange(n) % classes, classes).float()


def logits(n: int = 16, classes: int = 10) -> torch.Tensor:
    return torch.randn(n, classes, generator=rng(n))


def story(config, split, resume=None) -> list:
    """What a run says, snapshots left out, and the last snapshot (weights, optimizer, state of the techniques) to the byte."""
    told, last = [], {}
    for event in train(config, split, resume=resume):
        if isinstance(event, Snapshot):
            last = {k: v.detach().clone() for k, v in event.tensors.items()}
        else:
            told.append(event.to_json())
    return [told, {k: v.numpy().tobytes() for k, v in sorted(last.items())}]
