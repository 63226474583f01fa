"""How long a person waits: for the help, the page, the first point of a curve, a data set, a run to stop.

    python benchmarks/startup.py             # some minutes; prints a Markdown table
    python benchmarks/startup.py --quick     # each once, cold, digits only

Every figure is the median over fresh processes, after one that does not count: it compiles Python's bytecode and brings
the files into the page cache, as on any machine where the app has run before. The page is opened in a real browser where
playwright and Chromium are here, each time without a cache; else the HTTP endpoints are asked and the table says so.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import __version__, data
from reglab.config import RunConfig
from reglab.runs.run import Run
from reglab.runs.store import Store

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0  # seconds until something that does not happen counts as broken
TARGETS = {  # what is measured -> seconds it should stay below, None: for information
    "`python -m reglab --help`": 1.0,
    "`python app.py` until the first HTTP 200": None,
    "`python app.py` until Train can be clicked": 8.0,
    "CIFAR-10, 5,000 images: Train pressed until the first `epoch` line": 5.0,
    "CIFAR-10, 5,000 images: Train pressed until the first trained epoch": None,
    "digits: Train pressed until the first `epoch` line": 5.0,
    "digits: Train pressed until the first trained epoch": None,
    "Stop pressed until the `stopped` line": 2.0,
    "second `reglab.data.load` of CIFAR-10": 1.0,
}
HELP, HTTP_200, CLICKABLE, *_, STOPPED, LOADED = TARGETS
TITLES = {"cifar10": "CIFAR-10, 5,000 images", "digits": "digits"}

Figures = dict[str, float]  # a key of TARGETS -> seconds


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    has_cifar10 = data.is_local("cifar10") and not args.quick
    datasets = ["cifar10", "digits"] if has_cifar10 else ["digits"]
    load_at_start = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: the app would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)

    measured: dict[str, list[float]] = {name: [] for name in TARGETS}
    with tempfile.TemporaryDirectory() as folder, browser(not args.no_browser) as chromium:
        environment = environment_of(Path(folder), compiled=not args.quick)
        for number in range(args.runs if args.quick else args.runs + 1):
            figures = {HELP: help_seconds(environment)}
            figures |= visit(Path(folder) / f"runs-{number}", environment, datasets, chromium)
            if has_cifar10:
                figures[LOADED] = load_seconds(environment)
            counts = args.quick or number > 0
            told = ", ".join(f"{name.replace('`', '')} {seconds:.2f} s" for name, seconds in figures.items())
            print(f"{f'run {number}' if counts else 'warm-up'}: {told}", file=sys.stderr, flush=True)
            if counts:
                for name, seconds in figures.items():
                    measured[name].append(seconds)
        by = f"clicks in Chromium {chromium.version}" if chromium else "the HTTP endpoints, one run without comparison"

    print("| what | target | median | min .. max | |\n|---|---|---|---|---|")
    for name, target in TARGETS.items():
        below = f"< {target:g} s" if target else ""
        values = measured[name]
        if not values:
            print(f"| {name} | {below} | | | not measured |")
            continue
        median = statistics.median(values)
        met = "" if target is None else "met" if median < target else "**not met**"
        print(f"| {name} | {below} | {median:.2f} s | {min(values):.2f} .. {max(values):.2f} s | {met} |")
    print(
        f"\n{processor()}; load average at the start {load_at_start}; Python {sys.version.split()[0]},"
        f" torch {version('torch')}, gradio {version('gradio')}, reglab {__version__}; {date.today().isoformat()};"
        f" n = {args.runs} fresh process{'es' * (args.runs > 1)}, {'cold' if args.quick else 'after one to warm up'}."
        f" Trained by {by}; worker warm. With a comparison a time ends when both runs have the line."
        " The first `epoch` line is that of the untrained network. The load counts from `import reglab.data` on."
    )
    if args.quick:
        print("\nA quick look: digits only, bytecode perhaps not compiled; not for the record.")
    elif not has_cifar10:
        print("\nCIFAR-10 is not on this machine, so nothing was measured on it.")
    return 0


# ---- what is measured --------------------------------------------------------------------------------------------
def help_seconds(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "reglab", "--help"], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - began


def load_seconds(environment: dict[str, str]) -> float:
    """Opening CIFAR-10 once it has been decoded, its module's import included, that of Python itself left out."""
    code = (
        "import time; began = time.perf_counter(); from reglab import data; data.load('cifar10');"
        " print(time.perf_counter() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def visit(runs: Path, environment: dict[str, str], datasets: Sequence[str], chromium: Any) -> Figures:
    """Start the app, open its page, train on each data set, stop, quit."""
    figures: Figures = {}
    store = Store(runs)
    with app(runs, environment) as (port, began):
        figures[HTTP_200] = time.perf_counter() - began
        with page(chromium, port) if chromium else contextlib.nullcontext(ByEndpoint(port, store)) as visitor:
            if chromium:
                figures[CLICKABLE] = time.perf_counter() - began
            visitor.wait_until_warm()
            for dataset in datasets:
                visitor.choose(dataset)
                figures |= press(visitor, store, TITLES[dataset], stop=dataset == datasets[0])
    return figures


def press(visitor: InBrowser | ByEndpoint, store: Store, title: str, stop: bool) -> Figures:
    """Press Train, wait for the first points of the curves, then press Stop or wait for the end."""
    figures: Figures = {}
    before = {run.id for run in store.runs()}
    began = time.perf_counter()
    visitor.press_train()
    until("the runs to be there", lambda: len(store.runs()) >= len(before) + visitor.runs_a_press)
    new = [run for run in store.runs() if run.id not in before]
    until("an `epoch` line", lambda: all(has(run, "epoch") for run in new))
    figures[f"{title}: Train pressed until the first `epoch` line"] = time.perf_counter() - began
    until("a trained epoch", lambda: all(has(run, "epoch", 1) for run in new))
    figures[f"{title}: Train pressed until the first trained epoch"] = time.perf_counter() - began
    if stop:
        began = time.perf_counter()
        visitor.press_stop()
    until("the runs to end", lambda: all(has(run, "stopped") or has(run, "finished") for run in new))
    if stop and all(has(run, "stopped") for run in new):  # a short run may have come to its end by itself
        figures[STOPPED] = time.perf_counter() - began
    return figures


def has(run: Run, event: str, epoch: int = 0) -> bool:
    return any(line["event"] == event and line.get("epoch", 0) >= epoch for line in run.lines()[0])


def until(what: str, happens: Callable[[], bool]) -> None:
    """Look every 5 ms. Raises TimeoutError when it does not happen."""
    deadline = time.monotonic() + PATIENCE
    while not happens():
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"Waited {PATIENCE:.0f} s for {what}: the figures so far are lost, look what went wrong."
            )
        time.sleep(0.005)


# ---- the two kinds of visitor ------------------------------------------------------------------------------------
class InBrowser:
    """Presses the buttons of the page. Comparison is on, as the page opens."""

    runs_a_press = 2

    def __init__(self, page: Any) -> None:
        self.page = page

    def wait_until_warm(self) -> None:
        """The header names the machine as soon as the process with torch has started."""
        self.page.wait_for_function("!document.querySelector('#header').innerText.includes('looking at the machine')")

    def choose(self, dataset: str) -> None:
        field, command = self.page.locator("#control-dataset select"), self.page.locator("#command textarea")
        if field.input_value() != dataset:
            field.select_option(dataset)
        size = data.SOURCES[dataset].preset["train_size"]
        until(
            "the page to follow the data set",
            lambda: f"--dataset {dataset} --train-size {size} " in command.input_value(),
        )
        self.page.locator("#train").click(trial=True)  # waits until it could be clicked

    def shorten(self, epochs: int) -> None:
        """So many epochs instead of the preset's."""
        self.page.locator("#control-epochs input[type=text]").fill(str(epochs))
        command = self.page.locator("#command textarea")
        until("the page to follow the epochs", lambda: f"--epochs {epochs} " in command.input_value())

    def press_train(self) -> None:
        self.page.locator("#train").click()

    def press_stop(self) -> None:
        self.page.locator("#stop").click()


class ByEndpoint:
    """Calls /train and /stop, for machines without a browser; the endpoint trains one run, without comparison."""

    runs_a_press = 1

    def __init__(self, port: int, store: Store) -> None:
        self.port, self.store, self.config, self.run = port, store, RunConfig(), ""

    def wait_until_warm(self) -> None:
        """Nothing to be asked tells, so a run that does not count is trained to its end."""
        self.call("train", {"dataset": "digits", "train_size": 60, "epochs": 1})
        until("the first run to end", lambda: all(has(run, "finished") for run in self.store.runs()))

    def choose(self, dataset: str) -> None:
        preset = data.SOURCES[dataset].preset
        self.config = RunConfig.parse({"dataset": dataset, "regularizers": {"flip_crop": {}}, **preset})

    def press_train(self) -> None:
        self.run = self.call("train", self.config.model_dump(mode="json"))

    def press_stop(self) -> None:
        self.call("stop", self.run)

    def call(self, endpoint: str, value: Any) -> Any:
        """The answer of an endpoint, as curl would get it: post the value, then read its event to the end."""
        path = f"/gradio_api/call/{endpoint}"
        event = json.loads(ask(self.port, "POST", path, json.dumps({"data": [value]})))["event_id"]
        told = ask(self.port, "GET", f"{path}/{event}")
        if "event: complete" not in told:
            raise SystemExit(f"/{endpoint} answered: {told.strip()}")
        return json.loads(told.split("data: ", 1)[1])[0]


@contextlib.contextmanager
def page(chromium: Any, port: int) -> Iterator[InBrowser]:
    """The app's page, opened by somebody who has never been there, its Train button ready to be clicked."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    try:
        context.set_default_timeout(PATIENCE * 1000)
        opened = context.new_page()
        opened.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
        opened.locator("#train").click(trial=True)
        yield InBrowser(opened)
    finally:
        context.close()


@contextlib.contextmanager
def browser(wanted: bool) -> Iterator[Any]:
    """Chromium, playwright's own or the system's; None where there is none or it is not wanted."""
    with contextlib.ExitStack() as opened:
        chromium = None
        with contextlib.suppress(ImportError):
            if wanted:
                from playwright.sync_api import Error, sync_playwright

                playwright = opened.enter_context(sync_playwright())
                found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
                for path in (None, *found):
                    with contextlib.suppress(Error):
                        chromium = playwright.chromium.launch(executable_path=path)
                        opened.callback(chromium.close)
                        break
        yield chromium


# ---- the app -----------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def app(runs: Path, environment: dict[str, str]) -> Iterator[tuple[int, float]]:
    """`python app.py` with runs of its own, as soon as it answers; yields its port and when it was started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**environment, "REGLAB_RUNS": str(runs), "GRADIO_SERVER_PORT": str(port)}
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py")], env=environment, stdout=said, stderr=said, start_new_session=True
        )
        try:
            until("the app to answer", lambda: process.poll() is not None or answers(port))
            if process.poll() is not None:
                said.seek(0)
                raise SystemExit(f"python app.py ended with status {process.returncode}:\n{said.read()[-2_000:]}")
            yield port, began
        finally:
            end(process)


def answers(port: int) -> bool:
    try:
        ask(port, "GET", "/")
    except (OSError, http.client.HTTPException):
        return False
    return True


def ask(port: int, method: str, path: str, body: str | None = None) -> str:
    """The text of an answer with status 200, whatever proxy the environment names. Raises HTTPException for another."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise http.client.HTTPException(f"{path} answered {answer.status}: {text[:200]}")
        return text
    finally:
        connection.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C ends it; should that not do, it and what it started are killed."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT) if os.name == "posix" else process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its own session: nobody else is in it


def environment_of(folder: Path, compiled: bool) -> dict[str, str]:
    """This environment, less what would put the app elsewhere; bytecode is compiled even where that is switched off."""
    environment = {k: v for k, v in os.environ.items() if k not in ("GRADIO_SERVER_NAME", "GRADIO_ROOT_PATH")}
    if compiled and environment.pop("PYTHONDONTWRITEBYTECODE", None):
        environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")  # leave none behind, since none was wanted
    return environment


def processor() -> str:
    import torch

    from reglab import machine

    return f"{machine.device_name(torch.device('cpu'))}, device of the runs: {machine.choose_device('auto').type}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="fresh processes that count (default 5)")
    parser.add_argument(
        "--no-browser", action="store_true", help="ask the HTTP endpoints even where there is a browser"
    )
    parser.add_argument("--quick", action="store_true", help="each once, cold, digits only")
    args = parser.parse_args(arguments)
    if args.quick:
        args.runs = 1
    if args.runs < 1:
        parser.error("--runs must be at least 1")
    return args


if __name__ == "__main__":
    sys.exit(main())
