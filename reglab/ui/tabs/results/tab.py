"""The Results tab: the runs that may be seen, what can be done with those that are chosen, and what there is to see of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import gradio as gr

from reglab.runs.run import Run
from reglab.ui.components.drawings import pressable
from reglab.ui.components.events import PRIVATE, skipped, told
from reglab.ui.components.run_list import run_list, shown
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results.acts import Acts, Done
from reglab.ui.tabs.results.choice import Choice
from reglab.ui.tabs.results.curves import CurvesView
from reglab.ui.tabs.results.errors import ErrorsView
from reglab.ui.tabs.results.fork import ForkView
from reglab.ui.tabs.results.inside import InsideView
from reglab.ui.tabs.results.report import ReportView
from reglab.ui.tabs.results.view import View
from reglab.ui.views.chosen import chosen_html
from reglab.ui.views.setup import kept_html

# A view takes its time where a network is asked, which is seen where it will be.
SEEN: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4, "show_progress": "full"}
VIEWS: tuple[type[View], ...] = (CurvesView, ErrorsView, InsideView, ForkView, ReportView)

NOTHING_DONE = Done()


class ResultsTab:
    """The list on the left; on the right the runs that are chosen in it, and views of them, each in a file of its own."""

    title: ClassVar = "Results"
    key: ClassVar = "results"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page, self.acts = lab, page, Acts(lab, page)
        self.open = gr.State(VIEWS[0].key)
        self.views: dict[str, Any] = {}
        with gr.Row(equal_height=False, elem_id="results"):
            has_host = bool(lab.deployment.admin_key) and not lab.deployment.is_everybody_host
            kept = kept_html(lab.keeping.forgetful, lab.keeping.mirror is not None)
            self.list = run_list(has_host=has_host, kept=kept, elem_id="runs", scale=0, min_width=440)
            with gr.Column(elem_id="of-runs", min_width=340):
                self.chosen = pressable("chosen")
                self._lay_out_views()
        self._wire()

    def _lay_out_views(self) -> None:
        self.places: dict[str, gr.Tab] = {}
        with gr.Tabs(elem_id="results-views", overflow_behavior="wrap"):
            for view in VIEWS:
                with gr.Tab(view.title, id=view.key) as self.places[view.key]:
                    self.views[view.key] = view(self.lab, self.page, self.list)

    def _wire(self) -> None:
        asked, drawn = [self.list, *self._inputs], self._outputs
        seen = {**SEEN, "show_progress_on": [box for view in self.views.values() for box in view.slow]}
        acting = [self.list, self.page.visitor, self.open, *self._inputs]
        gr.on(
            [self.list.input, *(change for view in self.views.values() for change in view.changes)],
            self.show, [self.open, *asked], [self.chosen, *drawn],
            trigger_mode="always_last", **seen,
        )  # fmt: skip
        for key, place in self.places.items():
            place.select(partial(self.turn, key), asked, [self.open, *drawn], **seen)
        filled = [self.list, self.chosen, *drawn]
        gr.on(
            [self.list.select, self.chosen.select], self.act, acting, [*self.acts.filled, *filled],
            trigger_mode="once", **PRIVATE,
        )  # fmt: skip
        curves, report = self.views[CurvesView.key], self.views[ReportView.key]
        report.download.when([self.chosen.download, report.shown.download], report.file, [self.list, curves.asked])
        self.on_select: Listener = (self.refresh, acting, filled)

    @property
    def _inputs(self) -> list[Any]:
        return [box for view in self.views.values() for box in view.inputs]

    @property
    def _outputs(self) -> list[Any]:
        return [box for view in self.views.values() for box in view.outputs]

    # ---- what happens
    def refresh(self, asked: Any, visitor: Any, key: Any, *values: Any) -> list[Any]:
        """The tab was opened: the list anew, what is chosen, and the view that is open."""
        return self._filled(Choice.read(asked).opened(self.lab, visitor), key, values)

    def show(self, key: Any, asked: Any, *values: Any) -> list[Any]:
        """Other runs were chosen, or a view was asked for something else."""
        choice = Choice.read(asked)
        if not choice.is_filled:
            return skipped([self.chosen, *self._outputs])
        runs = choice.runs(self.lab)
        return [self._bar(runs), *self._view(key, runs, values)]

    def turn(self, key: str, asked: Any, *values: Any) -> list[Any]:
        """Another view was opened."""
        _, *view = self.show(key, asked, *values)
        return [key, *view]

    def act(self, event: gr.EventData, asked: Any, visitor: Any, key: Any, *values: Any) -> list[Any]:
        """A button was pressed that does something with runs."""
        choice = Choice.read(asked)
        done = self.acts.do(told(event), choice.runs(self.lab), visitor)
        if done.train is not None:
            return [*done.train, *skipped([self.list, self.chosen, *self._outputs])]
        if done.chosen is not None:
            choice = Choice([run.id for run in done.chosen], choice.followed)
        filled = self._filled(choice.settled(self.lab), key, values, done)
        return [*skipped(self.acts.filled), *filled]

    # ---- what to show
    def _filled(self, choice: Choice, key: Any, values: Sequence[Any], done: Done = NOTHING_DONE) -> list[Any]:
        """Updates for the list, for what is chosen in it, and for the views."""
        deleted = self.lab.runs.deleted()
        trash = {"id": deleted[0].id, "name": deleted[0].name[:40], "runs": len(deleted)} if deleted else None
        told = shown(
            rows=self.lab.results.listed(),
            groups=self.lab.results.groups(),
            chosen=list(choice.chosen),
            followed=list(choice.followed),
            trash=trash,
        )
        runs = choice.runs(self.lab)
        return [told, self._bar(runs, done), *self._view(key, runs, values)]

    def _bar(self, runs: Sequence[Run], done: Done = NOTHING_DONE) -> str:
        told = [self.acts.of(run) for run in runs]
        return chosen_html(told, warning=done.refused, said=done.said, undo=done.undo)

    def _view(self, key: Any, runs: Sequence[Run], values: Sequence[Any]) -> list[Any]:
        """What is new in the view that is open; the others stay as they are."""
        updates: list[Any] = []
        at = 0
        for name, view in self.views.items():
            asked, at = values[at : at + len(view.inputs)], at + len(view.inputs)
            updates += view.show(runs, *asked) if name == key else skipped(view.outputs)
        return updates
