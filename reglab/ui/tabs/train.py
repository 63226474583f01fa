"""The Train tab: the toggle board on the left, the live curves on the right."""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.models import pretrained
from reglab.teaching import cards
from reglab.teaching.assignments import Assignment, values_of
from reglab.teaching.links import Beside, decode_all, encode, offered
from reglab.teaching.presets import PRESETS, Preset
from reglab.ui.components.chart import lab_chart
from reglab.ui.components.controls import MAIN, MORE, TRANSFER, Controls, fitting, preset
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import ids_of, name_of, tries_of, warning
from reglab.ui.services.lab import PROBLEMS, Lab
from reglab.ui.tabs.share import Assigned, admitted, dressed, held, left_out, share_tab
from reglab.ui.views import curves as view
from reglab.ui.views.preview import sees_html

SEARCH = (
    '<input type="search" placeholder="Search techniques" aria-label="Search techniques">'
    '<output aria-live="polite"></output>'
)
SEARCH_JS = (Path(__file__).parent.parent / "static" / "search.js").read_text("utf-8")
FINETUNED = {
    "features": "A new last layer is trained on the features of the frozen rest, computed once and kept.",
    "head_then_all": "The new last layer learns alone for a third of the run, then the rest thaws stage by stage.",
    "all": "Everything is trained from the first step on: choose a learning rate of about 0.0003.",
}
RANDOM = "Random weights, all of them trained."
TICK = 0.7  # seconds between looks at the runs' folders
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


@dataclass
class TrainTab:
    """The components other tabs and the page's loading need."""

    visitor: (
        gr.BrowserState
    )  # {"name": ..., "ids": [...], "tries": [...]}: the runs on the screen; survives a reload and a restart
    controls: Controls
    shown: list[Any]
    lab: Lab
    assigned: Assigned
    beside: list[Any]  # the switches that say what a run is trained beside: plain, from random weights

    def follow(self, ids: Sequence[str], visitor: Any, notice: str = "") -> list[Any]:
        """Updates for `shown` that put these runs on the screen."""
        runs = self.lab.open(ids)
        live = view.is_live(runs, self.lab.jobs)
        return [
            {
                "name": name_of(visitor) or secrets.token_hex(8),
                "ids": [run.id for run in runs],
                "tries": tries_of(visitor),
            },
            stamp_of(view.stamp(runs, self.lab.jobs)),
            self.lab.chart([run.id for run in runs]),
            gr.update(interactive=not live),
            gr.update(interactive=live),
            warning(notice),
            gr.update(active=True),  # a look that finds nothing new stops it; one from before may still be on its way
        ]


def train_tab(lab: Lab, header: gr.HTML) -> TrainTab:
    first = preset(lab.first_dataset())
    controls = Controls(first)
    stamp = stamp_box()
    # The secret only has to be the same after a restart; there is nothing secret in a list of run ids.
    visitor = gr.BrowserState({}, storage_key="reglab", secret="reglab")
    clock = gr.Timer(TICK, active=True)
    with gr.Row(equal_height=False, elem_id="bench"):
        with gr.Column(scale=0, min_width=460, elem_id="controls"):
            assigned = Assigned()
            with gr.Group(elem_classes="fields"):
                for left, right in zip(MAIN[::2], MAIN[1::2], strict=True):
                    with gr.Row():
                        controls.field(left, min_width=150)
                        controls.field(right, min_width=150)
            with gr.Group(visible=False, elem_id="transfer", elem_classes="fields") as transfer:
                with gr.Row():
                    for name in TRANSFER:
                        controls.field(name, min_width=110)
                about_weights = gr.HTML("", elem_id="about-weights")
                scratch = gr.Checkbox(
                    False,
                    label="Compare with the same network from random weights (slow)",
                    elem_id="scratch",
                    container=False,
                )
            with gr.Accordion("More settings", open=False, elem_id="more") as more, gr.Row():
                for name in MORE:
                    controls.field(name, min_width=150)
            data_line = gr.HTML("", elem_id="data-notice")
            again = gr.Button("Try again", size="sm", visible=False, elem_id="try-again")
            with gr.Column(elem_id="board"):
                with gr.Row(elem_id="presets"):
                    recipes = [
                        (recipe, gr.Button(recipe.title, size="sm", elem_id=f"preset-{i}"))
                        for i, recipe in enumerate(PRESETS)
                    ]
                    gr.HTML(html_template=SEARCH, js_on_load=SEARCH_JS, apply_default_css=False, elem_id="search")
                about = gr.HTML("", elem_id="about")
                controls.regularizers()
            advice = gr.HTML("", elem_id="advice")
            with gr.Column(elem_id="go"):
                plain = gr.Checkbox(
                    True,
                    label="Compare with the same network without regularizers",
                    info="same images, same seed, same batches",
                    elem_id="compare",
                    container=False,
                )
                beside = [plain, scratch]
                with gr.Row():
                    start = gr.Button("Train", variant="primary", elem_id="train")
                    stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="stop")
                notice = gr.HTML("", elem_id="notice")
                command = gr.Textbox(
                    first.command(),
                    label="The same on the command line",
                    buttons=["copy"],
                    interactive=False,
                    lines=1,
                    max_lines=3,
                    elem_id="command",
                )
        with (
            gr.Column(scale=1, min_width=340, elem_id="stage"),
            gr.Tabs(selected="curves", elem_id="stage-tabs") as stage,
        ):
            with gr.Tab("Curves", id="curves") as curves:
                chart = lab_chart(elem_id="chart")
            with gr.Tab("What the network sees", id="sees") as sees:
                sight = gr.HTML("", elem_id="sees", apply_default_css=False)
            with gr.Tab("Share", id="share") as sharing:
                link = share_tab(lab, controls, beside, visitor, first)
    looking = gr.State(False)  # whether anybody looks at what the network sees; nobody computes it otherwise
    tab = TrainTab(visitor, controls, [visitor, stamp, chart, start, stop, notice, clock], lab, assigned, beside)
    inputs, toggles = controls.components(), controls.techniques()
    assigned.around = [(more, lambda a: any(a.access(name) != "hidden" for name in MORE))]
    assigned.around += [(button, lambda a: all(a.access(name) == "open" for name in toggles)) for _, button in recipes]

    def begin(
        visitor: Any,
        compare: bool,
        scratch: bool,
        assignment: Assignment | None,
        predicted: Any,
        why: Any,
        *values: Any,
    ) -> list[Any]:
        try:
            if view.is_live(lab.open(ids_of(visitor)), lab.jobs):
                raise RunError("A run of yours is going on: wait for it, or stop it first.")
            asked = controls.config_values(values)
            config = offered(asked)
            told = admitted(assignment, config, visitor, predicted, why)
            ids = lab.start(asked, compare, owner=name_of(visitor), scratch=scratch)
        except PROBLEMS as error:
            return tab.follow(ids_of(visitor), visitor, str(error))
        if told:
            run = next((run.id for run in lab.open(ids) if run.config == config), ids[-1])
            visitor = {"name": name_of(visitor), "tries": [*tries_of(visitor), {"run": run, **told}]}
        return tab.follow(ids, visitor)

    begun = [visitor, *beside, assigned.state, *assigned.answers, *inputs]
    start.click(begin, begun, tab.shown, trigger_mode="once", **QUIET)

    start.click(lambda: (gr.update(selected="curves"), False), None, [stage, looking], **QUIET)

    def halt(visitor: Any) -> list[Any]:
        lab.stop(ids_of(visitor))
        return tab.follow(ids_of(visitor), visitor)

    stop.click(halt, visitor, tab.shown, trigger_mode="once", **QUIET)

    def tick(visitor: Any, before: Any, dataset: str, model: str) -> list[Any]:
        """Look again; whatever did not change is skipped, so that the page has nothing to do.

        A look may be under way while Train is pressed, and its answer, about the runs of before, may arrive last. So the
        clock is stopped only by a look that found nothing new, and never while this visitor has a job: the next look
        then puts the right runs on the screen.
        """
        ids = ids_of(visitor)
        runs = lab.open(ids)
        live, now = view.is_live(runs, lab.jobs), stamp_of(view.stamp(runs, lab.jobs))
        sentence, can_retry = lab.data_notice(dataset, model)
        rest = [warning(sentence), gr.update(visible=can_retry), machine_html(lab)]
        if now != before:
            buttons = [gr.update(interactive=not live), gr.update(interactive=live)]
            return [now, lab.chart(ids), *buttons, *rest, gr.skip()]
        go_on = live or lab.is_fetching() or not lab.jobs.machine() or lab.jobs.is_busy(name_of(visitor))
        return [gr.skip(), gr.skip(), gr.skip(), gr.skip(), *rest, gr.skip() if go_on else gr.update(active=False)]

    dataset, model = controls.by_name["dataset"], controls.by_name["model"]
    clock.tick(
        tick, [visitor, stamp, dataset, model], [stamp, chart, start, stop, data_line, again, header, clock],
        trigger_mode="once", **QUIET,
    )  # fmt: skip

    def tell(compare: bool, scratch: bool, *values: Any) -> tuple[str, str, Any, str, dict[str, Any]]:
        """The command line of what the controls say, or why it cannot be; a word on techniques that meet; what is known
        of the pretrained weights; and the link."""
        asked = controls.config_values(values)
        said = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in cards.advice(asked["regularizers"]))
        try:
            config = RunConfig.parse(asked)
            command, shared = config.command(), {"text": encode(config, Beside(compare, scratch)), "address": True}
        except PROBLEMS as error:
            command, shared = str(error), {"error": str(error)}
        timm = pretrained.is_timm(asked["model"] or "")
        return (
            command,
            f"<ul>{said}</ul>" if said else "",
            gr.update(visible=timm),
            weights_html(asked) if timm else "",
            shared,
        )

    changes = [c.change for c in inputs]
    gr.on(
        [*changes, *(switch.change for switch in beside)],
        tell, [*beside, *inputs], [command, advice, transfer, about_weights, link],
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip

    def see(looking: bool, *values: Any) -> Any:
        """What the network sees, for whoever has that tab open."""
        if not looking:
            return gr.skip()
        asked = controls.config_values(values)
        try:
            return sees_html(lab.look(asked))
        except PROBLEMS as error:
            return warning(str(error))

    watching: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 4}
    # One listener, so that of several changes the last one is shown. Queued, or Gradio tells nobody that a state changed.
    sees.select(lambda: True, None, looking, **watching)
    gr.on([looking.change, *changes], see, [looking, *inputs], sight, trigger_mode="always_last", **watching)
    for other in (curves, sharing):
        other.select(lambda: False, None, looking, **watching)

    def use(recipe: Preset, assignment: Assignment | None, dataset: str, model: str) -> list[Any]:
        """The toggles and settings of a recipe, and a word on it; everything else stays as it is."""
        try:
            chosen = values_of(
                RunConfig.parse({"dataset": dataset, "model": model, "regularizers": recipe.regularizers})
            )
        except PROBLEMS as error:
            return [*[gr.skip() for _ in toggles], "", warning(str(error))]
        kept = held(assignment, toggles, [chosen[name] for name in toggles])
        return [*kept, f"<p>{recipe.title}: {recipe.about}.</p>", ""]

    for recipe, button in recipes:
        button.click(
            partial(use, recipe),
            [assigned.state, controls.by_name["dataset"], controls.by_name["model"]],
            [*[controls.by_name[name] for name in toggles], about, notice],
            **QUIET,
        )

    def choose(assignment: Assignment | None, dataset: str) -> list[Any]:
        """Another data set: its preset, and its download if it is not here."""
        lab.fetch(dataset)
        sentence, can_retry = lab.data_notice(dataset)
        again = gr.update(visible=can_retry)
        kept = held(assignment, list(controls.by_name), controls.filled(preset(dataset)))
        return [*kept, warning(sentence), again, gr.update(active=True)]

    dataset.input(choose, [assigned.state, dataset], [*inputs, data_line, again, clock], **QUIET)

    def fit(changed: str, assignment: Assignment | None, *values: Any) -> list[Any]:
        """Another network, or another way to fine-tune it: switch off what it cannot use, and say so."""
        asked = controls.config_values(values)
        timm = pretrained.is_timm(asked["model"] or "")
        if changed == "model":
            asked |= {"pretrained": timm, "finetune": "features", "side": None}
            asked |= {"width": 1.0} if timm else {}
        if changed == "pretrained" and not asked["pretrained"]:
            asked |= {"finetune": "features"}
        try:
            kept, left_out = fitting(asked)
            chosen = controls.filled(RunConfig.parse(kept))
        except PROBLEMS as error:
            return [*[gr.skip() for _ in inputs], warning(str(error))]
        said = f"Switched off, since this network cannot use them here: {', '.join(left_out)}." if left_out else ""
        return [*held(assignment, list(controls.by_name), chosen), warning(said)]

    for name in ("model", "pretrained", "finetune"):
        controls.by_name[name].input(partial(fit, name), [assigned.state, *inputs], [*inputs, notice], **QUIET)

    def retry(dataset: str, model: str) -> list[Any]:
        sentence, can_retry = lab.data_notice(dataset, model)
        waiting = [
            key for key in (model, dataset, "cifar10") if key in lab.fetches and lab.fetches[key].state == "failed"
        ]
        lab.fetch(waiting[0] if waiting else "cifar10")
        sentence, can_retry = lab.data_notice(dataset, model)
        return [warning(sentence), gr.update(visible=can_retry), gr.update(active=True)]

    again.click(retry, [dataset, model], [data_line, again, clock], **QUIET)
    return tab


def weights_html(asked: Mapping[str, Any]) -> str:
    """What is known of a network of timm: its download, the size it sees pictures at, and how they are normalised."""
    try:
        known = pretrained.known(asked["model"])
        side = pretrained.side_of(known.name, int(asked["side"]) if asked["side"] else None)
    except PROBLEMS as error:
        return warning(str(error))
    here = "already on this machine" if pretrained.is_local(known.name) else f"a download of {known.megabytes} MB"
    mean, std = (" ".join(f"{v:g}" for v in values) for values in (known.mean, known.std))
    start = f"ImageNet weights: {here}. {FINETUNED[asked['finetune']]}" if asked["pretrained"] else RANDOM
    return f"<p>{start} Pictures are enlarged to {side} x {side}, mean {mean}, deviation {std}.</p>"


def machine_html(lab: Lab) -> str:
    return f'<h1>CNN Regularization Lab</h1><p id="machine">{html.escape(lab.machine_line())}</p>'


def loaded(tab: TrainTab, visitor: Any, link: str = "") -> list[Any]:
    """A page that opens or reloads: its own runs if they are still there, else the finished example.

    The controls say what the link says, where the page was opened by one, else what those runs were trained with.
    """
    runs = tab.lab.open(ids_of(visitor))
    try:
        config = max((run.config for run in runs), key=lambda c: len(c.regularizers))
    except (ValueError, RunError):
        config = preset(tab.lab.first_dataset())
    shared, switches, notice = None, [gr.skip(), gr.skip()], ""
    try:
        if link:
            shared, beside = decode_all(link)
            switches = [beside.plain, beside.scratch]
    except ConfigError as error:
        notice = str(error)
    assignment = shared if isinstance(shared, Assignment) else None
    if shared is not None:
        config = shared if isinstance(shared, RunConfig) else shared.config
        notice = left_out(config, tab.controls)
    return [
        *tab.follow([run.id for run in runs] or tab.lab.example(), visitor),
        *(dressed(assignment, tab.controls) if assignment else tab.controls.filled(config)),
        *switches,
        machine_html(tab.lab),
        *tab.assigned.filled(assignment, visitor, notice),
    ]
