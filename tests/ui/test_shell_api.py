"""The light routes as programs meet them, over the network: what is answered, whose it is, and what is said of all else."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from conftest import ROOT
from pages import SENTENCE, a_one
from servers import Server, wait_until

from reglab.config import RunConfig

CONFIG = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 400, "regularizers": {"batch_norm": {}}}


def told(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    if status != 200:
        assert SENTENCE.fullmatch(answer.json()["error"]), answer.text
    return answer.json()


@pytest.fixture
def api(server: Server) -> Any:
    with httpx.Client(base_url=server.url + "/api", timeout=30) as client:
        yield client


def test_a_program_trains_follows_stops_and_predicts(api, server, a_run, tmp_path):
    started = told(api.post("/train", json=CONFIG))
    run_id = started["run"]
    assert len(started["key"]) >= 16
    events, cursor = [], 0

    def epochs() -> int:
        nonlocal cursor
        answer = told(api.get("/status", params={"run": run_id, "cursor": cursor}))
        assert answer["cursor"] >= cursor and answer["summary"]["run"] == run_id
        events.extend(answer["events"])
        cursor = answer["cursor"]
        return sum(event["event"] == "epoch" for event in events)

    wait_until(lambda: epochs() >= 2, "no epochs")
    mine = {"x-reglab-key": started["key"]}
    assert told(api.post("/stop", json={"run": run_id}, headers=mine))["run"] == run_id
    wait_until(
        lambda: told(api.get("/status", params={"run": run_id}))["summary"]["status"] == "stopped", "not stopped"
    )
    epochs()
    run = server.store.open(run_id)
    assert events == run.lines()[0] and events[-1]["event"] == "stopped" and run.config == RunConfig.parse(CONFIG)
    assert run_id in [summary["run"] for summary in told(api.get("/runs"))]

    finished, picture = a_run("20250101-000008-123456"), a_one(tmp_path)
    seen, asked = Path(picture).read_bytes(), {"run": finished.id}
    as_it_is = told(api.post("/predict", params=asked, content=seen))
    in_a_form = told(api.post("/predict", params=asked, files={"picture": ("a.png", seen)}))
    assert as_it_is == in_a_form and set(as_it_is) == set("0123456789") and abs(sum(as_it_is.values()) - 1) < 1e-4


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("POST", "/train", {"json": {"epochs": 0}}, 400),
        ("POST", "/train", {"json": {"epochz": 3}}, 400),
        ("POST", "/train", {"json": ["digits"]}, 400),
        ("POST", "/train", {"json": None}, 400),
        ("POST", "/train", {"content": b"{"}, 400),
        ("POST", "/train", {}, 400),
        ("POST", "/train", {"json": CONFIG, "headers": {"x-reglab-key": "short"}}, 400),
        ("GET", "/status", {}, 400),
        ("GET", "/status", {"params": {"run": "nobody"}}, 404),
        ("GET", "/status", {"params": {"run": "../.."}}, 404),
        ("GET", "/status", {"params": {"run": "basic_cnn-plain", "cursor": "-1"}}, 400),
        ("GET", "/status", {"params": {"run": "basic_cnn-plain", "cursor": "9" * 30}}, 400),
        ("GET", "/status", {"params": {"run": "basic_cnn-plain", "cursor": "x"}}, 400),
        ("POST", "/stop", {"json": {}}, 400),
        ("POST", "/stop", {"json": {"run": ["a"]}}, 400),
        ("POST", "/stop", {"json": {"run": "nobody"}}, 404),
        ("POST", "/predict", {"params": {"run": "basic_cnn-plain"}}, 400),
        ("POST", "/predict", {"params": {"run": "basic_cnn-plain"}, "content": b"no picture"}, 400),
        ("POST", "/predict", {"content": b"no picture"}, 400),
        ("POST", "/predict", {"params": {"run": "nobody"}, "content": b"no picture"}, 404),
        ("GET", "/train", {}, 405),
        ("POST", "/runs", {"json": {}}, 405),
        ("DELETE", "/runs", {}, 405),
        ("GET", "/nothing", {}, 404),
    ],
    ids=str,
)
def test_all_else_is_a_status_and_a_sentence(api, server, method, path, sent, status):
    before = len(server.runs())
    told(api.request(method, path, **sent), status)
    assert len(server.runs()) == before


def test_a_file_is_named_by_nothing_but_its_bytes(api, a_run):
    """Neither a path nor an address in place of a picture has anything opened."""
    run = a_run("20250101-000009-654321")
    for stolen in (str(ROOT / "docs" / "train.png"), "https://a.example/a.png"):
        told(api.post("/predict", params={"run": run.id}, content=stolen.encode()), 400)
        told(api.post("/predict", params={"run": run.id}, data={"picture": stolen}), 400)


def test_what_there_is_stands_on_one_page(api):
    for path in ("", "/"):
        page = api.get(path)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/plain")
        assert all(word in page.text for word in ("POST /api/train", "GET /api/status", "X-Reglab-Key", "cursor"))


def test_a_poll_costs_little_and_nothing_is_kept_of_it(api, server, a_run):
    run, process = a_run("20250101-000010-111111"), psutil.Process(server.process.pid)

    def poll(times: int) -> None:
        for _ in range(times):
            told(api.get("/status", params={"run": run.id, "cursor": 0}))

    poll(100)
    before, memory = sum(process.cpu_times()[:2]), process.memory_info().rss
    began = time.monotonic()
    poll(400)
    assert (sum(process.cpu_times()[:2]) - before) / 400 < 0.005, "seconds of the server's processor for one"
    assert time.monotonic() - began < 20
    assert process.memory_info().rss - memory < 8 * 2**20


# ---- whose it is -------------------------------------------------------------------------------------------------
@pytest.mark.slow  # a server of its own
def test_where_strangers_meet_a_run_is_its_owners(another_server):
    server = another_server(cifar10=False, REGLAB_DEPLOYMENT="class", REGLAB_ADMIN_KEY="a" * 20).start()
    with httpx.Client(base_url=server.url + "/api", timeout=30) as api:
        mine = told(api.post("/train", json=CONFIG))
        own, other = {"x-reglab-key": mine["key"]}, {"x-reglab-key": "k" * 32}
        assert told(api.post("/train", json={**CONFIG, "seed": 1, "epochs": 1}, headers=other))["key"] == "k" * 32
        asked = {"run": mine["run"]}
        for stranger in ({}, other):
            told(api.get("/status", params=asked, headers=stranger), 404)
            told(api.post("/stop", json=asked, headers=stranger), 404)
            assert mine["run"] not in [summary["run"] for summary in told(api.get("/runs", headers=stranger))]
        assert told(api.get("/status", params=asked, headers=own))["summary"]["run"] == mine["run"]
        for host in (own, {"x-reglab-admin": "a" * 20}):
            told(api.post("/stop", json=asked, headers=host))


@pytest.mark.slow
def test_where_runs_are_shared_others_may_look_and_not_touch(another_server):
    server = another_server(cifar10=False, REGLAB_DEPLOYMENT="class", REGLAB_SHARED="1").start()
    with httpx.Client(base_url=server.url + "/api", timeout=30) as api:
        mine = told(api.post("/train", json=CONFIG))
        asked, other = {"run": mine["run"]}, {"x-reglab-key": "k" * 32}
        assert told(api.get("/status", params=asked, headers=other))["summary"]["run"] == mine["run"]
        assert "somebody else's" in told(api.post("/stop", json=asked, headers=other), 403)["error"]
        told(api.post("/stop", json=asked, headers={"x-reglab-key": mine["key"]}))
    assert "Traceback" not in server.log() and json.dumps(mine["key"]) not in server.log()


def test_a_run_carries_the_request_that_asked_for_it(here, monkeypatch):
    """ZeroGPU looks into its headers for whose minutes these are."""
    from starlette.testclient import TestClient

    from reglab import compat
    from reglab.jobs.queue import Jobs
    from reglab.ui.shell.api import Light
    from reglab.ui.shell.crowd import Crowd

    seen = []
    monkeypatch.setattr(Jobs, "_submit", lambda *_, **__: seen.append(compat.gradio.request().headers))
    asked = {"json": CONFIG, "headers": {"x-ip-token": "whose"}}
    assert TestClient(Light(here, Crowd(here.deployment))).post("/api/train", **asked).status_code == 200
    assert [headers["x-ip-token"] for headers in seen] == ["whose"] and compat.gradio.request() is None
