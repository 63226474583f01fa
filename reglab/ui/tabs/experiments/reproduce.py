"""The Reproduce tab: a published result, its numbers beside ours, two recipes to train it again, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.experiments.publications import PUBLICATIONS, RECIPES, Publication
from reglab.runs.run import Run
from reglab.ui.components.controls import unchecked
from reglab.ui.components.drawings import drawing, lead
from reglab.ui.components.events import QUIET, skipped
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views import reproduction

TICK = 2.0  # seconds between looks; a look that finds news judges every run of the recipe
FIRST = next(iter(PUBLICATIONS))


class ReproduceTab:
    """One publication at a time: its page, and a card for each of its recipes."""

    title: ClassVar = "Reproduce"
    key: ClassVar = "reproduce"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab = lab
        with gr.Column(elem_id="reproduce-tab"):
            lead(
                "Published results, trained again. The verdict is computed from the runs; a budget shows at most that the"
                " direction is the same.",
                "Reproduce",
            )
            self.chosen = gr.Dropdown(
                [(f"{paper.title} · {paper.paper.partition(',')[0]}", key) for key, paper in PUBLICATIONS.items()],
                value=FIRST, label="Publication", elem_id="reproduce-chosen", filterable=False,
            )  # fmt: skip
            unchecked(self.chosen)
            self.page = drawing("reproduce-page", min_height=320)
            self.notice = gr.HTML("", elem_id="reproduce-notice")
            with gr.Row(equal_height=False, elem_id="reproduce-recipes"):
                recipes = [self._lay_out_recipe(name, words) for name, words in RECIPES.items()]
            self.stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="reproduce-stop")
        self.cards, self.commands, self.starts = (list(parts) for parts in zip(*recipes, strict=True))
        self.clock = gr.Timer(TICK, active=False)
        self.stamp = stamp_box()
        self.known = gr.State([])  # the ids of the runs on the page: looking for new ones takes longer
        self.shown = [self.page, *self.cards, *self.starts, self.stop, self.stamp, self.known, self.clock]
        self._wire()
        self.on_select: Listener = (self.show, [self.chosen], self.shown)

    def _lay_out_recipe(self, name: str, words: str) -> tuple[Any, Any, Any]:
        """What is known of it, its command, and the button that starts it."""
        with gr.Column(min_width=320):
            card = drawing(f"reproduce-{name}")
            command = gr.Textbox(
                command_of(FIRST, name), label="On the command line", buttons=["copy"], interactive=False, lines=1,
                elem_id=f"reproduce-command-{name}",
            )  # fmt: skip
            start = gr.Button(
                f"Run it {words}", variant="primary" if name == "budget" else "secondary",
                elem_id=f"reproduce-run-{name}",
            )  # fmt: skip
        return card, command, start

    def _wire(self) -> None:
        asked = [self.chosen]
        self.chosen.input(
            self.choose, asked, [self.notice, *self.commands, *self.shown], trigger_mode="always_last", **QUIET
        )
        for name, button in zip(RECIPES, self.starts, strict=True):
            button.click(partial(self.begin, name), asked, [self.notice, *self.shown], trigger_mode="once", **QUIET)
        self.stop.click(self.halt, asked, self.shown, trigger_mode="once", **QUIET)
        self.clock.tick(self.tick, [*asked, self.stamp, self.known], self.shown, trigger_mode="once", **QUIET)

    # ---- what happens
    def show(self, key: Any) -> list[Any]:
        """Everything about the publication that is chosen."""
        paper = paper_of(key)
        runs = [run for name in RECIPES for run in self.lab.results.of_recipe(paper, name)]
        found = {name: self.lab.results.reproduction(paper, name) for name in RECIPES}
        live = any(each.live for each in found.values())
        return [
            reproduction.page(paper, found),
            *(reproduction.recipe(paper, name, each) for name, each in found.items()),
            *(gr.update(interactive=not each.live and not each.done) for each in found.values()),
            gr.update(interactive=live and self.lab.training.is_busy()),
            self._stamped(paper, runs),
            [run.id for run in runs],
            gr.update(active=live),
        ]

    def choose(self, key: Any) -> list[Any]:
        """Another paper was chosen."""
        return ["", *(command_of(paper_of(key).key, name) for name in RECIPES), *self.show(key)]

    def begin(self, recipe: str, key: Any) -> list[Any]:
        """Train was pressed under one of the recipes."""
        paper = paper_of(key)
        try:
            self.lab.training.start(paper.experiment(recipe))
        except PROBLEMS as error:
            return [warning(error), *skipped(self.shown)]
        return ["", *self.show(key)]

    def halt(self, key: Any) -> list[Any]:
        """Stop was pressed."""
        for name in RECIPES:
            self.lab.training.stop(self.lab.results.of_recipe(paper_of(key), name))
        return self.show(key)

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


def command_of(key: str, recipe: str) -> str:
    """The command line that trains that recipe."""
    return f"python -m reglab reproduce {key} --{recipe}"
