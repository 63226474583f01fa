"""The summaries of all runs of a store, at once: what has ended is read once and remembered beside the runs.

The index is never the truth. A line of it counts only while the files that a summary is made of have the size and the time
they had; who deletes it loses a moment, and where it cannot be written nothing is remembered.
"""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any
from weakref import WeakKeyDictionary

from reglab import __version__
from reglab.runs.files import read_json, write_bytes
from reglab.runs.run import FORMAT, Run
from reglab.runs.store import Store

FILE, INDEX = ".index.json", 2
READ = ("config.json", "metrics.jsonl", "timing.jsonl", "name")  # what a summary is made of

_memory: WeakKeyDictionary[Store, dict[str, Any]] = (
    WeakKeyDictionary()
)  # what has been read, as long as its store lives
_lock = threading.Lock()


def summaries(store: Store) -> list[dict[str, Any]]:
    """`Run.summary()` of every run that the store shows, newest first."""
    shows, store = store.shows, store.whole  # what is remembered of all is remembered once, whoever looks
    with _lock:
        known = _memory.get(store) or _read(store)
    told, kept, news = [], {}, False
    for run in store.runs():
        before = known.get(run.id)
        if not shows(run):
            if before:
                kept[run.id] = before
            continue
        stamp = _stamp(run)
        if before is None or before["stamp"] != stamp:
            summary = store.view(run).summary()
            before = {"stamp": stamp, "summary": summary}
            news = news or summary["status"] == "finished"
        if before["summary"]["status"] == "finished":  # of the others it matters who is alive, which no file tells
            kept[run.id] = before
        told.append(dict(before["summary"]))
    with _lock:
        _memory[store] = kept
    if news and not store.read_only:
        _write(store, kept)
    return told


def _stamp(run: Run) -> list[int]:
    stamp = []
    for name in READ:
        try:
            seen = (run.path / name).stat()
            stamp += [seen.st_mtime_ns, seen.st_size]
        except OSError:
            stamp += [0, -1]
    return stamp


def _read(store: Store) -> dict[str, Any]:
    found = read_json(store.root / FILE)
    if found.get("version") != _version() or not isinstance(found.get("runs"), dict):
        return {}
    return {k: v for k, v in found["runs"].items() if isinstance(v, dict) and v.keys() == {"stamp", "summary"}}


def _write(store: Store, kept: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # a folder that cannot be written to
        write_bytes(store.root / FILE, json.dumps({"version": _version(), "runs": kept}).encode())


def _version() -> str:
    return f"{__version__}, format {FORMAT}, index {INDEX}"
