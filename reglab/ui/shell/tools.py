"""The endpoints as tools for language models, over the Model Context Protocol, where `REGLAB_MCP=1` asks for them.

Gradio has such a server of its own, which stays off: it calls the app through a client that runs here, and that client
uploads whatever file of this machine an argument names, and fetches what it links to (6.31.0). These tools take no paths and
no links; each calls the same function as the endpoint of its name, for whoever sent the request.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import tempfile
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread

from reglab import compat, data, models
from reglab.config import RunConfig
from reglab.errors import PROBLEMS, ConfigError
from reglab.regularizers import CATALOGUE
from reglab.runs.owner import Visitor
from reglab.ui.services.access import ADMIN, KEY
from reglab.ui.services.lab import Lab
from reglab.ui.services.programs import Programs
from reglab.ui.shell.api import FAULT

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from starlette.requests import Request

    from reglab.ui.shell.asgi import App, Receive, Scope, Send

MISSING = (
    'REGLAB_MCP is set, and the package mcp is not installed: pip install "mcp>=1.21,<2", or leave REGLAB_MCP out.'
)
ABOUT = """Train small convolutional networks and see what regularization does to them. Start with `train`, which returns a
run at once; ask `status` every few seconds until its summary says finished; compare `train_accuracy`, `val_accuracy`,
`test_accuracy` and `gap` (all fractions) of a run with and without a technique. The data set digits needs no download."""

Call = Callable[[Programs, Mapping[str, Any]], Any]


def tools_app(lab: Lab) -> App:
    """The ASGI application that answers where `routes.MCP` says.

    Raises:
        ConfigError: The package `mcp` is not installed.
    """
    try:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    except ImportError as error:
        raise ConfigError(MISSING) from error
    server = tools_server(lab)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        # One for each request: nothing is remembered between two, so that nobody can fill the memory with sessions.
        manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    return answer


def tools_server(lab: Lab) -> Server[Any, Any]:
    """The protocol's server, with a tool for each endpoint of the lab."""
    from mcp import types
    from mcp.server.lowlevel import Server

    server: Server[Any, Any] = Server("CNN Regularization Lab", instructions=" ".join(ABOUT.split()))

    @server.list_tools()
    async def list_tools() -> list[types.Tool]:
        return [
            types.Tool(
                name=name,
                description=about,
                inputSchema=schema(arguments, needed),
                annotations=types.ToolAnnotations(readOnlyHint=name in ("status", "runs", "predict")),
            )
            for name, (about, arguments, needed, _) in endpoints().items()
        ]

    @server.call_tool(validate_input=False)  # the services say in a sentence what is wrong
    async def call_tool(name: str, arguments: dict[str, Any]) -> list[types.TextContent]:
        if name not in endpoints():
            raise ValueError(f"There is no tool {name[:80]!r}: take {', '.join(endpoints())}.")
        request = cast("Request", server.request_context.request)  # over HTTP there always is one
        call, visitor = endpoints()[name][-1], visitor_of(request, name, arguments)
        try:
            with compat.gradio.answering(request):
                answer = await anyio.to_thread.run_sync(lambda: call(Programs(lab.seen_by(visitor)), arguments))
        except PROBLEMS as error:
            raise ValueError(str(error)) from None
        except Exception:  # whose words would be told, with what they say of this machine
            traceback.print_exc()
            raise ValueError(FAULT) from None
        return [types.TextContent(type="text", text=json.dumps(answer))]

    return server


def visitor_of(request: Request, name: str, arguments: Mapping[str, Any]) -> Visitor:
    """Who asks, by the headers of the request or the argument `key`; whoever trains without a key gets one."""
    key = request.headers.get(KEY, "") or str(arguments.get("key") or "")
    if name == "train" and not key:
        key = secrets.token_urlsafe(24)
    return Visitor(key, request.client.host if request.client else "", request.headers.get(ADMIN, ""))


@lru_cache(maxsize=1)
def endpoints() -> dict[str, tuple[str, dict[str, Any], list[str], Call]]:
    """Name -> what it does, its arguments as JSON schemas, those it needs, and the call."""
    run = {"type": "string", "description": "the id of a run, as `train` returned it and `runs` lists it"}
    key = {
        "type": "string",
        "description": "the key that `train` returned with the run; not needed where the client sends X-Reglab-Key",
    }
    cursor = {
        "type": "integer",
        "minimum": 0,
        "default": 0,
        "description": "0, or the cursor of the last answer: only events since then are told",
    }
    picture = {"type": "string", "contentEncoding": "base64", "description": "a PNG, JPEG or WebP file in base64"}
    return {
        "train": (
            "Start training a network with these settings. Returns the id of the run at once, and the key that it belongs to.",
            {"config": config_schema(), "key": key},
            ["config"],
            lambda programs, a: {"run": programs.train(a.get("config")), "key": programs.lab.visitor.key},
        ),
        "status": (
            "How a run stands: its summary with status and accuracies, and its events since a cursor.",
            {"run": run, "cursor": cursor, "key": key},
            ["run"],
            lambda programs, a: programs.status(a.get("run"), a.get("cursor", 0)),
        ),
        "stop": (
            "Stop a run of yours after the step under way. It keeps its weights.",
            {"run": run, "key": key},
            ["run"],
            lambda programs, a: {"status": programs.stop(a.get("run"))},
        ),
        "runs": (
            "The summaries of all runs that you may see, yours first, and of the networks that ship.",
            {"key": key},
            [],
            lambda programs, a: {"runs": programs.runs()},
        ),
        "predict": (
            "What the network of a run sees in a picture: the probability of each class.",
            {"picture": picture, "run": run, "key": key},
            ["picture", "run"],
            lambda programs, a: predicted(programs, a.get("picture"), a.get("run")),
        ),
    }


def predicted(programs: Programs, picture: Any, run: Any) -> dict[str, float]:
    """What `Programs.predict` says of a picture in base64. Raises `ConfigError` for what is none."""
    try:
        content = base64.b64decode(picture, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ConfigError("The picture must be a file in base64: PNG, JPEG or WebP.") from None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture"
        file.write_bytes(content)
        return programs.predict(str(file), run)


def schema(arguments: Mapping[str, Any], needed: list[str]) -> dict[str, Any]:
    """The JSON schema of an object with these properties and no others."""
    return {"type": "object", "properties": dict(arguments), "required": needed, "additionalProperties": False}


def config_schema() -> dict[str, Any]:
    """The JSON schema of a run's settings, with every technique and its own: what the classes say of themselves."""
    told = {name: plain(field) for name, field in RunConfig.model_json_schema()["properties"].items()}
    told["dataset"]["enum"] = list(data.SOURCES)
    told["model"]["description"] += f": {', '.join(models.MODELS)}, or timm/NAME"
    techniques = {
        key: schema({name: plain(f) for name, f in technique.model_json_schema().get("properties", {}).items()}, [])
        | {"description": technique.title}
        for key, technique in CATALOGUE.items()
    }
    told["regularizers"] = schema(techniques, []) | {
        "description": "the techniques that are on, each with its settings"
    }
    told.pop("fork", None)
    return schema(told, [])


def plain(field: Mapping[str, Any]) -> dict[str, Any]:
    """A field of a schema with what JSON schema knows; what the page knows besides is left out."""
    known = (
        "type",
        "anyOf",
        "enum",
        "default",
        "description",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
    )
    return {key: value for key, value in field.items() if key in known}
