"""Whatever is sent in the place of what the page sends: every handler of the page answers it, or refuses it in words."""

from __future__ import annotations

import inspect
import json
from typing import Any

import gradio as gr
import pytest
from gradio.helpers import special_args
from pages import SENTENCE

from reglab.ui.app import build
from reglab.ui.components.form import typed_in

DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
VALUES: dict[str, Any] = {
    "nothing": None, "list": [], "list of lists": [[]], "object": {}, "number": -7, "infinite": float("inf"),
    "no number": float("nan"), "truth": True, "text": "<b>x</b>", "deep": DEEP, "deep text": "[" * 100_000,
}  # fmt: skip
# What the scripts of the page send along with events.
TOLD = (
    "changed", "recipe", "undo", "reset", "next", "do", "entry", "run", "runs", "view", "turn", "true", "predicted", "change",
    "epoch", "to", "group", "question", "kind", "id", "name",
)  # fmt: skip


def test_an_object_is_read_off_text_and_what_is_none_says_nothing():
    assert typed_in({"a": 1}) == typed_in('{"a": 1}') == {"a": 1}
    for none in (None, 7, "", "{", "[]", "7", "[" * 100_000, '{"a":' * 100_000, []):
        assert typed_in(none) == {}


def sent(box: Any, value: Any, shape: str) -> Any:
    """In the place of what this component sends: the value, or an object that has it in every field."""
    if isinstance(box, gr.State) and not isinstance(box, gr.BrowserState):
        return box.value  # which never leaves the server
    if shape == "bare":
        return value
    if isinstance(box, gr.BrowserState):
        return {name: value for name in ("ids", "tries", "group")}
    if isinstance(box.value, dict):
        return {name: value for name in box.value}
    found = typed_in(box.value)
    if "values" in found:
        return {"values": {name: value for name in found["values"]}}
    return json.dumps({name: value for name in ("chosen", "followed", "metric", "axis", "target")})


@pytest.mark.parametrize("shape", ["bare", "fields"])
@pytest.mark.parametrize("what", VALUES)
def test_no_handler_of_the_page_fails_on_it(here, what, shape):
    value = VALUES[what]
    failed = {}
    for handler in build(here).fns.values():
        if handler.fn is None or handler.api_visibility == "public":  # of those of programs Gradio checks the values
            continue
        is_told = "event" in inspect.signature(handler.fn).parameters
        for told in [{name: value} for name in TOLD] if is_told else [{}] if handler.inputs else []:
            given = [sent(box, value, shape) for box in handler.inputs]
            try:
                handler.fn(*special_args(handler.fn, given, gr.Request(query_params={}), gr.EventData(None, told))[0])
            except gr.Error as error:
                assert SENTENCE.search(str(error.message))
            except Exception as error:
                failed[f"{handler.name} {told and [*told]}"] = repr(error)[:300]
    assert not failed
    assert here.stores.own.runs() == []
