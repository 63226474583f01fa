"""The Results tab: the runs that may be seen, what can be done with those that are chosen, and what there is to see of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import gradio as gr

from reglab.runs.run import Run
from reglab.ui.components.download import Download
from reglab.ui.components.drawings import pressable
from reglab.ui.components.events import PRIVATE, dealt, skipped, told
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
        self.views: dict[str, Any] = {}
        with gr.Row(equal_height=False, elem_id="results"):
            has_host = bool(lab.deployment.admin_key) and not lab.deployment.is_everybody_host
            kept = kept_html(lab.keeping.forgetful, lab.keeping.mirror is not None)
            self.list = run_list(has_host=has_host, kept=kept, elem_id="runs", scale=0, min_width=440)
            with gr.Column(elem_id="of-runs", min_width=340):
                self.chosen = pressable("chosen")
                self.download = Download("results-file")  # here, since a view is not on the page before it is opened
                self._lay_out_views()
        self._wire()

    def _lay_out_views(self) -> None:
        self.places: dict[str, gr.Tab] = {}
        with gr.Tabs(elem_id="results-views", overflow_behavior="wrap"):
            for view in VIEWS:
                with gr.Tab(view.title, id=view.key) as self.places[view.key]:
                    self.views[view.key] = view(self.lab, self.page, self.list)

    def _wire(self) -> None:
        asked, drawn, acting = [self.list, *self._inputs], self._outputs, [self.list, self.page.visitor]
        seen = {**SEEN, "show_progress_on": [box for view in self.views.values() for box in view.slow]}
        self.list.input(self.show, asked, [self.chosen, *drawn], trigger_mode="always_last", **seen)
        self.list.filled(self.fill, asked, drawn, trigger_mode="always_last", **seen)
        for key, place in self.places.items():
            turned = [place.select, *self.views[key].changes]
            gr.on(turned, partial(self.turn, key), asked, drawn, trigger_mode="always_last", **seen)
        gr.on(
            [self.list.select, self.chosen.select], self.act, acting, [*self.acts.filled, self.list, self.chosen],
            trigger_mode="once", **PRIVATE,
        )  # fmt: skip
        curves, report = self.views[CurvesView.key], self.views[ReportView.key]
        self.download.when([self.chosen.download, report.shown.download], report.file, [self.list, curves.asked])
        self.on_select: Listener = (self.refresh, acting, [self.list, self.chosen])

    @property
    def _inputs(self) -> list[Any]:
        return [box for view in self.views.values() for box in view.inputs]

    @property
    def _outputs(self) -> list[Any]:
        return [box for view in self.views.values() for box in view.outputs]

    # ---- what happens
    def refresh(self, asked: Any, visitor: Any) -> list[Any]:
        """The tab was opened: the list anew, and what is chosen; the list then asks for the view that is open."""
        return self._filled(Choice.read(asked).opened(self.lab, visitor))

    def show(self, event: gr.EventData, asked: Any, *values: Any) -> list[Any]:
        """Other runs were chosen."""
        return [self._bar(Choice.read(asked).runs(self.lab)), *self.fill(event, asked, *values)]

    def fill(self, event: gr.EventData, asked: Any, *values: Any) -> list[Any]:
        """The list was filled; the page says which view is open."""
        return self.turn(str(told(event).get("view")), asked, *values)

    def turn(self, key: str, asked: Any, *values: Any) -> list[Any]:
        """A view was opened, or asked for something else; the others stay as they are."""
        choice = Choice.read(asked)
        if not choice.is_filled:
            return skipped(self._outputs)
        updates: list[Any] = []
        inputs = [view.inputs for view in self.views.values()]
        for (name, view), own in zip(self.views.items(), dealt(values, inputs), strict=True):
            updates += view.show(choice.runs(self.lab), *own) if name == key else skipped(view.outputs)
        return updates

    def act(self, event: gr.EventData, asked: Any, visitor: Any) -> list[Any]:
        """A button was pressed that does something with runs."""
        choice = Choice.read(asked)
        done = self.acts.do(told(event), choice.runs(self.lab), visitor)
        if done.train is not None:
            return [*done.train, *skipped([self.list, self.chosen])]
        if done.chosen is not None:
            choice = Choice([run.id for run in done.chosen], choice.followed)
        return [*skipped(self.acts.filled), *self._filled(choice.settled(self.lab), done)]

    # ---- what to show
    def _filled(self, choice: Choice, done: Done = NOTHING_DONE) -> list[Any]:
        """Updates for the list, and for what stands above the views."""
        deleted = self.lab.runs.deleted()
        told = shown(
            rows=self.lab.results.listed(),
            groups=self.lab.results.groups(),
            chosen=list(choice.chosen),
            followed=list(choice.followed),
            trash={"id": deleted[0].id, "name": deleted[0].name[:40], "runs": len(deleted)} if deleted else None,
        )
        return [told, self._bar(choice.runs(self.lab), done)]

    def _bar(self, runs: Sequence[Run], done: Done = NOTHING_DONE) -> str:
        acts = map(self.acts.of, runs)
        return chosen_html(acts, warning=done.refused, said=done.said, undo=done.undo, typed=done.typed)
