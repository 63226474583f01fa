"""Files inside of what a program sends: they are named by the path of an upload, never by an address.

A `FileData` whose path is an address is fetched by Gradio, past the limit on uploads and into memory, and the `url` of a
picture may hold the picture itself (`data:...`), which Gradio would open in this process. Pages send the `url` of their own
uploads along: it is dropped, as the path says it all.
"""

from __future__ import annotations

from typing import Any

from reglab.ui.shell.asgi import Refusal
from reglab.ui.shell.routes import ELSEWHERE, is_address


def without_addresses(value: Any) -> bool:
    """Drop the addresses of files in a value that was JSON, in place; whether there were any.

    Raises:
        Refusal: A file is named by nothing but an address.
    """
    changed, left = False, [value]
    while left:
        inner = left.pop()
        if isinstance(inner, list):
            left.extend(each for each in inner if isinstance(each, dict | list))
        elif isinstance(inner, dict):
            changed |= _drop_url(inner)
            left.extend(each for each in inner.values() if isinstance(each, dict | list))
    return changed


def _drop_url(file: dict[str, Any]) -> bool:
    path = file.get("path")
    if isinstance(path, str) and is_address(path):
        raise Refusal(403, ELSEWHERE, is_unread=False)
    if not isinstance(file.get("url"), str) or not file["url"]:
        return False
    if not path:
        raise Refusal(403, ELSEWHERE, is_unread=False)
    del file["url"]
    return True
