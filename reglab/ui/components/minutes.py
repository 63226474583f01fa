"""The line on ZeroGPU's minutes above the Train button, with a press for a smaller run. The Hub's page tells who the visitor is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from reglab.config import RunConfig
from reglab.errors import PROBLEMS
from reglab.numbers import counted
from reglab.teaching.links import offered
from reglab.ui.components.controls import Controls, shown_values
from reglab.ui.components.events import QUIET, Listeners
from reglab.ui.services.minutes import Minutes
from reglab.ui.views.setup import minutes_html

SETS = ("train_size", "epochs")
# huggingface.co/docs/hub/spaces-get-user-plan. Where the page does not stand on one of the Hub nobody answers.
ASK = """async (plan, ...rest) => {
  const hub = "https://huggingface.co"
  if (window.parent === window) return ["", ...rest]
  const told = await new Promise(resolve => {
    window.addEventListener("message", event => {
      if (event.origin === hub && event.data?.type === "USER_PLAN") resolve(event.data.plan)
    })
    window.parent.postMessage({type: "USER_PLAN_REQUEST"}, hub)
    setTimeout(resolve, 3000)
  })
  window.reglabPlan = told?.org ? "pro" : String(told?.user ?? "")
  return [window.reglabPlan, ...rest]
}"""
# A change may be told of before the Hub has answered, and its own answer come after: it asks for the plan of then.
KNOWN = "(plan, ...rest) => [window.reglabPlan ?? plan, ...rest]"


class MinutesLine:
    """Says what the set-up takes of a visitor's day; it is there only where a GPU is lent by the minute."""

    def __init__(self, minutes: Minutes) -> None:
        self.minutes = minutes
        if not minutes.count:
            return
        self.plan = gr.Textbox("", visible=False)  # as the Hub calls it
        self.line = gr.HTML("", elem_id="minutes")
        self.smaller = gr.State(None)  # the run that the button offers
        self.less = gr.Button("", size="sm", visible=False, elem_id="fewer-minutes")

    def follow(self, controls: Controls, beside: Sequence[Any], set_up: Listeners) -> None:
        """Say it anew whenever the set-up is another, or it is known how fast this machine is."""
        if not self.minutes.count:
            return
        self._controls, inputs = controls, controls.components()
        self._told = [self.plan, *beside, *inputs], [self.plan, self.line, self.smaller, self.less]
        set_up.add(self.tell, *self._told, js=KNOWN, **QUIET)
        self.less.click(self.take, [self.smaller, *inputs], inputs, **QUIET)

    def ask(self, page: gr.Blocks) -> None:
        """Ask the Hub's page who the visitor is whenever ours opens, and say it for the first time."""
        if self.minutes.count:
            page.load(self.tell, *self._told, js=ASK, **QUIET)

    def tell(self, plan: Any, plain: bool, scratch: bool, *values: Any) -> list[Any]:
        """The line, and the button where there is a run that fits better."""
        plan = plan if isinstance(plan, str) else ""
        try:
            said, fits = self.minutes.told(plan, offered(self._controls.config_values(values)), plain, scratch)
        except PROBLEMS:
            said, fits = "", None  # what is wrong with them stands beside them
        offer = ""
        if fits:
            offer = f"Take {counted(fits.train_images, 'image')} and {counted(fits.epochs, 'epoch')}"
        return [plan, minutes_html(said), fits, gr.update(value=offer, visible=bool(fits))]

    def take(self, smaller: RunConfig | None, *values: Any) -> Any:
        """The smaller run was pressed for: its images and its epochs. Of a single output Gradio takes the value alone."""
        if smaller is None:
            return gr.skip()
        shown = shown_values(smaller)
        [panel] = self._controls.changed(values, {name: shown[name] for name in SETS})
        return panel
