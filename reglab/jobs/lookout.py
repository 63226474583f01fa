"""What a server knows of the machine that it runs on.

    lookout = Lookout()
    lookout.begin()                      # in the background: what the machine is, and then how fast it trains
    lookout.machine(timeout=60)          # device, name, precision, threads
    lookout.pace(timeout=60)             # seconds later: whoever wants to train need not wait for that

It is found out in a process of its own, so that torch stays out of the server's.
"""

from __future__ import annotations

import threading
from typing import Any

from reglab.data.decoded import cache_folder
from reglab.jobs.capacity import Capacity
from reglab.jobs.isolation import IsolatedProcess
from reglab.jobs.pace import Pace, measured
from reglab.jobs.places import here
from reglab.redaction import without_paths


class Lookout:
    """Looks at the machine once. Thread-safe."""

    def __init__(self) -> None:
        self._process = IsolatedProcess()
        self._lock, self._begun = threading.Lock(), False
        self._seen, self._timed = threading.Event(), threading.Event()
        self._machine: dict[str, Any] = {}
        self._capacity: Capacity | None = None
        self._pace: Pace | None = None

    def begin(self) -> None:
        """Start the fork server and look, in the background."""
        with self._lock:
            if not self._begun:
                self._begun = True
                threading.Thread(target=self._look, daemon=True, name="reglab-lookout").start()

    def _look(self) -> None:
        try:
            seen = here.corrected(self._process.call(here.look, timeout=120))
            self._pace, self._capacity, self._machine = here.known_pace(), seen.pop("capacity"), seen
            self._seen.set()
            if not self._pace:
                self._pace = self._process.call(measured, seen["device"], cache_folder() / "pace.json", timeout=120)
        except Exception as error:
            self._machine = self._machine or {"device": "cpu", "name": "", "error": without_paths(str(error))}
        self._seen.set()
        self._timed.set()
        self._process.close()  # it has done its work and need not sit in memory

    def machine(self, timeout: float = 0.0) -> dict[str, Any]:
        """device, name, precision and threads; empty while it is being found out. Whoever waits for it has it looked at."""
        self._wait(self._seen, timeout)
        return self._machine

    def capacity(self) -> Capacity | None:
        """What this machine can train; None where nobody could look."""
        self._wait(self._seen, timeout=60)
        return self._capacity

    def pace(self, timeout: float = 0.0) -> Pace | None:
        """How fast this machine trains; None while that is not known. Whoever waits for it has it measured."""
        self._wait(self._timed, timeout)
        return self._pace

    def is_measuring(self) -> bool:
        """Whether the pace is still to come."""
        return self._begun and not self._timed.is_set()

    def free(self, device: str) -> int:
        """Bytes of the device's own memory that were free; 0 where it has none, or while it is being found out."""
        return int(self._machine.get("memory", 0)) if device == self._machine.get("device") else 0

    def _wait(self, known: threading.Event, timeout: float) -> None:
        if timeout:
            self.begin()
        known.wait(timeout)

    def close(self) -> None:
        """End the process that looks."""
        self._process.close()
