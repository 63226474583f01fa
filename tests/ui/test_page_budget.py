"""How heavy the page is: numbers that may only fall. What takes time is measured by `benchmarks/page.py`."""

from __future__ import annotations

import json
import re
import runpy
import urllib.request

from browser import expect
from servers import ROOT

COMPONENTS, DRAWN, EVENTS = 119, 37, 76
HTML, WIRE, AGAIN = 200_000, 600_000, 100_000  # bytes: of the page, of a first visit, of another one with its looks
NEEDLESS = r"hls-|Video|Gallery|Dataframe|Plot|vega|record\.esm|ImageEditor"
"""Parts of Gradio that are heavy, and that nothing on the page needs."""


def test_the_page_is_light(visitor, server):
    visitor.may_fail = "AbortError|Connection errored out"
    bench = runpy.run_path(str(ROOT / "benchmarks" / "page.py"))
    page = visitor.context.new_page()
    wire, asked = bench["Wire"](page), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    page.wait_for_function(bench["IS_USABLE"])
    expect(page.locator("#machine")).to_be_visible()
    page.wait_for_timeout(1000)
    components, drawn, events = page.evaluate(bench["COUNTED"])
    assert components <= COMPONENTS and drawn <= DRAWN and events <= EVENTS, (components, drawn, events)
    assert wire.bytes <= WIRE
    assert [url for url in asked if re.search(NEEDLESS, url)] == []

    wire.bytes = 0
    page.reload()
    page.wait_for_function(bench["IS_USABLE"])
    page.wait_for_timeout(1000)
    assert wire.bytes <= AGAIN


def test_the_page_itself_is_short_and_says_nothing_twice(server):
    with urllib.request.urlopen(server.url) as answer:
        page = answer.read().decode()
    assert len(page.encode()) <= HTML
    config = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", page, re.DOTALL)[1])
    texts = [
        component["props"][name]
        for component in config["components"]
        for name in ("js_on_load", "html_template", "head")
        if len(component["props"].get(name) or "") > 1_500
    ]
    assert all("reglab-chart" in text for text in texts if texts.count(text) > 1)  # which a lesson has too
    assert not config["css"] and not config["head"]
