"""The one application that every request passes through, before Gradio's own middleware sees any of it.

Its `__call__` reads from top to bottom as the way of a request: who asks, whether that is answered at all, whether there is
room, what is sent along, and what the answer tells the browser.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from reglab.ui.services.lab import Lab
from reglab.ui.shell import bodies, routes
from reglab.ui.shell.api import Light
from reglab.ui.shell.asgi import App, Message, Receive, Refusal, Scope, Send, refuse, send_whole
from reglab.ui.shell.client import trusted_address
from reglab.ui.shell.crowd import Crowd
from reglab.ui.shell.files import without_addresses
from reglab.ui.shell.headers import dressed, policy
from reglab.ui.shell.hosts import check_host, check_origin
from reglab.ui.shell.pages import Pages
from reglab.ui.views.assets import assets

UNHEARD = (b"origin", b"x-gradio-server")
"""Headers that Gradio would follow: to allow a page of another site, and to call itself by another address."""
MOST_HEADERS = 100
TOO_MANY_HEADERS = f"That has too many headers: send at most {MOST_HEADERS}."
NO_ENDPOINT = "There is no such endpoint: /api/ and /gradio_api/info list those that there are."
NO_SESSION = "session_hash must be a text of at most 64 letters, digits, - and _: Gradio's clients make one up."


class Shell:
    """Around the app that is inside it."""

    def __init__(
        self,
        inside: App,
        lab: Lab,
        *,
        root_path: str = "",
        tools: App | None = None,
        endpoints: Collection[int | str] = (),
        dress: Callable[[str], str] = str,
    ) -> None:
        """`tools`: what answers language models, where that is asked for. `endpoints`: numbers and names of what Gradio calls.

        `dress` makes our page of Gradio's.
        """
        self.endpoints = endpoints
        self.inside, self.deployment, self.root_path, self.tools = inside, lab.deployment, root_path.rstrip("/"), tools
        self.crowd, self.policy = Crowd(lab.deployment), policy(lab.deployment)
        self.pages = Pages(inside, self.crowd, dress)
        self.light = Light(lab, self.crowd)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.inside(scope, receive, send)
            return
        peer, port = scope.get("client") or ("", 0)
        scope["client"] = (trusted_address(peer, scope["headers"], self.deployment.proxies), port)
        path = scope["path"].removeprefix(self.root_path) or "/"
        answer = Answer(dressed(send, path, self.policy))
        try:
            if len(scope["headers"]) > MOST_HEADERS:
                raise Refusal(431, TOO_MANY_HEADERS)
            routes.check(scope["method"], path, mcp=self.tools is not None)
            check_host(scope, self.deployment)
            check_origin(scope, self.deployment)
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in UNHEARD]
            await self._route(path, scope, receive, answer)
        except Refusal as refusal:
            answer.refusal = refusal
        if answer.refusal and not answer.has_started:
            await refuse(answer.refusal, scope, receive, answer.send)

    async def _route(self, path: str, scope: Scope, receive: Receive, answer: Answer) -> None:
        """By what kind of request it is. Raises `Refusal`."""
        address = scope["client"][0]
        if self.pages.has(scope) and path == scope["path"]:
            await self.pages(scope, receive, answer)
        elif found := routes.ASSET.fullmatch(path):
            await send_asset(found["tag"], found["name"], scope, answer)
        elif routes.LIGHT.fullmatch(path):
            await self.light({**scope, "path": path}, answer.guarding(receive), answer)
        elif scope["method"] == "GET" and routes.STREAMS.fullmatch(path):
            with self.crowd.stream(address, session_of(path, scope)):
                await self.inside(scope, receive, answer)
        elif path == routes.UPLOAD:
            with self.crowd.uploading(address):
                bodies.check_room(self.deployment.limits.disk_floor)
                most = bodies.MOST_FILE + bodies.MOST_AROUND
                arriving = bodies.Arriving(scope, receive, most, bodies.FILE_TIME)
                form = bodies.Form(scope, arriving.receive)
                await self.inside(scope, answer.guarding(form.watched), answer)
        elif self.tools and routes.MCP.fullmatch(path):
            self.crowd.check_pace("calls", address, self.crowd.room.calls)
            with self.crowd.calling(address):
                body = await bodies.Arriving(scope, receive, bodies.MOST_JSON, bodies.JSON_TIME).all()
                await self.tools(scope, bodies.again(body, receive), answer)
        elif scope["method"] == "POST":
            body = await bodies.Arriving(scope, receive, bodies.MOST_JSON, bodies.JSON_TIME).all()
            body = self._checked(path, address, body)
            scope["headers"] = [
                (name, str(len(body)).encode() if name == b"content-length" else value)
                for name, value in scope["headers"]
            ]
            await self.inside(scope, bodies.again(body, receive), answer)
        else:
            await self.inside(scope, receive, answer)

    def _checked(self, path: str, address: str, body: bytes) -> bytes:
        """What a program or the page sends to Gradio, without addresses of files. Raises `Refusal`."""
        self.crowd.check_pace("events", address, self.crowd.room.events)
        told = bodies.as_json(body)
        if path.startswith(routes.EVENTS):
            if not isinstance(told, dict):
                raise Refusal(400, bodies.NO_JSON, is_unread=False)
            session = told.get("session_hash")
            is_new = session is None and path.startswith(routes.CALLS)  # Gradio makes one up for this call alone
            if not is_new and not (isinstance(session, str) and routes.SESSION.fullmatch(session)):
                raise Refusal(400, NO_SESSION, is_unread=False)
            if self.endpoints and endpoint_of(path, told) not in self.endpoints:
                raise Refusal(404, NO_ENDPOINT, is_unread=False)
            self.crowd.check_session(address, session or "")
        return json.dumps(told).encode() if without_addresses(told) else body


async def send_asset(tag: str, name: str, scope: Scope, send: Send) -> None:
    """A style sheet, script or picture of ours. Raises `Refusal`.

    A page from before an update asks for what was there before: it gets what is there now, and is not to keep it.
    """
    asset = assets().get(name)
    if asset is None:
        raise Refusal(404, routes.NOWHERE)
    headers = [(b"content-type", asset.kind.encode()), (b"vary", b"accept-encoding")]
    headers += [] if tag == asset.tag else [(b"cache-control", b"no-cache")]
    await send_whole(scope, send, headers, asset.body, asset.zipped)


def endpoint_of(path: str, told: dict[str, Any]) -> int | str:
    """What is called, by its number or else by its name."""
    number = told.get("fn_index")
    return number if isinstance(number, int) else path.rstrip("/").rpartition("/")[2]


class Answer:
    """A `send` that a refusal may still take the place of, for as long as nothing has been sent.

    Whoever reads the body inside may make an error of their own out of a refusal that `receive` raises; it is not heard.
    """

    def __init__(self, send: Send) -> None:
        self.send, self.has_started = send, False
        self.refusal: Refusal | None = None

    async def __call__(self, message: Message) -> None:
        """Send it, unless the request has been refused."""
        if self.refusal and not self.has_started:
            return
        self.has_started = True
        await self.send(message)

    def guarding(self, receive: Receive) -> Receive:
        """A `receive` whose refusals are remembered here."""

        async def guarded() -> Message:
            try:
                return await receive()
            except Refusal as refusal:
                self.refusal = refusal
                raise

        return guarded


def session_of(path: str, scope: Scope) -> str:
    """The session that listens; empty for an answer to a single call."""
    if path.startswith("/gradio_api/heartbeat/"):
        return path.rpartition("/")[2]
    return ""
