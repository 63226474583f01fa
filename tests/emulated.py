"""ZeroGPU on a machine without one: the `spaces` package as it is, a scheduler that stands in for the platform's, and no GPU.

`Scheduler` answers over HTTP as the platform does. A program that is started with its `environment()` and calls `begin()`
first believes to be a ZeroGPU Space; only the two calls of spaces that would touch a GPU do nothing. This file as a program
is `app.py` there.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Scheduler(ThreadingHTTPServer):
    """Says yes to every call, or what `answers` holds for the next ones: (status, headers, body)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: list[tuple[int, dict[str, str], str]] = []
        self.busy: set[str] = set()
        self.lock = threading.Lock()
        self.number = 0

    def scheduled(self) -> list[dict[str, str]]:
        return [asked for path, asked in self.asked if path == "/schedule"]

    def environment(self, folder: Path) -> dict[str, str]:
        cgroup = folder / "cgroup"
        cgroup.write_text("0::/emulated\n")
        return {
            "SPACES_ZERO_GPU": "true",
            "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{self.server_port}",
            "ZEROGPU_PROC_SELF_CGROUP_PATH": str(cgroup),
        }


class Answers(BaseHTTPRequestHandler):
    server: Scheduler

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        with self.server.lock:
            self.server.asked.append((url.path, asked))
            status, headers, body = 200, {"Content-Type": "application/json"}, ""
            if url.path == "/schedule":
                if self.server.answers:
                    status, headers, body = self.server.answers.pop(0)
                else:
                    body = self.lend()
            elif url.path == "/release":
                self.server.busy.discard(asked["allowToken"])
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def lend(self) -> str:
        """A GPU: the first that nobody has."""
        index = next(n for n in range(99) if not any(token.startswith(f"{n}-") for token in self.server.busy))
        self.server.number += 1
        token = f"{index}-{self.server.number}"
        self.server.busy.add(token)
        lent: dict[str, Any] = {"idle": True, "nvidiaIndex": index, "nvidiaUUID": f"GPU-{index}", "allowToken": token}
        return json.dumps(lent)

    def log_message(self, *_: Any) -> None:
        pass


def quota(left: int, wait: float) -> tuple[int, dict[str, str], str]:
    """What the platform says when a visitor has no more minutes; a negative `wait` says that no slice may be so long."""
    headers = {"Content-Type": "application/json", "X-Authenticated": "regular"}
    return 429, headers, json.dumps({"left": left, "wait": wait})


def queue_timeout() -> tuple[int, dict[str, str], str]:
    """What it says when no GPU got free."""
    return 200, {"Content-Type": "text/event-stream", "X-Queuing-Reason": "node"}, "event: failed\n\n"


@contextmanager
def scheduler() -> Iterator[Scheduler]:
    with Scheduler() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def begin() -> None:
    """As `app.py` begins, on a machine without a GPU."""
    from reglab import compat

    compat.spaces.start()
    import spaces.zero.torch as touches_gpu

    touches_gpu.init = lambda uuid: None
    touches_gpu.move = lambda callback=None: None


if __name__ == "__main__":
    root = Path(__file__).parent.parent
    sys.path.insert(0, str(root))
    begin()
    runpy.run_path(str(root / "app.py"), run_name="__main__")
