"""What is wrong with a value, in one sentence for the person who typed it: in the words of a config, and in those of the page."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from reglab.config.flags import typed
from reglab.config.numbers import Unread
from reglab.errors import ConfigError, setting

LONGEST = 200  # characters of a value that are told again
BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
}
WANTS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "an object",
    "finite": "a finite number",
}


def complaint(error: ValidationError, names: Iterable[str], prefix: str = "") -> ConfigError:
    """Pydantic's first complaint, in a sentence for the command line and one for the page.

    Each says what was asked, why not, and what instead. `names` are the settings there are, and `prefix` is the regularizer
    that they belong to.
    """
    first = error.errors(include_url=False)[0]
    if isinstance(own := first.get("ctx", {}).get("error"), ConfigError):
        return own
    name = ".".join([*([prefix] if prefix else []), *map(str, first["loc"])])
    given, kind, limits = first["input"], first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        names = list(names)
        near = difflib.get_close_matches(str(first["loc"][-1]), names, n=1)
        instead = (
            f"did you mean {near[0]}?" if near else f"choose from {', '.join(names) or 'none: it has no settings'}."
        )
        return ConfigError(f"There is no setting called {name!r}: {instead}")
    if isinstance(given, Unread):
        return ConfigError(f"{setting(name)} {given.why}.")
    want = next((w for k, w in WANTS.items() if kind.startswith(k)), None)
    must, told = "", shown(given)
    if kind == "literal_error":
        must = limits["expected"]
    elif kind in BOUNDS:
        must, told = BOUNDS[kind].format(**{key: typed(limit) for key, limit in limits.items()}), typed(given)
    elif want:
        must = want
    if not must:
        return ConfigError(f"{setting(name)} is {told}, which cannot be: {first['msg'][0].lower()}{first['msg'][1:]}.")
    return ConfigError(
        f"{setting(name)} is {told}, but must be {must}.", screen=f"{setting(name)} must be {must}, not {told}."
    )


def shown(value: Any) -> str:
    """A value as Python writes it, as far as it is short enough to read."""
    try:
        text = repr(value)
    except RecursionError:
        return "something nested too deep"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
