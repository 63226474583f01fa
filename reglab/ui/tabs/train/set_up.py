"""The left of the Train tab: what is to be trained, what may be said of it, and the buttons that start it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from reglab.config import RunConfig, on_screen
from reglab.errors import PROBLEMS, ConfigError
from reglab.experiments.experiment import Experiment
from reglab.models import pretrained
from reglab.teaching.assignments import Assignment
from reglab.teaching.links import Beside, encode
from reglab.teaching.presets import PRESETS
from reglab.teaching.sizes import SIZED, preset, proposed
from reglab.ui.components.assigned import held
from reglab.ui.components.controls import TECHNIQUES, fitting, shown_values
from reglab.ui.components.drawings import pressable
from reglab.ui.components.events import QUIET, skipped, told
from reglab.ui.components.minutes import MinutesLine
from reglab.ui.components.panel import MORE
from reglab.ui.components.remarks import refusals, remarks_box
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.services.minutes import Minutes
from reglab.ui.views.brought import WORDS, brought
from reglab.ui.views.setup import allowed_html, data_notice_html
from reglab.ui.views.sized import sized

UNDOABLE = tuple(WORDS)  # what choosing a data set sets besides


class SetUp:
    """The panel of settings and techniques under an assignment, where there is one, and above the buttons."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page, self.controls = lab, page, page.controls
        page.assigned.form.render()
        self.controls.panel.render()
        self.remarks = remarks_box(self.controls.remarks(page.first))
        self._lay_out_start()
        self._wire()

    def _lay_out_start(self) -> None:
        with gr.Column(elem_id="go"):
            self.data_line = pressable("data-notice")
            self.page.plain.render()
            self.page.scratch.render()
            self.minutes = MinutesLine(Minutes(self.lab.training))
            if self.lab.training.is_limited:
                self.allowed = gr.HTML("", elem_id="allowed")
            with gr.Row(elem_id="bar"):
                self.page.start.render()
                self.page.stop.render()
                self.page.change.render()
            self.page.notice.render()
            self.refused = gr.HTML("", elem_id="refused")
            self.command = gr.Textbox(
                self.page.first.command(),
                label="The same on the command line",
                buttons=["copy"],
                interactive=False,
                placeholder="none while a setting is refused",
                lines=1,
                max_lines=3,
                elem_id="command",
            )

    def _wire(self) -> None:
        page, panel = self.page, self.controls.panel
        page.set_up.add(
            self.tell,
            [*page.beside, panel],
            [self.command, page.scratch, page.link, self.remarks, self.refused],
            **QUIET,
        )
        if self.lab.training.is_limited:  # by itself, for the first look at a network takes a moment
            page.set_up.add(self.allow, *self.allowing, **QUIET)
        panel.select(
            self.choose,
            [page.assignment, panel],
            [panel, page.notice, self.data_line, page.clock],
            trigger_mode="multiple",
            **QUIET,
        )
        self.minutes.follow(self.controls, page.beside, page.set_up)
        self.data_line.select(self.retry, panel, [self.data_line, page.clock], **QUIET)

    @property
    def allowing(self) -> tuple[list[Any], gr.HTML]:
        """What `allow` reads and fills."""
        return [*self.page.beside, self.controls.panel], self.allowed

    # ---- what is said of it
    def tell(self, compare: bool, scratch: bool, *values: Any) -> tuple[Any, ...]:
        """The command line of what the controls say, or beside them why it cannot be; and what goes with it.

        Whether there are pretrained weights to compare with; the link; and what controls mean in this run.
        """
        try:
            config = RunConfig.parse(self.controls.config_values(values))
            remarks, timm = self.controls.remarks(config), gr.update(visible=pretrained.is_timm(config.model))
        except PROBLEMS as error:
            remarks = refusals(error, self.controls.ids)
            refused = "" if remarks.keys() & self.in_sight else warning(error)
            return "", gr.skip(), {"error": on_screen(error)}, remarks, refused
        return config.command(), timm, {"text": encode(config, Beside(compare, scratch)), "address": True}, remarks, ""

    def allow(self, compare: bool, scratch: bool, *values: Any) -> str:
        """What a visitor may ask for here, and what this takes of it; nothing where the controls say no run."""
        try:
            config = RunConfig.parse(self.controls.config_values(values))
            return allowed_html(self.lab.training.allowed(Experiment.pair(config, plain=compare, scratch=scratch)))
        except PROBLEMS:
            return ""  # what is wrong stands beside its control

    @property
    def in_sight(self) -> set[str]:
        """The controls that are not folded away, beside which a refusal is read."""
        return {place for name, place in self.controls.ids.items() if name not in MORE}

    # ---- what decides over other controls
    def choose(self, assignment: Assignment | None, given: Any, event: gr.EventData) -> list[Any]:
        """Something was chosen that decides over other controls, or a button among them was pressed."""
        what, which = next(iter(told(event).items()), ("", ""))
        answers = {
            "changed": self.follow,
            "recipe": self.use,
            "undo": self.undo,
            "size": self.resize,
            "reset": self.reset,
        }
        try:
            if what not in answers:
                raise ConfigError("What was pressed is no button of this page: reload the page.")
            [panel], said = answers[what](which, assignment, [given])
        except PROBLEMS as error:
            return [gr.skip(), warning(error), *skipped([self.data_line, self.page.clock])]
        return [panel, warning(said), self.data_told([panel]), gr.update(active=True)]

    def use(self, which: Any, assignment: Assignment | None, values: Sequence[Any]) -> tuple[list[Any], str]:
        """The toggles and settings of a recipe, and a word on it; everything else stays as it is."""
        recipe = next((recipe for recipe in PRESETS if recipe.title == which), PRESETS[0])
        dataset, model = self.needed(values)
        config = RunConfig.parse({"dataset": dataset, "model": model, "regularizers": recipe.regularizers})
        chosen = shown_values(config)  # what follows from the run is left to the run on this page
        kept = held(assignment, {name: chosen[name] for name in TECHNIQUES})
        return self.controls.changed(values, kept, about=f"{recipe.title}: {recipe.about}."), ""

    def reset(self, which: Any, assignment: Assignment | None, values: Sequence[Any]) -> tuple[list[Any], str]:
        """What is proposed for this data set."""
        return self._proposed(self.needed(values)[0], assignment, values), ""

    def follow(self, which: Any, assignment: Assignment | None, values: Sequence[Any]) -> tuple[list[Any], str]:
        """Another data set: its preset, and its download if it is not here. Another network: what goes with it."""
        if which != "dataset":
            return self.fit(which, assignment, values)
        dataset = self.needed(values)[0]
        self.lab.datasets.fetch(dataset)
        return self._proposed(dataset, assignment, values), ""

    def _proposed(self, dataset: str, assignment: Assignment | None, values: Sequence[Any]) -> list[Any]:
        config, said = self.proposal(dataset)
        kept = held(assignment, shown_values(config))
        return self.controls.changed(values, kept, about="", brought=brought(dataset) if assignment else said)

    def proposal(self, dataset: str) -> tuple[RunConfig, dict[str, Any] | None]:
        """What is proposed for a data set here, and what is said of it: how large it is, or what the data set comes with."""
        known = self.lab.sizes.known(dataset)
        config = proposed(dataset, known)
        return config, sized(known, config) or brought(dataset)

    def resize(self, which: Any, assignment: Assignment | None, values: Sequence[Any]) -> tuple[list[Any], str]:
        """Another size of the comparison, by its place among those there are."""
        dataset = self.needed(values)[0]
        known = self.lab.sizes.known(dataset)
        if str(which) not in map(str, range(len(known))):
            raise ConfigError("What was pressed is no size of this page: reload the page.")
        config = known[int(which)].config
        shown = shown_values(config)
        kept = held(assignment, {name: shown[name] for name in SIZED})
        return self.controls.changed(values, kept, brought=brought(dataset) if assignment else sized(known, config)), ""

    def undo(self, which: Any, assignment: Assignment | None, values: Sequence[Any]) -> tuple[list[Any], str]:
        """Take back what choosing a data set has set besides: the wrong labels, or all of it."""
        dataset = self.needed(values)[0]
        names = [name for name in UNDOABLE if which in (name, "all")]
        usual = shown_values(RunConfig.parse({"dataset": dataset}))
        kept = held(assignment, {name: usual[name] for name in names})
        return self.controls.changed(values, kept, brought=brought(dataset, frozenset(names))), ""

    def fit(self, which: Any, assignment: Assignment | None, values: Sequence[Any]) -> tuple[list[Any], str]:
        """Another network, or another way to fine-tune it: switch off what it cannot use, and say so."""
        asked = self.controls.config_values(values)
        timm = pretrained.is_timm(self.needed(values)[1])
        if which == "model":
            if timm:
                asked |= {"width": 1.0}
            elif asked.get("pretrained"):  # back from timm, whose networks have the width they have
                asked |= {"width": preset(self.needed(values)[0]).width}
            asked |= {"pretrained": timm, "finetune": "features", "side": None}
            asked.pop("init", None)  # what is usual for that network
        if which == "pretrained" and not asked.get("pretrained"):
            asked |= {"finetune": "features"}
        kept, off = fitting(asked)
        before, shown = self.controls.read(values), shown_values(RunConfig.parse(kept))
        chosen = held(assignment, {name: value for name, value in shown.items() if value != before.get(name)})
        said = f"Switched off, since this network cannot use them here: {', '.join(off)}." if off else ""
        return self.controls.changed(values, chosen), said

    # ---- downloads
    def retry(self, *values: Any) -> list[Any]:
        """Fetch again what could not be fetched."""
        try:
            self.lab.datasets.retry(*self.needed(values))
        except PROBLEMS as error:
            return [warning(error), gr.skip()]
        return [self.data_told(values), gr.update(active=True)]

    def data_told(self, values: Sequence[Any]) -> str:
        """What is said of downloads, with a button to try again where that is an offer."""
        try:
            sentence, can_retry = self.lab.datasets.notice(*self.needed(values))
        except PROBLEMS:
            sentence, can_retry = "", False  # what is wrong stands beside its control
        return data_notice_html(sentence, can_retry)

    def needed(self, values: Sequence[Any]) -> tuple[str, str]:
        """The data set and the network that the controls name. Raises `ConfigError`."""
        told = self.controls.read(values)
        config = RunConfig.parse({name: told[name] for name in ("dataset", "model") if name in told})
        return config.dataset, config.model
