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
from typing import Protocol

from reglab import compat
from reglab.errors import DataError, is_full
from reglab.redaction import without_paths

Progress = Callable[[str, int, int], None]
"""Called with "downloading", bytes, bytes in all."""


class Remote(Protocol):
    """What is to be had from the Hub."""

    @property
    def title(self) -> str:
        """What the screen calls it."""

    @property
    def repo(self) -> str | None:
        """USER/NAME on the Hub; None for what is built in."""

    @property
    def repo_type(self) -> str:
        """`dataset` or `model`."""

    @property
    def files(self) -> Mapping[str, str]:
        """A name for each file -> its path in the repository."""

    @property
    def megabytes(self) -> int:
        """How much there is to download, about."""


@dataclass(frozen=True)
class HubFiles:
    """Files in the Hub's cache, all of one commit."""

    revision: str
    paths: dict[str, Path]


def cached(known: Remote) -> HubFiles | None:
    """The files where the Hub's cache has all of them, at the commit that its `main` names. Never asks the network."""
    from huggingface_hub import try_to_load_from_cache

    revision, paths = "main", {}
    for name, path in known.files.items():
        try:
            found = try_to_load_from_cache(
                str(known.repo),
                path,
                cache_dir=compat.huggingface_hub.cache_folder(),
                revision=revision,
                repo_type=known.repo_type,
            )
        except (OSError, ValueError):  # a cache that cannot be read, or names no commit
            return None
        if not isinstance(found, str):
            return None
        paths[name] = Path(found)
        revision = compat.huggingface_hub.commit_of(paths[name], path)  # the other files: from the same commit
    return HubFiles(revision, paths)


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
    from huggingface_hub import hf_hub_download

    if compat.huggingface_hub.is_offline():
        raise ConnectionError("HF_HUB_OFFLINE is set")
    if not hub_answers(known):
        raise ConnectionError("no network")  # asked first, because the client itself would go on trying for a minute

    finished = 0

    def told(of_this_file: int) -> None:
        if time.monotonic() > deadline:
            raise TimeoutError("it took too long")
        done = finished + of_this_file
        report("downloading", done, max(done, known.megabytes * 1_000_000))

    bar, shown = compat.huggingface_hub.bars(told)
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
                tqdm_class=bar,
                force_download=anew is not None and anew.name == Path(path).name,
            )
        )
        revision = compat.huggingface_hub.commit_of(paths[name], path)  # the other files: from the same commit
        finished += paths[name].stat().st_size
        shown.clear()
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
    status = compat.huggingface_hub.status_of(error)
    if status is not None:
        return f"the Hub answered {status}"
    seen: BaseException | None = error
    while seen is not None:  # the Hub's client wraps what the system said
        if is_full(seen):
            return "the disk is full"
        seen = seen.__cause__ or seen.__context__
    words = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return without_paths(words.splitlines()[0])[:120].rstrip(".: ")
