"""The endpoints as tools, called by the protocol's own client from another process's point of view: over the network."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from pages import a_one
from servers import wait_until
from starlette.requests import Request

from reglab.config import RunConfig
from reglab.deployment import Deployment
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE
from reglab.ui.shell import tools
from reglab.ui.shell.api import FAULT

Call = Callable[..., Awaitable[Any]]


def test_without_the_package_the_start_ends_in_a_sentence(here, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mcp.server.streamable_http_manager", None)
    with pytest.raises(ConfigError, match=r"^REGLAB_MCP is set, and the package mcp is not installed: .*\.$"):
        tools.tools_app(here)


def test_a_variable_switches_them_on_and_nothing_else_does():
    assert Deployment.here({"REGLAB_MCP": "1"}).has_tools
    for off in ({}, {"REGLAB_MCP": "0"}, {"REGLAB_MCP": ""}, {"GRADIO_MCP_SERVER": "True"}):
        assert not Deployment.here(off).has_tools


def test_what_a_config_may_say_is_told_by_the_classes():
    told = tools.config_schema()["properties"]
    assert set(told) == set(RunConfig.model_fields) - {"fork"}
    assert set(told["regularizers"]["properties"]) == set(CATALOGUE)
    assert told["regularizers"]["properties"]["dropout"]["properties"]["rate"]["maximum"] == 0.95
    assert len(json.dumps(tools.config_schema())) < 16_000, "a language model reads all of it"


@pytest.mark.parametrize(
    "picture", [None, 7, "data:image/png;base64,AAAA", "/etc/passwd", "https://example.com/a.png", "é"]
)
def test_a_picture_is_neither_a_path_nor_a_link(picture):
    with pytest.raises(ConfigError, match="base64"):
        tools.predicted(None, picture, "basic_cnn-plain")


@pytest.fixture
def serving(another_server):
    pytest.importorskip("mcp", reason="the extra [mcp] is not installed")
    return lambda **changes: another_server(cifar10=False, REGLAB_MCP="1", **changes).start()


def asked(url: str, ask: Callable[[Call], Awaitable[Any]], **headers: str) -> Any:
    """What a client finds out: `ask` calls tools with `await call(name, argument=...)`, which gives text and whether it failed."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def visit() -> Any:
        async with (
            streamablehttp_client(f"{url}/gradio_api/mcp/", headers=headers) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            told = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert list(told) == ["train", "status", "stop", "runs", "predict"]
            assert all(tool.description.endswith(".") for tool in told.values())

            async def call(name: str, **arguments: Any) -> tuple[Any, bool]:
                answer = await session.call_tool(name, arguments)
                return answer.content[0].text, bool(answer.isError)

            return await ask(call)

    return anyio.run(visit)


CONFIG = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 2, "regularizers": {"batch_norm": {}}}


def test_a_language_model_trains_follows_and_predicts(serving, tmp_path):
    server = serving(REGLAB_DEPLOYMENT="class")
    picture = base64.b64encode(a_one(tmp_path).read_bytes()).decode()

    async def ask(call: Call) -> None:
        started, failed = await call("train", config=CONFIG)
        mine = json.loads(started)
        assert not failed and set(mine) == {"run", "key"}
        seen, cursor = [], 0
        for _ in range(600):
            answer, failed = await call("status", cursor=cursor, **mine)
            told = json.loads(answer)
            cursor, status = told["cursor"], told["summary"]["status"]
            seen += [event["event"] for event in told["events"]]
            if status == "finished":
                break
            await anyio.sleep(0.1)
        assert not failed and seen.count("epoch") == 3 and seen[-1] == "finished"
        shares, failed = await call("predict", picture=picture, **mine)
        assert not failed and set(json.loads(shares)) <= set("0123456789")
        runs, _ = await call("runs", key=mine["key"])
        assert mine["run"] in [summary["run"] for summary in json.loads(runs)["runs"]]
        assert await call("stop", **mine) == ('{"status": "finished"}', False)

        others, failed = await call("status", run=mine["run"], key="somebody else's key")
        assert failed and "There is no" in others
        refused, failed = await call("train", config={**CONFIG, "epochs": 0})
        assert failed and "epochs" in refused and refused.endswith(".")

    asked(server.url, ask)
    assert "Traceback" not in server.log()


def test_no_argument_names_a_file_of_the_server(serving, tmp_path):
    """Gradio's own tools upload what looks like one of its files, from the server's disk, and say where it then lies."""
    server = serving(GRADIO_MCP_SERVER="True")
    secret = tmp_path / "secret"
    secret.write_text("canary")
    stolen = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}

    async def ask(call: Call) -> None:
        for arguments in ({"config": stolen}, {"config": {"dataset": stolen}}, {"config": {**CONFIG, "model": stolen}}):
            told, failed = await call("train", **arguments)
            assert failed and "canary" not in told
        told, failed = await call("predict", picture=str(secret), run="basic_cnn-plain")
        assert failed and "base64" in told

    asked(server.url, ask)
    assert not [
        path for path in (server.folder / "tmp").rglob("*") if path.is_file() and b"canary" in path.read_bytes()
    ]


def test_what_nobody_thought_of_is_told_in_our_words(here, monkeypatch):
    """The words of an error that no service raises went to the client, with the paths of the server in them."""
    types = pytest.importorskip("mcp.types", reason="the extra [mcp] is not installed")
    from mcp.server.lowlevel import server as lowlevel

    def broken(*_: Any) -> None:
        raise FileNotFoundError(2, "No such file", "/srv/canary/runs")

    monkeypatch.setattr(tools.Programs, "runs", broken)
    asked = types.CallToolRequest(method="tools/call", params=types.CallToolRequestParams(name="runs", arguments={}))
    monkeypatch.setattr(
        lowlevel.Server, "request_context", SimpleNamespace(request=Request({"type": "http", "headers": []}))
    )
    told = anyio.run(tools.tools_server(here).request_handlers[types.CallToolRequest], asked).root
    assert told.isError and told.content[0].text == FAULT


def test_tools_are_there_only_where_they_are_asked_for(another_server):
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    server = another_server(cifar10=False, GRADIO_MCP_SERVER="True").start()
    for path in ("/gradio_api/mcp/", "/gradio_api/mcp/sse", "/gradio_api/mcp/schema"):
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(f"{server.url}{path}", data=b"{}", headers={"Content-Type": "application/json"}))
        assert refused.value.code == 404
    wait_until(lambda: "Running on" in server.log(), "no start", more=server.log)
    assert "MCP" not in server.log()
