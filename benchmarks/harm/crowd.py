"""Fifty visitors and three browsers at once, while the lab trains: nobody gets anything but an answer or a clean refusal."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harm import Figures, How, NotHere
from harm.servers import Server, asked, chromium, serving
from reglab.runs.run import Run

PAGE, POINT = 2.0, 3.0  # seconds, of 95 in 100
MEMORY = 300.0  # MiB more than at the start
BROWSERS = 3
HOST = secrets.token_urlsafe(24)
LONG = {"dataset": "digits", "train_size": 120, "val_size": 60, "width": 0.25, "epochs": 1_000, "device": "cpu"}


def visitors(how: How) -> Figures:
    """For 5 minutes, in a lab that is open to the public; each visitor has an address and a key of their own."""
    if not shutil.which("locust"):
        raise NotHere("needs locust")
    import psutil

    crowd, seconds = how.times(50, 10), how.times(300, 20)
    public = {"REGLAB_DEPLOYMENT": "public", "REGLAB_PROXIES": "1", "REGLAB_SHARED": "1", "REGLAB_ADMIN_KEY": HOST}
    with serving(how.folder / "server", **public) as server, chromium() as browser:
        here = psutil.Process(server.process.pid)
        run = asked(server, "/api/train", LONG, **{"X-Reglab-Admin": HOST})["run"]
        before = here.memory_info().rss / 2**20
        command = [
            "locust",
            "-f",
            str(Path(__file__).with_name("locustfile.py")),
            "--headless",
            "--json",
            "--only-summary",
        ]
        command += ["--host", server.url, "-u", str(crowd), "-r", "5", "-t", f"{seconds}s", "--reset-stats"]
        guests, pages = opened(browser, server, run)
        locust = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lags = watched(pages, server.store.root / run, seconds)
        told = {entry["name"]: entry for entry in json.loads(locust.communicate(timeout=120)[0])}
        complaints = [complaint for guest in guests for complaint in guest.complaints]
        for guest in guests:
            guest.context.close()
        during = here.memory_info().rss / 2**20
        refused = sum(entry["num_requests"] for name, entry in told.items() if name.endswith("refused"))
        failed = sum(entry["num_failures"] for entry in told.values())
        server.stop_runs()
    page, point, curve = quantile(told.get("page")), quantile(told.get("point")), sorted(lags)[int(0.95 * len(lags))]
    figures = {
        "n": crowd,
        "browsers": BROWSERS,
        "for_seconds": seconds,
        "requests": sum(e["num_requests"] for e in told.values()),
    }
    figures |= {
        "refused": refused,
        "errors": failed,
        "page_p95": page,
        "point_p95": point,
        "curve_p95": round(curve, 2),
    }
    figures |= {"MiB": f"{before:.0f} to {during:.0f}", "wrong": complaints[:5]}
    met = page > 0 and not failed and not complaints and page < PAGE and point < POINT and curve < POINT
    return {
        **figures,
        "met": (met and during - before < MEMORY) or (how.short and page > 0 and not failed and not complaints),
    }


def opened(browser: Any, server: Server, run: str) -> tuple[list[Any], list[Any]]:
    """The visitors with browsers, and their pages, on which the run is seen."""
    from browser import Visitor

    guests = [Visitor(browser, extra_http_headers={"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(BROWSERS)]
    pages = [guest.open(server) for guest in guests]
    for page in pages:
        page.open_run(run)
        page.expect_points(2)
    return guests, pages


def watched(pages: Sequence[Any], folder: Path, seconds: float) -> list[float]:
    """How long after it was written each page shows a new epoch, in seconds."""
    lags, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        for page in pages:
            reached, began = Run(folder).history()[-1].epoch, time.monotonic()
            while shown(page) < reached and time.monotonic() - began < 20:
                time.sleep(0.05)
            lags.append(time.monotonic() - began)
        time.sleep(0.3)
    return lags


def shown(page: Any) -> int:
    """The last epoch of the curves, which the chart says in words; of many epochs it draws only some."""
    told = page.page.locator("#chart [data-chart=loss] .plot").get_attribute("aria-valuenow")
    return int(float(told)) if told else -1


def quantile(entry: dict[str, Any] | None, share: float = 0.95) -> float:
    """Seconds within which that share of answers came."""
    times = sorted((float(ms), count) for ms, count in (entry or {}).get("response_times", {}).items())
    left = share * sum(count for _, count in times)
    for ms, count in times:
        left -= count
        if left <= 0:
            return ms / 1e3
    return 0.0
