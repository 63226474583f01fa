"""What a visitor of the public may ask for, whichever way they ask: the service, Gradio's endpoint, the light route."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import httpx
import pytest
from conftest import tiny_config

from reglab.deployment import Deployment, Limits
from reglab.errors import BusyError, ConfigError, RunError
from reglab.experiments.experiment import Experiment
from reglab.jobs.fetch import Fetch
from reglab.jobs.pace import Pace
from reglab.runs.owner import Visitor
from reglab.runs.recording import conclude
from reglab.runs.store import Store
from reglab.training.events import Stopped
from reglab.ui.api import Api
from reglab.ui.services.lab import Lab
from reglab.ui.shell import bodies
from reglab.ui.shell.asgi import Refusal
from reglab.ui.shell.shell import Shell

SLOW = Pace(layer=3.4e-4, parameter=2.8e-9, multiply_add=2.1e-11, activation=4.2e-9)  # a core of 2026, measured
FOR_WEEKS = {"dataset": "cifar10", "model": "resnet18", "width": 4, "batch_size": 1, "epochs": 1_000}
TOO_LARGE = (
    "resnet18 of width 4 has 178.6 M weights, but here a network may have at most 15 M: use a width of at most 1.125"
)
TOO_LONG = (
    r"resnet18 takes about \d+ days for 1,000 epochs of 48,000 images, but here a run may take at most 10 minutes"
)
ANN, BOB = Visitor("the key that ann has", "10.0.0.1"), Visitor("the key that bob has", "10.0.0.2")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    lab = Lab(
        Store(tmp_path / "runs"), Store(tmp_path / "shipped"), Deployment("public", admin_key="the key of the host")
    )
    monkeypatch.setattr(lab.training.jobs.admission, "_pace", lambda: SLOW)
    yield lab
    lab.close()


async def posted(lab: Lab, path: str, value: Any) -> httpx.Response:
    """What the light route answers to somebody from the network."""

    async def inside(*_: Any) -> None:
        raise AssertionError("it was passed on to Gradio")

    network = httpx.ASGITransport(Shell(inside, lab), client=("10.0.0.1", 4711))
    async with httpx.AsyncClient(transport=network, base_url="http://127.0.0.1") as client:
        return await client.post(path, json=value)


@pytest.mark.parametrize(("changes", "words"), [({}, TOO_LARGE), ({"width": 1}, TOO_LONG)])
def test_what_was_once_accepted_from_anybody_is_refused(lab, changes, words):
    """A run of 55 days; nothing is made, nothing is fetched, and the host alone may."""
    asked = {**FOR_WEEKS, **changes}
    with pytest.raises(ConfigError, match=words):
        lab.seen_by(ANN).training.start(Experiment.run(tiny_config(**asked)))
    with pytest.raises(gr.Error, match=words):
        Api(lab.seen_by(ANN)).train(asked)
    answer = asyncio.run(posted(lab, "/api/train", asked))
    assert answer.status_code == 400 and re.search(words, answer.json()["error"])
    assert lab.stores.own.whole.runs() == [] and not lab.datasets.is_fetching()
    host = Visitor("the key that ann has", "10.0.0.1", "the key of the host")
    lab.seen_by(host).training.jobs.check(lab.seen_by(host).training.seat, [tiny_config(**asked)])


def test_the_page_says_in_one_line_what_is_allowed_and_what_this_takes(lab):
    seen = lab.seen_by(ANN)
    pair = Experiment.pair(tiny_config(train_size=60, regularizers={"dropout": {}}))
    line = "Up to 10 minutes a run and 30 an hour; both together take less than a minute."
    assert seen.training.allowed(pair) == line
    assert lab.seen_by(Visitor(admin_key="the key of the host")).training.allowed(pair) == ""


def test_a_laptop_says_nothing_of_limits(tmp_path):
    lab = Lab(Store(tmp_path / "runs"), Store(tmp_path / "shipped"), Deployment())
    assert not lab.training.is_limited and lab.training.allowed(Experiment.run(tiny_config())) == ""
    lab.close()


def test_a_visitor_whose_share_of_the_disk_is_taken_gives_their_oldest_run_for_a_new_one(lab, monkeypatch):
    monkeypatch.setattr(lab.training.jobs.room, "limits", Limits(disk_each=20 * 2**20))
    seen = lab.seen_by(ANN)
    runs = [seen.stores.mine.create(tiny_config()) for _ in range(2)]
    others = lab.seen_by(BOB).stores.mine.create(tiny_config())
    for run in (*runs, others):
        (run.path / "model.safetensors").write_bytes(bytes(8 * 2**20))
        conclude(run, Stopped(epoch=0, step=0))
    seen.training.jobs.admit(seen.training.seat, [tiny_config()])
    assert not runs[0].path.exists() and runs[1].path.exists() and others.path.exists()


def test_an_upload_for_which_there_is_no_room_is_refused_as_such(monkeypatch):
    bodies.check_room(0)
    with pytest.raises(Refusal, match=r"The disk is full \(32768 GiB of it stay free\)") as refused:
        bodies.check_room(2**45)
    assert refused.value.status == 507


def test_nothing_is_fetched_where_too_little_of_the_disk_would_stay_free(monkeypatch):
    fetch = Fetch("cifar10", floor=2**60)
    fetch.start()
    assert fetch.state == "failed" and "could not be fetched (too little of the disk is free)" in fetch.sentence


def test_a_visitor_evaluates_one_run_at_a_time_and_for_no_longer_than_a_run_may_train(lab, monkeypatch):
    seen, go_on, inside, calls = lab.seen_by(ANN), threading.Event(), threading.Event(), []
    runs = [seen.stores.mine.create(tiny_config()) for _ in range(2)]

    def call(function, run, timeout):
        calls.append(timeout)
        inside.set()
        assert go_on.wait(30)
        raise RunError("It is over.")

    monkeypatch.setattr(lab.predictions.evaluations, "call", call)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(seen.predictions.evaluate, runs[0])
        assert inside.wait(30)
        with pytest.raises(BusyError, match="You have an evaluation under way already"):
            lab.seen_by(ANN).predictions.evaluate(runs[1])
        go_on.set()
        with pytest.raises(RunError, match="It is over"):
            first.result(30)
    assert calls == [600.0] and not lab.predictions.evaluating
