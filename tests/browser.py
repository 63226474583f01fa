"""A real browser for the tests of the page: what a visitor does, in few words. The servers are in `servers.py`.

Its fixtures are known to all files of tests by `conftest.py`.

Without Chromium or playwright these tests are skipped; with REGLAB_REQUIRE_BROWSER=1 that is a failure.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from servers import PATIENCE, Server, wait_until

try:
    from playwright.sync_api import Browser, Locator, Page, Request, Response, expect, sync_playwright
except ImportError:
    sync_playwright = None
else:
    expect.set_options(timeout=1000 * PATIENCE)

CHROMES = (
    *("chromium", "chromium-browser", "google-chrome"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",  # where macOS has it, and Windows
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
CHROMIUM = next(filter(None, map(shutil.which, CHROMES)), None)
HOW = 'no browser to test the app in: get one with `apt-get install chromium` and `pip install -e ".[dev]"`'
MISSING = sync_playwright is None or CHROMIUM is None
REQUIRED = os.environ.get("REGLAB_REQUIRE_BROWSER") == "1"
VIEW_OF = {view: "Results" for view in ("Curves and verdict", "Errors", "Inside", "Fork", "Report")}
VIEW_OF |= {view: "Experiments" for view in ("Sweep", "Published results")}
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
FAILED = pytest.StashKey[bool]()  # whether the test itself has failed; noted by conftest.py
LEFT = "AbortError|Connection errored out"  # what a page complains of that is left while it waits for an answer


@pytest.fixture(
    name="chromium",
    scope="module",  # not the session: while it is open, no other test could run an event loop
    # A mark rather than a call of pytest.skip: pytest then tells of all these tests in one line.
    params=[pytest.param("none", marks=pytest.mark.skip(HOW))] if MISSING and not REQUIRED else None,
)
def chromium_fixture() -> Iterator[Browser]:
    if MISSING:
        pytest.fail(HOW, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """Somebody with a browser profile of their own, and all that went wrong on their pages."""

    def __init__(self, chromium: Browser, **options: Any) -> None:
        usual = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}  # nothing is played back
        self.context = chromium.new_context(**usual | options)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.complaints: list[str] = []
        self.may_fail = ""  # a pattern of complaints that a test has brought about itself
        self.context.on("console", lambda m: m.type == "error" and self.complain(f"{m.text} ({m.location['url']})"))
        self.context.on("weberror", lambda error: self.complain(str(error.error)))
        self.context.on("dialog", self._dialog)
        self.context.on("request", self._request)

    def complain(self, text: str) -> None:
        if not (self.may_fail and re.search(self.may_fail, text)):
            self.complaints.append(text)

    def _dialog(self, dialog: Any) -> None:
        self.complain(f"a dialog came up: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        to = urlsplit(request.url)
        if to.scheme not in ("data", "blob", "about") and to.hostname not in ("127.0.0.1", "localhost"):
            self.complain(f"asked another host: {request.url}")

    def open(self, server: Server, query: str = "") -> Lab:
        """Returns when the page shows what the server had to say to it; what was typed sooner would be lost."""
        page = self.context.new_page()
        with page.expect_response(answers_loading):
            page.goto(server.url + query)
        lab = Lab(page, self)
        expect(lab.command).to_have_value(re.compile("reglab train"))
        return lab


def answers_loading(response: Response) -> bool:
    """Of all that the page sends on its own, only its loading has a single value: what the browser remembers."""
    if "/run/predict" not in response.url:
        return False
    return len(json.loads(response.request.post_data or "{}").get("data", [])) == 1


@pytest.fixture(name="visitors")
def visitors_fixture(chromium) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; none of them may have had reason to complain."""
    made: list[Visitor] = []

    def make(**options: Any) -> Visitor:
        made.append(Visitor(chromium, **options))
        return made[-1]

    yield make
    complaints = [complaint for visitor in made for complaint in visitor.complaints]
    for visitor in made:
        visitor.context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(name="visitor")
def visitor_fixture(visitors) -> Visitor:
    return visitors()


@pytest.fixture(name="lab")
def lab_fixture(server, visitor) -> Lab:
    """The page of the shared server, opened for the first time."""
    return visitor.open(server)


@pytest.fixture(name="opened", scope="module")
def opened_fixture(session_server, chromium, request) -> Iterator[list[Visitor]]:
    """Who has the page of this file of tests open; nobody at first."""
    session_server.emptied_for(request.module.__name__)
    visitors: list[Visitor] = []
    yield visitors
    for visitor in visitors:
        visitor.context.close()


@pytest.fixture(name="open_lab")
def open_lab_fixture(opened, chromium, server, request) -> Iterator[Lab]:
    """A page that the tests of a file share, on its Train tab, else as the last of them left it.

    Opening one takes a browser seconds. After a test that failed there is a new one, so that one fault is one red test.
    """
    if not opened:
        opened.append(Visitor(chromium))
        opened[0].open(server)
    visitor = opened[0]
    visitor.complaints.clear()
    visitor.may_fail = ""
    lab = Lab(visitor.context.pages[0], visitor)
    lab.tab("Train")
    yield lab
    if request.node.stash.get(FAILED, False) or visitor.complaints:
        opened.clear()
        visitor.context.close()
    assert not visitor.complaints, "\n".join(visitor.complaints)


@pytest.fixture(name="lab")
def one_page_fixture(open_lab: Lab) -> Lab:
    """For the files that import it: one page for the whole file, opened by its first test, as a first visit finds it."""
    return open_lab


class Lab:
    """The page, by what people do with it and read off it."""

    def __init__(self, page: Page, visitor: Visitor) -> None:
        self.page, self.visitor = page, visitor
        self.train, self.stop = page.locator("#train"), page.locator("#stop")
        self.command, self.notice = page.locator("#command textarea"), page.locator("#notice .warning")

    # ---- doing
    def tab(self, name: str) -> None:
        """Turn to a tab, or to a view of one."""
        if name in VIEW_OF:
            self.page.get_by_role("tab", name=VIEW_OF[name], exact=True).click()
        self.page.get_by_role("tab", name=name, exact=True).click()

    def choose(self, elem_id: str, option: str | re.Pattern[str]) -> None:
        """Choose from a dropdown, Gradio's or one of the browser's own."""
        own = self.page.locator(f"#{elem_id} select")
        if own.count():
            if isinstance(option, re.Pattern):  # its list may be filled when the tab is turned to
                found = own.locator("option", has_text=option).first
                found.wait_for(state="attached")
                option = found.inner_text()
            own.select_option(label=option)
            return
        box = self.page.locator(f"#{elem_id} input")
        box.click()
        self.page.get_by_role("option", name=option).first.click()
        expect(box).to_have_value(option if isinstance(option, re.Pattern) else re.compile(re.escape(option)))

    def row(self, run_id: str) -> Locator:
        """Of the list of runs, as it was when the Results tab was turned to."""
        return self.page.locator(f'#runs-table tr[data-runs="{run_id}"]')

    def choose_run(self, run_id: str) -> None:
        """See a run alone on the Results tab, whose list is that of this moment."""
        self.tab("Train")
        self.tab("Results")
        self.row(run_id).wait_for(state="attached")
        if not self.row(run_id).is_visible():  # on a phone the list is folded
            self.page.locator("#runs summary").first.click()
        self.row(run_id).locator("button.name").click()
        expect(self.page.locator("#chosen .reglab-chosen")).to_have_attribute("data-runs", run_id)

    def open_run(self, run_id: str) -> None:
        """Choose a run and put it on the Train tab."""
        self.choose_run(run_id)
        self.page.locator("#open-run").click()
        expect(self.page.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")

    def number(self, field: str) -> Locator:
        return self.page.locator(f"#control-{field} input[type=text]")

    def toggle(self, key: str) -> Locator:
        """The box that switches a technique on, or another one to tick."""
        return self.page.locator(f"#control-{key} input[type=checkbox]")

    def chosen(self, field: str) -> Locator:
        """What is chosen for a field, as it stands there."""
        return self.page.locator(f"#control-{field} option:checked")

    def refusal(self, control: str) -> Locator:
        """The sentence beside a control (`lr`, `batch_norm`) that says why it cannot be so."""
        return self.page.locator(f"#control-{control} .refused")

    def digits(self, **numbers: float) -> None:
        """Choose the digits and these numbers; returns when the page has understood."""
        if self.chosen("dataset").inner_text() != "Digits":
            self.choose("control-dataset", "Digits")
            expect(self.command).to_have_value(re.compile("--dataset digits --train-size 300"))
        for field, value in numbers.items():
            self.number(field).fill(str(value))
            self.number(field).blur()
        for field, value in numbers.items():
            told = f"--{field.replace('_', '-')} {value}( |$)"
            expect(self.command).to_have_value(re.compile(told))

    def upload(self, picture: Path) -> None:
        remove = self.page.locator("#picture").get_by_role("button", name=re.compile("Remove|Clear"))
        if remove.count():
            remove.first.click()
        self.page.locator("#picture input[type=file]").set_input_files(picture)

    def download(self, button: str, folder: Path) -> Path:
        with self.page.expect_download(timeout=20_000) as coming:
            self.page.locator(button).click()
        target = folder / coming.value.suggested_filename
        coming.value.save_as(target)
        return target

    def at_rest(self) -> None:
        """Returns when every box of the page has had the same place twice in a row, so that nothing is on its way."""
        places = "() => JSON.stringify([...document.querySelectorAll('#tabs *, footer *')].map(e => e.getBoundingClientRect()))"
        seen: list[str] = []

        def resting() -> bool:
            seen.append(hashlib.sha256(self.page.evaluate(places).encode()).hexdigest())
            return seen[-2:-1] == seen[-1:]

        wait_until(resting, "the page goes on moving", more=self.text)

    # ---- reading
    def arguments(self) -> list[str]:
        """The command shown, without `python -m reglab train`."""
        words = shlex.split(self.command.input_value())
        assert words[:4] == ["python", "-m", "reglab", "train"], words
        return words[4:]

    def statuses(self) -> list[str]:
        return self.page.locator("#chart [data-part=progress] > *").evaluate_all(
            "rows => rows.map(r => r.dataset.status)"
        )

    def expect_statuses(self, *statuses: str) -> None:
        wait_until(lambda: self.statuses() == [*statuses], f"not {statuses}", more=self.text)

    def points(self, chart: str) -> list[int]:
        """How many points each curve of a chart has; not those of wrong labels, which only some runs have."""
        curves = ".lines path:not([data-split=corrupted])"
        return self.page.locator(f"#chart [data-chart={chart}] {curves}").evaluate_all(
            "paths => paths.map(p => (p.getAttribute('d').match(/[ML]/g) || []).length)"
        )

    def expect_points(self, least: int, runs: int = 1) -> None:
        """At least so many points in every curve of both charts."""

        def drawn(chart: str) -> bool:
            points = self.points(chart)
            return len(points) == 2 * runs and min(points) >= least

        wait_until(lambda: drawn("accuracy") and drawn("loss"), f"fewer than {least} points", more=self.text)

    def text(self) -> str:
        """All that the page tells, for when something goes wrong."""
        warnings = self.page.locator(".warning").all_inner_texts()
        return "\n".join([self.command.input_value(), *warnings, self.page.locator("#chart").inner_text()])

    def said(self, where: str) -> str:
        return self.page.locator(where).inner_text().strip()

    def box(self, what: str) -> dict[str, float]:
        found = self.page.locator(what).first.bounding_box()
        assert found, f"{what} is not shown"
        return found

    def sideways(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
