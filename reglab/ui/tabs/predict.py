"""The Predict tab: a picture and one trained network, or two side by side -> the most likely classes, and how far to trust them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gradio as gr

from reglab.analysis.pictures import HOW
from reglab.errors import PROBLEMS, ConfigError
from reglab.jobs import fetch
from reglab.models import pretrained
from reglab.ui.api import ABOUT
from reglab.ui.components.controls import unchecked
from reglab.ui.components.drawings import PRESS, drawing, lead
from reglab.ui.components.events import PRIVATE, refusal, told
from reglab.ui.components.networks import NOTHING, Networks, dressed, stamped
from reglab.ui.components.picture import IN_SIGHT, examples_box, from_uploads, picture_box
from reglab.ui.components.visitor import warning
from reglab.ui.page import Listener, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views.answers import PASSES, Panel, examples_html, imagenet, page

TOP = 5
TICK = 1.0  # seconds between looks at weights that are on their way


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
                self.answers = drawing("answers", page([]), js_on_load=PRESS + IN_SIGHT)
                self.imagenet = ImageNet(lab, self.picture)
            with gr.Column(elem_classes="asked"):
                self.examples = examples_box("examples")
                self.networks = Networks(lab, tab.visitor, "network", "beside")
                self._lay_out_ways()
        # What other programs call keeps its inputs, its output and its name; nobody sees it.
        self.sent = from_uploads(gr.Image(visible=False, type="filepath", image_mode=None, format="png"))
        self.label = gr.Label(visible=False, num_top_classes=TOP)
        self.endpoint = gr.Button("Predict", visible=False)
        self._wire()
        self.on_select: Listener = (
            self.refresh,
            self.networks.inputs,
            [*self.networks.shown, self.examples, self.imagenet.network],
        )

    # ---- what is laid out
    def _lay_out_ways(self) -> None:
        """How the picture is shown to the network, and how often."""
        self.how = unchecked(
            gr.Radio(
                [("Center square", "crop"), ("Whole picture, padded", "fit")], value="crop", label="Crop", elem_id="how"
            )
        )
        self.tta = gr.Checkbox(
            False, label="Test-time augmentation", info="the mean answer to slightly shifted and mirrored copies",
            elem_id="tta", container=False,
        )  # fmt: skip
        self.spread = gr.Checkbox(
            False, label="Spread under dropout", elem_id="spread", container=False,
            info=f"{PASSES} passes with dropout left on: how much the answer varies",
        )  # fmt: skip

    def _wire(self) -> None:
        ways = [self.how, self.tta, self.spread]
        asked = [self.picture, *ways, *self.networks.boxes]
        gr.on(
            [self.picture.change, *self.networks.changes, *(box.input for box in ways)], self.show, asked, self.answers,
            trigger_mode="always_last", concurrency_limit=4, api_visibility="private",
        )  # fmt: skip
        # What it shows then is what is chosen then, which may be another picture than when the button was pressed.
        done = self.answers.select(
            self.calibrate, None, self.notice, concurrency_limit=8, trigger_mode="multiple", **PRIVATE
        )
        done.then(self.show, asked, self.answers, concurrency_limit=4, **PRIVATE)
        first = self.networks.first
        first.input(lambda run_id: examples_html(self.pictures(run_id)), first, self.examples, **PRIVATE)
        self.endpoint.click(
            self.classify,
            [self.sent, first],
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

    def show(self, picture: str | None, how: str, tta: bool, spread: bool, *chosen: Any) -> str:
        """An answer of each network, or why there is none, in the order in which they were chosen."""
        if not picture:
            return page([])
        how = how if how in HOW else "crop"
        asked = {"tta": bool(tta), "dropout_passes": PASSES if spread else 0}
        panels = self.panels(picture, how, asked, chosen)
        return page(panels, with_spread=bool(spread)) if panels else warning(NOTHING)

    def panels(self, picture: str, how: str, asked: dict[str, Any], chosen: Sequence[Any]) -> list[Panel]:
        """What each of the chosen networks answers, or why it does not."""
        runs, predictions = self.networks.runs(chosen), self.lab.predictions
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

    def pictures(self, run_id: Any) -> list[tuple[Any, str]]:
        """Test pictures of the data set that this network was trained on, each with its true class."""
        runs = self.networks.runs([run_id])
        try:
            return self.lab.predictions.examples(runs[0].config.dataset if runs else "digits")
        except PROBLEMS:
            return []

    def refresh(self, visitor: Any, followed: list[str], *chosen: Any) -> list[Any]:
        """The tab was opened: the choices, the networks that the Train tab shows, and pictures to try."""
        choices, runs, there = self.networks.opened(visitor, followed, chosen)
        found = examples_html(self.pictures(runs[0].id if runs else None))
        networks = gr.update(choices=self.lab.predictions.imagenet_networks())
        return [*self.networks.filled(choices, runs, there, stamped(runs)), found, networks]


class ImageNet:
    """The same picture for a network of timm, which knows 1,000 classes."""

    def __init__(self, lab: Lab, picture: gr.HTML) -> None:
        self.lab, self.picture = lab, picture
        choices = lab.predictions.imagenet_networks()
        with gr.Accordion("ImageNet classes (timm)", open=False, elem_id="imagenet"):
            lead(
                "A network that was trained on 1.3 million photographs sees the middle of the same picture at its own size,"
                " 224 x 224 pixels or more, and names what it takes it for among 1,000 classes."
            )
            with gr.Row(equal_height=False):
                self.network = gr.Dropdown(
                    choices, value=choices[0][1], label="Network of timm", elem_id="imagenet-network", filterable=False
                )
                unchecked(self.network)
                self.go = gr.Button("Ask it", scale=0, min_width=110, elem_id="imagenet-go")
            self.notice = gr.HTML("", elem_id="imagenet-notice")
            self.answer = drawing("imagenet-answer", min_height=170)
        self.asked = gr.State("")  # the network that was asked; asked again when the picture changes
        self.clock = gr.Timer(TICK, active=False)
        self._wire()

    def _wire(self) -> None:
        told, asked = [self.notice, self.answer, self.clock], [self.asked, self.picture]
        # Not PRIVATE: an answer that takes a while is seen to be under way.
        shared: dict[str, Any] = {
            "api_visibility": "private", "concurrency_limit": 4, "show_progress_on": self.answer,
        }  # fmt: skip
        self.go.click(self.ask, [self.network, self.picture], [self.asked, *told], trigger_mode="once", **shared)
        self.clock.tick(self.look, asked, told, trigger_mode="once", **shared)
        self.picture.change(self.look, asked, told, trigger_mode="always_last", **shared)

    def ask(self, name: Any, picture: str | None) -> list[Any]:
        """Fetch the network's weights where they are not here, and ask it."""
        self.lab.datasets.fetch(str(name))
        return [str(name), *self.look(str(name), picture)]

    def look(self, name: str, picture: str | None) -> list[Any]:
        """What is to be said, the answer, and whether to look again."""
        still = gr.update(active=False)
        if name not in pretrained.OFFERED:
            return ["", "", still]
        if not fetch.is_local(name):
            going = self.lab.datasets.fetches[name]
            return [warning(going.sentence), "", gr.update(active=going.state == "running")]
        try:
            return ["", imagenet(name, self.lab.predictions.imagenet(name, picture)), still]
        except PROBLEMS as error:
            return [warning(error), "", still]
