"""The lab for programs, on light routes: JSON in, JSON out, and nothing remembered of who asked.

Gradio's endpoints of the same names make a session for every call and answer by way of a queue and a stream of events; these
call the same functions (`services/programs.py`) in a few threads of their own. Every answer that is not what was asked for is
`{"error": sentence}`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import secrets
import tempfile
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import UploadFile
from starlette.requests import Request

from reglab import compat
from reglab.errors import PROBLEMS, BusyError, ConfigError, DataError, DiskFull, ForbiddenError, UnknownRunError
from reglab.runs.owner import LEAST, MOST, Visitor
from reglab.ui.services.access import ADMIN, KEY
from reglab.ui.services.lab import Lab
from reglab.ui.services.programs import Programs
from reglab.ui.shell import bodies
from reglab.ui.shell.asgi import Receive, Refusal, Scope, Send, header, send_whole, takes_gzip
from reglab.ui.shell.crowd import Crowd

WORTH_ZIPPING = 2_000  # bytes
NO_KEY = f"X-Reglab-Key must have {LEAST} to {MOST} characters, so that nobody guesses it: leave it out of /train to get one."
NO_PICTURE = "There is no picture: send a PNG, JPEG or WebP file as the body, or as the file of a form."
FAULT = "Something went wrong here, and the server's log says what: try again, or ask for something else."
STATUS = (
    (DiskFull, 507), (UnknownRunError, 404), (ForbiddenError, 403), (BusyError, 429), (ConfigError, 400), (DataError, 503), (Exception, 409)
)  # fmt: skip
"""What is raised -> the status that says so; the first that fits."""
AGAIN = {429: 30, 503: 10}  # seconds


@dataclass(frozen=True)
class Asked:
    """One request of a program."""

    programs: Programs
    visitor: Visitor
    query: dict[str, str]
    body: Any
    """What the JSON said, or the path of a picture."""

    @property
    def run(self) -> Any:
        """The run that it is about, from the address or else from the JSON."""
        return self.query.get("run", self.body.get("run") if isinstance(self.body, dict) else None)


def train(asked: Asked) -> Any:
    """Train with the RunConfig that is sent. The run's id, and the key that stops it (X-Reglab-Key); a new one if none came."""
    return {"run": asked.programs.train(asked.body), "key": asked.visitor.key}


def status(asked: Asked) -> Any:
    """A run's summary, its events since a cursor, and the next cursor: ?run=ID&cursor=0."""
    cursor = asked.query.get("cursor", "0")
    return asked.programs.status(asked.run, int(cursor) if cursor.isdecimal() and len(cursor) < 20 else cursor)


def stop(asked: Asked) -> Any:
    """Stop a run, {"run": ID}; it keeps its checkpoint and can be resumed. Its status."""
    return {"run": asked.run, "status": asked.programs.stop(asked.run)}


def runs(asked: Asked) -> Any:
    """The summaries of all runs that you may see, yours first."""
    return asked.programs.runs()


def predict(asked: Asked) -> Any:
    """What a run's network says of the picture that is sent, ?run=ID: class -> probability. As it is, or in a form."""
    return asked.programs.predict(asked.body, asked.run)


ROUTES: dict[tuple[str, str], Callable[[Asked], Any]] = {
    ("POST", "/api/train"): train,
    ("GET", "/api/status"): status,
    ("POST", "/api/stop"): stop,
    ("GET", "/api/runs"): runs,
    ("POST", "/api/predict"): predict,
}
HEAVY = (train, predict)


def described() -> bytes:
    """What there is, a line each."""
    lines = [f"{method} {path}\n    {function.__doc__}" for (method, path), function in ROUTES.items()]
    return ("The CNN Regularization Lab, for programs.\n\n" + "\n".join(lines) + "\n").encode()


class Light:
    """The routes over one lab."""

    def __init__(self, lab: Lab, crowd: Crowd) -> None:
        self.lab, self.crowd = lab, crowd
        # Apart, so that a poll never waits for a picture.
        self.quick, self.heavy = ThreadPoolExecutor(4, "api"), ThreadPoolExecutor(4, "api-heavy")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises `Refusal`."""
        function = ROUTES.get(("GET" if scope["method"] == "HEAD" else scope["method"], scope["path"]))
        if function is None:
            await _send(scope, send, described(), b"text/plain; charset=utf-8")
            return
        address = scope["client"][0]
        self.crowd.check_pace("calls", address, self.crowd.room.calls)
        with self.crowd.calling(address):
            if function is predict:
                bodies.check_room(self.lab.deployment.limits.disk_floor)
                with self.crowd.uploading(address), tempfile.TemporaryDirectory() as folder:
                    answer = await self._answer(function, scope, await picture(scope, receive, Path(folder)))
            elif scope["method"] == "POST":
                arriving = bodies.Arriving(scope, receive, bodies.MOST_JSON, bodies.JSON_TIME)
                answer = await self._answer(function, scope, bodies.as_json(await arriving.all()))
            else:
                answer = await self._answer(function, scope, None)
        await _send(scope, send, answer, b"application/json")

    async def _answer(self, function: Callable[[Asked], Any], scope: Scope, body: Any) -> bytes:
        """By a thread."""
        key, address = header(scope, KEY), scope["client"][0]
        if key and not LEAST <= len(key) <= MOST:
            raise Refusal(400, NO_KEY, is_unread=False)
        if function is train and not key:
            key = secrets.token_urlsafe(24)
        visitor = Visitor(key, address, header(scope, ADMIN))
        told = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=10)
        query = {name: values[-1] for name, values in told.items()}
        asked = Asked(Programs(self.lab.seen_by(visitor)), visitor, query, body)
        threads = self.heavy if function in HEAVY else self.quick
        return await asyncio.get_running_loop().run_in_executor(threads, _answered, function, asked, Request(scope))


def _answered(function: Callable[[Asked], Any], asked: Asked, request: Request) -> bytes:
    """As JSON. Raises `Refusal`."""
    try:
        with compat.gradio.answering(request):
            return json.dumps(function(asked)).encode()
    except PROBLEMS as error:
        number = next(number for kind, number in STATUS if isinstance(error, kind))
        raise Refusal(number, str(error), AGAIN.get(number, 0), is_unread=False) from None
    except Exception:
        traceback.print_exc()
        raise Refusal(500, FAULT, is_unread=False) from None


async def picture(scope: Scope, receive: Receive, folder: Path) -> str:
    """The path of the picture that is sent, as it is or in a form, which has been put into the folder. Raises `Refusal`."""
    arriving = bodies.Arriving(scope, receive, bodies.MOST_FILE + bodies.MOST_AROUND, bodies.FILE_TIME)
    if header(scope, "content-type").startswith("multipart/form-data"):
        form = bodies.Form(scope, arriving.receive)
        async with Request(scope, form.watched).form(max_files=1, max_fields=4) as fields:
            sent = next((value for value in fields.values() if isinstance(value, UploadFile)), None)
            content = await sent.read() if sent else b""
    else:
        content = await arriving.all()
    if not content:
        raise Refusal(400, NO_PICTURE, is_unread=False)
    if len(content) > bodies.MOST_FILE:
        raise Refusal(413, bodies.TOO_MUCH)
    path = folder / "picture"
    await asyncio.to_thread(path.write_bytes, content)
    return str(path)


async def _send(scope: Scope, send: Send, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"cache-control", b"no-store"), (b"vary", b"accept-encoding")]
    is_zipped = len(body) > WORTH_ZIPPING and takes_gzip(scope)
    zipped = await asyncio.to_thread(gzip.compress, body, 1) if is_zipped else b""
    await send_whole(scope, send, headers, body, zipped)
