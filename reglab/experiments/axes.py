"""Axes: a setting and the values it takes, as one types them.

dropout.rate=0,0.25,0.5    lr=log:0.0001:0.1:4    epochs=lin:5:20:4    batch_norm=off,on    lr=0,01; 0,1 (decimal commas)
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from reglab.config import PLAIN, RunConfig, typed
from reglab.config.numbers import Unread, understood
from reglab.config.usual import extra_of
from reglab.errors import ConfigError, setting
from reglab.regularizers import CATALOGUE

MOST_RUNS = 1_000


@dataclass(frozen=True)
class Axis:
    """A setting and the values it takes: a field, a technique (on, off), or a setting of one."""

    name: str
    values: tuple[Any, ...]


def axis(text: str) -> Axis:
    """`dropout.rate=0,0.25`, `lr=log:0.001:0.1:3`, `epochs=lin:5:20:4`, `batch_norm=on,off`. Raises `ConfigError`."""
    name, given, told = text.partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    if not given or not told.strip():
        raise ConfigError(f"{text[:80]!r} is no axis: write a setting and its values, such as dropout.rate=0,0.25,0.5.")
    _known(name)
    kind, *bounds = told.split(":")
    if bounds and name in CATALOGUE:
        _value(name, told)  # refuses it
    values = _range(name, kind.strip(), bounds) if bounds else _listed(name, told)
    if any(v == "" for v in values):
        raise ConfigError(f"One value of {setting(name)} is empty in {told[:80]!r}: write them as 0,0.25,0.5.")
    return Axis(name, tuple(dict.fromkeys(values)))


def one_value(name: str, text: str) -> Any:
    """A value of a setting, as one types it. Raises `ConfigError`."""
    _known(name)
    return _value(name, _pointed(name, text.strip()))


def _listed(name: str, told: str) -> list[Any]:
    """Values between commas, or between semicolons, where commas are decimal marks."""
    if ";" in told:
        return [_value(name, _pointed(name, v.strip())) for v in told.split(";")]
    parts = [v.strip() for v in told.split(",")]
    if cut := next((v for v in parts if re.fullmatch(r"0\d+", v)), ""):
        raise ConfigError(
            f"{setting(name)} is given as {told[:80]!r}, where {cut} looks like the end of a number with a decimal comma:"
            " write 0.01, or put semicolons between the values.",
        )
    return [_value(name, v) for v in parts]


def _pointed(name: str, text: str) -> str:
    """A number as the command line has it, with a decimal point; what is no number stays as it is."""
    info = None if name in CATALOGUE else _field(name)
    if "," not in text or info is None:
        return text
    value = understood(text, _is_whole(name))
    if isinstance(value, Unread):
        raise ConfigError(f"{setting(name)} {value.why}.")
    return typed(value)


def names() -> list[str]:
    """Every setting that can be an axis: the fields of a run, the techniques, and their settings."""
    found = [name for name in PLAIN if name not in ("seed", "device")]
    for key, kind in CATALOGUE.items():
        found += [key, *(f"{key}.{setting}" for setting in kind.model_fields)]
    return found


def usual_values(name: str) -> str:
    """Values worth trying, as one types them: what its field proposes or its slider spans, or its choices."""
    if name in CATALOGUE:
        return "off,on"
    info = _field(name)
    if get_origin(info.annotation) is Literal:
        return ",".join(map(str, get_args(info.annotation)))
    extra = extra_of(info)
    if "try" in extra:
        return str(extra["try"])
    if "slider" in extra:
        low, high, step = extra["slider"]
        points = [low + round((high - low) * i / 3 / step) * step for i in range(4)]
        return ",".join(typed(round(x) if _is_whole(name) else float(f"{x:.4g}")) for x in points)
    if isinstance(info.default, bool):
        return "false,true"
    return typed(info.default) if info.default is not None else ""


def _field(name: str) -> Any:
    key, dot, setting = name.partition(".")
    return CATALOGUE[key].model_fields[setting] if dot else RunConfig.model_fields[key]


def _known(name: str) -> None:
    if name == "seed":
        raise ConfigError("Seeds are no axis to draw: give their number with --seeds.")
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        instead = f"did you mean {near[0]}?" if near else "`python -m reglab train --help` lists every setting."
        raise ConfigError(f"There is no axis {name[:60]!r}: {instead}")


def _value(name: str, text: str) -> Any:
    if name in CATALOGUE:
        if text not in ("on", "off"):
            raise ConfigError(
                f"{setting(name)} is a technique, so its values are on and off, not {text[:40]!r}: sweep {name}.SETTING.",
            )
        return text == "on"
    return None if text in ("all", "none") else text


def _range(name: str, kind: str, bounds: Sequence[str]) -> list[str]:
    """`lin:LOW:HIGH:N` or `log:LOW:HIGH:N`, both ends included; rounded to four digits, and to whole numbers for such."""
    try:
        low, high, n = float(bounds[0]), float(bounds[1]), int(bounds[2])
        if kind not in ("lin", "log") or len(bounds) != 3 or n < 2:
            raise ValueError
    except (ValueError, IndexError):
        told = ":".join([kind, *bounds])[:80]
        example = "write lin:LOW:HIGH:N or log:LOW:HIGH:N, such as log:0.001:0.1:3."
        raise ConfigError(f"{name}={told} is no range: {example}", [name]) from None
    not_too_many(n)
    if not (abs(low) < 1e100 and abs(high) < 1e100):
        raise ConfigError(f"{setting(name)} cannot run from {low:g} to {high:g}: give bounds that it can have.")
    if kind == "log" and min(low, high) <= 0:
        why = "both must be more than 0, or use lin."
        raise ConfigError(f"{setting(name)} cannot run from {low:g} to {high:g} in equal ratios: {why}")
    if kind == "log":
        points = [math.exp(math.log(low) + (math.log(high) - math.log(low)) * i / (n - 1)) for i in range(n)]
    else:
        points = [low + (high - low) * i / (n - 1) for i in range(n)]
    whole = _is_whole(name)
    return [str(round(x)) if whole else typed(float(f"{x:.4g}")) for x in points]


def _is_whole(name: str) -> bool:
    return _field(name).annotation in (int, int | None)


def not_too_many(runs: int) -> None:
    """Raises `ConfigError` for more than a sweep may have."""
    if runs > MOST_RUNS:
        raise ConfigError(
            f"That would be {runs:,} runs, and a sweep has at most {MOST_RUNS:,}: take fewer values or seeds."
        )
