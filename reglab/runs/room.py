"""Room for new runs on the disk: quotas of all runs and of each visitor's, and what stays free. The oldest make room.

    room.make(needed=50_000_000, owner=key)     # raises DiskFull where even that does not help

The trash goes first. Then go the oldest runs that nobody works at: a visitor's own for their quota, anybody's for that of all.
Those with a name go last, for somebody wanted to keep them. Never go: runs that train or wait, those of an experiment of which one
does, and the host's, who has no quota.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from reglab.deployment import GIB, Limits
from reglab.errors import DiskFull, RunError
from reglab.runs.owner import owner_of
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.trash import FOLDER, Trash

LEAST = 2**20  # bytes of a run, whatever its network


class Room:
    """The disk under one folder of runs."""

    def __init__(self, store: Store, limits: Limits, is_live: Callable[[Run], bool]) -> None:
        self.store, self.limits, self._is_live = store, limits, is_live
        self._lock = threading.Lock()
        self._kept: set[str] = set()

    def make(self, needed: int = LEAST, owner: str = "", is_host: bool = False, keep: Collection[Run] = ()) -> None:
        """Make room for so many bytes of that owner (the hash of their key), at the expense of none of `keep`.

        Raises:
            DiskFull: There is none to be made.
        """
        with self._lock:
            self._kept = {run.id for run in keep}
            if not is_host:
                if self.limits.disk_each and owner:
                    self._keep_within(self.limits.disk_each, needed, owner)
                if self.limits.disk:
                    self._keep_within(self.limits.disk, needed, "")
            if self.limits.disk_floor:
                self._keep_free(needed)

    def _keep_within(self, most: int, needed: int, owner: str) -> None:
        """Of one owner, or of all where there is none."""
        held = {run: size_of(run.path) for run in self._runs() if not owner or owner_of(run.path) == owner}
        total = sum(held.values()) + (0 if owner else size_of(self.store.root / FOLDER))
        if total + needed <= most:
            return
        spare = list(self._spare(list(held)))
        total = sum(held.values())
        if total - sum(held[run] for run in spare) + needed <= most:  # else they would go for nothing
            if not owner:
                Trash(self.store).empty(age=-1)
            for run in spare:
                if total + needed > most and self._removed(run):
                    total -= held[run]
        if total + needed > most:
            whose = "Your runs may take" if owner else "All runs together may take"
            raise DiskFull(
                f"{whose} {most / GIB:g} GiB of the disk here, and this one would need {needed / 2**20:,.0f} MiB beside the"
                f" {total / 2**20:,.0f} MiB already taken: delete some runs, or train a smaller network."
            )

    def _keep_free(self, needed: int) -> None:
        def is_enough() -> bool:
            return has_room(self.store.root, needed, self.limits.disk_floor)

        if is_enough():
            return
        spare = list(self._spare(self._runs()))
        more = size_of(self.store.root / FOLDER) + sum(size_of(run.path) for run in spare)
        if has_room(self.store.root, needed - more, self.limits.disk_floor):  # else they would go for nothing
            Trash(self.store).empty(age=-1)
            for run in spare:
                if not is_enough():
                    self._removed(run)
        if not is_enough():
            raise DiskFull(too_full(self.limits.disk_floor))

    def _runs(self) -> list[Run]:
        """All of them, whoever looks."""
        return [Run(run.path) for run in self.store.runs()]

    def _spare(self, runs: list[Run]) -> Iterator[Run]:
        """Those that may go, in that order."""
        live = {run.id: self._is_live(run) for run in self._runs()}
        going = {run.described.get("group") for run in self._runs() if live[run.id]} - {None, ""}
        spare = [
            run
            for run in runs
            if not (live.get(run.id) or run.id in self._kept or run.described.get("group") in going)
            and owner_of(run.path)
        ]
        yield from sorted(spare, key=lambda run: (bool(run.given_name), run.age))

    def _removed(self, run: Run) -> bool:
        with contextlib.suppress(RunError, OSError):  # taken up, or gone, a moment ago
            run.delete()
            return True
        return False


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total


def has_room(folder: Path, needed: int, floor: int) -> bool:
    """Whether so many bytes can be written there, or where it will be made, and `floor` stay free."""
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), None)
    return there is None or shutil.disk_usage(there).free - needed >= floor


def too_full(floor: int) -> str:
    """What is said where there is none."""
    kept = f" ({floor / GIB:g} GiB of it stay free)" if floor else ""
    return f"The disk is full{kept}: delete some runs, or try again when others have."
