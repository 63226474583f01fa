"""uvicorn: a server that Gradio starts with settings of its own, made fit for strangers before it listens."""

from __future__ import annotations

import logging
from typing import Any

HEAD_TIME = 10.0  # seconds until the head of a request has to be there
WRITE_TIME = 60.0  # seconds in which whoever is being answered has to take something of it
MOST_HEAD = 32 * 2**10  # bytes
IDLE_TIME = 5  # seconds that a connection stays open between two requests


def fit_for_strangers(config: Any, connections: int, full: Any) -> None:
    """Change a `uvicorn.Config` that has not been loaded yet. `full`: the app that answers where there are too many connections.

    No addresses out of `X-Forwarded-For` (uvicorn believes whatever comes from this machine), no name and version of the
    server, no WebSockets, bounds on connections and heads, and two time-outs that it lacks: for a head that comes in drop by
    drop, and for an answer that nobody takes. `Config`, and `H11Protocol` with `app`, `connections`, `cycle` and `loop`,
    uvicorn 0.54.0.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # strangers could fill a disk with its warnings
    config.proxy_headers = False
    config.server_header = False
    config.ws = "none"
    config.http = _patient(connections, full)
    config.timeout_keep_alive = IDLE_TIME
    config.h11_max_incomplete_event_size = MOST_HEAD


def _patient(connections: int, full: Any) -> type:
    """The protocol for HTTP, patient for so long and not longer."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Patient(H11Protocol):
        head_timer: Any = None
        write_timer: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > 2 * connections:  # too many even to be told so
                transport.abort()
                return
            if len(self.connections) > connections:
                self.app = full
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop(self.head_timer)
            self._stop(self.write_timer)
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self.write_timer = self.loop.call_later(WRITE_TIME, self.transport.abort)

        def resume_writing(self) -> None:
            self._stop(self.write_timer)
            super().resume_writing()

        def _watch(self) -> None:
            """The clock runs from the first byte of a head, or from the connection on, until the head is there."""
            is_reading = self.cycle is None or self.cycle.response_complete
            if is_reading and self.head_timer is None:
                self.head_timer = self.loop.call_later(HEAD_TIME, self._give_up)
            elif not is_reading and self.head_timer is not None:
                self._stop(self.head_timer)
                self.head_timer = None

        def _give_up(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                self.transport.close()

        @staticmethod
        def _stop(timer: Any) -> None:
            if timer is not None:
                timer.cancel()

    return Patient
