"""Real servers for the tests of the page: each a process with folders of its own, and the runs that lie in them.

Its fixtures are known to all files of tests by `conftest.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from reglab.data import SIDE, SOURCES
from reglab.jobs import pace
from reglab.runs.run import Run
from reglab.runs.store import Store

PATIENCE = float(os.environ.get("REGLAB_PATIENCE", 60))  # seconds for what is under way to happen, on a busy machine
ROOT = Path(__file__).parent.parent


class Server:
    """`python app.py` as a process of its own, with folders of its own, offline unless told otherwise."""

    def __init__(self, folder: Path, *, cifar10: bool, **changes: str) -> None:
        self.folder, self.store, self.changes = folder, Store(folder / "runs"), changes
        self.log_file, self.read, self.port = folder / "log", 0, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.groups: list[int] = []
        self.module = ""  # the file of tests that uses it now
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("runs", "cache", "hub", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if cifar10:
            pretend_cifar10(folder / "cache")
        pretend_pace(folder / "cache")

    def start(self, command: tuple[str, ...] = ("app.py",)) -> Server:
        """Start, or start again on the same port and folders; returns when the page can be had."""
        own = {
            "GRADIO_SERVER_PORT": str(self.port),
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": str(self.folder / "tmp"),
            "REGLAB_RUNS": str(self.store.root),
            "REGLAB_CACHE": str(self.folder / "cache"),
            "HF_HUB_CACHE": str(self.folder / "hub"),
            "HF_HUB_OFFLINE": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        environment = {**os.environ, **own, **self.changes}
        environment.pop("REGLAB_CHECKPOINTS", None)  # the networks that ship
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.groups.append(self.process.pid)
        wait_until(self.answers, f"no page after the start of {command}", more=self.log)
        return self

    def answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            pytest.fail(f"The server has ended.\n{self.log()}", pytrace=False)
        try:
            with urllib.request.urlopen(self.url, timeout=10) as page:
                return bool(page.status == 200)
        except OSError:
            return False

    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def news(self) -> str:
        """What the log says since the last time."""
        log = self.log()
        new, self.read = log[self.read :], len(log)
        return new

    def runs(self) -> list[Run]:
        return self.store.runs()

    def kill(self) -> None:
        """Kill the server's own process as a crash would; its workers live on."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop_runs(self) -> None:
        """Leave the queue empty for the next test."""
        live = [run for run in self.runs() if run.status() in ("running", "interrupted")]
        for run in live:
            run.ask_to_stop()
        wait_until(lambda: not any(run.is_locked() for run in live), "a run does not stop", more=self.log)

    def emptied_for(self, module: str) -> None:
        """Without the runs that the tests of another file have left."""
        if module != self.module:
            self.module = module
            for run in self.runs():
                run.delete()
            shutil.rmtree(self.store.root / ".trash", ignore_errors=True)

    def close(self) -> None:
        """End everything that this server has started, and nothing else."""
        for group in self.groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.process:
            self.process.wait()


def is_gone(pid: int) -> bool:
    """Also a zombie is: it has ended, and whoever started or adopted it has yet to take note of it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def free_port() -> int:
    """One that the system gives to no connection meanwhile: until a server listens on it, seconds pass."""
    for port in random.SystemRandom().sample(range(20_000, 23_000), 100):
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise RuntimeError("No port is free: look what keeps those from 20,000 on.")


def pretend_cifar10(cache: Path) -> None:
    """As if CIFAR-10 had been fetched: black pictures, in files with holes that take no room on the disk."""
    source, folder = SOURCES["cifar10"], cache / "cifar10-pretended"
    folder.mkdir()
    shapes = {"images": (source.images, SIDE, SIDE, 3), "test_images": (source.test_images, SIDE, SIDE, 3)}
    labels = {"labels": (source.images,), "test_labels": (source.test_images,)}
    for names, kind in ((shapes, np.uint8), (labels, np.int64)):
        for name, shape in names.items():
            np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape).flush()
    info = {"format": 1, "key": "cifar10", "revision": "pretended", "mean": [0.5] * 3, "std": [0.25] * 3}
    info["bytes"] = {name: (folder / f"{name}.npy").stat().st_size for name in (*shapes, *labels)}
    (folder / "info.json").write_text(json.dumps(info))


def wait_until(happened: Callable[[], Any], otherwise: str, seconds: float = PATIENCE, more: Any = str) -> float:
    """Wait for it; returns how long it took."""
    began = time.monotonic()
    while not happened():
        if time.monotonic() - began > seconds:
            pytest.fail(f"{otherwise} ({seconds:g} s)\n{more()}")
        # Asking a page fifty times a second takes half a core, which what is waited for could use.
        time.sleep(min(0.02 + (time.monotonic() - began) / 10, 0.25))
    return time.monotonic() - began


def pretend_pace(folder: Path) -> None:
    """A machine that trains the usual pair in about a minute, whatever this one does now: the page proposes what it always has."""
    seconds = [0.008, 0.024, 0.12, 0.16]  # of a step of each probe
    told = {"machine": pace.name_of("cpu"), "measured": pace.ENOUGH, "seconds": seconds}
    (folder / "pace.json").write_text(json.dumps(told))


@pytest.fixture(name="session_server", scope="session")  # one for each process of tests
def session_server_fixture(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("app"), cifar10=True)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(name="server")
def server_fixture(session_server, request) -> Iterator[Server]:
    """The server all tests share: idle, and with CIFAR-10 at hand; each file of tests finds it without runs.

    Its log must not tell of any accident.
    """
    session_server.emptied_for(request.module.__name__)
    session_server.news()
    yield session_server
    session_server.stop_runs()
    news = session_server.news()
    print(news)
    assert "Traceback" not in news, news


@pytest.fixture(name="another_server")
def another_server_fixture(tmp_path) -> Iterator[Callable[..., Server]]:
    """Makes servers that a test may do with as it likes."""
    made: list[Server] = []

    def make(**options: Any) -> Server:
        made.append(Server(tmp_path / f"server-{len(made)}", **options))
        return made[-1]

    yield make
    for server in made:
        server.close()
        print(server.log())


@pytest.fixture(name="a_run")
def a_run_fixture(server, trained) -> Iterator[Callable[[str], Run]]:
    """Puts a finished run of digits into the server's folder, under an id of its own."""
    made: list[Path] = []

    def copy(run_id: str) -> Run:
        made.append(Path(shutil.copytree(trained["path"], server.store.root / run_id)))
        return Run(made[-1])

    yield copy
    for path in made:
        shutil.rmtree(path, ignore_errors=True)
