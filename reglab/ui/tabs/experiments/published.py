"""Published results: a publication, its numbers beside ours, two recipes to train it again, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.experiments.publications import PUBLICATIONS, RECIPES, Publication
from reglab.runs.run import Run
from reglab.ui.components.drawings import pressable
from reglab.ui.components.entries import Entry, entry_list
from reglab.ui.components.events import QUIET, skipped, told
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views import reproduction

TICK = 2.0  # seconds between looks; a look that finds news judges every run of the recipe
FIRST = next(iter(PUBLICATIONS))


class PublishedTab:
    """The publications on the left; on the right one of them, with its recipes and what starts and stops them."""

    title: ClassVar = "Published results"
    key: ClassVar = "published"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab = lab
        with gr.Row(equal_height=False, elem_id="published"):
            papers = [Entry(key, p.title, more=p.paper.partition(",")[0]) for key, p in PUBLICATIONS.items()]
            self.chosen = entry_list("publications", "Publications", {"": papers})
            with gr.Column(scale=1, min_width=0):
                self.notice = gr.HTML("", elem_id="publication-notice")
                self.page = pressable("publication", "", "copy")
        self.clock = gr.Timer(TICK, active=False)
        self.stamp = stamp_box()
        self.known = gr.State([])  # the ids of the runs on the page: looking for new ones takes longer
        self.shown = [self.page, self.stamp, self.known, self.clock]
        self._wire()
        self.on_select: Listener = (self.show, [self.chosen], self.shown)

    def _wire(self) -> None:
        # Every click counts, also one before the page of the last is here ("always_last" would send that again).
        self.chosen.select(self.choose, None, [self.chosen, self.notice, *self.shown], trigger_mode="multiple", **QUIET)
        self.page.select(self.press, self.chosen, [self.notice, *self.shown], trigger_mode="once", **QUIET)
        self.clock.tick(self.tick, [self.chosen, self.stamp, self.known], self.shown, trigger_mode="once", **QUIET)

    # ---- what happens
    def show(self, key: Any) -> list[Any]:
        """Everything about the publication that is chosen."""
        paper = paper_of(key)
        runs = [run for name in RECIPES for run in self.lab.results.of_recipe(paper, name)]
        found = {name: self.lab.results.reproduction(paper, name) for name in RECIPES}
        live = any(each.live for each in found.values())
        return [
            reproduction.page(paper, found, can_stop=live and self.lab.training.is_busy()),
            self._stamped(paper, runs),
            [run.id for run in runs],
            gr.update(active=live),
        ]

    def choose(self, event: gr.EventData) -> list[Any]:
        """Another paper was chosen."""
        key = paper_of(told(event).get("entry")).key
        return [key, "", *self.show(key)]

    def press(self, key: Any, event: gr.EventData) -> list[Any]:
        """A recipe is to be trained, or what is trained is to stop."""
        do, recipe = (str(told(event).get(name)) for name in ("do", "recipe"))
        if do == "run" and recipe in RECIPES:
            return self.begin(recipe, key)
        return self.halt(key) if do == "stop" else skipped([self.notice, *self.shown])

    def begin(self, recipe: str, key: Any) -> list[Any]:
        """Train one of the recipes."""
        try:
            self.lab.training.start(paper_of(key).experiment(recipe))
        except PROBLEMS as error:
            return [warning(error), *self.show(key)]
        return ["", *self.show(key)]

    def halt(self, key: Any) -> list[Any]:
        """Stop whatever is trained for this publication."""
        try:
            for name in RECIPES:
                self.lab.training.stop(self.lab.results.of_recipe(paper_of(key), name))
        except PROBLEMS as error:
            return [warning(error), *self.show(key)]
        return ["", *self.show(key)]

    def tick(self, key: Any, before: Any, known: list[str]) -> list[Any]:
        """Look again at the runs on the page."""
        now = self._stamped(paper_of(key), self.lab.results.open(known))
        return skipped(self.shown) if now == before else self.show(key)

    def _stamped(self, paper: Publication, runs: Sequence[Run]) -> str:
        """Changes with every epoch and every turn of the queue."""
        views = self.lab.training.views(runs)
        return stamp_of(paper.key, [(view.run.id, view.status, view.place, len(view.history)) for view in views])


def paper_of(key: Any) -> Publication:
    """The publication that is chosen; the first for what is none."""
    return PUBLICATIONS.get(key, PUBLICATIONS[FIRST]) if isinstance(key, str) else PUBLICATIONS[FIRST]
