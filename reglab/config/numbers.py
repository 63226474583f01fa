"""Numbers as people type them: with a decimal comma, in groups of three, in scientific notation; never another one silently.

    0,01   = 0.01          1e-3, 1,5e-3           5 000, 5'000, 5_000 = 5000       1.234,5 = 1,234.5 = 1234.5
    5,000  five thousand where a whole number is asked for; elsewhere it may be five as well, so it is refused
    5.000  five where it may be a fraction; where a whole number is asked for it may be five thousand, so it is refused

A mark that occurs once, before exactly three digits and after one to three of which the first is no zero, is what may mean
both. A point is a decimal point for whoever types fractions, since the whole program writes them so.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from reglab.errors import ConfigError

LONGEST = 40  # characters of what is typed that are told again
FORM = re.compile(r"([+-]?)([\d.,]+)(?:e([+-]?\d{1,4}))?", re.IGNORECASE)
GROUPS = re.compile(r"[1-9]\d{0,2}([.,]\d{3})+")
SPACED = re.compile(r"(?<=\d)[ _'\u2019\u00a0\u2009\u202f](?=\d{3}(?!\d))")  # between groups of three digits
MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})  # the signs that pages and word processors write


@dataclass(frozen=True)
class Unread:
    """A text that is no number, or could be two; `why` is the sentence about it, which begins after the field's name."""

    text: str
    why: str

    def __repr__(self) -> str:
        return repr(self.text[:LONGEST])


def understood(given: Any, whole: bool) -> Any:
    """What somebody typed as a number; None for nothing at all, and `Unread` for what is none.

    What is no text is handed back as it is. With `whole` a whole number is asked for, which decides over the commas.
    """
    if not isinstance(given, str):
        return int(given) if whole and isinstance(given, float) and given.is_integer() else given
    text = given.strip().translate(MINUS)
    if not text:
        return None
    found = FORM.fullmatch(SPACED.sub("", text))
    plain = None if found is None else _decimal(found[2], whole)
    if plain is None:
        instead = "a whole number such as 20" if whole else "a number such as 0.01"
        return Unread(given, f"must be {instead}, not {given.strip()[:LONGEST]!r}")
    if isinstance(plain, tuple):
        one, other = (f"{found[1]}{each}{'e' + found[3] if found[3] else ''}" for each in plain)  # type: ignore[index]
        return Unread(
            given, f"could be {one} or {other}, written as {given.strip()[:LONGEST]!r}: write {one} or {other}"
        )
    sign, exponent = found[1], found[3]  # type: ignore[index]
    if whole and plain.isdigit() and not exponent:
        return int(f"{sign}{plain}")
    value = float(f"{sign}{plain}e{exponent or 0}")
    if not math.isfinite(value):
        return Unread(given, f"must be a finite number, not {given.strip()[:LONGEST]!r}")
    return int(value) if whole and value.is_integer() else value


def read(given: Any, called: str, whole: bool = False, field: str = "") -> Any:
    """The same for a field with this name on the screen: a number, or None for nothing. Raises `ConfigError`."""
    value = understood(given, whole)
    if isinstance(value, Unread):
        raise ConfigError(f"{called} {value.why}.", fields=(field,) if field else ())
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise ConfigError(f"{called} must be a number, not {repr(value)[:LONGEST]}.", fields=(field,) if field else ())
    return value


def _decimal(digits: str, whole: bool) -> str | tuple[str, str] | None:
    """The digits with a decimal point, or none; two of them where both could be meant; None where neither can."""
    marks = [mark for mark in digits if not mark.isdigit()]
    if len(marks) == len(digits):
        return None
    if not marks:
        return digits
    if len(set(marks)) == 2:  # the last is the decimal mark, the others group
        head, _, tail = digits.rpartition(marks[-1])
        grouped = marks[-1] not in head and GROUPS.fullmatch(head)
        return f"{_bare(head)}.{tail}" if grouped else None
    grouped = GROUPS.fullmatch(digits)
    if len(marks) > 1:
        return _bare(digits) if grouped else None
    decimal = digits.replace(",", ".")
    if grouped and marks[0] == "," and whole:
        return _bare(digits)
    if grouped and (marks[0] == ",") != whole:
        return _shortest(decimal), _bare(digits)
    return decimal


def _bare(digits: str) -> str:
    return digits.replace(".", "").replace(",", "")


def _shortest(decimal: str) -> str:
    return decimal.rstrip("0").rstrip(".")
