"""What is not said aloud: the host's secrets in a log, and where this machine keeps its files in an answer.

Sentences for visitors are written without either. This is for what nobody wrote: an exception of a library, its traceback.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|SESSION|PROXY", re.IGNORECASE)
"""Of a variable whose value is nobody else's business."""
TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")
LEAST = 8  # characters of a secret; a shorter value is a word that occurs anyway
# From a root: in quotes, where it may have spaces, or of two parts at least; no part of a URL and no fraction.
ROOT = r"(?:[/\\]|~[/\\]|[A-Za-z]:[/\\])"
PATH = re.compile(rf"(?<=['\"]){ROOT}[^'\"\n]*(?=['\"])|(?<![\w.:/\\~]){ROOT}[\w.@+=-]+(?:[/\\]+[\w.@+=-]+)+")


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """The values of variables that are called as secrets are, the longest first."""
    found = {value for name, value in environment.items() if SECRET_NAME.search(name) and len(value) >= LEAST}
    return sorted(found, key=len, reverse=True)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with stars for these secrets, and for whatever looks like a token of the Hub."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return TOKEN.sub("hf_***", text)


def without_paths(text: str) -> str:
    """The text with the last part alone of every path from a root."""
    return PATH.sub(lambda found: re.split(r"[/\\]", found[0].rstrip("/\\"))[-1], text)


class Redacted:
    """A stream that writes what it is given without these secrets, and else is the stream that it was."""

    def __init__(self, stream: Any, secrets: Iterable[str]) -> None:
        self._stream, self._secrets = stream, tuple(secrets)

    def write(self, text: str) -> int:
        """As the stream; a secret that comes in two pieces is not known again."""
        self._stream.write(without_secrets(text, self._secrets))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """As the stream."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redact_output(environment: Mapping[str, str] = os.environ) -> None:
    """From now on print nothing of what is secret in this environment, whoever prints: logs and tracebacks as well."""
    secrets = secrets_in(environment)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Redacted):
            setattr(sys, name, Redacted(stream, secrets))
