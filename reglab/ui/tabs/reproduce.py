"""The Reproduce tab: a published result, its numbers beside ours, two recipes to train it again, and a verdict."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.errors import PROBLEMS
from reglab.experiments import reproduce
from reglab.experiments.publications import PUBLICATIONS, RECIPES, Publication
from reglab.runs.run import Run
from reglab.ui.components.controls import unchecked
from reglab.ui.components.events import QUIET
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import name_of, warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.views import reproduction

TICK = 2.0  # seconds between looks; a look that finds news reads every run of the recipe
FIRST = next(iter(PUBLICATIONS))


def reproduce_tab(lab: Lab, train: Page) -> Any:
    """Returns a function that shows what is known by now, with its inputs and outputs, for when the tab is opened."""
    with gr.Column(elem_id="reproduce-tab"):
        gr.HTML(
            "<h4>Reproduce</h4><p>Published results, trained again. The verdict is computed from the runs; a budget shows at"
            " most that the direction is the same.</p>",
            elem_classes="lead",
        )
        chosen = gr.Dropdown(
            [(f"{paper.title} · {paper.paper.partition(',')[0]}", key) for key, paper in PUBLICATIONS.items()],
            value=FIRST,
            label="Publication",
            elem_id="reproduce-chosen",
            filterable=False,
        )
        unchecked(chosen)
        page = gr.HTML("", elem_id="reproduce-page", min_height=320, apply_default_css=False)
        notice = gr.HTML("", elem_id="reproduce-notice")
        parts: dict[str, list[Any]] = {}
        with gr.Row(equal_height=False, elem_id="reproduce-recipes"):
            for name, words in RECIPES.items():
                with gr.Column(min_width=320):
                    card = gr.HTML("", elem_id=f"reproduce-{name}", apply_default_css=False)
                    command = gr.Textbox(
                        _command(FIRST, name),
                        label="On the command line",
                        buttons=["copy"],
                        interactive=False,
                        lines=1,
                        elem_id=f"reproduce-command-{name}",
                    )
                    start = gr.Button(
                        f"Run it {words}",
                        variant="primary" if name == "budget" else "secondary",
                        elem_id=f"reproduce-run-{name}",
                    )
                parts[name] = [card, command, start]
        stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="reproduce-stop")
    clock = gr.Timer(TICK, active=False)
    stamp, known = stamp_box(), gr.State([])  # the ids of the runs on the page: looking for new ones takes longer
    recipes, commands, starts = zip(*parts.values(), strict=True)
    shown = [page, *recipes, *starts, stop, stamp, known, clock]

    def show(key: Any, visitor: Any) -> list[Any]:
        """Everything about the publication that is chosen."""
        paper = paper_of(key)
        runs = runs_of(paper)
        found = {name: lab.results.reproduction(paper, name) for name in RECIPES}
        live = [each.live for each in found.values()]
        return [
            reproduction.page(paper, found),
            *(reproduction.recipe(paper, name, each) for name, each in found.items()),
            *(gr.update(interactive=not each.live and not each.done) for each in found.values()),
            gr.update(interactive=any(live) and lab.training.jobs.is_busy(name_of(visitor))),
            stamped(paper.key, runs),
            [run.id for run in runs],
            gr.update(active=any(live)),
        ]

    def runs_of(paper: Publication) -> list[Run]:
        return [run for name in RECIPES for run in reproduce.runs_of(paper, name, lab.stores.own)]

    def stamped(key: str, runs: list[Run]) -> str:
        """Changes with every epoch and every turn of the queue."""
        views = lab.training.views(runs)
        return stamp_of(key, [(view.run.id, view.status, view.place, len(view.history)) for view in views])

    def choose(key: Any, visitor: Any) -> list[Any]:
        return ["", *(_command(paper_of(key).key, name) for name in RECIPES), *show(key, visitor)]

    chosen.input(choose, [chosen, train.visitor], [notice, *commands, *shown], trigger_mode="always_last", **QUIET)

    def begin(name: str) -> Any:
        def start(key: Any, visitor: Any) -> list[Any]:
            paper = paper_of(key)
            try:
                lab.training.start(paper.experiment(name), name_of(visitor))
            except PROBLEMS as error:
                return [warning(str(error)), *[gr.skip() for _ in shown]]
            return ["", *show(paper.key, visitor)]

        return start

    for name, button in zip(RECIPES, starts, strict=True):
        button.click(begin(name), [chosen, train.visitor], [notice, *shown], trigger_mode="once", **QUIET)

    def halt(key: Any, visitor: Any) -> list[Any]:
        for name in RECIPES:
            lab.training.stop_group(paper_of(key).group(name))
        return show(key, visitor)

    stop.click(halt, [chosen, train.visitor], shown, trigger_mode="once", **QUIET)

    def tick(key: Any, visitor: Any, before: Any, known: list[str]) -> list[Any]:
        """Look again at the runs on the page."""
        now = stamped(paper_of(key).key, lab.results.open(known))
        return [gr.skip() for _ in shown] if now == before else show(key, visitor)

    clock.tick(tick, [chosen, train.visitor, stamp, known], shown, trigger_mode="once", **QUIET)
    return show, [chosen, train.visitor], shown


def paper_of(key: Any) -> Publication:
    """The publication that is chosen; the first for what is none."""
    return PUBLICATIONS.get(key, PUBLICATIONS[FIRST]) if isinstance(key, str) else PUBLICATIONS[FIRST]


def _command(key: str, recipe: str) -> str:
    return f"python -m reglab reproduce {key} --{recipe}"
