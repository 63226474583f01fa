"""The server dies: its runs go on, and the next one shows them, with every epoch once."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harm import Figures, How, NotHere

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests"))
from servers import Server, wait_until

SOON = 5.0  # seconds, once the new server answers


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[Server]:
    """A server of its own, without CIFAR-10."""
    server = Server(folder, cifar10=False, **environment)
    try:
        yield server.start()
    finally:
        server.close()


def asked(server: Server, path: str, body: Any = None, **headers: str) -> Any:
    """What a light route answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, as the tests of the page have it."""
    try:
        from browser import CHROMIUM, FLAGS, sync_playwright
    except ImportError as error:
        raise NotHere(f"needs {error.name}") from None
    if sync_playwright is None or CHROMIUM is None:
        raise NotHere("needs playwright and Chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)


def killed(how: How) -> Figures:
    """20 times under one run, whose open page comes back by itself each time."""
    from browser import Visitor

    times, wrong, listed, seen = how.times(20, 2), [], [], []
    with serving(how.folder / "server") as server, chromium() as browser:
        visitor = Visitor(browser)
        lab = visitor.open(server)
        lab.digits(train_size=600, epochs=1_000)
        lab.page.locator("#compare input").set_checked(False)
        lab.train.click()
        lab.expect_points(2)
        [run] = server.runs()
        visitor.may_fail = "."  # what a dead server brings about is no matter
        for n in range(times):
            reached = len(run.history())
            lab.page.evaluate("window.before = true")
            server.kill()
            server.start()
            listed.append(wait_until(lambda: is_listed(server, run.id), "the run is not listed"))
            began = time.monotonic()
            wait_until(lambda r=reached: is_shown_anew(lab, r), "the run is not shown", more=lab.text)
            seen.append(time.monotonic() - began)
            epochs, points = [e.epoch for e in run.history()], lab.points("loss")
            if run.status() != "running" or epochs != [*range(len(epochs))] or max(points) > len(run.history()):
                wrong.append(f"kill {n}: {run.status()}, {len(epochs)} epochs, {points} points")
        server.stop_runs()
    slowest = max(seen)
    figures = {
        "n": times,
        "epochs": len(epochs),
        "listed_within": round(max(listed), 2),
        "shown_within": round(slowest, 2),
    }
    return {**figures, "wrong": wrong, "met": not wrong and slowest <= SOON and max(listed) <= SOON}


def is_shown_anew(lab: Any, epochs: int) -> bool:
    """Whether another page than the one of before draws so many epochs. While it is being loaded it answers nothing."""
    try:
        return not lab.page.evaluate("window.before") and max(lab.points("loss"), default=0) >= epochs
    except Exception as error:
        if "navigation" in str(error):
            return False
        raise


def is_listed(server: Server, run_id: str) -> bool:
    return any(told["run"] == run_id for told in asked(server, "/api/runs"))
