"""Whether runs outlive a restart of this server, and what sees to it: a Space's own disk is empty afterwards."""

from __future__ import annotations

from pathlib import Path

from reglab.deployment import Deployment
from reglab.publishing.copies import FolderCopies, copies_at
from reglab.publishing.mirror import Mirror
from reglab.runs.store import Store


class Keeping:
    """The copies of one server's runs, where there are any, and what is to be said of them."""

    def __init__(self, runs: Store, deployment: Deployment) -> None:
        """Raises `ConfigError` where `REGLAB_MIRROR` names no place for copies."""
        self.mirror, folder = None, runs.root
        if deployment.mirror:
            copies = copies_at(deployment.mirror, runs.root)
            self.mirror = Mirror(runs, copies, floor=deployment.limits.disk_floor)
            folder = copies.folder if isinstance(copies, FolderCopies) else Path()
        is_lost = folder != Path() and not is_on_a_volume(folder)
        self.forgetful = deployment.space if is_lost else ""
        """The id of the Space, where a restart of it loses the runs; empty elsewhere."""

    def start(self) -> None:
        """In the background: bring back what was kept, then keep what ends."""
        if self.mirror:
            self.mirror.start()

    def close(self) -> None:
        """End with the copy that is under way."""
        if self.mirror:
            self.mirror.close()

    def line(self) -> str:
        """A word for the top of the page; empty while all is as people expect."""
        if self.forgetful:
            return "runs vanish at a restart"
        if self.mirror and self.mirror.problem:
            return "runs are not being kept at the moment"
        if self.mirror and not self.mirror.restored:
            return "earlier runs are coming back"
        return ""


def is_on_a_volume(folder: Path) -> bool:
    """Whether a folder, or where it will be made, lies on a disk other than that of the system, such as a mounted volume."""
    found = folder.absolute()
    while not found.is_mount():
        found = found.parent
    return found != Path(found.anchor)
