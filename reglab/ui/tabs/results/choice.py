"""Which runs are chosen on the Results tab: what its list sends, which may be anything, and what it is to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reglab.runs.run import Run
from reglab.ui.components.form import typed_in
from reglab.ui.components.visitor import ids_of
from reglab.ui.services.lab import Lab
from reglab.ui.services.results import MOST_COMPARED


@dataclass(frozen=True)
class Choice:
    """The ids of the runs that are chosen, and of those that the Train tab showed when the list was filled last."""

    chosen: Sequence[str] = ()
    followed: Sequence[str] = ()
    is_filled: bool = True
    """Whether the list has been filled: a view that is laid out asks to be shown before that."""

    @classmethod
    def read(cls, asked: Any) -> Choice:
        """What the page has sent: text with a JSON object."""
        told = typed_in(asked)
        return cls(_ids(told.get("chosen")), _ids(told.get("followed")), "chosen" in told)

    def opened(self, lab: Lab, visitor: Any) -> Choice:
        """What is chosen when the tab is opened.

        What was chosen stays, unless the Train tab shows other runs than when the list was filled last: then it is those.
        """
        there = ids_of(visitor)
        chosen = self.chosen if there == self.followed else there
        return (
            Choice(chosen, there).settled(lab) if lab.results.open(chosen) else Choice(self.chosen, there).settled(lab)
        )

    def settled(self, lab: Lab) -> Choice:
        """Without the runs that are gone. Where none is left it is what the Train tab shows, and to begin with the shipped pair."""
        ids = (self.chosen, self.followed)
        there = next(filter(None, map(lab.results.open, ids)), None) or lab.results.example()
        return Choice([run.id for run in there], self.followed)

    def runs(self, lab: Lab) -> list[Run]:
        """Those that are chosen and still there."""
        return lab.results.open(self.chosen)


def _ids(told: Any) -> list[str]:
    """One more than can be compared are read, so that it is said that they are too many."""
    found = [i for i in told if isinstance(i, str)] if isinstance(told, list) else []
    return list(dict.fromkeys(found))[: MOST_COMPARED + 1]
