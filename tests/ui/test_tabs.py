"""What holds of every tab: it is brought up to date over a lab without runs, over what a first visit sends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import gradio as gr
import pytest
from pages import beside_train

from reglab import compat
from reglab.ui.app import TABS, build
from reglab.ui.services.training import Training


def sent(component: Any) -> Any:
    """What the page sends of it before anybody has touched it."""
    return getattr(component, "value", None)


@pytest.mark.parametrize("tab", TABS, ids=[tab.key for tab in TABS])
def test_opening_a_tab_fills_everything_it_says_it_fills(tab, laid_out):
    refresh, inputs, outputs = laid_out(beside_train(tab)).on_select
    assert len(refresh(*map(sent, inputs))) == len(outputs)


def test_the_tabs_have_keys_of_their_own_and_every_one_is_on_the_page(here):
    assert len({tab.key for tab in TABS}) == len(TABS)
    titles = [block.label for block in build(here).blocks.values() if isinstance(block, gr.Tab)]
    assert [title for title in titles if title in {tab.title for tab in TABS}] == [tab.title for tab in TABS]


def test_no_template_of_ours_says_what_gradio_would_take_for_code(here):
    """Gradio's own default, `${value}`, is code that it means."""
    own = {str(b.html_template) for b in build(here).blocks.values() if isinstance(b, gr.HTML)} - {"${value}"}
    assert len(own) > 5 and not [template[:60] for template in own if set("`$\\{") & set(template)]


@pytest.mark.parametrize("everything", [False, True], ids=["laptop", "Space with limits and minutes"])
def test_no_event_has_two_listeners_that_would_wake_each_other_for_ever(here, monkeypatch, everything):
    """Why they would, `Listeners` says."""
    if everything:
        monkeypatch.setattr(Training, "is_limited", True)
        monkeypatch.setattr(compat.spaces, "is_on", lambda: True)
    listeners = [each for each in build(here).config["dependencies"] if each["trigger_mode"] == "always_last"]
    of = Counter((box, event) for each in listeners for box, event in each["targets"] if box is not None)
    assert len(of) > 5 and [event for event, times in of.items() if times > 1] == []
