"""Makes docs/*.png: screenshots of the app in a headless Chromium, as a first visit finds it.

python docs/pictures.py            # all of them: ten minutes, most of it for the runs of the Sweep tab's
python docs/pictures.py train      # one of them, in half a minute
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def pictures(names: Sequence[str]) -> None:
    """Take these pictures, each on a page of its own."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as runs:
        own = {"REGLAB_RUNS": runs, "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
        environment = os.environ | own
        if "sweep" in names:
            subprocess.run([sys.executable, "-m", "reglab", *SWEEP], cwd=ROOT, env=environment, check=True)
        app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_for(url)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                for name in names:
                    page: Any = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
                    page.set_default_timeout(60_000)
                    page.goto(url + "?__theme=light")
                    page.wait_for_selector("#chart table tbody tr")
                    page.wait_for_function("document.querySelector('#machine').innerText.includes('idle')")
                    page.wait_for_selector("text=Chosen for this machine")
                    PICTURES[name](page).screenshot(path=ROOT / "docs" / f"{name}.png")
                    page.close()
                browser.close()
        finally:
            app.terminate()
            app.wait()


def go_to(page: Any, *tabs: str) -> None:
    """Open a tab, and a view in it."""
    for name in tabs:
        page.get_by_role("tab", name=name, exact=True).click()


def train(page: Any) -> Any:
    """The page as a first visit finds it."""
    return page


def curves(page: Any) -> Any:
    """The two charts alone."""
    return page.locator("#chart .charts")


def sees(page: Any) -> Any:
    """What the network sees with cutmix."""
    page.get_by_role("button", name="Modern", exact=True).click()
    page.wait_for_function("document.querySelector('#command textarea').value.includes('--cutmix')")
    go_to(page, "What the network sees")
    page.wait_for_selector(".sees img")
    return page


def learn(page: Any) -> Any:
    """The card of a technique."""
    go_to(page, "Learn")
    page.locator("#contents").get_by_role("button", name="Mixup", exact=True).click()
    page.wait_for_selector("#card-head .katex")
    return page


def predict(page: Any) -> Any:
    """What two networks make of a picture."""
    go_to(page, "Predict")
    page.locator("#examples button").nth(1).click()
    page.wait_for_selector("#answers section:nth-of-type(2) .bars")
    return page


def errors(page: Any) -> Any:
    """Which classes are taken for which."""
    go_to(page, "Results", "Errors")
    page.wait_for_selector("#errors-page figure")
    page.wait_for_timeout(1000)  # until nothing is dimmed any more
    return page


def sweep(page: Any) -> Any:
    """The heat map of `SWEEP`, and a question to begin with."""
    go_to(page, "Experiments")
    page.wait_for_selector("#sweep-page .heat")
    page.get_by_role("button", name="Dropout x weight decay").click()
    page.wait_for_selector("#sweep-command")
    return page


def reproduce(page: Any) -> Any:
    """A published result beside what was measured here."""
    go_to(page, "Experiments", "Published results")
    page.wait_for_selector("#publication table")
    return page


PICTURES: dict[str, Callable[[Any], Any]] = {
    each.__name__: each for each in (train, curves, sees, learn, predict, errors, sweep, reproduce)
}
ON_DIGITS = (
    "--dataset",
    "digits",
    "--train-size",
    "300",
    "--val-size",
    "300",
    "--label-noise",
    "0.3",
    "--batch-size",
    "32",
)
OVER = ("--over", "dropout.rate=0,0.25,0.5,0.75", "--over", "weight_decay.strength=0,1.5,5")
SWEEP = ("sweep", *ON_DIGITS, *OVER, "--epochs", "30", "--seeds", "3")
"""What the picture of the Sweep tab shows: 36 runs of seconds, long enough to learn wrong labels by heart."""


def wait_for(url: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit(f"The app did not answer at {url}.")


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - PICTURES.keys():
        raise SystemExit(f"There is no picture {sorted(unknown)[0]!r}: choose from {', '.join(PICTURES)}.")
    pictures(sys.argv[1:] or [*PICTURES])
