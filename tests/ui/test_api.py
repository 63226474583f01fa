"""What other programs call, as plain calls: an answer, or one sentence on what is wrong with what they sent."""

from __future__ import annotations

import shutil
from typing import Any

import gradio as gr
import pytest
from conftest import tiny_config
from pages import SENTENCE

from reglab.config import RunConfig
from reglab.runs.run import Run
from reglab.ui.api import ABOUT, Api
from reglab.ui.shell.api import ROUTES


def nested(depth: int, leaf: Any = None) -> Any:
    return {"fork": nested(depth - 1, leaf)} if depth else leaf


ODD = [
    *(None, True, 7, -1, 2**70, 10**400, 1.5, float("nan"), float("inf")),
    *("", "nobody", "../..", "\x00", "x" * 10_000, [], [[]], {}, {"run": "a"}, [[[]]] * 200, nested(199, {"epoch": 1})),
]


@pytest.fixture
def api(here) -> Api:
    return Api(here)


@pytest.fixture
def run(here, trained) -> Run:
    shutil.copytree(trained["path"], here.stores.own.root / "a-run")
    return here.stores.own.open("a-run")


def refusal(call: Any, *values: Any) -> str:
    """The sentence that the program gets; anything else that is raised would be a fault of ours."""
    with pytest.raises(gr.Error) as refused:
        call(*values)
    sentence = refused.value.message
    assert SENTENCE.fullmatch(sentence), sentence
    return sentence


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_whatever_is_sent_as_a_run_or_a_config_is_answered_in_a_sentence(api, odd):
    for call in (api.status, api.stop):
        refusal(call, odd)
    for config in (
        odd if not isinstance(odd, dict) else {"dataset": odd},
        {"dataset": "digits", "fork": odd if odd is not None else 7},
        {"dataset": "digits", "regularizers": {"dropout": {"rate": odd if odd is not True else "yes"}}},
        {"dataset": "digits", "model": odd},
    ):
        refusal(api.train, config)
    assert api.lab.stores.own.runs() == []


@pytest.mark.parametrize("depth", [199, 900])
def test_a_fork_of_forks_is_one_sentence_however_deep(api, depth):
    refusal(api.train, {"dataset": "digits", **nested(depth, {"epoch": 1, "regularizers": {}})})


@pytest.mark.parametrize("cursor", [None, True, -1, 2**70, 10**400, 1.5, float("nan"), "0", "", [], {}], ids=repr)
def test_a_cursor_is_a_whole_number_that_there_can_be(api, run, cursor):
    assert "cursor must be a whole number" in refusal(api.status, run.id, cursor)


def test_a_run_is_told_from_a_cursor_on(api, run):
    told = api.status(run.id)
    assert told["summary"]["status"] == "finished" and told["events"][-1]["event"] == "finished"
    assert told["cursor"] == (run.path / "metrics.jsonl").stat().st_size
    assert api.status(run.id, told["cursor"])["events"] == api.status(run.id, told["cursor"] + 10**9)["events"] == []
    assert [summary["run"] for summary in api.runs()] == [run.id]
    assert api.stop(run.id) == "finished"


def test_a_program_trains_one_run(api, here):
    config = tiny_config(train_size=60, val_size=60, epochs=300, width=0.125)
    run = here.stores.own.open(api.train(config.model_dump(mode="json")))
    assert run.config == RunConfig.parse(config.model_dump()) and api.stop(run.id) in ("running", "stopped")


def test_what_the_page_says_of_the_endpoints_names_the_light_routes():
    named = {about.partition("Lighter: ")[2].partition("?")[0].rstrip(".") for about in ABOUT.values()}
    assert named == {f"{method} {path}" for method, path in ROUTES}
