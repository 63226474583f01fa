"""What can be done with runs: open, rename, resume, delete and bring back; each takes the runs that are chosen.

Who may do it is for the services to say, which refuse it with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reglab.config import on_screen
from reglab.errors import PROBLEMS, RunError
from reglab.runs.run import Run
from reglab.runs.view import LIVE, RESUMABLE
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.views.chosen import Chosen


@dataclass(frozen=True)
class Done:
    """What has come of it."""

    refused: str = ""  # why not, in a sentence
    said: str = ""
    undo: str = ""  # the ids of deleted runs that are offered to be brought back
    chosen: Sequence[Run] | None = None  # what is chosen from now on; None: what was
    train: list[Any] | None = None  # updates for `filled`, where the Train tab is turned to
    typed: str = ""  # the name that was refused, to be mended


class Acts:
    """For whoever asks."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page
        self.filled = [*page.opening, *page.controls.components()]
        self._acts: Mapping[str, Callable[[Mapping[str, Any], Sequence[Run], Any], Done]] = {
            "open": self.open,
            "rename": self.rename,
            "resume": self.resume,
            "delete": self.delete,
            "restore": self.restore,
            "empty": self.empty,
            "group": self.group,
            "greet": self.greet,
        }

    def of(self, run: Run) -> Chosen:
        """The run as it is shown above the views, and what can be done with it."""
        [view] = self.lab.training.views([run])
        theirs = self.lab.runs.may_change(run)
        return Chosen(
            run.id,
            run.name,
            view.status,
            may_change=theirs,
            may_resume=theirs and view.status in RESUMABLE,
            may_delete=theirs and view.status not in LIVE,
            may_take=theirs or self.lab.stores.is_shipped(run),
        )

    def do(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """What a button asks for. What nothing of ours asks for is not done."""
        act = self._acts.get(str(told.get("do")))
        try:
            return act(told, runs, visitor) if act else Done()
        except PROBLEMS as error:
            return Done(refused=on_screen(error), typed=str(told.get("name", "")))

    # ---- on the Train tab
    def open(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """Put the runs on the Train tab, a single one with those it was started with; its controls say what was trained."""
        if not runs:
            raise RunError("Choose a run first.")
        values = self.page.controls.filled(runs[0].config)
        together = self.lab.training.together(runs[0]) if len(runs) == 1 else runs
        return Done(train=[*self.page.opened(together, visitor), *values])

    def resume(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """Go on with those that can be gone on with, and show them."""
        for run in [run for run in runs if self.of(run).may_resume] or runs:
            if self.lab.training.jobs.status(run) not in LIVE:  # it goes on with one before it, of the same job
                self.lab.training.resume(self.lab.stores.own.open(run.id))
        return self.open(told, runs, visitor)

    # ---- in the list
    def rename(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """Call the chosen run something."""
        if len(runs) != 1:
            raise RunError("Choose one run to rename.")
        self.lab.runs.rename(self.lab.stores.own.open(runs[0].id), str(told.get("name", "")))
        return Done()

    def delete(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """Put the chosen runs into the trash, as far as they can be."""
        gone: list[Run] = []
        refused = "" if runs else "Choose a run first."
        names = {run.id: run.name for run in runs}
        for run in [run for run in runs if self.of(run).may_delete] or runs:
            try:
                self.lab.runs.delete(self.lab.stores.own.open(run.id))
                gone.append(run)
            except PROBLEMS as error:
                refused = on_screen(error)
        one = f"“{names[gone[0].id]}” is deleted. It can be brought back for a day." if gone else ""
        said = one if len(gone) < 2 else f"{len(gone)} runs are deleted. They can be brought back for a day."
        return Done(refused, said, " ".join(run.id for run in gone), [run for run in runs if run not in gone])

    def restore(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """Bring back deleted runs, whose ids stand with spaces between them."""
        return Done(chosen=[self.lab.runs.restore(run_id) for run_id in str(told.get("run", "")).split()])

    def empty(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """Empty the trash."""
        self.lab.runs.empty_trash()
        return Done()

    def group(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """All finished runs of a group are chosen."""
        return Done(chosen=self.lab.results.finished_in(str(told.get("group", ""))) or runs)

    def greet(self, told: Mapping[str, Any], runs: Sequence[Run], visitor: Any) -> Done:
        """A key was typed as the host's, which the page sends along from now on."""
        lab = self.lab
        if not lab.visitor.admin_key:
            return Done()
        if not lab.access.is_host(lab.visitor):
            return Done(refused="That is not the host's key.")
        return Done(said="This is the host's key: every run is listed, and yours to change.")
