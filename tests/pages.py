"""What is true of the page however it is tested, and the page laid out without a server, so that the handlers of its tabs
can be called. Its fixtures are known to all files of tests by `conftest.py`."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from reglab.ui.services.lab import Lab  # which takes a while to import

SENTENCE = re.compile(r"[A-Za-z'\"/].{10,400}[.?]", re.DOTALL)  # how whatever is refused is answered
TABS = ("Train", "Results", "Predict", "Experiments", "Learn")


def commands(page: str) -> list[str]:
    """What stands in this HTML to be typed, without the tags that keep its words whole."""
    return [
        html.unescape(re.sub("<[^>]*>", "", code)) for _, code in re.findall(r"<(code|pre)\b[^>]*>(.*?)</\1>", page)
    ]


@pytest.fixture(name="here")
def here_fixture(tmp_path) -> Iterator[Lab]:
    """A lab whose runs are those in `tmp_path / "runs"`; what a test starts in it is stopped."""
    from reglab.runs.store import Store
    from reglab.ui.services.lab import Lab

    lab = Lab(Store(tmp_path / "runs"), Store(tmp_path / "shipped"))
    yield lab
    for run in lab.stores.own.runs():
        run.ask_to_stop()
    lab.close()


@pytest.fixture(name="laid_out")
def laid_out_fixture(here) -> Callable[[Callable[..., Any]], Any]:
    """Lays out a tab over that lab, on a page whose other tabs are left out."""
    import gradio as gr

    from reglab.ui.page import Page

    def lay_out(tab: Callable[..., Any]) -> Any:
        with gr.Blocks():
            return tab(here, Page(here))

    return lay_out


def changes(updates: Any) -> list[Any]:
    """What a handler puts into its outputs: values as they are, and of an update what it changes; None where nothing."""

    def of(each: Any) -> Any:
        if not (isinstance(each, dict) and each.get("__type__") == "update"):
            return each
        return {key: value for key, value in each.items() if key != "__type__"} or None

    return [of(each) for each in updates]


def pressed(**data: str) -> Any:
    """The event of a button that a view has drawn, with its `data-` attributes."""
    import gradio as gr

    return gr.EventData(None, data)


def clicked(index: Any, row: list[Any] | None = None) -> Any:
    """The event of a click on a picture of a gallery, or on a cell of a table."""
    import gradio as gr

    return gr.SelectData(None, {"index": index, "value": None, "row_value": row})


def beside_train(tab: Callable[..., Any]) -> Callable[..., Any]:
    """For `laid_out`: the tab on a page with the controls of the Train tab, which it reads or fills."""
    from reglab.ui.tabs.train import TrainTab

    def lay_out(lab: Lab, page: Any) -> Any:
        TrainTab(lab, page)
        return tab(lab, page)

    return lay_out


def a_one(folder: Path) -> Path:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (80, 120), "black")
    ImageDraw.Draw(picture).line((40, 15, 40, 105), fill="white", width=14)
    picture.save(folder / "one.png")
    return folder / "one.png"
