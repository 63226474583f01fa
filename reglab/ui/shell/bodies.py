"""How much may be sent, and how slowly: bounded while it comes in, before anything is parsed.

Gradio bounds only the files of an upload. JSON has no limit there (200 MB took 620 MB of memory), nor has a part of a form
that names no file, which is kept in memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from python_multipart.multipart import MultipartParser, parse_options_header

from reglab.runs.room import has_room, too_full
from reglab.ui.shell.asgi import Message, Receive, Refusal, Scope, header

MOST_JSON = 2**20
MOST_FILE = 20 * 2**20
MOST_AROUND = 64 * 2**10  # bytes of an upload that are not of a file
PAUSE, JSON_TIME, FILE_TIME = 15.0, 30.0, 300.0  # seconds: without a byte, until all of it is there

TOO_MUCH = f"That is too much: a request may have at most {MOST_JSON >> 20} MiB, and a file {MOST_FILE >> 20} MiB."
TOO_SLOW = "That took too long to arrive: send it again, over a faster connection."
NO_JSON = "That is not JSON: send an object as application/json."
NO_FORM = "That is not an upload: send a form (multipart/form-data) with files in it, and nothing else."


class Arriving:
    """A body on its way, through `receive`, which counts it and looks at the clock."""

    def __init__(self, scope: Scope, receive: Receive, most: int, seconds: float) -> None:
        self._receive, self._most, self._end = receive, most, time.monotonic() + seconds
        self._arrived, self._is_complete = 0, False
        declared = header(scope, "content-length")
        if declared.isdecimal() and int(declared) > most:
            raise Refusal(413, TOO_MUCH)

    async def receive(self) -> Message:
        """The next piece. Raises `Refusal`."""
        if self._is_complete:
            return await self._receive()  # whether the other end is still there
        left = self._end - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.001, min(PAUSE, left)))
        except TimeoutError:
            raise Refusal(408, TOO_SLOW) from None
        self._arrived += len(message.get("body", b""))
        if self._arrived > self._most:
            raise Refusal(413, TOO_MUCH)
        self._is_complete = message["type"] != "http.request" or not message.get("more_body")
        return message

    async def all(self) -> bytes:
        """All of it. Raises `Refusal`."""
        pieces = []
        while not self._is_complete:
            pieces.append((await self.receive()).get("body", b""))
        return b"".join(pieces)


def check_room(floor: int) -> None:
    """Raises `Refusal` where a file would leave the disk with less than that many bytes."""
    if not has_room(Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()), MOST_FILE, floor):
        raise Refusal(507, too_full(floor))


def as_json(body: bytes) -> Any:
    """What the body says. Raises `Refusal`."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, NO_JSON, is_unread=False) from None


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out a body which has been read already."""
    pieces = [body]

    async def replayed() -> Message:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(), "more_body": False}
        return await receive()

    return replayed


class Form:
    """Watches a form go by: all but a little of it must be files. `watched` is a `receive` in place of the other."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        kind, options = parse_options_header(header(scope, "content-type"))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise Refusal(400, NO_FORM)
        self._receive, self._all, self._files, self._is_file = receive, 0, 0, False
        self._disposition = b""
        self._field = b""
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header_end,
                "on_part_data": self._on_data,
            },
        )

    async def watched(self) -> Message:
        """The next piece. Raises `Refusal`."""
        message = await self._receive()
        if body := message.get("body", b""):
            self._all += len(body)
            try:
                self._parser.write(body)
            except ValueError:
                raise Refusal(400, NO_FORM) from None
            if self._all - self._files > MOST_AROUND:
                raise Refusal(413, TOO_MUCH)
        return message

    def _begin(self) -> None:
        self._is_file, self._field, self._disposition = False, b"", b""

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition += data[start:end]

    def _on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._is_file = b"filename" in parse_options_header(self._disposition)[1]
        self._field = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._files += end - start
