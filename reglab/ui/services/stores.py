"""The runs that the page can show its visitor: those that were trained here, and the networks that ship."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reglab.errors import RunError
from reglab.runs import index
from reglab.runs.owner import Visitor, owner_of
from reglab.runs.run import Run
from reglab.runs.store import Store, checkpoints_store, find, runs_store
from reglab.runs.view import RunView
from reglab.ui.services.access import Access

T = TypeVar("T")


@dataclass(frozen=True)
class Stores:
    """Both folders of runs, looked into in this order."""

    own: Store = field(default_factory=runs_store)
    """What was trained here, as far as it may be seen."""
    shipped: Store = field(default_factory=checkpoints_store)
    """Everybody may see these, and nobody change them."""
    mine: Store = field(default_factory=runs_store)
    """What may be gone on with by whatever is started: those of `own` that are the visitor's. New runs are made here."""

    def seen_by(self, visitor: Visitor, access: Access) -> Stores:
        """The same for somebody. Networks that ship are shown to all."""
        own = self.own.seen(lambda run: access.may_see(visitor, run), visitor.key)
        mine = self.own.seen(lambda run: access.is_theirs(visitor, run), visitor.key)
        return Stores(own, self.shipped, mine)

    def __iter__(self) -> Iterator[Store]:
        return iter((self.own, self.shipped))

    def find(self, run_id: str) -> Run:
        """The run of that id or name. Raises `RunError`."""
        return find(run_id, self.own, self.shipped)

    def open(self, ids: Iterable[str]) -> list[Run]:
        """Those of the runs that are still there. Unlike `find`, which reads every run's name for an id that is gone."""
        found = []
        for run_id in ids:
            for store in self:
                try:
                    found.append(store.open(run_id))
                except RunError:
                    continue
                break
        return found

    def view(self, run: Run) -> RunView:
        """The run as its folder is now; whoever asks again gets what has come since read on."""
        return (self.shipped if self.is_shipped(run) else self.own).view(run)

    def is_shipped(self, run: Run) -> bool:
        """Whether it is one of the networks that ship."""
        return run.path.parent == self.shipped.root

    def summaries(self) -> list[dict[str, Any]]:
        """Of every run that may be seen: those that are `yours` first, then others', newest first, those that ship last."""
        own = [s | {"yours": self.mine.shows(Run(self.own.root / s["run"]))} for s in index.summaries(self.own)]
        return [*sorted(own, key=lambda s: not s["yours"]), *index.summaries(self.shipped)]

    # ---- whose they are
    def whose(self, run: Run) -> str:
        """Somebody else: nobody's name, only the same text for the same owner. Empty for the visitor's own and what ships."""
        return "" if self.is_shipped(run) or self.mine.shows(run) else f"owner {owner_of(run.path)}"

    def of_one(self, started: Sequence[T], run: Callable[[T], Run]) -> list[T]:
        """Of what several people may have started alike: what is the visitor's own; without any, what is the first's.

        The same sweep has the same group whoever starts it, and nobody's runs count among another's.
        """
        whose = [self.whose(run(each)) for each in started]
        shown = "" if "" in whose else next(iter(whose), "")
        return [each for each, owner in zip(started, whose, strict=True) if owner == shown]

    def group(self, run: Run) -> list[Run]:
        """The runs that the same person has made in the same group, oldest first; none for a run of no group."""
        store, whose = self.shipped if self.is_shipped(run) else self.own, self.whose(run)
        return [each for each in store.group(run.described.get("group", "")) if self.whose(each) == whose]
