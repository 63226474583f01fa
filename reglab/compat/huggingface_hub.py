"""huggingface_hub: where its cache keeps things, how it tells progress, and what its errors carry."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Where the Hub's client keeps what it has downloaded. It reads HF_HUB_CACHE and HF_HOME when it is imported; 2.4.0."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def home_folder() -> Path:
    """The folder of all of the Hub's own files; read from HF_HOME when the client is imported, huggingface_hub 2.4.0."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE was set when the client was imported, huggingface_hub 2.4.0."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def read_in_small_pieces() -> None:
    """Download 256 KB at a time: the client's 10 MB would look like standstill on a slow line. huggingface_hub 2.4.0."""
    from huggingface_hub import constants

    constants.DOWNLOAD_CHUNK_SIZE = 256 * 1024


def commit_of(found: Path, path: str) -> str:
    """The commit of a file in the cache, snapshots/COMMIT/`path`; `path` is that in its repository. 2.4.0."""
    return found.parents[len(Path(path).parts) - 1].name


def digest_in_name(path: Path) -> str | None:
    """The SHA-256 of a file as the Hub says it: the blob that a cached file links to is called by it, 2.4.0.

    None where the file does not lie in the cache's usual layout.
    """
    name = path.resolve().name
    return name if re.fullmatch(r"[0-9a-f]{64}", name) else None


def bars(told: Callable[[int], None]) -> tuple[type, list[Any]]:
    """A class for `tqdm_class`, which draws nothing, and the list of its bars; `told` hears of the bytes of a file so far.

    Of the two bars that the client may show for a file, the longer one counts. What `told` raises ends the download.
    Clear the list between files. huggingface_hub 2.4.0.
    """
    from huggingface_hub.utils.tqdm import tqdm

    made: list[Any] = []

    class Bar(tqdm):
        def __init__(self, *args: Any, **settings: Any):
            super().__init__(*args, **{**settings, "disable": True})
            self.bytes = settings.get("initial") or 0
            made.append(self)

        def update(self, n: float | None = 1) -> None:
            self.bytes += int(n or 0)
            told(max(bar.bytes for bar in made))

    return Bar, made


def status_of(error: BaseException) -> int | None:
    """The number that the Hub answered with, where that is what went wrong: `error.response.status_code`, 2.4.0."""
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return status
