"""The app's table of contents: which tabs there are, from left to right, and how the page is served.

A tab lies in `tabs/` under its own name. What it does is in `services/` and what it shows in `views/`, which have never heard
of Gradio.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import signal
import sys
import threading
from functools import partial
from typing import Any

import gradio as gr

from reglab import compat
from reglab.deployment import Deployment
from reglab.jobs import sandbox
from reglab.redaction import redact_output
from reglab.ui.api import Api
from reglab.ui.components import visitor
from reglab.ui.components.events import PRIVATE, QUIET
from reglab.ui.page import Page, Tab
from reglab.ui.services.lab import Lab
from reglab.ui.shell.asgi import App
from reglab.ui.shell.bodies import MOST_FILE
from reglab.ui.shell.crowd import SESSIONS, connections, full
from reglab.ui.shell.shell import Shell
from reglab.ui.shell.tools import tools_app
from reglab.ui.tabs.experiments import ExperimentsTab
from reglab.ui.tabs.learn import LearnTab
from reglab.ui.tabs.predict import PredictTab
from reglab.ui.tabs.results import ResultsTab
from reglab.ui.tabs.share import ShareTab
from reglab.ui.tabs.train import TrainTab
from reglab.ui.views.assets import STATIC
from reglab.ui.views.head import TITLE, first_html, head_html

# After the Train tab, from left to right.
TABS: tuple[type[Tab], ...] = (ResultsTab, PredictTab, ExperimentsTab, LearnTab)
UNFIT = "What was sent does not fit this endpoint: /gradio_api/info lists the values that it takes."
# Gradio puts the copy button into the label of a box, which then names the button instead of the text; and at the foot its
# pictures say once more what stands beside them.
NAMED = """async () => {
  const command = () => document.querySelector('#command textarea');
  for (let frames = 0; frames < 100 && !command(); frames++) await new Promise(requestAnimationFrame);
  command()?.setAttribute('aria-label', 'The same on the command line');
  document.querySelectorAll('footer img').forEach(picture => picture.alt = '');
}"""


def build(lab: Lab) -> gr.Blocks:
    """The page over one lab, which everything on it sees as whoever asks does."""
    lab = visitor.as_asked(lab)
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        page = Page(lab)
        page.tabs.render()
        with page.tabs:
            with gr.Tab("Train", id="train", elem_id="tab-train") as first:
                train = TrainTab(lab, page)
                with train.sharing:
                    ShareTab(lab, page)
            first.select(None, js=NAMED)  # where the address opened another one, it was not on the page before
            for tab in TABS:
                with gr.Tab(tab.title, id=tab.key, elem_id=f"tab-{tab.key}") as place:
                    made = tab(lab, page)
                place.select(*made.on_select, **PRIVATE)
        opened = blocks.load(train.load, page.visitor, train.loaded, **QUIET)
        if lab.training.is_limited:
            opened.then(train.set_up.allow, *train.set_up.allowing, **QUIET)
        train.set_up.minutes.ask(blocks)
        blocks.load(None, js=NAMED)
        Api(lab).listen()
    return blocks


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
        font_mono=["ui-monospace", "monospace"],
    )


def is_reachable(server_name: str | None) -> bool:
    """Whether other machines can open a page that is served at this name."""
    if not server_name or server_name == "localhost":
        return False
    try:
        return not ipaddress.ip_address(server_name.strip("[]")).is_loopback
    except ValueError:
        return True


def end_on_signals(lab: Lab) -> None:
    """SIGTERM, as a container gets it, and Ctrl-C ask the workers to stop before anything else.

    Else Python would first wait for every call that is under way, and Gradio, on Ctrl-C, five seconds for open pages.
    """

    def end(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C breaks off
        lab.close()
        sys.exit(0 if number == signal.SIGTERM else 130)

    signal.signal(signal.SIGTERM, end)
    if not hasattr(sys, "ps1"):  # in a notebook Ctrl-C is for a cell
        signal.signal(signal.SIGINT, end)


def surround(app: Any, lab: Lab, tools: App | None = None) -> Shell:
    """The shell around Gradio's app, which is to remember little of those who ask."""
    shell = Shell(
        app.middleware_stack,
        lab,
        root_path=app.root_path,
        tools=tools,
        endpoints=compat.gradio.endpoints(app),
        dress=partial(compat.gradio.page_of, head=head_html, body=first_html(["Train", *(tab.title for tab in TABS)])),
    )
    compat.gradio.remember_little(app, SESSIONS, shell.crowd.is_open)
    return shell


def launch(lab: Lab | None = None, **options: Any) -> Any:
    """Start the lab and serve its page. Options are those of `gr.Blocks.launch`."""
    redact_output()
    options = {"server_name": os.environ.get("GRADIO_SERVER_NAME"), "show_error": False, **options}
    reachable = is_reachable(options["server_name"]) or compat.gradio.is_shared(options.get("share"))
    lab = lab or Lab(deployment=Deployment.here(is_reachable=reachable))
    if lab.deployment.admin_key and not lab.deployment.is_key_given:  # which else nobody would know
        print(
            f"The host's key, for the Results tab or the header X-Reglab-Admin: {lab.deployment.admin_key}", flush=True
        )
    tools = tools_app(lab) if lab.deployment.has_tools else None
    if not lab.deployment.has_zero_gpu:  # whose processes are forks of this one, into which its driver may look
        sandbox.hide()
    for line in lab.deployment.limits.told():
        print(line, flush=True)
    lab.warm()
    atexit.register(lab.close)
    if threading.current_thread() is threading.main_thread():
        end_on_signals(lab)
    page = build(lab)
    page.queue(max_size=64, default_concurrency_limit=8, api_open=False)
    compat.gradio.let_idle_queue_sleep(page)
    compat.gradio.serve_by(partial(compat.uvicorn.fit_for_strangers, connections=connections(), full=full))
    compat.gradio.answer_in_words(page, lambda: gr.Error(UNFIT, print_exception=False))
    return page.launch(
        theme=theme(),
        favicon_path=STATIC / "favicon.svg",
        footer_links=["api", "settings"],
        run_history=False,
        enable_monitoring=False,
        max_file_size=MOST_FILE,
        app_kwargs=compat.gradio.app_kwargs(partial(surround, lab=lab, tools=tools)),
        state_session_capacity=SESSIONS,
        mcp_server=False,  # which reads files of this machine for strangers: `shell/tools.py` offers the same
        ssr_mode=False,
        pwa=False,
        **options,
    )
