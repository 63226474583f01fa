"""`python app.py` of any checkout, as a process of its own with folders of its own: for benchmarks that ask it things."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PATIENCE = 120.0  # seconds until an app that does not answer counts as broken


@contextmanager
def app(tree: Path, folder: Path) -> Iterator[tuple[psutil.Process, str, float]]:
    """The server, its address, and when it was started; as soon as it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    own = {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_ANALYTICS_ENABLED": "False"}
    own |= {"GRADIO_TEMP_DIR": str(folder / "tmp"), "REGLAB_RUNS": str(folder / "runs"), "PYTHONPATH": str(tree)}
    with open(folder / "log", "wb") as log:
        began = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=tree,
            env={**os.environ, **own},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while not answers(url):
                if time.perf_counter() - began > PATIENCE or server.poll() is not None:
                    raise TimeoutError((folder / "log").read_text("utf-8", "replace"))
                time.sleep(0.02)
            yield psutil.Process(server.pid), url, began
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
