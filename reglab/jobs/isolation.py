"""Calls in a process of their own: what takes long keeps nobody waiting, and what dies takes nobody along.

What strangers send is not opened here but by `decoder.py`, whose process has less to lose.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from reglab import compat
from reglab.errors import RunError
from reglab.jobs import sandbox
from reglab.jobs.failures import lacks_memory
from reglab.jobs.processes import process_context

BROKEN_OFF = "This took too long or too much memory and was broken off: try something smaller."


class Lanes:
    """Processes for calls, one for each kind of call, so that what takes long delays nothing but its own kind.

        lanes = Lanes("predictions", "timm", "inside", memory=4 * 2**30)
        lanes.call("predictions", predict.answer, path, seen)
        lanes.call("timm", predict.imagenet, name, seen, timeout=180)     # nobody's prediction waits for it

    A call waits only for those before it in its lane: leave the first to what is quick for sure, and give what may take
    seconds (the import of timm, the inside of a large network, all errors of a run) lanes of their own. The process of the
    first lane stays once it is there; that of another ends when nobody has called it for `idle` seconds, and gives its
    memory back. `memory` is what each may take of data, in bytes; 0 is no limit.
    """

    def __init__(self, first: str, *others: str, memory: int = 0, idle: float = 600.0) -> None:
        self._processes = {first: IsolatedProcess(memory)}
        self._processes |= {name: IsolatedProcess(memory, idle) for name in others}

    def call(self, lane: str, function: Callable[..., Any], *args: Any, timeout: float = 60.0) -> Any:
        """The function's result, as `IsolatedProcess.call` in the process of that lane.

        Raises:
            RunError: Time, memory or the process came to an end.
        """
        return self._processes[lane].call(function, *args, timeout=timeout)

    def close(self) -> None:
        """End all processes, whatever they do, and send away those who wait for them."""
        for process in self._processes.values():
            process.close()


class IsolatedProcess:
    """Calls functions in another process, one at a time; when that process dies, the caller hears of it and lives.

    It may take `memory` bytes of data (0: any), and ends when nobody has called it for `idle` seconds (0: never); the next
    call starts it anew.
    """

    def __init__(self, memory: int = 0, idle: float = 0.0) -> None:
        self._memory, self._idle = memory, idle
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._closed = 0  # times
        self._calls = 0  # that have begun
        self._waiting = 0  # calls that have not ended
        self._timer: threading.Timer | None = None

    def call(self, function: Callable[..., Any], *args: Any, timeout: float = 60.0) -> Any:
        """The function's result. It must be importable, and its arguments and result picklable.

        `timeout`, in seconds, is this call's alone: waiting for those before it does not count, and hurts none of them.

        Raises:
            RunError: Time, memory or the process came to an end.
            Exception: Whatever the function raises.
        """
        with self._lock:
            closed = self._closed
            self._waiting += 1
        try:
            with self._turn:
                return self._called(closed, function, args, timeout)
        finally:
            with self._lock:
                self._waiting -= 1
            self._rest_later()

    @property
    def waiting(self) -> int:
        """Calls that have not ended, the one under way among them."""
        return self._waiting

    def _called(self, closed: int, function: Callable[..., Any], args: tuple[Any, ...], timeout: float) -> Any:
        try:
            return self._future(closed, function, args).result(timeout)
        except (BrokenProcessPool, CancelledError, TimeoutError):
            self._end()
            raise RunError(BROKEN_OFF) from None
        except Exception as error:
            if not lacks_memory(error):
                raise
            raise RunError(BROKEN_OFF) from None  # its process lives on, with the memory free again

    def _future(self, closed: int, function: Callable[..., Any], args: tuple[Any, ...]) -> Future[Any]:
        with self._lock:
            if closed != self._closed:  # while this waited
                raise RunError(BROKEN_OFF)
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, process_context(), initializer=_bounded, initargs=(self._memory,))
            self._calls += 1
            try:
                return self._pool.submit(function, *args)
            except RuntimeError as error:  # the process has died, or the pool was shut down
                raise BrokenProcessPool(str(error)) from None

    def _rest_later(self) -> None:
        """End the process after a while, unless somebody calls it until then."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._idle and self._pool is not None:
                self._timer = threading.Timer(self._idle, self._rest, (self._calls,))
                self._timer.daemon = True
                self._timer.start()

    def _rest(self, calls: int) -> None:
        with self._lock:
            idle = calls == self._calls and not self._waiting
            pool, self._pool = (self._pool, None) if idle else (None, self._pool)
        _kill(pool)

    def close(self) -> None:
        """End the process, whatever it does, and send away those who wait for it."""
        with self._lock:
            self._closed += 1
        self._end()

    def _end(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        _kill(pool)


def _kill(pool: ProcessPoolExecutor | None) -> None:
    if pool is not None:
        compat.python.kill_workers(pool)
        pool.shutdown(wait=False, cancel_futures=True)


def _bounded(memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if memory:
        sandbox.limit_data(memory)
