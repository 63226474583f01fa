"""The Predict tab: a picture and a trained network -> the most likely classes."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from reglab.ui.controls import unchecked
from reglab.ui.lab import PROBLEMS, Lab
from reglab.ui.train_tab import warning

TOP = 5


def predict_tab(lab: Lab) -> Any:
    """Returns a function that refreshes the choice of networks, with its output, for when the tab is opened."""
    with gr.Row(equal_height=False, elem_id="predict"):
        with gr.Column(scale=1, min_width=320):
            picture = gr.Image(
                format="png",  # an example is sent back as it is, without the losses of Gradio's webp
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard", "webcam"],
                height=300,
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
                columns=10,
                height="auto",
                allow_preview=False,
                elem_id="examples",
                buttons=[],
                object_fit="contain",
            )
        with gr.Column(scale=1, min_width=320):
            choices = lab.networks()
            network = gr.Dropdown(
                choices,
                value=_first(lab, choices),
                label="Network",
                elem_id="network",
                filterable=False,
                info="any run of yours that has weights, and the two that ship with the lab",
            )
            unchecked(network)
            with gr.Row(equal_height=False):
                seen = gr.Image(
                    label="What it sees: 32 x 32 pixels",
                    interactive=False,
                    height=220,
                    elem_id="seen",
                    buttons=[],
                    min_width=200,
                    format="png",
                )
                answer = gr.Label(label="What it makes of it", num_top_classes=TOP, elem_id="answer", min_width=240)
            notice = gr.HTML("", elem_id="predict-notice")
            api = gr.Button("Predict", visible=False)

    def show(picture: str | None, network: str | None) -> tuple[Any, Any, str]:
        if not picture:
            return None, None, ""
        try:
            probabilities, pixels = lab.predict(picture, network)
        except PROBLEMS as error:
            return None, None, warning(str(error))
        return pixels, probabilities, ""

    def predict(image: str | None, checkpoint: str | None) -> dict[str, float]:
        try:
            return lab.predict(image, checkpoint)[0]
        except PROBLEMS as error:
            raise gr.Error(html.escape(str(error)), title="No prediction", print_exception=False) from None

    shared: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4, "show_progress_on": answer}
    gr.on([picture.change, network.change], show, [picture, network], [seen, answer, notice], **shared)
    api.click(predict, [picture, network], answer, api_name="predict", concurrency_limit=4)

    shown_examples = gr.State([])

    def refresh(network: str | None) -> tuple[Any, Any, Any]:
        choices = lab.networks()
        known = [run_id for _, run_id in choices]
        chosen = network if network in known else _first(lab, choices)
        runs = lab.open([chosen] if chosen else [])
        try:
            examples = lab.examples(runs[0].config.dataset if runs else "digits")
        except PROBLEMS:
            examples = []
        return gr.update(choices=choices, value=chosen), examples, [pixels for pixels, _ in examples]

    def choose(examples: list[Any], event: gr.SelectData) -> Any:
        return examples[event.index] if event.index < len(examples) else None

    gallery.select(choose, shown_examples, picture, api_visibility="private", show_progress="hidden")
    network.input(
        refresh, network, [network, gallery, shown_examples], api_visibility="private", show_progress="hidden"
    )
    return refresh, [network], [network, gallery, shown_examples]


def _first(lab: Lab, choices: list[tuple[str, str]]) -> str | None:
    """The regularized one of the shipped pair, else the newest."""
    example = lab.example()
    return example[-1] if example else choices[0][1] if choices else None
