"""Files that are never half written: a reader sees the old one or the new one, whatever happens in between."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reglab.errors import full_in_words

RESERVE, RESERVED = ".reserve", 2**16  # bytes


def write_bytes(path: Path, data: bytes) -> None:
    """Write, sync, rename, sync the folder: after a crash there is the old file or the new one.

    Raises:
        DiskFull: There is no room. Nothing is left behind then.
        OSError: The folder cannot be written to; the same.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with full_in_words(), open(temporary, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """The object as indented JSON, written as `write_bytes` does.

    Raises:
        OSError: As `write_bytes`.
        ValueError: A number is not finite, for which JSON has no word.
    """
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file, or an empty one when it is missing or damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def keep_beside(path: Path, kept: Path) -> None:
    """Give the file a second name that lasts when the first comes to mean another file.

    Raises:
        OSError: The folder cannot be written to.
    """
    if kept.exists() and path.samefile(kept):
        return  # of two names of one file a rename would remove neither
    temporary = kept.with_name(f".{kept.name}.{uuid.uuid4().hex}.tmp")
    try:
        os.link(path, temporary)
        os.replace(temporary, kept)
    except OSError:  # a file system without hard links
        temporary.unlink(missing_ok=True)
        write_bytes(kept, path.read_bytes())
    else:
        _sync_folder(kept.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows neither needs nor allows it
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def hold_reserve(folder: Path) -> None:
    """Keep some room in a folder, of random bytes since a disk may store zeros in none. Raises `DiskFull` and `OSError`."""
    if not (folder / RESERVE).exists():
        write_bytes(folder / RESERVE, os.urandom(RESERVED))


def free_reserve(folder: Path) -> None:
    """Give that room back, for a last word when there is no other."""
    (folder / RESERVE).unlink(missing_ok=True)
