"""The standard library: a pool's processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor


def kill_workers(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes at once, whatever they do. `_processes`, Python 3.11.7; `kill_workers()` from 3.14 on."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.kill()
