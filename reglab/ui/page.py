"""What the tabs share: the visitor, and those parts of the Train tab that other tabs write to.

Here are made: the chart, the buttons Train and Stop, the two switches of the comparison, and the clock by which the page looks
at its runs (`TrainTab.tick`, every `TICK` seconds). `tabs/train/` puts them into their places and answers them.

A tab that has something to put on the Train tab returns `page.follow(runs, visitor)` for the components `page.shown`, or
`page.opened(runs, visitor)` for `page.opening`, which turns to that tab as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import gradio as gr

from reglab.colours import ROLES
from reglab.runs.run import Run
from reglab.runs.view import RunView
from reglab.teaching.links import encode
from reglab.teaching.sizes import preset
from reglab.ui.components.assigned import Assigned
from reglab.ui.components.chart import lab_chart
from reglab.ui.components.controls import Controls
from reglab.ui.components.events import PRIVATE, Listeners, dealt, skipped
from reglab.ui.components.links import link_box
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import tries_of, warning
from reglab.ui.services.lab import Lab
from reglab.ui.views import curves, next_steps
from reglab.ui.views.head import header_html
from reglab.ui.views.setup import machine_html

TICK = 0.7  # seconds between looks at the runs' folders
# What one button says and does, by what the runs on the screen do.
STOP, STOPPING, RESUME = "Stop", "Stopping ...", "Resume"
Listener = tuple[Callable[..., Any], list[Any], list[Any]]


class Tab(Protocol):
    """What every tab has besides its handlers, which are methods that can be called without a browser."""

    title: ClassVar[str]
    """What stands on it."""
    key: ClassVar[str]
    """What other tabs turn to it by."""
    on_select: Listener
    """What brings it up to date when it is opened: the function, and the components it reads and fills."""

    def __init__(self, lab: Lab, page: Page) -> None:
        """Lays it out, where the caller stands in a layout, and sends its events to its handlers."""


class Page:
    """Laid out before the tabs. What is not rendered here, whoever lays out the page or the Train tab puts into its place."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        gr.HTML(header_html(), elem_id="top", apply_default_css=False)
        self.header = gr.HTML(machine_html(lab.training.machine_line(), lab.keeping.line()), elem_id="header")
        self.tabs = gr.Tabs(elem_id="tabs", overflow_behavior="wrap", render=False)
        # {"ids": [...], "tries": [...]}: the runs on the screen; survives a reload and a restart. The secret
        # only has to be the same after a restart; there is nothing secret in a list of run ids.
        self.visitor = gr.BrowserState({}, storage_key="reglab", secret="reglab")
        self.assignment = gr.State(None)  # the Assignment, or None; the server's, so that no page can soften it
        self.assigned = Assigned(self.assignment)
        self.first = preset(lab.datasets.first())
        self.controls = Controls(self.first)
        self.plain = gr.Checkbox(
            True,
            label="Compare with the same network without regularizers",
            info="same images, same seed, same batches",
            elem_id="compare",
            container=False,
            render=False,
        )
        self.scratch = gr.Checkbox(
            False,
            label="Compare with the same network from random weights (slow)",
            elem_id="scratch",
            container=False,
            visible=False,  # there are pretrained weights to compare with only where the network is one of timm
            render=False,
        )
        self.looking = gr.State(False)  # whether anybody looks at what the network sees; nobody computes it otherwise
        # What is said of the set-up, by its controls, the runs on the screen, and how fast this machine is. Each has one listener
        # for all of these, so that of several changes the last one is shown.
        said_by = (self.controls.panel, *self.beside, self.visitor, self.header, self.looking)
        self.set_up = Listeners(*(box.change for box in said_by))
        self.link = link_box("Link to this set-up", "link", {"text": encode(self.first), "address": True}, render=False)
        self.stamp = stamp_box()
        self.clock = gr.Timer(TICK, active=True)
        self.chart = lab_chart("jump", elem_id="chart", render=False)
        self.start = gr.Button("Train", variant="primary", elem_id="train", render=False)
        self.stop = gr.Button(STOP, variant="stop", interactive=False, elem_id="stop", render=False)
        self.change = gr.Button(
            "Go on with these regularizers", visible=False, elem_id="change", min_width=120, render=False
        )
        self.notice = gr.HTML("", elem_id="notice", render=False)

    @property
    def beside(self) -> list[Any]:
        """The switches that say what a run is trained beside: plain, from random weights."""
        return [self.plain, self.scratch]

    @property
    def under(self) -> list[Any]:
        """What a run that is about to be started has to keep to: the assignment, and the answers to what that asks."""
        return [self.assignment, self.assigned.form]

    @property
    def shown(self) -> list[Any]:
        """What follows the visitor's runs."""
        return [self.visitor, self.stamp, self.chart, self.start, self.stop, self.notice, self.clock]

    @property
    def opening(self) -> list[Any]:
        """The same, and which tab is open."""
        return [*self.shown, self.tabs]

    def follow(self, runs: Sequence[Run], visitor: Any, notice: str = "") -> list[Any]:
        """Updates for `shown` that put these runs on the screen."""
        views = self.lab.training.views(runs)
        return [
            {"ids": [run.id for run in runs], "tries": tries_of(visitor)},
            stamp_of(curves.stamp(views)),
            self.chart_of(views),
            *self.buttons(views),
            warning(notice),
            gr.update(active=True),  # a look that finds nothing new stops it; one from before may still be on its way
        ]

    def buttons(self, views: Sequence[RunView]) -> list[Any]:
        """Updates for Train and Stop, where these runs are on the screen: others' may be looked at meanwhile."""
        live, lab = [view.run for view in views if view.is_live], self.lab
        may_stop = bool(live) and all(map(lab.runs.may_change, live))
        word = STOPPING if may_stop and all(run.should_stop() for run in live) else STOP
        if not live and self.broken_off(views):
            word, may_stop = RESUME, True
        return [
            gr.update(interactive=not any(map(lab.runs.is_theirs, live))),
            gr.update(value=word, interactive=may_stop and word != STOPPING),
        ]

    def broken_off(self, views: Sequence[RunView]) -> list[Run]:
        """Which of these this visitor can go on with.

        Not broken off is what a sweep has stopped because it could not win, and what goes on as a fork that stands beside it.
        """
        left = {view.run.described.get("parent") for view in views}
        able = [
            v for v in views if v.status in ("stopped", "interrupted") and not v.was_pruned and v.run.id not in left
        ]
        return [view.run for view in able if self.lab.runs.may_change(view.run)]

    def opened(self, runs: Sequence[Run], visitor: Any) -> list[Any]:
        """Updates for `opening`: these runs on the Train tab, and that tab in front."""
        return [*self.follow(runs, visitor), gr.update(selected="train")]

    def unopened(self) -> list[Any]:
        """Updates for `opening` that leave everything as it is."""
        return skipped(self.opening)

    def chart_of(self, views: Sequence[RunView]) -> dict[str, Any]:
        """These runs, or the first of them where there are more than colours."""
        shown = views[: len(ROLES)]
        shipped = shown and all(self.lab.stores.is_shipped(view.run) for view in shown)
        note = "A finished example." if shipped else ""
        if len(shown) < len(views):
            note = f"The first {len(shown)} of {len(views)} runs. {note}".strip()
        if not shown:
            return {"runs": []}
        chart = curves.chart_of(shown, note, curves.names_of(shown))
        return chart | ({"example": True} if shipped and len(shown) == 2 else {"next": self.next_steps(views)})

    def next_steps(self, views: Sequence[RunView]) -> list[dict[str, str]]:
        """What to try next, once all of these runs have ended and one of them is this visitor's and finished."""
        done = next_steps.subject(views)
        if done is None or any(view.is_live for view in views) or not self.lab.runs.is_theirs(done.run):
            return []
        seeds = next_steps.more_seeds(done)
        return next_steps.steps(done, self.lab.results.price(seeds) if seeds and len(views) < len(ROLES) else None)


class Views:
    """Tabs within a tab, laid out from left to right; `on_select` is for the tab that they are views of.

    A view is brought up to date when it is turned to, as it is when its tab is opened for the first time, and when its tab
    is turned to again.
    """

    def __init__(self, lab: Lab, page: Page, key: str, views: Sequence[type[Tab]]) -> None:
        self.open = gr.State("")
        self.made: dict[str, Tab] = {}
        with gr.Tabs(elem_id=f"{key}-views") as self.tabs:
            for view in views:
                with gr.Tab(view.title, id=view.key, elem_id=f"view-{view.key}") as place:
                    self.made[view.key] = made = view(lab, page)
                place.select(*made.on_select, **PRIVATE)
                place.select(lambda key=view.key: key, None, self.open, **PRIVATE)
        listeners = [made.on_select for made in self.made.values()]
        self.on_select: Listener = (
            self.refresh,
            [self.open, *(box for _, inputs, _ in listeners for box in inputs)],
            [box for _, _, outputs in listeners for box in outputs],
        )

    def refresh(self, key: Any, *values: Any) -> list[Any]:
        """What is new in the view that is open; the others stay as they are."""
        updates: list[Any] = []
        inputs = [made.on_select[1] for made in self.made.values()]
        for (name, made), own in zip(self.made.items(), dealt(values, inputs), strict=True):
            refresh, _, outputs = made.on_select
            updates += refresh(*own) if name == key else skipped(outputs)
        return updates
