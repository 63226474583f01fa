"""The Predict tab: a picture and one trained network, or two side by side -> the most likely classes, and how far to trust them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from reglab.analysis.pictures import HOW
from reglab.errors import PROBLEMS
from reglab.jobs import fetch
from reglab.models import pretrained
from reglab.ui.components.controls import unchecked
from reglab.ui.components.visitor import warning
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.inside import NONE, NOTHING, beside, dressed, stamped
from reglab.ui.views.answers import PASSES, Panel, imagenet, page

TOP = 5
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# A press of a button, or of a line that stands for runs, is told to the server with the button's data; one that takes long says so at once.
PRESS = """
element.addEventListener("click", event => {
  const button = event.target.closest("button, path[data-runs]");
  if (!button) return;
  element.querySelectorAll("button[aria-pressed]").forEach(b => b.setAttribute("aria-pressed", b === button));
  if (button.dataset.meanwhile) {
    button.disabled = true;
    button.textContent = button.dataset.meanwhile;
  }
  trigger("select", { ...button.dataset });
});
"""


def predict_tab(lab: Lab, train: Page) -> Any:
    """Returns a function that refreshes the choices, with its inputs and outputs, for when the tab is opened."""
    with gr.Row(equal_height=False, elem_id="predict"):
        with gr.Column(scale=0, min_width=320, elem_classes="asked"):
            picture = gr.Image(
                format="png",  # an example is sent back as it is, without the losses of Gradio's webp
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard", "webcam"],
                height=250,
                label="Picture",
                elem_id="picture",
                buttons=[],
            )
            # The path only: Gradio would open the file in this process to see whether it needs converting.
            picture.preprocess = lambda payload: payload.path if payload else None  # type: ignore[method-assign]
            gr.HTML(
                "<h4>Examples</h4><p>Test pictures: no network here was trained on them. Click one.</p>",
                elem_classes="lead",
            )
            gallery = gr.Gallery(
                show_label=False,
                format="png",
                label="Examples",
                columns=5,
                height="auto",
                allow_preview=False,
                elem_id="examples",
                buttons=[],
                object_fit="contain",
            )
            how = unchecked(
                gr.Radio(
                    [("its middle square", "crop"), ("all of it, with bars", "fit")],
                    value="crop",
                    label="Of the picture, show the network",
                    elem_id="how",
                )
            )
            tta = gr.Checkbox(
                False,
                label="Test-time augmentation",
                info="the mean answer to slightly shifted and mirrored views",
                elem_id="tta",
                container=False,
            )
            spread = gr.Checkbox(
                False,
                label="Spread under dropout",
                info=f"{PASSES} passes with dropout left on: how much the answer wavers",
                elem_id="spread",
                container=False,
            )
        with gr.Column(scale=1, min_width=320, elem_classes="answered"):
            choices = lab.predictions.networks()
            options: dict[str, Any] = {"value": None, "filterable": False, "min_width": 280}
            with gr.Row(equal_height=False):
                first = unchecked(gr.Dropdown(choices, label="Network", elem_id="network", **options))
                second = unchecked(gr.Dropdown([NONE, *choices], label="Beside it", elem_id="beside", **options))
            notice = gr.HTML("", elem_id="predict-notice")
            answers = gr.HTML(page([]), js_on_load=PRESS, elem_id="answers", min_height=480, apply_default_css=False)
            imagenet_network = imagenet_part(lab, picture)
    # What other programs call keeps its inputs, its output and its name; nobody sees it.
    label = gr.Label(visible=False, num_top_classes=TOP)
    api = gr.Button("Predict", visible=False)

    def classify(image: str | None, checkpoint: str | None) -> dict[str, float]:
        try:
            return lab.predictions.predict(image, checkpoint)
        except PROBLEMS as error:
            raise gr.Error(html.escape(str(error)), title="No prediction", print_exception=False) from None

    api.click(classify, [picture, first], label, api_name="predict", concurrency_limit=4)

    def show(picture: str | None, how: str, tta: bool, spread: bool, *chosen: Any) -> str:
        if not picture:
            return page([])
        how = how if how in HOW else "crop"
        asked = {"tta": bool(tta), "dropout_passes": PASSES if spread else 0}
        shown = panels(lab, picture, how, asked, chosen)
        return page(shown, with_spread=bool(spread)) if shown else warning(NOTHING)

    inputs = [picture, how, tta, spread, first, second]
    wanted = gr.State(None)  # changes when the tab is opened on other networks, or on new weights
    changes = [picture.change, wanted.change, *(c.input for c in (how, tta, spread, first, second))]
    gr.on(
        changes, show, inputs, answers,
        trigger_mode="always_last", concurrency_limit=4, api_visibility="private",
    )  # fmt: skip

    def calibrate(event: gr.EventData) -> str:
        try:
            lab.predictions.evaluate(lab.stores.find(str((event._data or {}).get("run", ""))))
        except PROBLEMS as error:
            return warning(str(error))
        return ""

    # What it shows then is what is chosen then, which may be another picture than when the button was pressed.
    done = answers.select(calibrate, None, notice, concurrency_limit=8, trigger_mode="multiple", **PRIVATE)
    done.then(show, inputs, answers, concurrency_limit=4, **PRIVATE)

    followed = gr.State([])  # what the Train tab showed when this tab was opened last
    examples = gr.State([])

    def pictures(run_id: Any) -> list[Any]:
        """Test pictures of the data set that this network was trained on."""
        try:
            runs = lab.results.open([run_id] if isinstance(run_id, str) and run_id else [])
            return [pixels for pixels, _ in lab.predictions.examples(runs[0].config.dataset if runs else "digits")]
        except PROBLEMS:
            return []

    def refresh(visitor: Any, followed: list[str], *shown: Any) -> tuple[Any, ...]:
        choices = lab.predictions.networks()
        chosen, there = beside(lab, choices, visitor, followed, shown)
        one, other = [*chosen, None, None][:2]
        found = pictures(one)
        return (
            gr.update(choices=choices, value=one),
            gr.update(choices=[NONE, *choices], value=other or ""),
            found,
            found,
            there,
            gr.update(choices=lab.predictions.imagenet_networks()),
            stamped(lab.results.open(chosen)),
        )

    def choose(examples: list[Any], event: gr.SelectData) -> Any:
        return examples[event.index] if event.index < len(examples) else gr.skip()

    gallery.select(choose, examples, picture, **PRIVATE)
    first.input(lambda run_id: [pictures(run_id)] * 2, first, [gallery, examples], **PRIVATE)
    return (
        refresh,
        [train.visitor, followed, first, second],
        [first, second, gallery, examples, followed, imagenet_network, wanted],
    )


def panels(lab: Lab, picture: str, how: str, asked: dict[str, Any], chosen: Sequence[Any]) -> list[Panel]:
    """An answer of each network, or why there is none, in the order in which they were chosen."""
    ids = dict.fromkeys(run_id for run_id in chosen if isinstance(run_id, str) and run_id)
    runs = lab.results.open(list(ids))
    named = {run.id: (role, name) for run, role, name in dressed(runs)}
    found = []
    for run in runs:
        about: dict[str, Any] = {"run": run.id, "is_calibrating": run.id in lab.predictions.evaluating}
        try:
            answer, seen = lab.predictions.answer(picture, run, how, **asked)
        except PROBLEMS as error:
            found.append(Panel(role="run", name=run.name, problem=str(error), **about))
        else:
            role, name = named[run.id]
            found.append(Panel(role=role, name=name, answer=answer, seen=seen, **about))
    return found


def imagenet_part(lab: Lab, picture: Any) -> Any:
    """The same picture for a network of timm, which knows 1,000 classes. Returns the choice of networks."""
    with gr.Accordion("ImageNet classes (timm)", open=False, elem_id="imagenet"):
        gr.HTML(
            "<p>A network that was trained on 1.3 million photographs sees the middle of the same picture at its own"
            " size, 224 x 224 pixels or more, and names what it takes it for among 1,000 classes.</p>",
            elem_classes="lead",
        )
        with gr.Row(equal_height=False):
            choices = lab.predictions.imagenet_networks()
            network = gr.Dropdown(
                choices, value=choices[0][1], label="Network of timm", elem_id="imagenet-network", filterable=False
            )
            unchecked(network)
            go = gr.Button("Ask it", scale=0, min_width=110, elem_id="imagenet-go")
        notice = gr.HTML("", elem_id="imagenet-notice")
        answer = gr.HTML("", elem_id="imagenet-answer", min_height=170, apply_default_css=False)
    asked = gr.State("")  # the network that was asked; asked again when the picture changes
    clock = gr.Timer(1, active=False)  # runs while weights are on their way

    def look(name: str, picture: str | None) -> tuple[Any, Any, Any]:
        """What is to be said, the answer, and whether to look again."""
        still = gr.update(active=False)
        if name not in pretrained.OFFERED:
            return "", "", still
        if not fetch.is_local(name):
            going = lab.datasets.fetches[name]
            return warning(going.sentence), "", gr.update(active=going.state == "running")
        try:
            return "", imagenet(name, lab.predictions.imagenet(name, picture)), still
        except PROBLEMS as error:
            return warning(str(error)), "", still

    def press(name: Any, picture: str | None) -> tuple[Any, ...]:
        name = str(name)
        lab.datasets.fetch(name)
        return name, *look(name, picture)

    shared: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4, "show_progress_on": answer}
    go.click(press, [network, picture], [asked, notice, answer, clock], trigger_mode="once", **shared)
    clock.tick(look, [asked, picture], [notice, answer, clock], trigger_mode="once", **shared)
    picture.change(look, [asked, picture], [notice, answer, clock], trigger_mode="always_last", **shared)
    return network
