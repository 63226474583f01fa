"""What starts, follows and stops a training; its curves, what the network sees first, and a page that opens."""

from __future__ import annotations

from typing import Any

import gradio as gr

from reglab.config import RunConfig, on_screen
from reglab.errors import PROBLEMS, ConfigError, RunError
from reglab.experiments.experiment import Experiment
from reglab.runs.run import Run
from reglab.teaching.assignments import Assignment
from reglab.teaching.links import PARAMETER, decode_all, offered
from reglab.teaching.sizes import SIZED, preset
from reglab.ui.components.assigned import admitted, dressed, held, left_out, with_try
from reglab.ui.components.controls import shown_values
from reglab.ui.components.events import PRIVATE, QUIET, skipped, told
from reglab.ui.components.stamps import stamp_of
from reglab.ui.components.visitor import ids_of, warning
from reglab.ui.page import RESUME, STOP, Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.train.set_up import SetUp
from reglab.ui.views import curves, next_steps
from reglab.ui.views.preview import sees_html
from reglab.ui.views.setup import carried_over_html, machine_html, note_html

# Of the set-up a look at the runs needs the data set and the network alone: two words instead of all of it, many times a minute.
NEEDED = """(visitor, stamp, panel) => {
  const { dataset, model } = JSON.parse(panel).values
  return [visitor, stamp, { values: { dataset, model } }]
}"""
# By now the address may have a link to what the controls say anyway; what it said at first is noted by address.js.
UNLINKED = "(visitor, panel) => [visitor, window.reglabLinked ? null : panel]"
SOON = 0.5  # seconds between two looks of a page at whether it is known how fast the machine is


class TrainTab:
    """What to train and beside what; its curves while it trains, what it sees first, and a place for the Share tab."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page, self.controls = lab, page, page.controls
        with gr.Row(equal_height=False, elem_id="bench"):
            with gr.Column(scale=0, min_width=460, elem_id="controls"):
                self.set_up = SetUp(lab, page)
            with gr.Column(scale=1, min_width=340, elem_id="stage"):
                self._lay_out_stage()
        self.settling = gr.Timer(SOON, active=False)  # on a page that opened before it was known what fits this machine
        self.inputs = self.controls.components()
        self._wire_training()
        self._wire_sight()

    # ---- what is laid out
    def _lay_out_stage(self) -> None:
        with gr.Tabs(selected="curves", elem_id="stage-tabs") as self.stage:
            with gr.Tab("Curves", id="curves") as self.curves:
                self.page.chart.render()
            with gr.Tab("What the network sees", id="sees") as self.sees:
                self.sight = gr.HTML("", elem_id="sees", apply_default_css=False)
            self.sharing = gr.Tab("Share", id="share", elem_id="share")  # filled by whoever lays out the page

    # ---- which event calls what
    def _wire_training(self) -> None:
        page = self.page
        begun = [page.visitor, *page.beside, *page.under, *self.inputs]
        page.start.click(self.begin, begun, page.shown, trigger_mode="once", **QUIET)
        page.start.click(lambda: (gr.update(selected="curves"), False), None, [self.stage, page.looking], **QUIET)
        page.stop.click(self.halt, [page.visitor, page.stop], page.shown, trigger_mode="once", **QUIET)
        changed = [page.visitor, *page.under, *self.inputs]
        page.change.click(self.change, changed, page.shown, trigger_mode="once", **QUIET)
        asking: list[Any] = [self.offer, [page.visitor, *self.inputs], page.change]
        page.set_up.add(*asking, **QUIET)
        page.chart.turned(*asking, trigger_mode="always_last", **QUIET)  # a run begins, or ends: not each second
        asked = [page.visitor, page.assignment, *self.inputs]
        page.chart.select(self.go_on, asked, self.gone_on, trigger_mode="once", **QUIET)
        page.clock.tick(
            self.tick,
            [page.visitor, page.stamp, *self.inputs],
            [page.stamp, page.chart, page.start, page.stop, self.set_up.data_line, page.header, page.clock],
            trigger_mode="once",
            js=NEEDED,
            **QUIET,
        )
        panel = self.controls.panel
        self.settling.tick(
            self.size, [page.visitor, panel], [panel, self.settling], trigger_mode="once", js=UNLINKED, **QUIET
        )

    def _wire_sight(self) -> None:
        # Queued, or Gradio tells nobody that a state changed.
        watching: dict[str, Any] = {**PRIVATE, "concurrency_limit": 4}
        looking = self.page.looking
        self.sees.select(lambda: True, None, looking, **watching)
        self.page.set_up.add(self.see, [looking, *self.inputs], self.sight, **watching)
        for other in (self.curves, self.sharing):
            other.select(lambda: False, None, looking, **watching)

    @property
    def gone_on(self) -> list[Any]:
        """What `go_on` fills."""
        return [*self.page.opening, *self.inputs]

    @property
    def loaded(self) -> list[Any]:
        """What `load` fills."""
        page = self.page
        return [*page.shown, *self.inputs, *page.beside, page.header, self.settling, *page.assigned.shown]

    # ---- training
    def begin(
        self,
        visitor: Any,
        compare: bool,
        scratch: bool,
        assignment: Assignment | None,
        answers: Any,
        *values: Any,
    ) -> list[Any]:
        """Train what the controls say, and what it is compared with."""
        shown = self.lab.results.open(ids_of(visitor))
        try:
            if self.lab.training.is_live([run for run in shown if self.lab.runs.is_theirs(run)]):
                raise RunError("A run of yours is going on: wait for it, or stop it first.")
            config = offered(self.controls.config_values(values))
            kept = admitted(assignment, config, visitor, answers)
            experiment = Experiment.pair(config, plain=compare, scratch=scratch)
            runs = self.lab.training.start(experiment)
        except PROBLEMS as error:
            return self.page.follow(shown, visitor, on_screen(error))
        run = next((run for run in runs if run.config == config), runs[-1])
        return self.page.follow(runs, with_try(visitor, run, kept))

    def halt(self, visitor: Any, said: str = STOP) -> list[Any]:
        """Stop was pressed; or Resume, which is said in the same place once the runs are stopped."""
        runs, training = self.lab.results.open(ids_of(visitor)), self.lab.training
        try:
            if said == RESUME:
                # Once each: on ZeroGPU one may have been refused, and be stopped again, by now.
                resumed: set[Run] = set()
                for run in self.page.broken_off(training.views(runs)):
                    if run not in resumed and not training.is_live([run]):
                        resumed.update(training.resume(run))  # with the others of its job
            else:
                training.stop(runs)
        except PROBLEMS as error:
            return self.page.follow(runs, visitor, on_screen(error))
        return self.page.follow(runs, visitor)

    def offer(self, visitor: Any, *values: Any) -> Any:
        """Whether a run of theirs can go on with the regularizers that the controls say.

        Where Stop has nothing to stop, or to resume, a style sheet hides the button.
        """
        try:
            config = RunConfig.parse(self.controls.config_values(values))
        except PROBLEMS:
            return gr.update(visible=False)
        found = self.lab.training.changeable(self.lab.results.open(ids_of(visitor)), config)
        return gr.update(visible=found is not None)

    def change(self, visitor: Any, assignment: Assignment | None, answers: Any, *values: Any) -> list[Any]:
        """Go on with these regularizers was pressed; under an assignment it is another run, for its rules and its sheet."""
        runs = self.lab.results.open(ids_of(visitor))
        try:
            config = offered(self.controls.config_values(values))
            kept = admitted(assignment, config, visitor, answers)
            runs = self.lab.training.change(runs, config)
        except PROBLEMS as error:
            return self.page.follow(runs, visitor, on_screen(error))
        shown = self.page.follow(runs, with_try(visitor, runs[-1], kept))
        shown[self.page.shown.index(self.page.notice)] = carried_over_html(runs[-1].config)
        return shown

    def go_on(self, visitor: Any, assignment: Assignment | None, panel: Any, event: gr.EventData) -> list[Any]:
        """One of the buttons under the curves was pressed: what to try next."""
        runs = self.lab.results.open(ids_of(visitor))
        shown, tabs, set_up = skipped(self.page.shown), gr.skip(), skipped(self.inputs)
        done, what = next_steps.subject(self.lab.training.views(runs)), told(event).get("next")
        try:
            if what == next_steps.PICTURE:
                tabs = gr.update(selected="predict")
            if what == next_steps.SEEDS and done and (experiment := next_steps.more_seeds(done)):
                if assignment is not None:
                    assignment.check_all(experiment.configs)
                shown = self.page.follow([done.run, *self.lab.training.start(experiment)], visitor)
            if what == next_steps.RECIPE and done and (found := next_steps.remedy(done)):
                config, changes = found
                set_up = self.controls.changed([panel], held(assignment, shown_values(config)), about="")
                note = note_html(next_steps.sentence(config, changes), self.controls.ids.get(next(iter(changes)), ""))
                shown = [note if box is self.page.notice else gr.skip() for box in self.page.shown]
        except PROBLEMS as error:
            shown = self.page.follow(runs, visitor, on_screen(error))
        return [*shown, tabs, *set_up]

    def tick(self, visitor: Any, before: Any, *values: Any) -> list[Any]:
        """Look again; whatever did not change is skipped, so that the page has nothing to do.

        A look may be under way while Train is pressed, and its answer, about the runs of before, may arrive last. So the
        clock is stopped only by a look that found nothing new, and never while this visitor has a job: the next look
        then puts the right runs on the screen.
        """
        lab = self.lab
        views = lab.training.views(lab.results.open(ids_of(visitor)))
        live, now = any(view.is_live for view in views), stamp_of(curves.stamp(views))
        rest = [self.set_up.data_told(values), machine_html(lab.training.machine_line(), lab.keeping.line())]
        if not before:  # the page has not loaded yet: which runs are to be seen, only its loading knows
            return [gr.skip(), gr.skip(), gr.skip(), gr.skip(), *rest, gr.skip()]
        if now != before:
            return [now, self.page.chart_of(views), *self.page.buttons(views), *rest, gr.skip()]
        jobs = lab.training.jobs
        go_on = live or lab.datasets.is_fetching() or not jobs.machine() or lab.training.is_busy()
        return [gr.skip(), gr.skip(), gr.skip(), gr.skip(), *rest, gr.skip() if go_on else gr.update(active=False)]

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
        runs, with_it = self.lab.results.open(ids_of(visitor)), None
        try:
            config = max((run.config for run in self._trained(visitor)), key=lambda c: len(c.regularizers))
        except (ValueError, RunError):
            config, with_it = self.set_up.proposal(self.lab.datasets.first())
        shared, switches, notice = None, [gr.skip(), gr.skip()], ""
        try:
            if link:
                with_it = None
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
            *(dressed(assignment, self.controls) if assignment else self.controls.filled(config, brought=with_it)),
            *switches,
            machine_html(self.lab.training.machine_line(), self.lab.keeping.line()),
            gr.update(active=self.lab.sizes.are_awaited()),
            *self.page.assigned.filled(assignment, visitor, notice),
        ]

    def size(self, visitor: Any, panel: Any) -> list[Any]:
        """The page may have opened before it was known how fast this machine is: once it is, the set-up becomes as large as fits.

        A link means its own numbers, of which no panel is sent (`UNLINKED`), and so does whoever has set one of them, or
        trains, meanwhile. It looks again and again, since the page holds a press on Train back while an answer is to come.
        """
        dataset, settled = self.lab.datasets.first(), gr.update(active=False)
        shown = shown_values(preset(dataset))
        try:
            now = self.controls.read([panel])
            if self._trained(visitor) or any(now.get(name) != shown[name] for name in (*SIZED, "dataset")):
                return [gr.skip(), settled]
            if self.lab.sizes.are_awaited():
                return [gr.skip(), gr.skip()]
            config, said = self.set_up.proposal(dataset)
            fitting = {name: value for name, value in shown_values(config).items() if name in SIZED}
            [update] = self.controls.changed([panel], fitting, brought=said)
        except ConfigError:
            return [gr.skip(), settled]
        return [update, settled]

    def _trained(self, visitor: Any) -> list[Run]:
        """The runs on the screen of a visitor, but not those that ship, which nobody has chosen."""
        return [run for run in self.lab.results.open(ids_of(visitor)) if not self.lab.stores.is_shipped(run)]
