"""What goes wrong with a run or a call, in one sentence for the person at the screen."""

from __future__ import annotations

from reglab import compat
from reglab.errors import ConfigError, DataError, DiskFull, RunError, is_full
from reglab.redaction import without_paths

FULL = "The disk is full: free some space, then resume."


def in_words(error: Exception) -> str:
    """What happened, and what helps; what nobody foresaw is called a fault of this program."""
    if isinstance(error, (ConfigError, DataError, RunError)) and not isinstance(error, DiskFull):
        return str(error)
    if lacks_memory(error):
        return "Out of memory: use a smaller batch size, fewer images or a smaller network, then resume."
    if is_full(error):
        return FULL
    if isinstance(error, OSError):
        why = without_paths(error.strerror or str(error))
        return f"The run could not be written ({why}): check the disk that it is on, then resume."
    what = f"{type(error).__name__}: {without_paths(str(error))}"
    return f"Training broke off with {what}. That is a fault of this program; please report it."


def lacks_memory(error: Exception) -> bool:
    """Whether there was too little memory."""
    if isinstance(error, (ConfigError, DataError, RunError)):
        return False  # the words may be those of a file's name
    return compat.torch.lacks_memory(error)
