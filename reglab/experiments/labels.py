"""Labels: what a config is called among others, which is that in which it differs from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reglab.config import PLAIN, RunConfig, typed
from reglab.config.flags import usual_settings
from reglab.config.usual import extra_of, field_of
from reglab.regularizers import CATALOGUE, Regularizer, lowered


def settings(config: RunConfig) -> dict[str, Any]:
    """Flat: field -> value, technique -> True, `technique.setting` -> value."""
    flat = {name: getattr(config, name) for name in PLAIN if name != "seed"}
    if config.fork is not None:
        flat["fork"] = f"after epoch {config.fork.epoch} of {config.parent().recipe()}"
    for key, r in config.regularizers.items():
        flat |= {key: True} | {f"{key}.{name}": value for name, value in r.model_dump().items()}
    return flat


def following(config: RunConfig) -> set[str]:
    """The settings of techniques that nobody chose, so that they follow from the rest of the run."""
    found = set()
    for key, r in config.regularizers.items():
        usual = usual_settings(r, config)
        open_ends = [name for name, info in type(r).model_fields.items() if info.default is None]
        found |= {f"{key}.{name}" for name in open_ends if getattr(r, name) == usual[name]}
    return found


def differing(configs: Sequence[RunConfig]) -> list[str]:
    """Settings that are not the same in all; a setting of a technique counts among the configs that have the technique.

    What follows from the rest of a run, as the strength of weight decay does where nobody chose one, is no difference of its own.
    """
    flat = [settings(config) | dict.fromkeys(following(config), "usual") for config in configs]
    names = dict.fromkeys(name for each in flat for name in each)

    def differ(name: str) -> bool:
        missing = None if "." not in name else ...
        told = [each.get(name, missing) for each in flat]
        return len({repr(value) for value in told if value is not ...}) > 1

    return [name for name in names if differ(name)]


def same_but_for_regularizers(configs: Sequence[RunConfig]) -> bool:
    """Whether they differ in nothing but regularizers, so that "plain" and "regularized" say what the difference is."""
    return all(config.plain() == configs[0].plain() for config in configs)


def labels(configs: Sequence[RunConfig]) -> list[str]:
    """A short name for each: only that in which they differ."""
    names = differing(configs)
    techniques = [name for name in names if name in CATALOGUE]

    def label(config: RunConfig) -> str:
        flat = settings(config)
        words = []
        for name in names:
            if name in techniques:
                own = [n for n in names if n.startswith(f"{name}.") and n in flat]
                words += [lowered(CATALOGUE[name].title)] if name in flat and not own else []
            elif name in flat:
                words.append(f"{title(name)} {shown(name, flat[name])}")
        return ", ".join(words) or ("plain" if not config.regularizers else f"without {_titles(techniques)}")

    told = [label(config) for config in configs]
    return told if len(set(told)) == len(told) else [f"{text} ({i})" for i, text in enumerate(told, 1)]


def _titles(keys: Sequence[str]) -> str:
    return " and ".join(lowered(CATALOGUE[key].title) for key in keys) or "any difference"


def title(name: str) -> str:
    """A setting in words: `dropout.rate` is "dropout rate", `flip_crop` "flip and crop"."""
    key, dot, setting = name.partition(".")
    if name in CATALOGUE:
        return lowered(CATALOGUE[name].title)
    if dot:
        return f"{lowered(CATALOGUE[key].title)} {setting.replace('_', ' ')}"
    return str(RunConfig.model_fields[name].title or name)


def shown(name: str, value: Any) -> str:
    """A value of a setting in words."""
    if value is None:
        info = field_of(name)
        return str(extra_of(info).get("unset", "-")) if info else "-"
    return typed(value)


def change(before: Mapping[str, Regularizer], after: Mapping[str, Regularizer]) -> str:
    """What a fork changes, in a few words: `+ dropout 0.5, − batch normalization, weight decay strength 0.01 → 0.05`."""
    words = []
    for key, now in after.items():
        settings, name = now.model_dump(), lowered(CATALOGUE[key].title)
        if key not in before:
            [value] = settings.values() if len(settings) == 1 else [""]
            words.append(f"+ {name} {typed(value)}".strip())
            continue
        was = before[key].model_dump()
        words += [
            f"{title(f'{key}.{setting}')} {shown(f'{key}.{setting}', was[setting])} → {shown(f'{key}.{setting}', value)}"
            for setting, value in settings.items()
            if value != was[setting]
        ]
    gone = [f"\N{MINUS SIGN} {lowered(CATALOGUE[key].title)}" for key in before if key not in after]
    return ", ".join([*words, *gone])
