"""Whose a run is, as a server of the public knows it: by the key that comes with a request, whatever the request is for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from conftest import tiny_config
from gradio.context import LocalContext
from servers import Server, wait_until

from reglab.deployment import Deployment
from reglab.runs.owner import FILE, HERE, Visitor, write_owner
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.ui.components.visitor import as_asked, who
from reglab.ui.services.lab import Lab

ANN, BOB = "the key that ann has", "the key that bob has"
SECRET = "what ann calls it"


@pytest.fixture
def asked_by() -> Any:
    """Sets the request that the handlers which are called next answer."""
    tokens = []

    def set_request(session: str = "", address: str = "", **headers: str) -> None:
        client = SimpleNamespace(host=address) if address else None
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = SimpleNamespace(headers=names, session_hash=session, client=client)
        tokens.append(LocalContext.request.set(request))  # type: ignore[arg-type]  # as far as anybody looks at it

    yield set_request
    for token in reversed(tokens):
        LocalContext.request.reset(token)


def test_whoever_asks_is_known_by_the_headers_of_the_request(asked_by):
    assert who() is HERE
    asked_by("a session", "10.0.0.1", x_reglab_key="a key", x_reglab_admin="the host's")
    assert who() == Visitor("a key", "10.0.0.1", "the host's")
    asked_by("a session")
    assert who() == Visitor("a session"), "one client of Gradio's keeps its session"


def test_the_lab_of_a_page_is_that_of_whoever_asks(tmp_path, asked_by):
    lab = Lab(Store(tmp_path / "runs"), Store(tmp_path / "shipped"), Deployment("public"))
    page = as_asked(lab)
    try:
        asked_by(x_reglab_key=ANN)
        run = page.stores.mine.create(tiny_config())
        assert page.stores.own.runs() == page.results.open([run.id]) == [run]
        assert (run.path / FILE).read_text().strip() != page.visitor.key, "a hash is kept"
        asked_by(x_reglab_key=BOB)
        assert page.stores.own.runs() == page.results.open([run.id]) == page.results.summaries() == []
    finally:
        lab.close()


# ---- over the network --------------------------------------------------------------------------------------------
# What a form of ours sends where a run is chosen in it, by its name on the page.
FORMS: dict[str, Callable[[Any], str]] = {
    "runs": lambda run: json.dumps({"chosen": [run], "followed": []}),
    "predict-form": lambda run: json.dumps({"network": run, "beside": run}),
}
ACTS = ("open", "rename", "resume", "delete", "restore", "empty", "group", "greet")  # of the Results tab


class Program:
    """Somebody who calls whatever the page calls, by its number, with a key of their own and without a page."""

    def __init__(self, server: Server, key: str) -> None:
        self.http = httpx.Client(base_url=server.url, headers={"X-Reglab-Key": key}, timeout=120)
        config = self.http.get("/config").json()
        self.parts = {part["id"]: part for part in config["components"]}
        self.endpoints = [each for each in config["dependencies"] if each["backend_fn"]]
        self.sessions = 0

    def takes_a_run(self, part: dict[str, Any]) -> bool:
        """Whether its value is a run that somebody chose; boxes with choices of their own take nothing else."""
        choices = [value for _, value in part["props"].get("choices") or []]
        return part["type"] == "dropdown" and (not choices or "basic_cnn-plain" in choices)

    def call(self, endpoint: dict[str, Any], filled: Any, told: dict[str, str] | None = None) -> str:
        """The whole answer to it where this run is what was chosen, what the browser remembers and what was clicked on.

        `told`: what else was clicked on.
        """
        data: list[Any] = []
        for part in map(self.parts.__getitem__, endpoint["inputs"]):
            if part["props"].get("elem_id") in FORMS:
                data.append(FORMS[part["props"]["elem_id"]](filled))
            elif part["type"] == "browserstate":
                data.append({"ids": [filled], "group": filled, "tries": [{"run": filled}]})
            elif self.takes_a_run(part):
                data.append([filled] if part["props"].get("multiselect") else filled)
            else:
                data.append(part["props"].get("value"))
        if not endpoint["targets"]:  # one for programs
            data = [filled, 0][: len(endpoint["inputs"])]
        clicked = {"run": filled, "runs": filled, "index": [0, 0], "row_value": [filled], "value": filled}
        return self.asked(endpoint["id"], data, clicked | (told or {}))

    def pressed(self, elem_id: str, filled: str, event: str = "click", **told: str) -> str:
        """The same for what is called when somebody presses this button, or one of this component that tells so."""
        [button] = [part["id"] for part in self.parts.values() if part["props"].get("elem_id") == elem_id]
        first = next(each for each in self.endpoints if [button, event] in each["targets"])
        return self.call(first, filled, told)

    def does(self, act: str, filled: str, **told: str) -> str:
        """The same for a button of the Results tab that does something with the runs that are chosen."""
        return self.pressed("chosen", filled, "select", do=act, **told)

    def asked(self, endpoint: int, data: list[Any], clicked: Any = None) -> str:
        # A page of its own each time, which knows nothing of the calls before, at an address of its own.
        self.sessions += 1
        session, address = f"session-{self.sessions}-{id(self)}", f"10.0.{self.sessions // 200}.{self.sessions % 200}"
        self.http.headers["X-Forwarded-For"] = address
        sent = {"fn_index": endpoint, "data": data, "session_hash": session, "event_data": clicked}
        joined = self.http.post("/gradio_api/queue/join", json=sent)
        if joined.status_code != 200:
            return joined.text
        told = []
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as lines:
            for line in lines.iter_lines():
                told.append(line)
                if "process_completed" in line or "close_stream" in line:
                    break
        return "\n".join(told)

    def named(self, name: str, *data: Any) -> str:
        """What an endpoint for programs answers."""
        return self.asked(next(each["id"] for each in self.endpoints if each["api_name"] == name), list(data))


def content(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.glob("[a-z]*")}


@pytest.fixture
def public(another_server, trained) -> Callable[..., tuple[Server, Run]]:
    """Starts a server of the public, and puts a finished run of ann's on it."""

    def start(**changes: str) -> tuple[Server, Run]:
        server = another_server(cifar10=False, REGLAB_DEPLOYMENT="public", REGLAB_PROXIES="1", **changes).start()
        run = Run(shutil.copytree(trained["path"], server.store.root / "20260101-000000-aaaaaa"))
        write_owner(run.path, ANN)
        run.rename(SECRET)
        return server, run

    return start


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["", "1"], ids=["alone", "shared"])
def test_nothing_that_a_page_calls_changes_a_strangers_run_nor_shows_it_unless_shared(public, shared):
    server, run = public(REGLAB_SHARED=shared)
    bob, before = Program(server, BOB), content(run)
    assert len(bob.endpoints) > 60
    told = {
        (endpoint["id"], sent): unsaid in bob.call(endpoint, sent)
        for sent, unsaid in ((run.id, SECRET), (SECRET, run.id))
        for endpoint in bob.endpoints
    }
    for act in ACTS:
        told[act, run.id] = SECRET in bob.does(act, run.id, name="bob's now")
    assert content(run) == before
    assert sum(told.values()) > 10 if shared else not any(told.values()), [key for key, shown in told.items() if shown]


@pytest.mark.slow
def test_what_a_stranger_calls_does_to_a_run_what_it_does_for_whose_it_is_alone(public):
    server, run = public()
    ann, bob = Program(server, ANN), Program(server, BOB)
    config = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 400}
    answer = ann.named("train", config)
    assert '"success":true' in answer, answer
    [going] = [other for other in server.runs() if other != run]
    wait_until(lambda: len(going.history()) > 1, "does not begin", more=server.log)
    for _ in range(2):
        bob.pressed("stop", going.id)
        bob.named("stop", going.id)
        bob.does("delete", run.id)
        bob.does("rename", run.id, name="bob's now")
        assert "There is no checkpoint or run" in bob.pressed("report", run.id, "download", run=run.id)
    for file in ("config.json", "last.safetensors", "owner"):
        for key in (ann, bob):
            assert key.http.get(f"/gradio_api/file={run.path / file}").status_code in (403, 404), (
                "no way around the page"
            )
    assert not going.should_stop() and going.status() == "running" and run.name == SECRET

    ann.does("rename", run.id, name="ann's still")
    assert f"{run.id}.zip" in ann.pressed("report", run.id, "download", run=run.id) and run.name == "ann's still"
    ann.pressed("stop", going.id)
    wait_until(lambda: going.status() == "stopped", "not stopped", more=server.log)
    epochs = len(going.history())
    bob.does("resume", going.id)
    assert going.status() == "stopped"
    ann.does("resume", going.id)
    wait_until(lambda: len(going.history()) > epochs, "not resumed", more=server.log)
    ann.does("delete", run.id)
    assert not run.path.exists() and (server.store.root / ".trash" / run.id).exists()
    bob.does("empty", run.id)
    assert (server.store.root / ".trash" / run.id).exists()
