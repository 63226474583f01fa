"""The lock of a run: whoever trains it holds `.lock` in its folder, and the kernel frees the lock of a dead process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def hold(lock: Path) -> Iterator[None]:
    """Own the lock meanwhile.

    Raises:
        Timeout: Another process owns it, and still does most of a second later.
    """
    held = FileLock(lock)
    held.acquire(timeout=0.8)  # not 0: somebody may just be looking whether it is free
    try:
        yield
    finally:
        held.release()


def is_held(lock: Path) -> bool:
    """Whether a living process holds the lock; False where there is no such file.

    Looks with a shared lock, so that two who look do not take each other for owners.
    """
    if not lock.exists():
        return False
    try:
        import fcntl
    except ImportError:  # Windows: there a look is an attempt
        try:
            with FileLock(lock, timeout=0):
                return False
        except (Timeout, OSError):
            return True
    try:
        with open(lock, "rb") as f:
            fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False  # the run was deleted a moment ago
    except OSError:
        return True
    return False
