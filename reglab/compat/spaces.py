"""spaces: how ZeroGPU lends its GPU to a call, and what it says when it does not.

A ZeroGPU Space has no GPU. `spaces.GPU` sends a call into a process that it forks off, which has one for a while; everywhere
else in the app torch only believes that there is CUDA, and breaks when a thread uses it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
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


def refusal(error: Exception) -> tuple[str, str, timedelta | None]:
    """The title and the sentence of what spaces raised, and after how long to try again where it says that.

    `gr.Error` with a title, `zero.client.schedule`, spaces 0.51.3; the wait is printed as a `timedelta`.
    """
    title, said = str(getattr(error, "title", "")), str(getattr(error, "message", error))
    found = re.search(r"Try again in (?:(\d+) days?, )?(\d+):(\d\d):(\d\d)", said)
    if not found:
        return title, said, None
    days, hours, minutes, seconds = (int(n or 0) for n in found.groups())
    return title, said, timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
