"""What may be asked for at all: a list of what the page and Gradio's clients need, and nothing else.

Gradio 6.31 has 70 routes, and new versions bring new ones: some fetch whatever address they are given (`file=https://...`,
`proxy=`), some write files (`deep_link`, `process_recording`), some belong to features that are switched off (`monitoring`,
`run-history`, `vibe-edit`, `dev/reload`, `stream`, `component_server`, `custom_component`, `login`). None of those is
reached. A path is compared as Starlette compares it: with what is behind `%` decoded once.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from reglab.ui.shell.asgi import Refusal

NAME, KEY = r"[\w.-]{1,64}", r"[\w-]{1,64}"
GET = re.compile(
    r"/ | /config/? | /(?:theme\.css|robots\.txt|favicon\.ico|manifest\.json) | /(?:static|assets|svelte)/[^\\]+"
    r"| /gradio_api/(?: info/? | openapi\.json | app_id/? | startup-events | theme\.css | queue/(?:data|status)"
    rf"| upload_progress | heartbeat/{KEY} | call/(?:v2/)?{NAME}/{KEY} | file=.+ )"
    r"| /api(?:/|/runs|/status)? | /reglab/[0-9a-f]{12}/[\w.]+",
    re.VERBOSE,
)
POST = re.compile(
    rf"/gradio_api/(?: queue/join | (?:call/v2|call|run|api)/{NAME}/? | upload | cancel | reset/? )"
    r"| /api/(?:train|stop|predict)",
    re.VERBOSE,
)
SESSION = re.compile(KEY)
ASSET = re.compile(r"/reglab/(?P<tag>[0-9a-f]{12})/(?P<name>[\w.]+)")
"""A style sheet, script or picture of ours, see `views/assets.py`."""
FOR_EVER = re.compile(r"/assets/[\w.-]+-[\w-]{8}\.\w+|" + ASSET.pattern)
"""What has another address whenever it changes: of Gradio's scripts, those with a hash in their names."""
MCP = re.compile(r"/gradio_api/mcp/?")
"""Where clients that know Gradio look for tools; ours answer there, see `tools.py`."""
FILE = "/gradio_api/file="
CALLS = "/gradio_api/call/"
EVENTS = (CALLS, "/gradio_api/queue/join", "/gradio_api/run/", "/gradio_api/api/")
"""What Gradio makes a session for."""
UPLOAD = "/gradio_api/upload"
LIGHT = re.compile(r"/api(?:/\w*)?")
STREAMS = re.compile(rf"/gradio_api/(?:queue/data|upload_progress|heartbeat/{KEY}|call/(?:v2/)?{NAME}/{KEY})")
"""Answers that go on for as long as somebody listens."""
ADDRESS = re.compile(r"[\s\x00-\x20/\\]*(?:[a-z][a-z0-9+.-]+:|[/\\]{2})", re.IGNORECASE)
"""`https:`, `data:`, `//host` and what is read as such; `C:` is a disk."""

NOWHERE = "There is nothing here: the page is at /, and what programs may ask for is at /api/."
ONLY_ASKED = "Tools are called by POST: nothing is sent to those who do not ask."
ELSEWHERE = "Files of other servers are not fetched: upload the file."


def check(method: str, path: str, *, mcp: bool = False) -> None:
    """Raises `Refusal` for what is not on the list."""
    if mcp and MCP.fullmatch(path):
        if method != "POST":  # nothing is told to clients that do not ask, and no session is kept that could be ended
            raise Refusal(405, ONLY_ASKED)
        return
    if method in ("GET", "HEAD") and GET.fullmatch(path):
        if path.startswith(FILE) and is_address(path.removeprefix(FILE)):
            raise Refusal(403, ELSEWHERE)
        return
    if method == "POST" and POST.fullmatch(path):
        return
    raise Refusal(405 if GET.fullmatch(path) or POST.fullmatch(path) else 404, NOWHERE)


def is_address(path: str) -> bool:
    """Whether a path may be taken for the address of something elsewhere, however often it has been encoded."""
    for _ in range(4):
        if ADDRESS.match(path):
            return True
        path, before = unquote(path), path
        if path == before:
            return False
    return True
