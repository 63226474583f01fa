"""Runs that were deleted: they lie in `.trash` beside the others for a day, and come back whole as long as they do.

    trash = Trash(store)
    trash.put(run)          # gone for every reader at once
    trash.runs()            # the last deleted first
    trash.restore(run)      # as if nothing had happened
    trash.empty()           # of what has lain there for a day

Nobody has to watch the clock: whoever deletes or makes a run empties the trash of what is over, and a disk that is short takes
from the trash before it takes a run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path

from reglab.errors import RunError, cause, is_full
from reglab.runs.run import Run
from reglab.runs.store import ID, Store, unknown

FOLDER = ".trash"
KEPT = 86_400.0  # seconds


class Trash:
    """The deleted runs of a store, as whoever looks sees them."""

    def __init__(self, store: Store) -> None:
        self.store, self.root = store, store.root / FOLDER

    def put(self, run: Run) -> None:
        """Delete a run for now.

        Raises:
            RunError: It is being trained, or is gone already.
        """
        run.check_unused()
        grave = self.root / run.id
        try:
            self.root.mkdir(exist_ok=True)
            os.utime(run.path)  # what a folder's time says here is since when it is deleted
            _move(run.path, grave)
        except FileNotFoundError:
            raise unknown(run.id, self.store.root) from None
        except OSError as error:
            if is_full(error):  # not even the trash can be made: then there is no other way to have room again
                run.delete()
                return
            raise RunError(f"Run “{run.name}” cannot be deleted ({cause(error)}): see who may write there.") from None
        self.empty()

    def runs(self) -> list[Run]:
        """What can be brought back, the last deleted first."""
        over = time.time() - KEPT
        found = [(since, run) for run in self._all() if (since := _since(run.path)) > over and self.store.shows(run)]
        return [run for _, run in sorted(found, key=lambda pair: pair[0], reverse=True)]

    def open(self, run_id: str) -> Run:
        """The deleted run of that id. Raises `RunError` where there is none."""
        found = [run for run in self.runs() if run.id == run_id]
        if not found:
            raise unknown(run_id, self.store.root)
        return found[0]

    def restore(self, run: Run) -> Run:
        """Bring a deleted run back. Raises `RunError` where it is gone for good, or is there already."""
        back = Run(self.store.root / run.id)
        if back.path.exists():
            raise RunError(f"Run {run.id} is there already: it has been restored before.")
        try:
            os.rename(run.path, back.path)
        except OSError:
            raise unknown(run.id, self.store.root) from None
        return back

    def empty(self, age: float = KEPT) -> None:
        """Remove for good what was deleted that many seconds ago, whoever deleted it."""
        over = time.time() - age
        for run in self._all():
            if _since(run.path) <= over:
                shutil.rmtree(run.path, ignore_errors=True)

    def remove(self, run: Run) -> None:
        """Remove one for good."""
        shutil.rmtree(self.root / run.id, ignore_errors=True)

    def _all(self) -> list[Run]:
        with contextlib.suppress(OSError):
            return [Run(entry) for entry in self.root.iterdir() if ID.fullmatch(entry.name)]
        return []


def _move(folder: Path, grave: Path) -> None:
    """Rename the folder, over an older one of that name: a run may have come back from elsewhere since it was deleted.

    Tried first: of two who delete a run at once, the second must not remove what the first has put there.
    """
    try:
        os.rename(folder, grave)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(grave, ignore_errors=True)
        os.rename(folder, grave)


def _since(folder: Path) -> float:
    """When it was deleted; long ago for one that has just gone for good."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
