"""The line on ZeroGPU's minutes: what the Hub's page tells of the visitor, what a set-up takes, and the press for less."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest
from browser import expect
from conftest import tiny_config
from emulated import scheduler
from servers import Server

from reglab import compat
from reglab.config import RunConfig
from reglab.data import SOURCES
from reglab.regularizers import CATALOGUE
from reglab.ui.services.minutes import Minutes

needs_spaces = pytest.mark.skipif(
    find_spec("spaces") is None, reason="spaces is not installed: pip install -e .[zerogpu]"
)
HUB = """<!doctype html><title>Hub</title>
<iframe src="{url}" allow="local-network-access" style="width: 1200px; height: 2400px"></iframe><script>
addEventListener("message", event => {{
  if (event.data?.type === "USER_PLAN_REQUEST")
    event.source.postMessage({{type: "USER_PLAN", plan: {{user: "{plan}", org: undefined}}}}, "*")
}})</script>"""


def test_where_a_gpu_is_not_lent_nothing_is_said_of_minutes(here):
    assert Minutes(here.training).told("free", tiny_config(), True, False) == ("", None)


@pytest.fixture
def lent(monkeypatch, here):
    """The lab on a Space of ZeroGPU, but that slices are calls in this process."""
    monkeypatch.setattr(compat.spaces, "is_on", lambda: True)
    here.training.warm()
    assert here.training.jobs.machine(timeout=60)["name"] == "ZeroGPU"
    return Minutes(here.training)


def usual(dataset: str) -> RunConfig:
    """What the Train tab proposes."""
    techniques = {key: True for key, technique in CATALOGUE.items() if technique.default_on}
    return RunConfig.parse({"dataset": dataset, "regularizers": techniques, **SOURCES[dataset].preset})


@pytest.mark.parametrize("dataset", ["cifar10", "digits"])
def test_the_pair_that_the_page_proposes_takes_at_most_15_seconds_by_calculation(lent, dataset):
    """By the assumptions of `pace.ZERO_GPU`: no GPU was at hand to measure it on."""
    said, smaller = lent.told("", usual(dataset), plain=True, scratch=False)
    assert smaller is None
    assert int(re.search(r"about (\d+) s of the 2 minutes a day", said)[1]) <= 15


def test_what_takes_too_much_is_offered_smaller(lent):
    config = usual("cifar10").model_copy(update={"train_size": None, "epochs": 200, "model": "resnet18"})
    said, smaller = lent.told("free", config, plain=True, scratch=False)
    assert "but your free account has only 5 minutes a day" in said
    assert (smaller.train_images, smaller.epochs) < (config.train_images, config.epochs)
    fits, nothing = lent.told("free", smaller, plain=True, scratch=False)
    assert "of the 5 minutes a day" in fits and nothing is None
    assert lent.told("free", config.model_copy(update={"device": "cpu"}), True, False) == ("", None)


@needs_spaces
def test_on_the_page_of_the_hub_the_line_knows_who_one_is(visitors, tmp_path):
    with scheduler() as platform:
        server = Server(tmp_path / "space", cifar10=True, **platform.environment(tmp_path), REGLAB_DEPLOYMENT="laptop")
        try:
            server.start(("tests/emulated.py",))
            visitor = visitors()
            visitor.may_fail = "asked another host: https://huggingface.co/"
            visitor.context.grant_permissions(
                ["local-network-access"]
            )  # a page of the internet shows one of this machine
            page = visitor.context.new_page()
            hub = HUB.format(url=server.url, plan="free")
            page.route("https://huggingface.co/**", lambda route: route.fulfill(body=hub, content_type="text/html"))
            page.goto("https://huggingface.co/spaces/somebody/lab")
            frame = page.frame_locator("iframe")
            line, less = frame.locator("#minutes"), frame.locator("#fewer-minutes")
            expect(line).to_contain_text(re.compile(r"about \d+ s of the 5 minutes a day that your free account has"))
            expect(less).not_to_be_visible()
            for field, value in (("train_size", "48000"), ("epochs", "300")):
                number = frame.locator(f"#control-{field} input[type=text]")
                number.fill(value)
                number.blur()
            expect(line).to_contain_text("but your free account has only 5 minutes a day")
            less.click()
            expect(line).to_contain_text("of the 5 minutes a day that your free account has")
            expect(less).not_to_be_visible()
        finally:
            server.close()
