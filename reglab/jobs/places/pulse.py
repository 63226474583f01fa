"""Whether a process that trains still answers. One that hangs holds the device, and nobody else would ever get it.

Something new in the folders of its runs is an answer. So is processor time that the process has used: a step of a large
network on a slow machine may take minutes without a word, and must be left in peace. A loop that never ends uses processor
time as well; that is for the limit on the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

STALLED = 30.0  # seconds without an answer after which the page says so
ENDED = 120.0  # and after which the process is killed
UNSEEN = 10  # times as patient where nothing tells of processor time
GLANCE = 1.0  # seconds between two looks that count at most
WRITTEN = ("metrics.jsonl", "timing.jsonl", "last.safetensors", "model.safetensors")


class Pulse:
    """Of one process, as somebody finds it who looks about twice a second.

    Only time between looks that follow one another counts. So nothing seems silent because whoever looks was asleep: a
    laptop with its lid shut, a container that was paused.
    """

    def __init__(self, folders: Sequence[Path], pid: int) -> None:
        self._files = [folder / name for folder in folders for name in WRITTEN]
        self._pid = pid
        self._seen: tuple[object, ...] = ()
        self._looked = time.monotonic()
        self._silent = 0.0

    def look(self) -> float:
        """How long it has not answered, in seconds; where processor time cannot be seen they count a tenth."""
        used = processor_time(self._pid)
        seen = (used, *map(_stamp, self._files))
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, GLANCE), now
        if seen != self._seen:
            self._seen, self._silent = seen, 0.0
        else:
            self._silent += passed / (UNSEEN if used is None else 1)
        return self._silent


def processor_time(pid: int) -> int | None:
    """What a process has used so far, all its threads together, in the kernel's ticks; None where that is not told."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:  # only Linux has it
        return None
    user, system = told.rpartition(")")[2].split()[11:13]  # the name before may have spaces and brackets of its own
    return int(user) + int(system)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
