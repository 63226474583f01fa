"""What visitors do with the runs that are theirs: rename, delete, bring back. The rest is `training`'s and `results`'."""

from __future__ import annotations

from reglab.runs.owner import Visitor
from reglab.runs.run import Run
from reglab.runs.trash import Trash
from reglab.ui.services.access import Access
from reglab.ui.services.stores import Stores
from reglab.ui.services.training import Training


class Runs:
    """For a visitor. Whatever they may not change raises `RunError`."""

    def __init__(self, visitor: Visitor, access: Access, stores: Stores, training: Training) -> None:
        self.visitor, self.access, self.stores, self.training = visitor, access, stores, training
        self.trash = Trash(stores.own)

    def may_change(self, run: Run) -> bool:
        """Whether they may stop, resume, rename and delete it; what ships is nobody's to change."""
        return not self.stores.is_shipped(run) and self.access.may_change(self.visitor, run)

    def check_taken(self, run: Run) -> None:
        """Raises `RunError` where its weights are not for them: they are for its owner, and those that ship for all."""
        if not self.stores.is_shipped(run):
            self.access.check(self.visitor, run)

    def is_theirs(self, run: Run) -> bool:
        """Whether they have trained it."""
        return not self.stores.is_shipped(run) and self.stores.mine.shows(run)

    def rename(self, run: Run, name: str) -> None:
        """Call it so. Raises `ConfigError` for what is no name."""
        self.access.check(self.visitor, run)
        run.rename(name)

    def delete(self, run: Run) -> None:
        """Put it into the trash; one that waits leaves the queue first. Raises `RunError` while it is being trained."""
        self.access.check(self.visitor, run)
        status = self.training.jobs.status(run)
        if status == "queued":
            self.training.jobs.stop(run)
        elif status in ("running", "stalled"):  # between two slices of ZeroGPU nobody holds its lock
            raise run.in_use()
        self.trash.put(run)

    def deleted(self) -> list[Run]:
        """What they can bring back, the last deleted first."""
        return [run for run in self.trash.runs() if self.access.may_change(self.visitor, run)]

    def restore(self, run_id: str) -> Run:
        """Bring back a deleted run. Raises `RunError` where there is none of that id in their trash."""
        run = self.trash.open(run_id)
        self.access.check(self.visitor, run)
        return self.trash.restore(run)

    def empty_trash(self) -> None:
        """Remove for good what they have deleted."""
        for run in self.deleted():
            self.trash.remove(run)
