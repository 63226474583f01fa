"""What can go wrong in a way the person at the screen can do something about."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

MARKED = re.compile("\x02(-*)([\\w.]+)\x03")  # a setting inside a sentence; nobody can type these two characters


class ConfigError(ValueError):
    """What was asked cannot be: one sentence with what was asked, why not, and what instead.

    `str` of it is for the command line and for programs, where settings are called as in a config. On the page they have
    other names: `worded` says the same with those. Whoever raises it marks settings by `setting` and `option`.

    Attributes:
        fields: The settings that it is about, named as in a config ("lr", "dropout.rate"); beside them the page shows it.
            Where whoever raises it doesn't say, it is the first one in the sentence.
    """

    def __init__(self, sentence: str, fields: Sequence[str] = (), *, screen: str = "") -> None:
        """`screen` is the sentence for the page, where other names alone don't make it."""
        super().__init__(MARKED.sub(lambda found: found[1] + _typed(*found.groups()), sentence))
        self.fields = tuple(fields) or tuple(found[1] for found in MARKED.findall(sentence)[:1])
        self._screen = screen or sentence

    def worded(self, called: Callable[[str], str]) -> str:
        """The sentence with settings named by `called`, which is given them as a config names them."""
        told = MARKED.sub(lambda found: called(found[2]), self._screen)
        return told[:1].upper() + told[1:] if MARKED.match(self._screen) else told


def setting(name: str) -> str:
    """A setting inside the sentence of a `ConfigError`: `batch_norm`, or on the page batch normalization."""
    return f"\x02{name}\x03"


def option(name: str) -> str:
    """The same where the command line would have its option: `--side`, or on the page side."""
    return f"\x02--{name}\x03"


def _typed(dashes: str, name: str) -> str:
    return name.replace("_", "-") if dashes else name


class DataError(RuntimeError):
    """A data set could not be had, or is damaged: one sentence with what happened and the way out."""


class RunError(RuntimeError):
    """A run cannot be read, written or continued: one sentence with what happened and the way out."""


class UnknownRunError(RunError):
    """There is no such run, or none that whoever asks may know of."""


class ForbiddenError(RunError):
    """The run is somebody else's."""


class BusyError(ConfigError):
    """It can be had, but not now: the queue is full, or whoever asks has had enough for the moment."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk has no room, this user may take no more of it, or a file may grow no farther."""


class DiskFull(RunError, OSError):
    """There is no room on the disk: whoever handles either of the two handles this."""

    def __init__(
        self, sentence: str = "The disk is full: delete some runs or free some space there, then try again."
    ) -> None:
        super().__init__(sentence)

    def __str__(self) -> str:
        return str(self.args[0])


E = TypeVar("E", bound=Exception)


def noted(error: E, place: Path) -> E:
    """The error with a note of where it happened: for the command line, whose user knows the machine; visitors never read it."""
    error.add_note(f"The folder is {place}.")
    return error


def is_full(error: BaseException) -> bool:
    """Whether the disk being full is what went wrong."""
    return isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in FULL)


def cause(error: OSError) -> str:
    """What the system says went wrong, in a few words to stand in brackets."""
    return "the disk is full" if is_full(error) else error.strerror or str(error) or type(error).__name__


@contextlib.contextmanager
def full_in_words() -> Iterator[None]:
    """What is written here fails with `DiskFull` where there is no room, which is a sentence for the person at the screen."""
    try:
        yield
    except OSError as error:
        if is_full(error) and not isinstance(error, DiskFull):
            raise DiskFull from error
        raise


PROBLEMS = (ConfigError, DataError, RunError)
"""Whoever shows something to a person catches these and shows the sentence; anything else is a fault of ours."""
