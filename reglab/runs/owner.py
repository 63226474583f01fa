"""Whose a run is: the folder keeps a hash of its owner's key, and whoever shows the key may change the run.

    write_owner(run.path, key)
    is_owned_by(run.path, key)       # in constant time

A key is a secret of at least 128 bits that a browser or a program has made up, so a plain SHA-256 of it cannot be reversed.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from reglab.runs.files import write_bytes

FILE = "owner"
LEAST, MOST = 16, 200  # characters of a key


@dataclass(frozen=True)
class Visitor:
    """Who asks: the key that their browser or program sent, and the address that they sent it from.

    Both are empty for a call inside this process.
    """

    key: str = field(default="", repr=False)
    address: str = ""
    admin_key: str = field(default="", repr=False)


HERE = Visitor()
"""Whoever calls inside this process: the command line, a test."""


def hashed(key: str) -> str:
    """What is kept of a key: 64 hexadecimal digits, or nothing of a key too short to be one."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest() if LEAST <= len(key) <= MOST else ""


def write_owner(folder: Path, key: str) -> None:
    """Note in a run's folder whose it is. Raises `OSError`."""
    if owner := hashed(key):
        write_bytes(folder / FILE, f"{owner}\n".encode())


def owner_of(folder: Path) -> str:
    """The hash of its owner's key; empty where it has no owner."""
    try:
        return (folder / FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def is_owned_by(folder: Path, key: str) -> bool:
    """Whether this key is its owner's. Nobody's run is not owned by whoever has no key."""
    owner, asked = owner_of(folder), hashed(key)
    return bool(owner) and bool(asked) and hmac.compare_digest(owner, asked)
