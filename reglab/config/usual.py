"""What a field says of itself, and what a setting is where nobody has chosen it: a learning rate follows its optimizer."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo

from reglab import data
from reglab.config.flags import usual_settings
from reglab.config.judged import usual_judged_size
from reglab.config.run_config import PLAIN, RunConfig
from reglab.errors import ConfigError
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE


def field_of(name: str) -> FieldInfo | None:
    """The field behind a setting's name, `lr` or `dropout.rate`; None for a technique, which is on or off."""
    key, dot, setting = name.partition(".")
    if key in CATALOGUE:
        return CATALOGUE[key].model_fields[setting] if dot else None
    return RunConfig.model_fields[key]


def extra_of(info: FieldInfo) -> dict[str, Any]:
    """What a field says of itself besides its bounds: `slider`, `scale`, `unset`, `follows`, `try`."""
    return dict(info.json_schema_extra) if isinstance(info.json_schema_extra, dict) else {}


def follows(name: str) -> bool:
    """Whether the usual value of this setting depends on others."""
    info = field_of(name)
    return info is not None and (info.default is None or "follows" in extra_of(info))


def usual(config: RunConfig) -> dict[str, Any]:
    """The usual value of every setting in a run like this one; None where that is whatever there is (all images)."""
    alike = RunConfig(dataset=config.dataset, optimizer=config.optimizer, model=config.model)
    told: dict[str, Any] = {name: getattr(alike, name) for name in PLAIN}
    told["judged_size"] = usual_judged_size(config.train_images)
    for key, technique in CATALOGUE.items():
        settings = usual_settings(config.regularizers.get(key) or technique(), config)
        told |= {f"{key}.{name}": value for name, value in settings.items()}
    return told


def usual_in_words(config: RunConfig) -> dict[str, Any]:
    """The same for the settings that follow others, as an empty field shows it: with numbers for "all" and for sizes."""
    told = {name: value for name, value in usual(config).items() if follows(name)}
    told["train_size"] = f"all {data.SOURCES[config.dataset].images - config.val_size:,}"
    try:
        told["side"] = pretrained.side_of(config.model, None) if pretrained.is_timm(config.model) else data.SIDE
    except ConfigError:
        told["side"] = None
    return told
