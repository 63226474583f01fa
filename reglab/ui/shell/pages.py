"""What is the same for everybody is made once: the page, and what Gradio's clients read when they start.

Gradio copies all of its configuration for each of these (0.2 s and 600 kB for the page of the lab), describes the endpoints
anew, and sends the page uncompressed. It differs only in the address that it is asked by.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from reglab.ui.shell.asgi import App, Message, Receive, Scope, Send, header, send_whole
from reglab.ui.shell.crowd import Crowd

SAME = {"/": b"", "/config": b"", "/gradio_api/openapi.json": b"", "/gradio_api/info": b"all_endpoints=True"}
"""Path -> the only query that makes a difference there."""
MOST = 16  # addresses by four paths; more than that nobody asks a lab by
ADDRESS = (b"host", b"x-forwarded-host", b"x-forwarded-proto")


@dataclass(frozen=True)
class Kept:
    """An answer, as it is and compressed."""

    kind: bytes
    plain: bytes
    zipped: bytes
    tag: bytes


class Pages:
    """Those that were asked for. Whoever asks by ever new addresses has them made at their pace, and no faster."""

    def __init__(self, inside: App, crowd: Crowd, dress: Callable[[str], str] = str) -> None:
        self.inside, self.crowd, self.dress = inside, crowd, dress
        self._kept: OrderedDict[tuple[object, ...], asyncio.Task[Kept | None]] = OrderedDict()

    def has(self, scope: Scope) -> bool:
        """Whether it is one of these; Gradio has some of them with a stroke at their ends as well."""
        return _named(scope) in SAME and scope["method"] in ("GET", "HEAD")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one of them. Raises `Refusal`."""
        path = _named(scope)
        query = SAME[path] if SAME[path] in scope["query_string"] else b""
        address = [(name, value) for name, value in scope["headers"] if name in ADDRESS]
        key = (path, query, scope["scheme"], *sorted(address))
        if key not in self._kept:
            self.crowd.check_pace("pages", scope["client"][0], self.crowd.room.pages)
            # A task of its own, so that whoever asked first may go away meanwhile.
            self._kept[key] = asyncio.create_task(self._made({**scope, "path": path}, query, address))
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        task = self._kept[key]
        try:
            kept = await asyncio.shield(task)
        finally:  # what went wrong once is tried again
            if (
                task.done()
                and (task.cancelled() or task.exception() or task.result() is None)
                and self._kept.get(key) is task
            ):
                del self._kept[key]
        if kept is None:
            await self.inside(scope, receive, send)
        else:
            await _send(kept, scope, send)

    async def _made(self, scope: Scope, query: bytes, address: list[tuple[bytes, bytes]]) -> Kept | None:
        """What Gradio answers; None where it is no whole answer."""
        head: list[Message] = []
        pieces: list[bytes] = []

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.append(message)
            else:
                pieces.append(message.get("body", b""))

        bare = {**scope, "method": "GET", "query_string": query, "headers": address, "state": {}}
        await self.inside(bare, nothing, keep)
        if not head or head[0]["status"] != 200:
            return None
        kind = dict(head[0]["headers"]).get(b"content-type", b"application/octet-stream")
        plain = b"".join(pieces)
        if kind.startswith(b"text/html"):
            plain = (await asyncio.to_thread(self.dress, plain.decode())).encode()
        zipped = await asyncio.to_thread(gzip.compress, plain, 6)
        return Kept(kind, plain, zipped, f'"{hashlib.sha256(plain).hexdigest()[:32]}"'.encode())


def _named(scope: Scope) -> str:
    return str(scope["path"]).rstrip("/") or "/"


async def _send(kept: Kept, scope: Scope, send: Send) -> None:
    headers = [(b"etag", kept.tag), (b"cache-control", b"no-cache"), (b"vary", b"accept-encoding, host")]
    if header(scope, "if-none-match").encode() == kept.tag:
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body"})
        return
    await send_whole(scope, send, [*headers, (b"content-type", kept.kind)], kept.plain, kept.zipped)
