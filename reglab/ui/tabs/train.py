"""The Train tab: the toggle board on the left, the live curves on the right."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from reglab.config import RunConfig, on_screen
from reglab.errors import PROBLEMS, ConfigError, RunError
from reglab.experiments.experiment import Experiment
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE
from reglab.teaching import cards
from reglab.teaching.assignments import Assignment
from reglab.teaching.links import PARAMETER, Beside, decode_all, encode, offered
from reglab.teaching.presets import PRESETS, Preset
from reglab.ui.components.assigned import Assigned, admitted, dressed, held, left_out
from reglab.ui.components.controls import MAIN, MORE, TRANSFER, fitting, preset, shown_values
from reglab.ui.components.drawings import pressable
from reglab.ui.components.events import PRIVATE, QUIET, skipped, told
from reglab.ui.components.minutes import SETS, MinutesLine
from reglab.ui.components.remarks import refusals, remarks_box
from reglab.ui.components.stamps import stamp_of
from reglab.ui.components.visitor import ids_of, tries_of, warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.services.minutes import Minutes
from reglab.ui.views import curves
from reglab.ui.views.brought import WORDS, brought_html
from reglab.ui.views.preview import sees_html
from reglab.ui.views.setup import advice_html, allowed_html, machine_html, recipe_html, weights_html

SEARCH = (
    '<input type="search" placeholder="Search techniques" aria-label="Search techniques">'
    '<output aria-live="polite"></output>'
)
UNDOABLE = tuple(WORDS)  # what choosing a data set sets besides
SEARCH_JS = (Path(__file__).parent.parent / "static" / "search.js").read_text("utf-8")


class TrainTab:
    """What to train and beside what; its curves while it trains, what it sees first, and a place for the Share tab."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page, self.controls = lab, page, page.controls
        with gr.Row(equal_height=False, elem_id="bench"):
            with gr.Column(scale=0, min_width=460, elem_id="controls"):
                self.assigned = Assigned(page.assignment)
                self._lay_out_settings()
                self._lay_out_board()
                self.advice = gr.HTML("", elem_id="advice")
                self.remarks = remarks_box(self.controls.remarks(page.first))
                self._lay_out_start()
            with gr.Column(scale=1, min_width=340, elem_id="stage"):
                self._lay_out_stage()
        self.looking = gr.State(False)  # whether anybody looks at what the network sees; nobody computes it otherwise
        self.inputs, self.toggles = self.controls.components(), self.controls.techniques()
        self.assigned.around = [(self.more, lambda a: any(a.access(name) != "hidden" for name in MORE))]
        self.assigned.around += [
            (button, lambda a: all(a.access(name) == "open" for name in self.toggles)) for _, button in self.recipes
        ]
        self._wire_training()
        self._wire_controls()
        self._wire_sight()

    # ---- what is laid out
    def _lay_out_settings(self) -> None:
        with gr.Group(elem_classes="fields"):
            for left, right in zip(MAIN[::2], MAIN[1::2], strict=True):
                with gr.Row():
                    self.controls.field(left, min_width=150)
                    self.controls.field(right, min_width=150)
                if left == "dataset":
                    self.brought = pressable("brought", brought_html(self.page.first.dataset))
        with gr.Group(visible=False, elem_id="transfer", elem_classes="fields") as self.transfer:
            with gr.Row():
                for name in TRANSFER:
                    self.controls.field(name, min_width=110)
            self.about_weights = gr.HTML("", elem_id="about-weights")
            self.page.scratch.render()
        with gr.Accordion("More settings", open=False, elem_id="more") as self.more, gr.Row():
            for name in MORE:
                self.controls.field(name, min_width=150)
        self.data_line = gr.HTML("", elem_id="data-notice")
        self.again = gr.Button("Try again", size="sm", visible=False, elem_id="try-again")

    def _lay_out_board(self) -> None:
        with gr.Column(elem_id="board"):
            with gr.Row(elem_id="presets"):
                self.recipes = [
                    (recipe, gr.Button(recipe.title, size="sm", elem_id=f"preset-{i}"))
                    for i, recipe in enumerate(PRESETS)
                ]
                gr.HTML(
                    {key: cards.words_of(key) for key in CATALOGUE},
                    html_template=SEARCH, js_on_load=SEARCH_JS, apply_default_css=False, elem_id="search",
                )  # fmt: skip
            self.about = gr.HTML("", elem_id="about")
            self.controls.regularizers()

    def _lay_out_start(self) -> None:
        with gr.Column(elem_id="go"):
            self.page.plain.render()
            self.minutes = MinutesLine(Minutes(self.lab.training))
            self.allowed = gr.HTML("", elem_id="allowed", visible=self.lab.training.is_limited)
            with gr.Row():
                self.page.start.render()
                self.page.stop.render()
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

    def _lay_out_stage(self) -> None:
        with gr.Tabs(selected="curves", elem_id="stage-tabs") as self.stage:
            with gr.Tab("Curves", id="curves") as self.curves:
                self.page.chart.render()
            with gr.Tab("What the network sees", id="sees") as self.sees:
                self.sight = gr.HTML("", elem_id="sees", apply_default_css=False)
            self.sharing = gr.Tab("Share", id="share")  # filled by whoever lays out the page

    # ---- which event calls what
    def _wire_training(self) -> None:
        page, by_name = self.page, self.controls.by_name
        begun = [page.visitor, *page.beside, page.assignment, *self.assigned.answers, *self.inputs]
        page.start.click(self.begin, begun, page.shown, trigger_mode="once", **QUIET)
        page.start.click(lambda: (gr.update(selected="curves"), False), None, [self.stage, self.looking], **QUIET)
        page.stop.click(self.halt, page.visitor, page.shown, trigger_mode="once", **QUIET)
        page.clock.tick(
            self.tick,
            [page.visitor, page.stamp, by_name["dataset"], by_name["model"]],
            [page.stamp, page.chart, page.start, page.stop, self.data_line, self.again, page.header, page.clock],
            trigger_mode="once",
            **QUIET,
        )

    def _wire_controls(self) -> None:
        page, by_name = self.page, self.controls.by_name
        dataset, model = by_name["dataset"], by_name["model"]
        gr.on(
            [*(c.change for c in self.inputs), *(switch.change for switch in page.beside)],
            self.tell,
            [*page.beside, *self.inputs],
            [self.command, self.advice, self.transfer, self.about_weights, page.link, self.remarks, self.refused],
            trigger_mode="always_last",
            **QUIET,
        )
        if self.lab.training.is_limited:  # by itself, for the first look at a network takes a moment
            changes = [*(c.change for c in self.inputs), *(switch.change for switch in page.beside)]
            gr.on(changes, self.allow, *self.allowing, trigger_mode="always_last", **QUIET)
        recipe_sets = [*[by_name[name] for name in self.toggles], self.about, page.notice]
        for recipe, button in self.recipes:
            button.click(partial(self.use, recipe), [page.assignment, dataset, model], recipe_sets, **QUIET)
        dataset.input(
            self.choose_dataset,
            [page.assignment, dataset],
            [*self.inputs, self.brought, self.data_line, self.again, page.clock],
            **QUIET,
        )
        undone = [by_name[name] for name in UNDOABLE]
        self.brought.select(self.undo, [page.assignment, dataset], [*undone, self.brought], **QUIET)
        for name in ("model", "pretrained", "finetune"):
            by_name[name].input(
                partial(self.fit, name), [page.assignment, *self.inputs], [*self.inputs, page.notice], **QUIET
            )
        fields = [by_name[name] for name in SETS]
        self.minutes.follow(
            lambda values: offered(self.controls.config_values(values)), page.beside, self.inputs, fields
        )
        self.again.click(self.retry, [dataset, model], [self.data_line, self.again, page.clock], **QUIET)

    def _wire_sight(self) -> None:
        # Queued, or Gradio tells nobody that a state changed.
        watching: dict[str, Any] = {**PRIVATE, "concurrency_limit": 4}
        self.sees.select(lambda: True, None, self.looking, **watching)
        # One listener, so that of several changes the last one is shown.
        gr.on(
            [self.looking.change, *(c.change for c in self.inputs)],
            self.see,
            [self.looking, *self.inputs],
            self.sight,
            trigger_mode="always_last",
            **watching,
        )
        for other in (self.curves, self.sharing):
            other.select(lambda: False, None, self.looking, **watching)

    @property
    def allowing(self) -> tuple[list[Any], gr.HTML]:
        """What `allow` reads and fills."""
        return [*self.page.beside, *self.inputs], self.allowed

    @property
    def loaded(self) -> list[Any]:
        """What `load` fills."""
        page = self.page
        return [*page.shown, *self.inputs, *page.beside, page.header, *self.assigned.shown, self.brought]

    # ---- training
    def begin(
        self,
        visitor: Any,
        compare: bool,
        scratch: bool,
        assignment: Assignment | None,
        predicted: Any,
        why: Any,
        *values: Any,
    ) -> list[Any]:
        """Train what the controls say, and what it is compared with."""
        shown = self.lab.results.open(ids_of(visitor))
        try:
            if self.lab.training.is_live([run for run in shown if self.lab.runs.is_theirs(run)]):
                raise RunError("A run of yours is going on: wait for it, or stop it first.")
            config = offered(self.controls.config_values(values))
            kept = admitted(assignment, config, visitor, predicted, why)
            experiment = Experiment.pair(config, plain=compare, scratch=scratch)
            runs = self.lab.training.start(experiment)
        except PROBLEMS as error:
            return self.page.follow(shown, visitor, on_screen(error))
        if kept:
            run = next((run for run in runs if run.config == config), runs[-1])
            visitor = {"tries": [*tries_of(visitor), {"run": run.id, **kept}]}
        return self.page.follow(runs, visitor)

    def halt(self, visitor: Any) -> list[Any]:
        """Stop was pressed."""
        runs = self.lab.results.open(ids_of(visitor))
        try:
            self.lab.training.stop(runs)
        except PROBLEMS as error:
            return self.page.follow(runs, visitor, on_screen(error))
        return self.page.follow(runs, visitor)

    def tick(self, visitor: Any, before: Any, dataset: str, model: str) -> list[Any]:
        """Look again; whatever did not change is skipped, so that the page has nothing to do.

        A look may be under way while Train is pressed, and its answer, about the runs of before, may arrive last. So the
        clock is stopped only by a look that found nothing new, and never while this visitor has a job: the next look
        then puts the right runs on the screen.
        """
        lab = self.lab
        views = lab.training.views(lab.results.open(ids_of(visitor)))
        live, now = any(view.is_live for view in views), stamp_of(curves.stamp(views))
        rest = [*self._data_told(dataset, model), machine_html(lab.training.machine_line(), lab.keeping.line())]
        if not before:  # the page has not loaded yet: which runs are to be seen, only its loading knows
            return [gr.skip(), gr.skip(), gr.skip(), gr.skip(), *rest, gr.skip()]
        if now != before:
            return [now, self.page.chart_of(views), *self.page.buttons(views), *rest, gr.skip()]
        jobs = lab.training.jobs
        go_on = live or lab.datasets.is_fetching() or not jobs.machine() or lab.training.is_busy()
        return [gr.skip(), gr.skip(), gr.skip(), gr.skip(), *rest, gr.skip() if go_on else gr.update(active=False)]

    def _data_told(self, dataset: str, model: str = "") -> list[Any]:
        """What is said of downloads, and whether the button to try again is there."""
        sentence, can_retry = self.lab.datasets.notice(dataset, model)
        return [warning(sentence), gr.update(visible=can_retry)]

    # ---- the controls
    def tell(self, compare: bool, scratch: bool, *values: Any) -> tuple[Any, ...]:
        """The command line of what the controls say, or beside them why it cannot be; and what goes with it.

        A word on techniques that meet; what is known of the pretrained weights; the link; and what fields mean in this run.
        """
        asked = self.controls.config_values(values)
        refused = ""
        try:
            config = RunConfig.parse(asked)
            command, shared = config.command(), {"text": encode(config, Beside(compare, scratch)), "address": True}
            remarks = self.controls.remarks(config)
        except PROBLEMS as error:
            command, shared, remarks = "", {"error": on_screen(error)}, refusals(error, self.controls.ids)
            refused = "" if remarks.keys() & self.in_sight else warning(error)
        timm = pretrained.is_timm(asked["model"] or "")
        said = advice_html(cards.advice(asked["regularizers"]))
        return command, said, gr.update(visible=timm), weights_html(asked) if timm else "", shared, remarks, refused

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

    def use(self, recipe: Preset, assignment: Assignment | None, dataset: str, model: str) -> list[Any]:
        """The toggles and settings of a recipe, and a word on it; everything else stays as it is."""
        try:
            config = RunConfig.parse({"dataset": dataset, "model": model, "regularizers": recipe.regularizers})
        except PROBLEMS as error:
            return [*skipped(self.toggles), "", warning(error)]
        chosen = shown_values(config)  # what follows from the run is left to the run on this page
        kept = held(assignment, self.toggles, [chosen[name] for name in self.toggles])
        return [*kept, recipe_html(recipe), ""]

    def choose_dataset(self, assignment: Assignment | None, dataset: str) -> list[Any]:
        """Another data set: its preset, and its download if it is not here."""
        self.lab.datasets.fetch(dataset)
        kept = held(assignment, list(self.controls.by_name), self.controls.filled(preset(dataset)))
        return [*kept, brought_html(dataset), *self._data_told(dataset), gr.update(active=True)]

    def undo(self, assignment: Assignment | None, dataset: str, event: gr.EventData) -> list[Any]:
        """Take back what choosing a data set has set besides: the wrong labels, or all of it."""
        asked = str(told(event).get("undo", ""))
        names = [name for name in UNDOABLE if asked in (name, "all")]
        usual = shown_values(RunConfig.parse({"dataset": dataset}))
        values = held(assignment, UNDOABLE, [usual[name] if name in names else gr.skip() for name in UNDOABLE])
        return [*values, brought_html(dataset, frozenset(names))]

    def fit(self, changed: str, assignment: Assignment | None, *values: Any) -> list[Any]:
        """Another network, or another way to fine-tune it: switch off what it cannot use, and say so."""
        asked = self.controls.config_values(values)
        timm = pretrained.is_timm(asked["model"] or "")
        if changed == "model":
            if timm:
                asked |= {"width": 1.0}
            elif asked["pretrained"]:  # back from timm, whose networks have the width they have
                asked |= {"width": preset(asked["dataset"]).width}
            asked |= {"pretrained": timm, "finetune": "features", "side": None}
            asked.pop("init", None)  # what is usual for that network
        if changed == "pretrained" and not asked["pretrained"]:
            asked |= {"finetune": "features"}
        try:
            kept, off = fitting(asked)
            chosen = self.controls.filled(RunConfig.parse(kept))
        except PROBLEMS as error:
            return [*skipped(self.inputs), warning(error)]
        said = f"Switched off, since this network cannot use them here: {', '.join(off)}." if off else ""
        return [*held(assignment, list(self.controls.by_name), chosen), warning(said)]

    def retry(self, dataset: str, model: str) -> list[Any]:
        """Fetch again what could not be fetched."""
        self.lab.datasets.retry(dataset, model)
        return [*self._data_told(dataset, model), gr.update(active=True)]

    def see(self, looking: bool, *values: Any) -> Any:
        """What the network sees, for whoever has that tab open."""
        if not looking:
            return gr.skip()
        try:
            return sees_html(self.lab.predictions.preview(self.controls.config_values(values)))
        except PROBLEMS as error:
            return warning(error)

    # ---- a page that opens
    def load(self, visitor: Any, request: gr.Request) -> list[Any]:
        """The page is opened, with a link or without."""
        return self.fill(visitor, str(request.query_params.get(PARAMETER, "")))

    def fill(self, visitor: Any, link: str = "") -> list[Any]:
        """A page that opens or reloads: its own runs if they are still there, else the finished example.

        The controls say what the link says, where the page was opened by one, else what those runs were trained with.
        """
        runs = self.lab.results.open(ids_of(visitor))
        try:
            config = max((run.config for run in runs), key=lambda c: len(c.regularizers))
        except (ValueError, RunError):
            config = preset(self.lab.datasets.first())
        shared, switches, notice = None, [gr.skip(), gr.skip()], ""
        brought = "" if runs or link else brought_html(config.dataset)
        try:
            if link:
                shared, beside = decode_all(link)
                switches = [beside.plain, beside.scratch]
        except ConfigError as error:
            notice = on_screen(error)
        assignment = shared if isinstance(shared, Assignment) else None
        if shared is not None:
            config = shared if isinstance(shared, RunConfig) else shared.config
            notice = left_out(config, self.controls)
        return [
            *self.page.follow(runs or self.lab.results.example(), visitor),
            *(dressed(assignment, self.controls) if assignment else self.controls.filled(config)),
            *switches,
            machine_html(self.lab.training.machine_line(), self.lab.keeping.line()),
            *self.assigned.filled(assignment, visitor, notice),
            brought,
        ]
