"""How long until the page can be used, and what it takes to get there, before and after a change.

    python benchmarks/page.py --before 0de6953            # a few minutes; keeps page.json
    python benchmarks/page.py                             # this tree alone

Before and after take turns in one run, each in a server of its own with folders of its own. A round starts `python app.py`,
opens its page in a fresh Chromium profile as soon as it answers, and waits until Train can be pressed. What the browser did
comes from its own trace and its own network log; the server's time of a look at the runs is its processor time over many. On a busy
machine seconds wobble: processor time, bytes and counts hardly do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent))

from serving import PATIENCE, app

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "benchmarks" / "page.json"
LOOKS = 200
TARGETS: dict[str, float | None] = {  # what is measured -> what it should stay below
    "seconds until the first answer": None,
    "seconds of processor until the first answer": None,
    "seconds until Train can be pressed": 5.0,
    "seconds until the first paint": 1.0,
    "seconds of script on the main thread": 1.5,
    "kB of HTML": 200.0,
    "kB on the wire": 600.0,
    "kB on the wire, second visit": None,
    "requests": None,
    "components in the configuration": 120.0,
    "components drawn at load": None,
    "events": None,
    "ms of the server for a look that finds nothing new": 5.0,
    "ms of the server for a look that finds something": 5.0,
}
ANSWERS, SPENT, USABLE, PAINT, SCRIPT, HTML, WIRE, AGAIN, REQUESTS, COMPONENTS, DRAWN, EVENTS, QUIET, NEWS = TARGETS
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
TRACED = ["devtools.timeline", "disabled-by-default-devtools.timeline", "v8", "blink.user_timing", "loading"]
SCRIPTS = frozenset(
    [
        *("EvaluateScript", "FunctionCall", "RunMicrotasks", "v8.compile", "v8.compileModule", "v8.evaluateModule"),
        *("MajorGC", "MinorGC", "V8.GCScavenger", "FireAnimationFrame", "TimerFire"),
    ]
)
IS_USABLE = """() => document.querySelector('#train:not([disabled])')?.checkVisibility()
  && document.querySelector('#command textarea')?.value.includes('reglab train')"""
# Of what Gradio is told to draw, that which is not in a tab that is shut, nor hidden.
COUNTED = """() => {
  const {components, dependencies, layout, page} = window.gradio_config;
  const by = Object.fromEntries(components.map(c => [c.id, c]));
  let drawn = 0;
  const walk = (node, selected) => {
    const it = by[node.id];
    if (it && (it.props.visible === false || (it.type === 'tabitem' && selected !== undefined && it.props.id !== selected))) return;
    drawn += Boolean(it);
    const first = node.children?.[0];
    const open = it?.type === 'tabs' ? it.props.selected ?? by[first.id]?.props.id : undefined;
    if (!(it?.type === 'accordion' && it.props.open === false)) (node.children || []).forEach(child => walk(child, open));
  };
  walk(layout ?? page[''].layout, undefined);
  return [components.length, drawn, dependencies.length];
}"""

Figures = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="REF", help="a commit to compare this tree with, in turn with it")
    parser.add_argument("--rounds", type=int, default=3, help="after one that does not count")
    parser.add_argument("--json", type=Path, default=KEPT, help=f"where to keep the figures (default: {KEPT.name})")
    args = parser.parse_args(arguments)
    measured: dict[str, list[Figures]] = {}
    loads = [round(each, 1) for each in os.getloadavg()] if hasattr(os, "getloadavg") else []
    with checkout(args.before) as before:
        sides = {"before": before, "now": ROOT} if before else {"now": ROOT}
        for number in range(args.rounds + 1):
            for side, tree in sides.items():
                figures = traced_visit(tree)
                print(f"round {number}, {side}: {json.dumps(figures)}", file=sys.stderr, flush=True)
                if number:
                    measured.setdefault(side, []).append(figures)
    told = {"conditions": conditions(args.before, args.rounds, loads), "targets": TARGETS, "measured": measured}
    args.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(table(measured))
    return 0


@contextmanager
def checkout(ref: str | None) -> Iterator[Path | None]:
    """The tree of a commit, for as long as it is needed."""
    if not ref:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        subprocess.run(["git", "worktree", "add", "--detach", tree, ref], cwd=ROOT, check=True, capture_output=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True, capture_output=True)


# ---- a round -----------------------------------------------------------------------------------------------------
def traced_visit(tree: Path) -> Figures:
    """A visit of which the browser has written down the beginning, which now and then it forgets."""
    for _ in range(5):
        with suppress(LookupError):
            return visit(tree)
    raise SystemExit("The browser writes no trace.")


def visit(tree: Path) -> Figures:
    """From `python app.py` to a page that can be used, and what it took."""
    from playwright.sync_api import sync_playwright

    chrome = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chrome, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        wire = Wire(page)
        browser.start_tracing(page=page, categories=TRACED)
        with app(tree, Path(folder)) as (process, url, began):
            figures = {ANSWERS: time.perf_counter() - began, SPENT: sum(process.cpu_times()[:2])}
            page.goto(url, wait_until="commit")
            page.wait_for_function(IS_USABLE, timeout=PATIENCE * 1000)
            figures[USABLE] = time.perf_counter() - began
            page.wait_for_timeout(1500)  # for what comes by itself a moment later
            figures |= of_trace(json.loads(browser.stop_tracing()))
            figures |= {WIRE: wire.bytes / 1000, REQUESTS: float(wire.requests)}
            with urllib.request.urlopen(url) as answer:
                figures[HTML] = len(answer.read()) / 1000
            figures |= dict(zip((COMPONENTS, DRAWN, EVENTS), map(float, page.evaluate(COUNTED)), strict=True))
            wire.bytes = 0
            page.reload()
            page.wait_for_function(IS_USABLE, timeout=PATIENCE * 1000)
            page.wait_for_timeout(1500)
            figures[AGAIN] = wire.bytes / 1000
            asked = wire.looks[-1]
            browser.close()
            figures |= looks(process, asked)
    return {name: round(figures[name], 3) for name in TARGETS}


class Wire:
    """What has come over the wire, as the browser counts it, and what the page asked when it looked at its runs."""

    def __init__(self, page: Any) -> None:
        self.bytes = self.requests = 0
        self.looks: list[Any] = []
        tools = page.context.new_cdp_session(page)
        tools.send("Network.enable")
        tools.on("Network.loadingFinished", self._finished)
        tools.on("Network.requestWillBeSent", self._sent)
        page.on("request", self._asked)

    def _finished(self, event: dict[str, Any]) -> None:
        self.bytes += int(event["encodedDataLength"])

    def _sent(self, event: dict[str, Any]) -> None:
        self.requests += not event["request"]["url"].startswith(("data:", "blob:"))

    def _asked(self, request: Any) -> None:
        told = json.loads(request.post_data or "{}") if "/run/predict" in request.url else {}
        if len(told.get("data", [])) in (3, 4):  # who asks, what is on the screen, and what is set up
            self.looks.append((request.url, told))


def of_trace(trace: dict[str, Any]) -> Figures:
    """When the page was painted first, and how long scripts had the thread that draws it."""
    events = trace["traceEvents"]
    begun = [
        event for event in events if event["name"] == "navigationStart" and event["args"]["data"]["documentLoaderURL"]
    ]
    if not begun:
        raise LookupError("no navigation in the trace")
    start = max(begun, key=lambda event: event["ts"])
    paints = [event["ts"] for event in events if event["name"] == "firstPaint" and event["ts"] > start["ts"]]
    thread = (start["pid"], start["tid"])
    spans = sorted(
        (event["ts"], event["ts"] + event.get("dur", 0))
        for event in events
        if event["ph"] == "X" and event["name"] in SCRIPTS and (event["pid"], event["tid"]) == thread
    )
    spent, until = 0, 0
    for begin, end in spans:  # one within another counts once
        spent += max(0, end - max(begin, until))
        until = max(until, end)
    return {PAINT: (min(paints) - start["ts"]) / 1e6, SCRIPT: spent / 1e6}


def looks(process: psutil.Process, asked: Any) -> Figures:
    """The server's processor time for a look at the runs, such as an open page asks for while they train."""
    url, told = asked
    with httpx.Client(timeout=PATIENCE) as client:

        def cost(told: dict[str, Any]) -> float:
            for _ in range(20):
                client.post(url, json=told).raise_for_status()
            time.sleep(1)
            before = sum(process.cpu_times()[:2])
            for _ in range(LOOKS):
                client.post(url, json=told)
            return (sum(process.cpu_times()[:2]) - before) / LOOKS * 1000

        visitor, stamp, *rest = told["data"]
        return {QUIET: cost(told), NEWS: cost({**told, "data": [visitor, f"not {stamp}", *rest]})}


# ---- telling -----------------------------------------------------------------------------------------------------
def table(measured: dict[str, list[Figures]]) -> str:
    head = f"| | target | {' | '.join(measured)} |\n|---|---|{'---|' * len(measured)}\n"
    lines = []
    for name, target in TARGETS.items():
        cells = [spread([figures[name] for figures in rounds]) for rounds in measured.values()]
        lines.append(f"| {name} | {f'< {target:g}' if target else ''} | {' | '.join(cells)} |")
    return head + "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    median, low, high = statistics.median(values), min(values), max(values)
    digits = 0 if median >= 20 else 1 if median >= 10 else 2
    return f"{median:,.{digits}f}" + (f" ({low:,.{digits}f} .. {high:,.{digits}f})" if low != high else "")


def conditions(before: str | None, rounds: int, load: Sequence[float]) -> dict[str, Any]:
    return {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "gradio": version("gradio"),
        "torch": version("torch"),
        "before": before,
        "rounds": rounds,
        "load at the start": list(load),
    }


if __name__ == "__main__":
    raise SystemExit(main())
