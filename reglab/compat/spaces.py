"""spaces: how ZeroGPU lends its GPU to a call, and what it says when it does not.

A ZeroGPU Space has no GPU. `spaces.GPU` sends a call into a process that it forks off, which has one for a while; everywhere
else in the app torch only believes that there is CUDA, and breaks when a thread uses it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import Any, TypeVar

Task = TypeVar("Task", bound=Callable[..., Any])


def is_on() -> bool:
    """Whether this is a ZeroGPU Space. `SPACES_ZERO_GPU`, which is all that `spaces.config` looks at, spaces 0.51.3."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true") and find_spec("spaces") is not None


def start() -> None:
    """Let spaces put its stand-in for CUDA in the place of torch's. Before anything uses CUDA, in the main thread."""
    if is_on():
        import spaces  # noqa: F401


def has_gpu() -> bool:
    """Whether what torch says of CUDA is true in this process: on ZeroGPU only in one that spaces has forked off.

    `spaces.zero.wrappers.forked`, spaces 0.51.3.
    """
    return not is_on() or getattr(sys.modules.get("spaces.zero.wrappers"), "forked", False)


def gpu(duration: Callable[..., int]) -> Callable[[Task], Task]:
    """The decorator that lends a call the GPU for so many seconds, told by the same arguments; elsewhere it does nothing."""
    if not is_on():
        return lambda task: task
    import spaces

    return spaces.GPU(duration=duration)


def factor() -> float:
    """What spaces multiplies a duration by before it asks for it. `zero.config.get_config()`, spaces 0.51.3."""
    try:
        from spaces.zero.config import get_config

        return float(get_config()["duration_factor"])
    except (ImportError, KeyError, TypeError, ValueError):
        return 1.5


@dataclass(frozen=True)
class Refusal:
    """What spaces said when it gave no GPU, or took it back."""

    title: str
    said: str
    wait: timedelta | None = None
    """After how long the visitor has minutes again."""
    left: int | None = None
    """Seconds that the visitor still has, in the measure in which spaces asks."""


def refusal(error: Exception) -> Refusal:
    """What an error of a call says: `gr.Error` with a title, `zero.client.schedule`, spaces 0.51.3."""
    title, said = str(getattr(error, "title", "")), str(getattr(error, "message", error))
    left = re.search(r"\(\d+s requested vs\. (\d+)s left\)", said)
    again = re.search(r"Try again in (?:(\d+) days?, )?(\d+):(\d\d):(\d\d)", said)  # as a timedelta is printed
    if not again:
        return Refusal(title, said, None, int(left[1]) if left else None)
    days, hours, minutes, seconds = (int(n or 0) for n in again.groups())
    wait = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return Refusal(title, said, wait, int(left[1]) if left else None)
