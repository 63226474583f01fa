"""Gradio: what stands around its app, its idle queue, what an event tells and whose it is, and components with ways of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from abc import ABCMeta
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def skip_stubs() -> None:
    """Have Gradio write no .pyi file beside every component when it is imported: it parses the source of all of them for that.

    1.0 of the 2.4 s of processor time that `import gradio` takes; only editors read these files. Does nothing where Gradio is
    imported already. `component_meta.create_or_modify_pyi`, Gradio 6.31.0.
    """
    if "gradio" not in sys.modules:
        sys.meta_path.insert(0, _Unwritten())


class _Unwritten(MetaPathFinder):
    """Finds one module, once, and takes a function of it away as soon as it is there."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "gradio.component_meta":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def without(module: Any) -> None:
            execute(module)
            if hasattr(module, "create_or_modify_pyi"):
                module.create_or_modify_pyi = lambda *_: None

        spec.loader.exec_module = without  # type: ignore[method-assign]
        return spec


def app_kwargs(shell: Callable[[Any], Any]) -> dict[str, Any]:
    """For `Blocks.launch(app_kwargs=...)`: what `shell` makes of the app stands around all of it, `app.middleware_stack`.

    `app_kwargs={"middleware": [...]}` would stand inside Gradio's own middleware: Gradio adds that later, and what is added
    later is further out. So the shell is put around `Starlette.middleware_stack` when the app starts, which is before the
    server listens. Gradio 6.31.0, starlette 1.10.0.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = shell(app)
        yield

    return {"lifespan": lifespan}


def is_shared(share: bool | None) -> bool:
    """Whether `Blocks.launch(share=...)` makes a link for everybody, as it does by itself in Colab and on Kaggle. Gradio 6.31.0."""
    from gradio import utils

    if share is None:
        is_told = os.environ.get("GRADIO_SHARE", "").lower() == "true"
        return is_told or utils.colab_check() or utils.is_hosted_notebook()
    return share


def serve_by(prepare: Callable[[Any], None]) -> None:
    """Have a function change the `uvicorn.Config` of every server that Gradio starts from now on, before it listens.

    `gradio.http_server.Server`, which `start_server` looks up when it runs. Gradio 6.31.0.
    """
    from gradio import http_server

    plain: Any = getattr(http_server.Server, "plain", http_server.Server)

    class Server(plain):
        def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
            prepare(config)
            super().__init__(config, *args, **kwargs)

    Server.plain = plain
    http_server.Server = Server  # type: ignore[misc]


def endpoints(app: Any) -> frozenset[int | str]:
    """What can be called: the numbers of all functions of the page, and the names of those that have one. Gradio 6.31.0."""
    functions = app.get_blocks().fns
    return frozenset(functions) | {function.api_name for function in functions.values() if function.api_name}


def remember_little(app: Any, sessions: int, is_open: Callable[[str], bool]) -> None:
    """Bound what Gradio keeps for every session key that it is sent, and for every event: 0.87 MB and 0.1 s each before.

    * `StateHolder`: a session begins with a description of every component, which only deep links read. Here it begins empty.
      Of too many sessions those go first that no page has open.
    * `Queue`: messages and ids of events that nobody fetches; statistics that are worked out after every event, for a
      monitoring page that is switched off.
    * `FileUploadProgress`: whatever id somebody asks the progress of.

    Sessions of pages with `gr.render` would need those descriptions. Gradio 6.31.0.
    """
    from gradio import routes
    from gradio.state_holder import SessionState, StateHolder

    class Session(SessionState):
        def __init__(self, blocks: Any) -> None:
            super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks={}))  # type: ignore[arg-type]
            self.blocks_config.config_for_block = lambda *_: {}  # type: ignore[method-assign]

    class Sessions(StateHolder):
        def __getitem__(self, session_id: str) -> Any:
            if session_id not in self.session_data:
                self.session_data[session_id] = Session(self.blocks)
            return super().__getitem__(session_id)

        def update(self, session_id: str) -> None:
            with self.lock:
                self.session_data.move_to_end(session_id)
                if len(self.session_data) > sessions:
                    left = (key for key in self.session_data if not is_open(key))
                    gone = next(left, next(iter(self.session_data)))
                    if gone != session_id:
                        del self.session_data[gone]
                        self.time_last_used.pop(gone, None)

    page = app.get_blocks()
    app.state_holder = Sessions()
    app.state_holder.set_blocks(page)
    queue = page._queue
    pending = queue.pending_event_ids_session = Bounded(10 * sessions, lambda key: not pending[key])
    queue.pending_messages_per_session = Bounded(sessions, lambda key: not pending.get(key))
    queue.ANALYTICS_MAX_EVENTS = 1
    queue.compute_analytics_summary = lambda records: {}
    progress: Any = routes.file_upload_statuses
    progress._statuses, progress._signals = Bounded(sessions), Bounded(sessions, make=asyncio.Event)


class Bounded(OrderedDict[str, Any]):
    """A dict that forgets what was put in first, of that what may be forgotten; `make` makes what is missing."""

    def __init__(
        self, most: int, may_go: Callable[[str], bool] = lambda key: True, make: Callable[[], Any] | None = None
    ) -> None:
        super().__init__()
        self.most, self.may_go, self.make = most, may_go, make

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self and len(self) >= self.most:
            del self[next(filter(self.may_go, self), next(iter(self)))]
        super().__setitem__(key, value)

    def __missing__(self, key: str) -> Any:
        if self.make is None:
            raise KeyError(key)
        self[key] = self.make()
        return self[key]


def let_idle_queue_sleep(page: Any) -> None:
    """An idle queue looks for work every millisecond, which takes 6 to 8 % of a core from whoever trains.

    `Blocks._queue` with its two pauses in seconds, Gradio 6.31.0. A version without them keeps its own.
    """
    for name, seconds in (("sleep_when_free", 0.02), ("progress_update_sleep_when_free", 0.05)):
        if hasattr(page._queue, name):
            setattr(page._queue, name, seconds)


def told(event: Any) -> dict[str, Any]:
    """What the page's JavaScript gave along with an event; empty for nothing. `EventData._data`, Gradio 6.31.0."""
    data = event._data
    return data if isinstance(data, dict) else {}


def request() -> Any:
    """The `gr.Request` that the handler which runs now answers; None outside of one. `LocalContext.request`, Gradio 6.31.0."""
    from gradio.context import LocalContext

    return LocalContext.request.get(None)


@contextmanager
def answering(asked: Any) -> Iterator[None]:
    """While a request is answered that Gradio has never seen: spaces looks in its place for whose minutes of a GPU are asked for.

    `asked` has `headers`, as Starlette's request has. `LocalContext.request`, Gradio 6.31.0.
    """
    from gradio.context import LocalContext

    token = LocalContext.request.set(asked)
    try:
        yield
    finally:
        LocalContext.request.reset(token)


def takes(component: Any, function: Callable[[Any], Any]) -> Any:
    """The component, making what a handler gets out of the page's value by `function`. `preprocess`, Gradio 6.31.0."""
    return _with_method(component, "preprocess", function)


def shows(component: Any, function: Callable[[Any], Any]) -> Any:
    """The component, making what the page gets out of a handler's value by `function`. `postprocess`, Gradio 6.31.0."""
    return _with_method(component, "postprocess", function)


def _with_method(component: Any, name: str, function: Callable[[Any], Any]) -> Any:
    """The component, of a class of its own that is named as its was and has this method.

    Whenever a handler answers with an update, and be it that nothing changes, Gradio makes the component anew for that visitor:
    `state[block._id] = block.__class__(**kwargs)` in `Blocks.postprocess_data`. A method of the instance would be lost with it.
    The class is made past Gradio's own metaclass, which would write a stub of it into its package. Gradio 6.31.0.
    """
    kind = type(component)
    methods = {"__module__": kind.__module__, name: lambda self, value: function(value)}
    component.__class__ = ABCMeta.__new__(type(kind), kind.__name__, (kind,), methods)
    return component


def takes_uploads(component: Any, refusal: Callable[[], Exception]) -> Any:
    """The component, handing over the path of the file that was uploaded, or None. `GRADIO_CACHE`, Gradio 6.31.0.

    Gradio looks where a file lies only if what is sent calls itself a file; a program that leaves that word out would have
    any file of the server opened: it is told the refusal, a `gr.Error`. Nor does Gradio open the file in this process.
    """

    def path_of(payload: Any) -> str | None:
        path = payload.get("path") if isinstance(payload, dict) else getattr(payload, "path", None)
        if not isinstance(path, str):
            return None
        if path and not Path(path).resolve().is_relative_to(Path(component.GRADIO_CACHE).resolve()):
            raise refusal()
        return path or None

    return takes(component, path_of)


def answer_in_words(page: Any, refusal: Callable[[], Exception]) -> None:
    """Tell the refusal, a `gr.Error`, to programs whose values do not fit an endpoint, which else get `null` and leave a traceback.

    Too few values, or a number where a file should be: `Blocks.preprocess_data` raises what is no `gr.Error`, Gradio 6.31.0.
    What the page itself sends always fits, and is left alone.
    """
    plain, told = page.preprocess_data, type(refusal())

    async def preprocess_data(block_fn: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await plain(block_fn, *args, **kwargs)
        except (ValueError, TypeError, AttributeError) as error:
            if isinstance(error, told) or block_fn.api_visibility != "public":  # which is a ValueError as well
                raise
            raise refusal() from error

    page.preprocess_data = preprocess_data


UNREAD = {
    "components": [
        "api_info",
        "api_info_as_input",
        "api_info_as_output",
        "component_class_id",
        "example_inputs",
        "skip_api",
    ],
    "props": ["preserved_by_key"],
    "dependencies": [
        "api_description",
        "batch",
        "collects_event_data",
        "max_batch_size",
        "scroll_to_output",
        "stream_every",
        "time_limit",
    ],
}
"""Of a component, of its properties and of an event: what no script of the page reads, a fifth of all that it is sent."""
EMPTY = {
    "components": ["key"],
    "props": ["_retryable", "_selectable", "_undoable", "likeable", "streamable"],
    "dependencies": [
        "component_prop_inputs",
        "event_specific_args",
        "js",
        "js_implementation",
        "show_progress_on",
        "trigger_only_on_failure",
        "trigger_only_on_success",
    ],
}
"""What its page takes for the same where it is left out as where it is null, false or empty."""
CONFIG = re.compile(r"(window\.gradio_config = )(\{.*?\})(;</script>)", re.DOTALL)
OF_GRADIO = re.compile(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*|<link rel="manifest"[^>]*>\s*')


def page_of(page: str, head: Callable[[str], str], body: str) -> str:
    """The page with a head of ours instead of what Gradio tells other sites of itself, with `body` at its end, and slimmer.

    `head` is given the address that the page is asked by. Of the configuration nothing is left out that the page reads
    (`index`, `core` and `Blocks` of its scripts); `/config` has all of it, for programs. `frontend/index.html`, Gradio 6.31.0.
    """
    found = CONFIG.search(page)
    if not found:
        return page
    config = json.loads(found[2])
    config.pop("layout", None)  # that of the page, under `page`, takes its place
    _leave_out(config, _for_programs(config))
    for component in config["components"]:
        _slim(component, "components")
        if component["props"].get("visible") is True:  # as what says nothing is
            del component["props"]["visible"]
        _slim(component["props"], "props")
    for event in config["dependencies"]:
        _slim(event, "dependencies")
    written = json.dumps(config, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    page = f"{page[: found.start(2)]}{written}{page[found.end(2) :]}"
    page = OF_GRADIO.sub("", page).replace("</head>", f"{head(config['root'])}</head>", 1)
    return page.replace("</body>", f"{body}</body>", 1)


def _for_programs(config: dict[str, Any]) -> set[int]:
    """The ids of components that nobody sees and that take part in nothing but what programs call: the page would build them."""
    public: set[int] = set()
    ours: set[int] = set()
    for event in config["dependencies"]:
        taking_part = {*event["inputs"], *event["outputs"], *(component for component, _ in event["targets"])}
        (public if event["api_visibility"] == "public" else ours).update(taking_part)
    unseen = {c["id"] for c in config["components"] if c["type"] == "api" or c["props"].get("visible") is False}
    return (public & unseen) - ours


def _leave_out(config: dict[str, Any], ids: set[int]) -> None:
    """The configuration without these components, and without what then holds nothing, in place."""
    for page in config["page"].values():
        _prune(page["layout"], ids)
        page["components"] = [component for component in page["components"] if component not in ids]
    config["components"] = [component for component in config["components"] if component["id"] not in ids]


def _prune(node: dict[str, Any], ids: set[int]) -> bool:
    """Whether anything of it is left; `ids` gets what was emptied."""
    if inside := node.get("children"):
        node["children"] = [child for child in inside if _prune(child, ids)]
        if not node["children"]:
            ids.add(node["id"])
    return node.get("id") not in ids


def _slim(told: dict[str, Any], kind: str) -> None:
    """Without what is not read, in place."""
    for name in (*UNREAD[kind], *(name for name in EMPTY[kind] if not told.get(name))):
        told.pop(name, None)
