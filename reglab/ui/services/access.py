"""Who may see and change which run, where the app stands open to others than its host.

Whoever shows a run's key owns it, and the host may do everything. A run without an owner (of the command line, of before there
were owners) is the host's. Others' runs are seen only in a lab that is shared, and a run that one may not see does not exist.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from reglab.deployment import Deployment
from reglab.errors import ForbiddenError
from reglab.runs.owner import Visitor, is_owned_by, owner_of
from reglab.runs.run import Run
from reglab.runs.store import unknown

KEY, ADMIN = "x-reglab-key", "x-reglab-admin"
"""The headers by which a request says whose it is, and that it is the host's."""


@dataclass(frozen=True)
class Access:
    """What the deployment allows whom. On a laptop everybody is the host."""

    deployment: Deployment

    def is_host(self, visitor: Visitor) -> bool:
        """Whether they may do everything."""
        if self.deployment.is_everybody_host:
            return True
        key = self.deployment.admin_key
        return bool(key) and hmac.compare_digest(_bytes(visitor.admin_key), _bytes(key))

    def is_theirs(self, visitor: Visitor, run: Run) -> bool:
        """Whether the run is their own, so that whatever they start may go on with it."""
        if self.deployment.is_everybody_host or is_owned_by(run.path, visitor.key):
            return True
        return not owner_of(run.path) and self.is_host(visitor)

    def may_change(self, visitor: Visitor, run: Run) -> bool:
        """Whether they may stop, resume, rename, download and delete it."""
        return self.is_host(visitor) or is_owned_by(run.path, visitor.key)

    def may_see(self, visitor: Visitor, run: Run) -> bool:
        """Whether they may know that there is such a run, and look at it."""
        return self.deployment.is_shared or self.may_change(visitor, run)

    def check(self, visitor: Visitor, run: Run) -> None:
        """Raises `RunError` where they may not change it; for a run that they may not see as where there is none."""
        if self.may_change(visitor, run):
            return
        if not self.may_see(visitor, run):
            raise unknown(run.id, run.path.parent)
        raise ForbiddenError(
            f"Run “{run.name}” is somebody else's, so you can look at it but not change it: train one of your own."
        )


def _bytes(key: str) -> bytes:
    """What is compared in constant time, which takes no text but ASCII."""
    return key.encode("utf-8", "surrogatepass")
