"""What is wrong with a value, in one sentence for the person who typed it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from reglab.config.flags import typed
from reglab.errors import ConfigError

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


def sentence(error: ValidationError, names: Iterable[str], prefix: str = "") -> str:
    """Pydantic's first complaint as one sentence: what was asked, why not, what instead.

    `names` are the settings there are, and `prefix` is the regularizer that they belong to.
    """
    first = error.errors(include_url=False)[0]
    if isinstance(own := first.get("ctx", {}).get("error"), ConfigError):
        return str(own)
    name = ".".join([*([prefix] if prefix else []), *map(str, first["loc"])])
    given, kind, limits = first["input"], first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        names = list(names)
        near = difflib.get_close_matches(str(first["loc"][-1]), names, n=1)
        instead = (
            f"did you mean {near[0]}?" if near else f"choose from {', '.join(names) or 'none: it has no settings'}."
        )
        return f"There is no setting called {name!r}: {instead}"
    if kind == "literal_error":
        return f"{name} is {shown(given)}, but must be {limits['expected']}."
    if kind in BOUNDS:
        return f"{name} is {typed(given)}, but must be {BOUNDS[kind].format(**limits)}."
    want = next((w for k, w in WANTS.items() if kind.startswith(k)), None)
    if want:
        return f"{name} is {shown(given)}, but must be {want}."
    return f"{name} is {shown(given)}, which cannot be: {first['msg'][0].lower()}{first['msg'][1:]}."


def shown(value: Any) -> str:
    """A value as Python writes it, as far as it is short enough to read."""
    try:
        text = repr(value)
    except RecursionError:
        return "something nested too deep"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
