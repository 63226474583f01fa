"""Text and values that a stranger wrote: cleaned before they are shown, and refused in one short sentence."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from reglab.errors import ConfigError


def _plain(text: Any) -> Any:
    """Text without what could disturb a page or a terminal: control characters, half characters, reversed writing.

    Composed (NFC), so that an é is the same from every keyboard.
    """
    if not isinstance(text, str):
        return text
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\t", " ")
    kept = (c for c in text if c == "\n" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in REVERSING))
    return "".join(kept).strip()


def _in_a_line(text: Any) -> Any:
    return " ".join(text.split()) if isinstance(text, str) else text


REVERSING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
Text = Annotated[str, BeforeValidator(_plain)]
Line = Annotated[Text, BeforeValidator(_in_a_line)]


def complaint(error: ValidationError) -> str:
    """Pydantic's first complaint about values that somebody else wrote, in one short sentence."""
    first = error.errors(include_url=False)[0]
    if isinstance(own := first.get("ctx", {}).get("error"), ConfigError):
        return str(own)
    where = ".".join(str(part) for part in first["loc"])[:80]
    given = repr(first["input"])
    given = given if len(given) <= 60 else f"{given[:60]} ..."
    musts = {
        "greater_than_equal": "be at least {ge}",
        "less_than_equal": "be at most {le}",
        "string_too_long": "have at most {max_length} characters",
        "int_parsing": "be a whole number",
        "extra_forbidden": "be left out",
    }
    must = musts.get(first["type"])
    why = (
        f"but must {must.format(**first.get('ctx', {}))}"
        if must
        else f"and {first['msg'][0].lower()}{first['msg'][1:]}"
    )
    return f"{ascii(where)[1:-1]} is {given}, {why}."
