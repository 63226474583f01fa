"""Whose a run is, as a server of the public knows it: by the key that comes with a request, whatever the request is for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from conftest import tiny_config
from gradio.context import LocalContext

from reglab.deployment import Deployment
from reglab.runs.owner import FILE, HERE, Visitor
from reglab.runs.store import Store
from reglab.ui.components.visitor import as_asked, who
from reglab.ui.services.lab import Lab


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
        asked_by(x_reglab_key="the key that ann has")
        run = page.stores.mine.create(tiny_config())
        assert page.stores.own.runs() == page.results.open([run.id]) == [run]
        assert (run.path / FILE).read_text().strip() != page.visitor.key, "a hash is kept"
        asked_by(x_reglab_key="the key that bob has")
        assert page.stores.own.runs() == page.results.open([run.id]) == page.results.summaries() == []
    finally:
        lab.close()
