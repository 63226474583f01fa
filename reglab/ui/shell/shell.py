"""The one application that every request passes through, before Gradio's own middleware sees any of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from reglab.deployment import Deployment
from reglab.ui.shell.client import trusted_address

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Shell:
    """Around the app that is inside it."""

    def __init__(self, inside: App, deployment: Deployment) -> None:
        self.inside, self.deployment = inside, deployment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            peer, port = scope.get("client") or ("", 0)
            scope["client"] = (trusted_address(peer, scope["headers"], self.deployment.proxies), port)
        await self.inside(scope, receive, send)
