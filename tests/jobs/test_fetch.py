"""Fetching in the background, from a Hub on this machine that is quick, slow, silent or breaks off."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from hub_cache import COMMIT, table, write_parquet
from huggingface_hub import constants

from reglab import data, download
from reglab.jobs.fetch import Fetch
from reglab.models import pretrained

SMALL = {"images": 40, "test_images": 20}
CHILD = f"""
import sys
from dataclasses import replace
from reglab import data
from reglab.jobs import fetch
data.SOURCES["cifar10"] = replace(data.SOURCES["cifar10"], **{SMALL})
sys.exit(fetch.main("cifar10"))
"""


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hub does for one repository. `server.mood` says how the next file goes."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        if "/resolve/" not in self.path:  # the client also asks for news of its own
            return self.send_error(404)
        body, mood = self.answer(), self.server.mood
        if mood == "breaks off":
            self.server.mood = "down"
            self.wfile.write(body[: len(body) // 2])
        elif mood == "slow":
            for _ in range(40):  # 10 seconds at most
                self.wfile.write(b"0" * 262_144)
                if self.server.over.wait(0.25):
                    break
        elif mood == "silent":
            self.wfile.write(body[:10])
            self.server.over.wait(15)
        else:
            self.wfile.write(body)
        self.close_connection = True

    def answer(self) -> bytes:
        body = self.server.files["train" if "train" in self.path else "test"]
        self.send_response(503 if self.server.mood == "down" else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        length = 40 * 262_144 if self.server.mood == "slow" else len(body)
        self.send_header("Content-Length", str(0 if self.server.mood == "down" else length))
        self.end_headers()
        return b"" if self.server.mood == "down" else body

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    small = replace(data.SOURCES["cifar10"], **SMALL)
    monkeypatch.setitem(data.SOURCES, "cifar10", small)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads, server.mood, server.over, server.files = True, "well", threading.Event(), {}
    for split, count in (("train", small.images), ("test", small.test_images)):
        write_parquet(tmp_path / split, table(small, count))
        server.files[split] = (tmp_path / split).read_bytes()
    environment = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1",
        "REGLAB_CACHE": str(tmp_path / "decoded"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(hub):
    fetch = Fetch("cifar10")
    fetch.command = [sys.executable, "-c", CHILD]
    yield fetch
    fetch.close()


def wait(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def run(fetch: Fetch) -> None:
    fetch.start()
    wait(lambda: fetch.state != "running")


def half_files(tmp_path) -> list:
    return list((tmp_path / "hub").rglob("*.incomplete"))


def test_a_fetch_downloads_and_decodes(fetch, hub):
    assert fetch.state == "idle" and not data.is_local("cifar10")
    fetch.start()
    assert fetch.state == "running" and fetch.sentence == "Fetching CIFAR-10: asking the Hub."
    wait(lambda: fetch.state != "running")
    assert (fetch.state, fetch.sentence) == ("ready", "CIFAR-10 is ready.")
    assert fetch.done_bytes == fetch.total_bytes == sum(map(len, hub.files.values()))
    assert data.load("cifar10").revision == COMMIT


def test_progress_is_told_and_closing_leaves_nothing_half_written(fetch, hub, tmp_path):
    hub.mood = "slow"
    before = set(psutil.Process().children())
    fetch.start()
    [process] = set(psutil.Process().children()) - before
    wait(lambda: fetch.done_bytes > 1_000_000)
    assert (fetch.state, fetch.stage, fetch.total_bytes) == ("running", "downloading", 144_000_000)
    assert fetch.sentence.startswith("Fetching CIFAR-10: ") and fetch.sentence.endswith(" of 144 MB.")
    assert half_files(tmp_path)
    fetch.close()
    assert not process.is_running() and fetch.state == "idle"
    assert not half_files(tmp_path) and not data.is_local("cifar10")


def test_after_a_download_that_broke_off_one_may_try_again(fetch, hub, tmp_path):
    hub.mood = "breaks off"
    run(fetch)
    assert fetch.state == "failed"
    assert fetch.sentence.startswith("CIFAR-10 could not be fetched (the Hub answered 503): choose the built-in digits")
    assert not half_files(tmp_path) and not data.is_local("cifar10")
    hub.mood = "well"
    run(fetch)
    assert fetch.state == "ready"


def test_standstill_is_ended(fetch, hub, tmp_path):
    hub.mood = "silent"
    fetch.idle_seconds = 2
    run(fetch)
    assert fetch.state == "failed" and "(nothing came for 2 seconds)" in fetch.sentence
    assert not half_files(tmp_path)


def test_a_fetch_that_takes_too_long_is_ended(fetch, hub):
    hub.mood = "slow"
    fetch.total_seconds = 2.4
    run(fetch)
    assert fetch.state == "failed" and "(it was not done after 0.04 minutes)" in fetch.sentence


@pytest.mark.parametrize("links", [True, False])
def test_damaged_files_are_downloaded_anew(fetch, tmp_path, links):
    """Both where the Hub's cache holds links to blobs and where (Windows, copied caches) it holds the files."""
    run(fetch)
    paths = download.cached(data.source("cifar10")).paths.values()
    for path in paths:
        if not links:
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
        os.truncate(path, 1000)
    (tmp_path / "decoded" / f"cifar10-{COMMIT}").rename(tmp_path / "elsewhere")
    assert not data.is_local("cifar10")
    run(fetch)
    assert fetch.state == "ready", fetch.sentence
    assert all(data.looks_whole(path) for path in paths)


def test_a_hub_that_serves_damaged_files_is_not_asked_for_ever(fetch, hub):
    hub.files["test"] = hub.files["test"][:1000]
    run(fetch)
    assert fetch.state == "failed"
    assert fetch.sentence.startswith("test-00000-of-00001.parquet of CIFAR-10 is damaged (")
    assert "even after a new download: choose the built-in digits" in fetch.sentence


def test_a_process_that_dies_is_reported(fetch):
    fetch.command = [sys.executable, "-c", "print('hello'); raise SystemExit(7)"]
    run(fetch)
    assert fetch.state == "failed" and "(the process ended with status 7)" in fetch.sentence


def test_whose_server_has_ended_fetches_no_further_and_says_nothing():
    heard, tells = os.pipe()
    os.close(heard)
    with os.fdopen(tells, "wb") as out:
        command = [sys.executable, "-m", "reglab.jobs.fetch", "digits"]
        ended = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_the_built_in_digits_are_ready_without_a_hub(hub):
    hub.mood = "down"
    fetch = Fetch("digits")
    run(fetch)
    assert fetch.state == "ready"


# ---- the weights of a pretrained network
def test_weights_are_fetched_as_the_data_is_and_lie_in_the_hubs_cache(hub):
    hub.files["test"] = b"weights" * 1_000  # the Hub of these tests has them under any path
    fetch = Fetch("timm/resnet18")
    assert fetch.total_bytes == 47_000_000 and not pretrained.is_local("timm/resnet18")
    run(fetch)
    assert (fetch.state, fetch.sentence) == ("ready", "timm/resnet18 (47 MB) is ready.")
    assert pretrained.cached_file("timm/resnet18").read_bytes() == hub.files["test"]


def test_weights_that_cannot_be_fetched_say_what_is_here_instead(hub, tmp_path):
    hub.mood = "slow"
    fetch = Fetch("timm/resnet18")
    fetch.start()
    wait(lambda: fetch.done_bytes > 1_000_000)
    assert fetch.sentence.startswith("Fetching timm/resnet18 (47 MB): ") and fetch.sentence.endswith(" of 47 MB.")
    fetch.close()
    hub.mood, fetch.idle_seconds = "silent", 2
    run(fetch)
    assert fetch.state == "failed"
    assert "could not be fetched (nothing came for 2 seconds): no weights are on this machine" in fetch.sentence
    assert not half_files(tmp_path)
