"""Lines of JSON in a file that grows, `metrics.jsonl` and `timing.jsonl`: what was read once is not read again.

A line that is torn, garbled or no event is passed over: it costs itself and nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reglab.training.events import Epoch, Started, Switched, epoch_from_json

Line = dict[str, Any]
REMEMBERED = 128  # bytes before the cursor by which a file is known again
FARTHEST = 2**63 - 1  # that a file can be sought to
AT_THE_END = 2_000  # bytes that hold the last line of `timing.jsonl`


def parsed(data: bytes) -> list[Line]:
    """The objects among the lines. One that names an event has a word for it."""
    found = []
    for line in data.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("event", ""), str):
            found.append(value)
    return found


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line. One that was torn before it is ended first, so that it does not spoil this one.

    Raises:
        OSError: The disk is full, or the file cannot be written.
    """
    with open(path, "ab+") as out:
        if out.tell():
            out.seek(-1, os.SEEK_END)
            if out.read(1) != b"\n":
                out.write(b"\n")
        out.write((json.dumps(line, allow_nan=False) + "\n").encode())


def read_from(path: Path, cursor: int) -> tuple[list[Line], int]:
    """The whole lines since a byte offset, and the offset after them; none where there is no such file."""
    try:
        with open(path, "rb") as file:
            file.seek(cursor)
            data = file.read()
    except OSError:
        return [], cursor
    whole = data[: data.rfind(b"\n") + 1]
    return parsed(whole), cursor + len(whole)


def newest(path: Path) -> Line:
    """The last whole line of numbers, read off the end of the file; empty where there is none."""
    return newest_of(Tail(path, AT_THE_END).read()[0])


def newest_of(lines: Sequence[Line]) -> Line:
    """The last of these lines that holds numbers; empty where none does."""
    return next((line for line in reversed(lines) if is_timing(line)), {})


def epoch_of(line: Mapping[str, Any]) -> Epoch | None:
    """The epoch that a line tells of; None for another event, another version, or numbers that are none."""
    if line.get("event") != Epoch.name:
        return None
    try:
        epoch = epoch_from_json(line)
    except TypeError:
        return None
    numbers = [value for value in vars(epoch).values() if value is not None]
    whole = isinstance(epoch.epoch, int) and isinstance(epoch.step, int)
    needed = (
        epoch.lr,
        epoch.train_loss,
        epoch.train_accuracy,
        epoch.val_loss,
        epoch.val_accuracy,
        epoch.ece,
        epoch.gap,
    )
    return epoch if whole and None not in needed and all(map(is_number, numbers)) else None


def precision_of(lines: Sequence[Line]) -> str:
    """The precision that a run with these lines was trained in last; empty where none of them says."""
    said = [line.get("precision") for line in lines if line.get("event") in (Started.name, Switched.name)]
    return next((each for each in reversed(said) if isinstance(each, str)), "")


def is_timing(line: Mapping[str, Any]) -> bool:
    """Whether every value is a number, but for the word for what is being prepared."""
    return all(isinstance(value, str) if key == "preparing" else is_number(value) for key, value in line.items())


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


class Tail:
    """One such file, read on from where the last look ended; the first look begins `last` bytes before its end."""

    def __init__(self, path: Path, last: int | None = None) -> None:
        self.path, self.last = path, last
        self.cursor = 0
        self._before = b""  # what stood before the cursor, to know the file again
        self.seen: tuple[int, int, int] | None = None  # inode, size and time of the file at the last look

    def read(self) -> tuple[list[Line], bool]:
        """The lines that have come since, and whether they are those of another file, or of one that was cut back.

        Nothing is opened while size and time of the file stay what they were.
        """
        try:
            now = os.stat(self.path)
        except OSError:
            anew, self.cursor, self._before, self.seen = self.cursor > 0, 0, b"", None
            return [], anew
        seen, self.seen = self.seen, (now.st_ino, now.st_size, now.st_mtime_ns)
        if seen == self.seen:
            return [], False
        grown = seen is not None and seen[0] == now.st_ino and now.st_size > seen[1]
        data = self._since() if grown else None
        anew = data is None and self.cursor > 0
        if data is None:
            self.cursor, self._before = (0 if self.last is None else max(0, now.st_size - self.last)), b""
            data = self._since()
        if data is None:  # gone since, or not ours to read
            self.seen, data = None, b""
        whole = data[: data.rfind(b"\n") + 1]
        self.cursor += len(whole)
        self._before = (self._before + whole)[-REMEMBERED:]
        return parsed(whole), anew

    def _since(self) -> bytes | None:
        """What stands after the cursor; None where the file before it is no longer the one that was read."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.cursor - len(self._before))
                if file.read(len(self._before)) != self._before:
                    return None
                return file.read()
        except OSError:
            return None
