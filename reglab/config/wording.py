"""What the page calls settings, a refusal in those words, and words in a row."""

from __future__ import annotations

from collections.abc import Sequence

from reglab.config.run_config import RunConfig
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE, lowered


def on_screen(error: Exception) -> str:
    """What went wrong in the words of the page; it is about what `error.fields` name, where there are such."""
    return error.worded(in_a_sentence) if isinstance(error, ConfigError) else str(error)


def called(name: str) -> str:
    """What the page calls a setting: `dropout.rate` -> "Dropout: rate", `lr` -> "Learning rate"."""
    key, dot, inner = name.partition(".")
    if key in CATALOGUE:
        technique = CATALOGUE[key]
        return f"{technique.title}: {technique.model_fields[inner].title or inner}" if dot else technique.title
    info = RunConfig.model_fields.get(key)
    title = (info.title if info else "") or name
    return title[0].upper() + title[1:]


def in_a_sentence(name: str) -> str:
    """The same without its capital, unless that belongs to it: batch normalization, SAM, CutMix."""
    return lowered(called(name))


def listed(words: Sequence[str], joined: str = "and") -> str:
    """Words, at least one, as a sentence says them: a; a and b; a, b and c."""
    *first, last = words
    return f"{', '.join(first)} {joined} {last}" if first else last
