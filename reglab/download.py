"""Files of a repository on the Hub: found in the Hub's cache, or downloaded with progress and a bounded wait.

Safe formats only (parquet, safetensors); what they hold is the business of whoever asks for them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reglab.errors import DataError

Progress = Callable[[str, int, int], None]
"""Called with "downloading", bytes, bytes in all."""


class Remote(Protocol):
    """What is to be had from the Hub."""

    @property
    def title(self) -> str: ...
    @property
    def repo(self) -> str | None: ...
    @property
    def repo_type(self) -> str: ...
    @property
    def files(self) -> Mapping[str, str]:
        """A name for each file -> its path in the repository."""

    @property
    def megabytes(self) -> int: ...


@dataclass(frozen=True)
class HubFiles:
    """Files in the Hub's cache, all of one commit."""

    revision: str
    paths: dict[str, Path]


def cached(known: Remote) -> HubFiles | None:
    """The files where the Hub's cache has all of them, at the commit that its `main` names. Never asks the network."""
    from huggingface_hub import constants, try_to_load_from_cache

    revision, paths = "main", {}
    for name, path in known.files.items():
        try:
            found = try_to_load_from_cache(
                str(known.repo),
                path,
                cache_dir=constants.HF_HUB_CACHE,
                revision=revision,
                repo_type=known.repo_type,
            )
        except (OSError, ValueError):  # a cache that cannot be read, or names no commit
            return None
        if not isinstance(found, str):
            return None
        paths[name] = Path(found)
        revision = commit_of(paths[name], path)  # the other files: from the same commit
    return HubFiles(revision, paths)


def commit_of(found: Path, path: str) -> str:
    """The commit of a file in the Hub's cache, which lies under a folder of that name; `path` is that in its repository."""
    return found.parents[len(Path(path).parts) - 1].name


def fetch(
    known: Remote, instead: str, progress: Progress | None = None, timeout: float = 900, anew: Path | None = None
) -> HubFiles:
    """Download into the Hub's cache; DataError after `timeout` seconds, or within 5 if there is no network.

    `instead` is the way out that needs no network. `anew` is a damaged file to download again although it is there.
    """
    try:
        return _download(known, progress or (lambda stage, done, total: None), time.monotonic() + timeout, anew)
    except Exception as error:  # the Hub's client raises its own, those of its HTTP library and OSError; all end here
        raise DataError(f"{known.title} could not be fetched ({why(error)}): {instead}, or try again.") from error


def _download(known: Remote, report: Progress, deadline: float, anew: Path | None) -> HubFiles:
    """All files at one commit. Raises what the Hub's client raises, ConnectionError, or TimeoutError."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.utils.tqdm import tqdm

    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("HF_HUB_OFFLINE is set")
    if not hub_answers(known):
        raise ConnectionError("no network")  # asked first, because the client itself would go on trying for a minute

    finished, bars = 0, []

    class Bar(tqdm):
        """Draws nothing; tells how far we are. Of the two bars the client may show for a file the longer one counts."""

        def __init__(self, *args: Any, **settings: Any):
            super().__init__(*args, **{**settings, "disable": True})
            self.bytes = settings.get("initial") or 0
            bars.append(self)

        def update(self, n: float | None = 1) -> None:
            if time.monotonic() > deadline:
                raise TimeoutError("it took too long")
            self.bytes += int(n or 0)
            done = finished + max(bar.bytes for bar in bars)
            report("downloading", done, max(done, known.megabytes * 1_000_000))

    if anew is not None:
        anew.unlink(missing_ok=True)  # else the client keeps it, where the cache holds files instead of links
    revision, paths = "main", {}
    for name, path in known.files.items():
        paths[name] = Path(
            hf_hub_download(
                str(known.repo),
                path,
                repo_type=known.repo_type,
                revision=revision,
                tqdm_class=Bar,
                force_download=anew is not None and anew.name == Path(path).name,
            )
        )
        revision = commit_of(paths[name], path)  # the other files: from the same commit
        finished += paths[name].stat().st_size
        bars.clear()
    report("downloading", finished, finished)
    return HubFiles(revision, paths)


def hub_answers(known: Remote, seconds: float = 5) -> bool:
    """Whether the Hub answers at all, in a thread because looking up a name may outlast any timeout of a request."""
    from huggingface_hub import get_session, hf_hub_url

    url = hf_hub_url(str(known.repo), next(iter(known.files.values())), repo_type=known.repo_type)
    answers = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            answers.append(get_session().head(url, timeout=seconds))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return bool(answers)


def why(error: BaseException) -> str:
    """An exception in a few words, to stand in brackets."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the Hub answered {status}"
    words = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return words.splitlines()[0][:120].rstrip(".: ")
