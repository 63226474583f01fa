"""What a run is called that nobody has named: "basic_cnn, batch norm + dropout 0.3, 5,000 images".

Network, regularizers and data, in this order; what is as usual is left out. Two runs may well be called the same: a list
shows beside it when each was trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reglab import data
from reglab.config.flags import typed, usual_settings
from reglab.config.wording import in_a_sentence
from reglab.numbers import counted, percent

if TYPE_CHECKING:
    from reglab.config.run_config import RunConfig

MOST = 4  # techniques that a name tells one by one


def described(config: RunConfig) -> str:
    """What is trained, as one would tell somebody who knows the lab."""
    network = f"pretrained {config.model}" if config.pretrained else config.model
    source = data.SOURCES[config.dataset]
    images = counted(config.train_size, "image") if config.train_size else "all images"
    told = [network, recipe(config), images if config.dataset == "cifar10" else f"{images} of {source.title}"]
    if config.label_noise:
        told.append(f"{percent(config.label_noise, 0)} wrong labels")
    if config.seed:
        told.append(f"seed {config.seed}")
    return ", ".join(told)


def recipe(config: RunConfig) -> str:
    """Its techniques in few words, with the settings that somebody chose: "batch norm + dropout 0.3"; or "plain"."""
    told = [_short(key, config) for key in config.regularizers]
    if len(told) > MOST:
        told = [*told[: MOST - 1], f"{len(told) - MOST + 1} more"]
    words = " + ".join(told) or "plain"
    return f"{words} from epoch {config.fork.epoch + 1} on" if config.fork else words


def _short(key: str, config: RunConfig) -> str:
    """A technique with how strong it is, and what else is not as usual about it; its first setting needs no name."""
    technique = config.regularizers[key]
    usual: dict[str, Any] = usual_settings(technique, config)
    words = [in_a_sentence(key).replace("normalization", "norm")]
    for place, (name, value) in enumerate(technique.model_dump().items()):
        follows = type(technique).model_fields[name].default is None
        if value != usual[name] or (place == 0 and isinstance(value, float) and not follows):
            words.append(_setting(name.replace("_", " "), value, named=place > 0))
    return " ".join(words)


def _setting(name: str, value: object, named: bool) -> str:
    """`alternate` and `no flip` of what is on or off, `padding 2` or `2` of the rest."""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {typed(value)}" if named else typed(value)
