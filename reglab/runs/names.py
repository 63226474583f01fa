"""What a run may be called: whatever people type in any script, and nothing that a page, a path or a terminal could stumble over.

checked("lr=0.01"), checked("O'Brien"), checked("परीक्षण")    # as they are, composed (NFC)
checked("a/b")                                                # ConfigError, in one sentence
fitted("timm/resnet18, seed 0")                               # made to fit: timm-resnet18, seed 0
in_a_file("../José")                                          # a piece of the name of a file: José
"""

from __future__ import annotations

import unicodedata

from reglab.errors import ConfigError

LONGEST = 60  # characters
MOST = 1_000  # characters that are looked at before a name is too long in any case
STACKED = 4  # marks on one letter that a language needs; more climb over the lines above
SIGNS = " .,+-()%_='\u2019"
JOINERS = "\u200c\u200d"  # invisible, but between letters a matter of spelling in Persian, Hindi, Sinhala ...
IN_A_FILE = 40, 120  # characters and bytes of a piece of a file's name, which may have 255 bytes in all


def checked(name: str) -> str:
    """The name as it is kept: composed, so that é is one character whatever keyboard it came from.

    Raises:
        ConfigError: It is empty, too long, or has characters that no name needs.
    """
    name = unicodedata.normalize("NFC", name[:MOST]).strip()
    wrong = next((c for i, c in enumerate(name) if not _fits(c, name[:i], name[i + 1 : i + 2])), "")
    if wrong or not 1 <= len(name) <= LONGEST:
        instead = f"leave out {shown(wrong)}" if wrong else "choose a shorter one" if name else "type one"
        raise ConfigError(
            f"The name must be 1 to {LONGEST} letters of any script, digits, spaces or . , + - ( ) % _ = ': {instead}."
        )
    return name


def fitted(name: str) -> str:
    """A name of the lab's own making, made to fit: other characters become dashes, and the middle of a long one goes."""
    name = unicodedata.normalize("NFC", name).strip()
    plain = ""
    for i, c in enumerate(name):
        plain += c if _fits(c, plain, name[i + 1 : i + 2]) else "-"
    if len(plain) <= LONGEST:
        return plain
    tail = plain[-13:]
    while tail and not _fits(tail[0], "", tail[1:2]):  # a mark without its letter
        tail = tail[1:]
    return f"{plain[:44].rstrip(JOINERS)}...{tail}"


def in_a_file(name: str) -> str:
    """Its letters, marks and digits, for the name of a file; what stands between becomes dashes. Empty without any."""
    name = unicodedata.normalize("NFC", name)
    words = "".join(c if _kind(c) in "LMN" or c in JOINERS else " " for c in name).split()
    most, size = IN_A_FILE
    piece = "-".join(words)[:most].encode()[:size].decode(errors="ignore")
    return piece.strip(f"-{JOINERS}")


def shown(character: str) -> str:
    """A character as a sentence can say it: itself in quotation marks, or its number where nothing would be seen."""
    is_seen = character.isprintable() and _kind(character) not in "MZ"
    return f'"{character}"' if is_seen else f"the character U+{ord(character):04X}"


def _fits(c: str, before: str, after: str) -> bool:
    """Whether a name may have this character between these."""
    kind = _kind(c)
    if c in JOINERS:
        return _is_part_of_a_word(before[-1:]) and _is_part_of_a_word(after)
    if kind == "M":
        stacked = len(before) >= STACKED and all(_kind(other) == "M" for other in before[-STACKED:])
        return _is_part_of_a_word(before[-1:]) and not stacked
    if c == "=":
        return bool(before)  # a spreadsheet takes a text that begins so for a formula
    return kind in "LN" or c in SIGNS


def _kind(character: str) -> str:
    return unicodedata.category(character)[0]


def _is_part_of_a_word(character: str) -> bool:
    return bool(character) and (character in JOINERS or _kind(character) in "LMN")
