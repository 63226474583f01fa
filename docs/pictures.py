"""Makes docs/*.png: screenshots of the app in a headless Chromium, as a first visit finds it.

python docs/pictures.py
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def pictures() -> None:
    """docs/*.png: the page as a first visit finds it, what the network sees, a card, answers, errors, a sweep, a paper."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as runs:
        environment = {
            **os.environ,
            "REGLAB_RUNS": runs,
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
        subprocess.run([sys.executable, "-m", "reglab", *SWEEP], cwd=ROOT, env=environment, check=True)
        app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_for(url)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                page: Any = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
                page.goto(url + "?__theme=light")
                page.wait_for_selector("#chart table tbody tr")
                page.wait_for_function("document.querySelector('#machine').innerText.includes('idle')", timeout=60_000)
                page.wait_for_selector("text=Chosen for this machine", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "train.png")
                page.locator("#chart .charts").screenshot(path=ROOT / "docs" / "curves.png")
                page.get_by_role("button", name="Modern", exact=True).click()
                page.wait_for_function("document.querySelector('#command textarea').value.includes('--cutmix')")
                page.get_by_role("tab", name="What the network sees").click()
                page.wait_for_selector(".sees img", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "sees.png")
                page.get_by_role("tab", name="Learn", exact=True).click()
                page.locator("#contents").get_by_role("button", name="Mixup", exact=True).click()
                page.wait_for_selector("#card-head .katex")
                page.screenshot(path=ROOT / "docs" / "learn.png")
                page.get_by_role("tab", name="Predict", exact=True).click()
                page.locator("#examples button").nth(1).click(timeout=60_000)
                page.wait_for_selector("#answers section:nth-of-type(2) .bars", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "predict.png")
                page.get_by_role("tab", name="Results", exact=True).click()
                page.get_by_role("tab", name="Errors", exact=True).click()
                page.wait_for_selector("#errors-page figure", timeout=60_000)
                page.wait_for_timeout(1000)  # until nothing is dimmed any more
                page.screenshot(path=ROOT / "docs" / "errors.png")
                page.get_by_role("tab", name="Experiments", exact=True).click()
                page.wait_for_selector("#sweep-page .heat", timeout=60_000)
                page.get_by_role("button", name="Dropout x weight decay").click()
                page.wait_for_selector("#sweep-command")
                page.screenshot(path=ROOT / "docs" / "sweep.png")
                page.get_by_role("tab", name="Published results", exact=True).click()
                page.wait_for_selector("#publication table", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "reproduce.png")
                browser.close()
        finally:
            app.terminate()
            app.wait()


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
    pictures()
