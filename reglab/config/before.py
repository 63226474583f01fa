"""What a config of before had without saying so: settings that there were not yet, when something else was usual."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from reglab import models
from reglab.config.judged import EVERYTHING
from reglab.errors import ConfigError

WRITTEN_WHOLE = {
    *("dataset", "train_size", "label_noise", "val_size", "model", "epochs", "batch_size", "lr", "optimizer", "schedule"),
    *("seed", "device", "precision", "regularizers"),
}  # fmt: skip
"""What every config says that was ever written whole; nobody types all of that."""


def had_before(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was usual for the settings that a config lacks which was written whole; nothing for any other."""
    if not values.keys() >= WRITTEN_WHOLE:
        return {}
    told: dict[str, Any] = {"judged_size": EVERYTHING}
    if isinstance(model := values["model"], str):
        with contextlib.suppress(ConfigError):  # of a network that there is not, which is said where it is read
            told["init"] = init_before(model, values["regularizers"])
    return {name: value for name, value in told.items() if name not in values}


def init_before(model: str, on: Any) -> str:
    """The initialization of a config from before it could be chosen, when normalizing basic_cnn changed it.

    `on` are the regularizers as they were written. Raises `ConfigError` where there is no such network.
    """
    usual = models.family(model).init
    normalized = isinstance(on, Mapping) and any(
        on.get(key) not in (None, False) for key in ("batch_norm", "group_norm")
    )
    return "torch" if usual == "glorot" and normalized else usual
