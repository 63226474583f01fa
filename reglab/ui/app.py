"""The app's table of contents: one file a tab, `chart.py` for the curves, `controls.py` for fields -> components.

`lab.py` and `view.py` hold what the tabs do and show, and have never heard of Gradio.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import gradio as gr

from reglab.errors import ConfigError
from reglab.runs.store import find
from reglab.teaching.links import PARAMETER
from reglab.ui.services.lab import PROBLEMS, Lab
from reglab.ui.tabs.compare import CompareTab
from reglab.ui.tabs.errors import errors_tab
from reglab.ui.tabs.inside import inside_tab
from reglab.ui.tabs.learn import learn_tab
from reglab.ui.tabs.predict import predict_tab
from reglab.ui.tabs.reproduce import reproduce_tab
from reglab.ui.tabs.runs import runs_tab
from reglab.ui.tabs.sweep import sweep_tab
from reglab.ui.tabs.train import loaded, machine_html, train_tab

STATIC = Path(__file__).parent / "static"
MAX_UPLOAD = "20mb"
# Gradio puts the copy button into the label of a box, which then names the button instead of the text.
NAMED = """() => document.querySelectorAll('[id$="command"] textarea, [id^="reproduce-command-"] textarea')
  .forEach(text => text.setAttribute('aria-label', 'The same on the command line'))"""


def build(lab: Lab) -> gr.Blocks:
    """The page over one lab."""
    with gr.Blocks(
        title="CNN Regularization Lab", fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)
    ) as page:
        header = gr.HTML(machine_html(lab), elem_id="header")
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Train", id="train"):
                train = train_tab(lab, header)
            with gr.Tab("Compare", id="compare") as compared:
                refresh_compare = CompareTab(lab, train, tabs).on_select
            with gr.Tab("Sweep", id="sweep") as swept:
                refresh_sweep = sweep_tab(lab, train, tabs)
            with gr.Tab("Reproduce", id="reproduce") as reproduced:
                refresh_reproduce = reproduce_tab(lab, train)
            with gr.Tab("Inside", id="inside") as inside:
                refresh_inside = inside_tab(lab, train)
            with gr.Tab("Errors", id="errors") as errors:
                refresh_errors = errors_tab(lab, train)
            with gr.Tab("Predict", id="predict") as predict:
                refresh_predict = predict_tab(lab, train)
            with gr.Tab("Learn", id="learn") as learn:
                refresh_learn = learn_tab(lab, train, tabs)
            with gr.Tab("Runs", id="runs") as runs:
                refresh_runs = runs_tab(lab, train, tabs)
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        shown = [*train.shown, *train.controls.components(), *train.beside, header, *train.assigned.shown]

        def load(visitor: Any, request: gr.Request) -> list[Any]:
            return loaded(train, visitor, str(request.query_params.get(PARAMETER, "")))

        page.load(load, train.visitor, shown, queue=False, **private)
        page.load(None, js=NAMED)
        compared.select(*refresh_compare, **private)
        swept.select(*refresh_sweep, **private).then(None, js=NAMED)
        reproduced.select(*refresh_reproduce, **private).then(None, js=NAMED)
        inside.select(*refresh_inside, **private)
        errors.select(*refresh_errors, **private)
        predict.select(*refresh_predict, **private)
        learn.select(*refresh_learn, **private)
        runs.select(*refresh_runs, **private)
        endpoints(lab)
    return page


def endpoints(lab: Lab) -> None:
    """What other programs may call; the names are fixed. `/predict` stands in its tab."""

    def train(config: dict[str, Any]) -> str:
        return _answer(lambda: lab.start(config, compare=False, owner="")[0])

    def status(run: str, cursor: int = 0) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            found = find(str(run), lab.runs, lab.shipped)
            if not isinstance(cursor, int) or cursor < 0:
                raise ConfigError("The cursor must be a whole number: 0, or the one the last call returned.")
            events, after = found.lines(cursor)
            return {"summary": found.summary() | {"status": lab.jobs.status(found)}, "events": events, "cursor": after}

        return _answer(look)

    def stop(run: str) -> str:
        def halt() -> str:
            found = find(str(run), lab.runs, lab.shipped)
            lab.stop([found.id])
            return lab.jobs.status(found)

        return _answer(halt)

    def runs() -> list[dict[str, Any]]:
        return lab.summaries()

    gr.api(train, api_name="train", api_description="Train with this RunConfig; returns the run's id.")
    gr.api(status, api_name="status", api_description="A run's summary, and its events since a cursor.")
    gr.api(stop, api_name="stop", api_description="Stop a run; it keeps its checkpoint and can be resumed.")
    gr.api(runs, api_name="runs", api_description="The summaries of all runs.")


def _answer(function: Any) -> Any:
    try:
        return function()
    except PROBLEMS as error:
        raise gr.Error(str(error), print_exception=False) from None


def theme() -> gr.themes.Base:
    """Neutral and compact; the fonts come with Gradio, so that nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        spacing_size="sm",
        radius_size="sm",
        text_size="sm",
        # Gradio's file of the 600 weight lacks the Latin letters, so 700 stands in for it.
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[gr.themes.LocalFont("IBM Plex Mono"), "ui-monospace", "monospace"],
    )


def launch(lab: Lab | None = None, **options: Any) -> Any:
    """Start the lab and serve its page. Options are those of `gr.Blocks.launch`."""
    lab = lab or Lab()
    lab.warm()
    atexit.register(lab.close)
    # A container that is told to end sends SIGTERM, which would end Python without asking the workers to stop first.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    page = build(lab)
    page.queue(max_size=64, default_concurrency_limit=8, api_open=False)
    # An idle queue looks for work every millisecond, which takes 6 to 8 % of a core from whoever trains.
    for name, seconds in (("sleep_when_free", 0.02), ("progress_update_sleep_when_free", 0.05)):
        if hasattr(page._queue, name):
            setattr(page._queue, name, seconds)
    options = {"server_name": os.environ.get("GRADIO_SERVER_NAME"), "show_error": False, **options}
    return page.launch(
        theme=theme(),
        css_paths=[path for path in sorted(STATIC.glob("*.css")) if path.name != "chart.css"],  # which the chart brings
        footer_links=["api", "settings"],
        run_history=False,
        enable_monitoring=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        pwa=False,
        **options,
    )
