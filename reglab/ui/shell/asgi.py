"""The few words that everything in the shell shares: what an ASGI application is, a refusal, and how one is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LINGER = 2.0  # seconds in which what is still being sent is thrown away, so that the sender comes to read the refusal


class Refusal(Exception):
    """A request that is not answered: the status, and one sentence on why not and what instead.

    Attributes:
        again: Seconds after which it may be sent again; 0 for never.
        is_unread: Whether its body may still be on its way; the connection is then closed.
    """

    def __init__(self, status: int, sentence: str, again: int = 0, *, is_unread: bool = True) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.again, self.is_unread = status, sentence, again, is_unread

    @property
    def body(self) -> bytes:
        """For our own clients `error`, for those of Gradio `detail`."""
        return json.dumps({"error": self.sentence, "detail": self.sentence}).encode()

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Of the answer."""
        again = [(b"retry-after", str(self.again).encode())] if self.again else []
        close = [(b"connection", b"close")] if self.is_unread else []
        return [*json_headers(self.body), *again, *close]


def json_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    """Of an answer that is JSON."""
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]


def header(scope: Scope, name: str) -> str:
    """The first header of that name, which is written small; empty where there is none."""
    found = name.encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == found), "")


def takes_gzip(scope: Scope) -> bool:
    """Whether whoever asks can read a compressed answer."""
    return "gzip" in header(scope, "accept-encoding")


async def send_whole(
    scope: Scope, send: Send, headers: Sequence[tuple[bytes, bytes]], plain: bytes, zipped: bytes = b""
) -> None:
    """An answer of one piece, compressed for whoever can read that and where there is a compressed one."""
    is_zipped = bool(zipped) and takes_gzip(scope)
    body = zipped if is_zipped else plain
    sent = [*headers, (b"content-length", str(len(body)).encode())]
    sent += [(b"content-encoding", b"gzip")] if is_zipped else []
    await send({"type": "http.response.start", "status": 200, "headers": sent})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Say it, and close the connection once the other end has had time to read it."""
    await send({"type": "http.response.start", "status": refusal.status, "headers": refusal.headers})
    body = b"" if scope["method"] == "HEAD" else refusal.body
    await send({"type": "http.response.body", "body": body, "more_body": refusal.is_unread})
    if refusal.is_unread:
        # Whoever is cut off in the middle of sending a body sees a broken connection instead of the answer.
        if header(scope, "expect") != "100-continue" and has_body(scope):
            with suppress(TimeoutError):
                await asyncio.wait_for(_drain(receive), LINGER)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def has_body(scope: Scope) -> bool:
    """Whether anything follows the head of the request."""
    return header(scope, "content-length") not in ("", "0") or bool(header(scope, "transfer-encoding"))


async def _drain(receive: Receive) -> None:
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass
