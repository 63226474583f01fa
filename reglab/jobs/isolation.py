"""Calls in a process of their own: what strangers send is opened there, and what takes long keeps nobody waiting."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from reglab.errors import RunError
from reglab.jobs.failures import lacks_memory
from reglab.jobs.processes import process_context

BROKEN_OFF = "This took too long or too much memory and was broken off: try something smaller."


class IsolatedProcess:
    """Calls functions in another process, one at a time; when that process dies, the caller hears of it and lives."""

    def __init__(self, memory: int = 0) -> None:
        self._memory, self._turn, self._lock = memory, threading.Lock(), threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._closed = 0  # times

    def call(self, function: Callable[..., Any], *args: Any, timeout: float = 60.0) -> Any:
        """The function's result. Raises what it raises, and `RunError` where time, memory or the process came to an end.

        The time is this call's alone: waiting for those before it does not count, and hurts none of them.
        """
        closed = self._closed
        with self._turn:
            if closed != self._closed:  # while this waited
                raise RunError(BROKEN_OFF)
            try:
                return self._future(function, args).result(timeout)
            except (BrokenProcessPool, CancelledError, TimeoutError):
                self._end()
                raise RunError(BROKEN_OFF) from None
            except Exception as error:
                if not lacks_memory(error):
                    raise
                raise RunError(BROKEN_OFF) from None  # its process lives on, with the memory free again

    def _future(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Future[Any]:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, process_context(), initializer=_bounded, initargs=(self._memory,))
            try:
                return self._pool.submit(function, *args)
            except RuntimeError as error:  # the process has died, or the pool was shut down
                raise BrokenProcessPool(str(error)) from None

    def close(self) -> None:
        """End the process, whatever it does, and send away those who wait for it."""
        self._closed += 1
        self._end()

    def _end(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)


def _bounded(memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if memory:
        with contextlib.suppress(ImportError, ValueError, OSError):
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
