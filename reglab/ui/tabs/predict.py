"""The Predict tab: a picture and one trained network, or two side by side -> the most likely classes, and how far to trust them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gradio as gr

from reglab.analysis.pictures import HOW
from reglab.config import on_screen
from reglab.errors import PROBLEMS, ConfigError
from reglab.jobs import fetch
from reglab.models import pretrained
from reglab.ui.api import ABOUT
from reglab.ui.components.controls import unchecked
from reglab.ui.components.drawings import drawing, pressable
from reglab.ui.components.events import PRIVATE, refusal, told
from reglab.ui.components.form import form, typed_in
from reglab.ui.components.networks import NOTHING, dressed, stamped
from reglab.ui.components.picture import IN_SIGHT, examples_box, from_uploads, picture_box
from reglab.ui.components.stamps import stamp_of
from reglab.ui.components.visitor import ids_of, warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views.answers import PASSES, Panel, examples_html, imagenet, page

TOP = 5
TICK = 1.0  # seconds between looks at weights that are on their way
EMPTY = {"network": "", "beside": "", "how": "crop", "tta": False, "spread": False}


class PredictTab:
    """What is asked on the left: a picture, examples, networks, ways to look. The answers are on the right.

    On a narrow page they come right after the picture.
    """

    title: ClassVar = "Predict"
    key: ClassVar = "predict"

    def __init__(self, lab: Lab, tab: Page) -> None:
        self.lab = lab
        with gr.Column(elem_id="predict"):
            self.picture = picture_box("picture")
            with gr.Column(elem_classes="answered"):
                self.notice = gr.HTML("", elem_id="predict-notice")
                self.answers = pressable("answers", page([]), IN_SIGHT)
                self.imagenet = ImageNet(lab, self.picture)
            with gr.Column(elem_classes="asked"):
                self.examples = examples_box("examples")
                self.form = form("predict-form", "predict_form.html", EMPTY, passes=PASSES)
        self.followed = gr.State([])  # the networks that the Train tab showed when this tab was opened last
        # What other programs call keeps its inputs, its output and its name; nobody sees it.
        self.sent = from_uploads(gr.Image(visible=False, type="filepath", image_mode=None, format="png"))
        networks = lab.predictions.networks()
        self.checkpoint = unchecked(gr.Dropdown(networks, value=None, visible=False, label="Network"))
        self.label = gr.Label(visible=False, num_top_classes=TOP)
        self.endpoint = gr.Button("Predict", visible=False)
        self._wire()
        self.on_select: Listener = (
            self.refresh,
            [tab.visitor, self.followed, self.form],
            [self.form, self.followed, self.examples, self.imagenet.form],
        )

    def _wire(self) -> None:
        asked = [self.picture, self.form]
        gr.on(
            [self.picture.change, self.form.change], self.show, asked, self.answers,
            trigger_mode="always_last", concurrency_limit=4, api_visibility="private",
        )  # fmt: skip
        # What it shows then is what is chosen then, which may be another picture than when the button was pressed.
        done = self.answers.select(
            self.calibrate, None, self.notice, concurrency_limit=8, trigger_mode="multiple", **PRIVATE
        )
        done.then(self.show, asked, self.answers, concurrency_limit=4, **PRIVATE)
        self.form.select(
            lambda asked: examples_html(self.pictures(next(iter(asked_of(asked)), ""))),
            self.form,
            self.examples,
            **PRIVATE,
        )
        self.endpoint.click(
            self.classify,
            [self.sent, self.checkpoint],
            self.label,
            api_name="predict",
            api_description=ABOUT["predict"],
            concurrency_limit=4,
        )

    # ---- what happens
    def classify(self, image: str | None, checkpoint: str | None) -> dict[str, float]:
        """Class -> probability, for other programs."""
        try:
            if not checkpoint:
                raise ConfigError(NOTHING)
            return self.lab.predictions.predict(image, self.lab.stores.find(checkpoint))
        except PROBLEMS as error:
            raise refusal(error, "No prediction") from None

    def show(self, picture: str | None, form: Any) -> str:
        """An answer of each network that is chosen, or why there is none."""
        if not picture:
            return page([])
        typed = EMPTY | typed_in(form)
        spread, how = bool(typed["spread"]), typed["how"] if typed["how"] in HOW else "crop"
        asked = {"tta": bool(typed["tta"]), "dropout_passes": PASSES if spread else 0}
        panels = self.panels(picture, how, asked, asked_of(form))
        return page(panels, with_spread=spread) if panels else warning(NOTHING)

    def panels(self, picture: str, how: str, asked: dict[str, Any], chosen: Sequence[str]) -> list[Panel]:
        """What each of the chosen networks answers, or why it does not."""
        runs, predictions = self.lab.results.open(chosen), self.lab.predictions
        examples = self.pictures(runs[0].id) if runs else []
        named = {run.id: (role, name) for run, role, name in dressed(runs)}
        found = []
        for run in runs:
            about: dict[str, Any] = {"run": run.id, "is_calibrating": run.id in predictions.evaluating}
            try:
                answer, seen = predictions.answer(picture, run, how, **asked)
            except PROBLEMS as error:
                found.append(Panel(role="run", name=run.name, problem=str(error), **about))
            else:
                role, name = named[run.id]
                truth = next((label for pixels, label in examples if (pixels == seen).all()), "")
                found.append(Panel(role=role, name=name, answer=answer, seen=seen, truth=truth, **about))
        return found

    def calibrate(self, event: gr.EventData) -> str:
        """Answer the validation images of the run whose button was pressed; what there is to say."""
        try:
            self.lab.predictions.evaluate(self.lab.stores.find(str(told(event).get("run", ""))))
        except PROBLEMS as error:
            return warning(error)
        return ""

    def pictures(self, run_id: str) -> list[tuple[Any, str]]:
        """Test pictures of the data set that this network was trained on, each with its true class."""
        runs = self.lab.results.open([run_id] if run_id else [])
        try:
            return self.lab.predictions.examples(runs[0].config.dataset if runs else "digits")
        except PROBLEMS:
            return []

    def refresh(self, visitor: Any, followed: list[str], form: Any) -> list[Any]:
        """The tab was opened: the choices, the networks to ask, and pictures to try.

        Those that are chosen stay, unless the Train tab has others than when this tab was opened last; at first it is the
        shipped pair.
        """
        choices = self.lab.predictions.networks()
        known = [run_id for _, run_id in choices]
        there = [run_id for run_id in ids_of(visitor) if run_id in known][:2]
        ids = [run_id for run_id in asked_of(form) if run_id in known]
        if not ids or there != followed:
            ids = there or [run.id for run in self.lab.results.example()] or known[:1]
            ids = [run.id for run, *_ in dressed(self.lab.results.open(ids[:2]))]  # plain first
        network, beside = [*ids, "", ""][:2]
        # With new weights of the same networks it is another value, so the page asks them again.
        stamp = stamp_of(stamped(self.lab.results.open(ids)))
        value = EMPTY | typed_in(form) | {"network": network, "beside": beside, "stamp": stamp}
        options = {"network": choices, "beside": [("none", ""), *choices]}
        return [
            gr.update(value=value, options=options),
            there,
            examples_html(self.pictures(network)),
            gr.update(options={"network": self.lab.predictions.imagenet_networks()}),
        ]


def asked_of(form: Any) -> list[str]:
    """The ids of the networks that are chosen, each once; what the page sends may be anything."""
    chosen = (typed_in(form).get(name) for name in ("network", "beside"))
    return list(dict.fromkeys(each for each in chosen if isinstance(each, str) and each))


class ImageNet:
    """The same picture for a network of timm, which knows 1,000 classes."""

    def __init__(self, lab: Lab, picture: gr.HTML) -> None:
        self.lab, self.picture = lab, picture
        first = lab.predictions.imagenet_networks()[0][1]
        self.form = form("imagenet-form", "imagenet_form.html", {"network": first})
        self.answer = drawing("imagenet-answer")
        self.asked = gr.State("")  # the network that was asked; asked again when the picture changes
        self.clock = gr.Timer(TICK, active=False)
        self._wire()

    def _wire(self) -> None:
        told, asked = [self.form, self.answer, self.clock], [self.asked, self.picture]
        # Not PRIVATE: an answer that takes a while is seen to be under way.
        shared: dict[str, Any] = {
            "api_visibility": "private", "concurrency_limit": 4, "show_progress_on": self.answer,
        }  # fmt: skip
        self.form.submit(self.ask, [self.form, self.picture], [self.asked, *told], trigger_mode="once", **shared)
        self.clock.tick(self.look, asked, told, trigger_mode="once", **shared)
        # Not `change`, which has a listener that would be called again because of this one (`Listeners`).
        self.picture.replaced(self.look, asked, told, trigger_mode="always_last", **shared)

    def ask(self, typed: Any, picture: str | None) -> list[Any]:
        """Fetch the network's weights where they are not here, and ask it."""
        name = str(typed_in(typed).get("network", ""))
        self.lab.datasets.fetch(name)
        return [name, *self.look(name, picture)]

    def look(self, name: str, picture: str | None) -> list[Any]:
        """What is to be said, the answer, and whether to look again."""
        still, quiet = gr.update(active=False), gr.update(said={})
        if name not in pretrained.OFFERED:
            return [quiet, "", still]
        if not fetch.is_local(name):
            going = self.lab.datasets.fetches[name]
            return [gr.update(said={"notice": going.sentence}), "", gr.update(active=going.state == "running")]
        try:
            return [quiet, imagenet(name, self.lab.predictions.imagenet(name, picture)), still]
        except PROBLEMS as error:
            return [gr.update(said={"notice": on_screen(error)}), "", still]
