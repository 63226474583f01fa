"""What goes wrong with a run or a call, in one sentence for the person at the screen."""

from __future__ import annotations

import errno

from reglab import compat
from reglab.errors import ConfigError, DataError, RunError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk has no room, this user may take no more of it, or a file may grow no farther."""


def in_words(error: Exception) -> str:
    """What happened, and what helps; what nobody foresaw is called a fault of this program."""
    if isinstance(error, (ConfigError, DataError, RunError)):
        return str(error)
    if lacks_memory(error):
        return "Out of memory: use a smaller batch size, fewer images or a smaller network, then resume."
    if isinstance(error, OSError) and error.errno in FULL:
        return f"The disk is full ({error.strerror}): free some space, then resume."
    if isinstance(error, OSError):
        return (
            f"The run could not be written ({error.strerror or error}): look after the disk that it is on, then resume."
        )
    return (
        f"Training broke off with {type(error).__name__}: {error}. That is a fault of this program; please report it."
    )


def lacks_memory(error: Exception) -> bool:
    """Whether there was too little memory."""
    if isinstance(error, (ConfigError, DataError, RunError)):
        return False  # the words may be those of a file's name
    return compat.torch.lacks_memory(error)
