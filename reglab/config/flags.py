"""A config as one types it: the options of `python -m reglab train` that make it again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from reglab.config.judged import usual_judged_size
from reglab.regularizers import Regularizer, regularizer

if TYPE_CHECKING:
    from reglab.config.run_config import RunConfig


def flags_of(config: RunConfig, plain: Iterable[str]) -> list[str]:
    """The options of `python -m reglab train` that make this config again; defaults are left out.

    `plain` names the fields that hold one value.
    """
    told = type(config)(dataset=config.dataset)
    # Has the learning rate that is usual for the optimizer, and the initialization for the network.
    alike = type(config)(dataset=config.dataset, optimizer=config.optimizer, model=config.model)
    following = {"lr": alike.lr, "init": alike.init, "judged_size": usual_judged_size(config.train_images)}
    out = ["--dataset", config.dataset]
    for name in plain:
        value = getattr(config, name)
        usual = following[name] if name in following else getattr(told, name)
        if name != "dataset" and value != usual:
            out += [flag(name)] if value is True else [flag(name), typed(value)]
    for key, r in config.regularizers.items():
        out.append(flag(key))
        settings = usual_settings(r, config)
        for name, value in r.model_dump().items():
            if value != settings[name]:
                out += [f"{flag(key)}.{name}", typed(value)]
    if config.fork is not None:
        fork = json.dumps(config.fork.model_dump(mode="json", exclude_none=True))
        out += ["--fork", fork.replace('"', "'")]  # there is no way to quote both that every shell understands
    return out


UNQUOTED = re.compile(r"[\w./:=+-]+", re.ASCII)  # the comma is missing, since PowerShell takes it for a list


def quoted(word: str) -> str:
    """A word of a command as sh, PowerShell and cmd.exe take it: in double quotes where it needs any.

    What these would change within double quotes, such as $ and %, is quoted for sh and PowerShell alone.
    """
    if UNQUOTED.fullmatch(word):
        return word
    return shlex.quote(word) if set(word) & set('"$`%!\\') else f'"{word}"'


def flag(name: str) -> str:
    """`train_size` -> `--train-size`."""
    return "--" + name.replace("_", "-")


def typed(value: Any) -> str:
    """A value as one types it; a float in as few digits as make it again."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)


def usual_settings(r: Regularizer, config: RunConfig) -> dict[str, Any]:
    """The settings that need not be said in this run: the defaults, given those that decide over others (a mode its strength)."""
    fields = type(r).model_fields
    deciding = {name: getattr(r, name) for name in ("mode",) if name in fields}
    usual = config.suited(regularizer(r.key, deciding)).model_dump()
    return usual | {name: fields[name].default for name in deciding}
