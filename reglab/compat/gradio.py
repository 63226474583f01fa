"""Gradio: what stands around its app, its idle queue, what an event tells and whose it is, and components with ways of their own.

Methods are set on instances, because Gradio writes a .pyi file beside the source of every subclass of a component.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any


def app_kwargs(shell: Callable[[Any], Any]) -> dict[str, Any]:
    """For `Blocks.launch(app_kwargs=...)`: the shell, given the app, stands around all of it.

    `app_kwargs={"middleware": [...]}` would stand inside Gradio's own middleware: Gradio adds that later, and what is added
    later is further out. So the shell is put around `Starlette.middleware_stack` when the app starts, which is before the
    server listens. Gradio 6.31.0, starlette 1.10.0.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = shell(app.middleware_stack)
        yield

    return {"lifespan": lifespan}


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


def takes(component: Any, function: Callable[[Any], Any]) -> Any:
    """The component, making what a handler gets out of the page's value by `function`. `preprocess`, Gradio 6.31.0."""
    component.preprocess = function
    return component


def shows(component: Any, function: Callable[[Any], Any]) -> Any:
    """The component, making what the page gets out of a handler's value by `function`. `postprocess`, Gradio 6.31.0."""
    component.postprocess = function
    return component


def takes_uploads(component: Any, refusal: Callable[[], Exception]) -> Any:
    """The component, handing over the path of the file that was uploaded, or None. `GRADIO_CACHE`, Gradio 6.31.0.

    Gradio looks where a file lies only if what is sent calls itself a file; a program that leaves that word out would have
    any file of the server opened: it is told the refusal, a `gr.Error`. Nor does Gradio open the file in this process.
    """

    def path_of(payload: Any) -> str | None:
        path = getattr(payload, "path", None)
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
