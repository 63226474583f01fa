"""The regularizers of a config: `{"dropout": {"rate": 0.5}, "batch_norm": true}`, each checked by its own file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from reglab.config.messages import complaint
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE, Regularizer, regularizer


def from_catalogue(value: Any) -> Any:
    """`{"dropout": {"rate": 0.5}, "batch_norm": true}`; false and null mean off. Order never matters.

    Raises `ConfigError` for a technique or a setting that there is not, and for a value that cannot be.
    """
    if not isinstance(value, Mapping):
        raise ConfigError('regularizers must be an object such as {"dropout": {"rate": 0.5}}.')
    on = {key: settings for key, settings in value.items() if settings is not False and settings is not None}
    made = {}
    for key, settings in on.items():
        try:
            made[key] = regularizer(key, settings)
        except ValidationError as error:
            raise complaint(error, CATALOGUE[key].model_fields, key) from None
    return {key: made[key] for key in CATALOGUE if key in made}


Regularizers = Annotated[dict[str, SerializeAsAny[Regularizer]], BeforeValidator(from_catalogue)]
