"""What every answer tells a browser: what it may do with it, and what it may load besides."""

from __future__ import annotations

from collections.abc import Iterable

from reglab.deployment import Deployment
from reglab.ui.shell.asgi import Message, Send
from reglab.ui.shell.routes import FILE, FOR_EVER

HUB = "https://huggingface.co https://*.hf.space"  # where a Space is shown in a frame
NOTEBOOKS = (  # which show the lab of a laptop in one: Jupyter, VS Code, Colab
    "http://localhost:* http://127.0.0.1:*"
    " vscode-webview: https://*.vscode-cdn.net"
    " https://colab.research.google.com https://*.googleusercontent.com"
)


def policy(deployment: Deployment) -> bytes:
    """The Content-Security-Policy of the page: everything from here.

    Gradio's page has its scripts and styles inline, makes functions of text (`js=...`) and workers of blobs, and shows
    pictures as `blob:` and `data:`. So this stops pages of others from framing it and anything from being fetched or sent
    elsewhere, not a script inside the page; what keeps those out are the templates, which escape everything. The page of a
    Space asks the Hub how the Space stands.
    """
    frames = f"'self' {HUB}" + (f" {NOTEBOOKS}" if deployment.is_everybody_host else "")
    parts = (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:" + (" https://huggingface.co" if deployment.space else ""),
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        f"frame-ancestors {frames}",
    )
    return "; ".join(parts).encode()


ALONE = b"default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For a file that was uploaded or made here: whatever it is, it runs nothing."""
USUAL = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin-allow-popups"),
    (b"permissions-policy", b"geolocation=(), microphone=(), payment=(), usb=()"),
)
KEPT = ((b"cache-control", b"public, max-age=31536000, immutable"),)
KEPT_A_DAY = ((b"cache-control", b"public, max-age=86400"),)
DROPPED = (b"server", b"access-control-allow-origin", b"access-control-allow-credentials")


def dressed(send: Send, path: str, page_policy: bytes) -> Send:
    """A `send` that puts them on."""

    async def dressing(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in DROPPED]
            csp = ALONE if path.startswith(FILE) else page_policy
            keep = () if message["status"] != 200 or is_kept(kept) else how_long(path)
            message["headers"] = [*kept, *keep, *USUAL, (b"content-security-policy", csp)]
        await send(message)

    return dressing


def how_long(path: str) -> tuple[tuple[bytes, bytes], ...]:
    """What has a hash in its name for ever, Gradio's fonts and pictures for a day; of everything else nothing is said."""
    if FOR_EVER.fullmatch(path):
        return KEPT
    return KEPT_A_DAY if path.startswith("/static/") else ()


def is_kept(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether they say already for how long it may be kept."""
    return any(name.lower() == b"cache-control" for name, _ in headers)
