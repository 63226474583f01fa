"""Secrets and places of the disk are looked for in everything that a real server answers and prints, whatever goes wrong in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from servers import PATIENCE, ROOT, Server, wait_until

sys.path.insert(0, str(ROOT / "benchmarks"))
import pictures

CANARIES = {"HF_TOKEN": "hf_canaryCANARY0123456789", "REGLAB_ADMIN_KEY": "canary-key-of-the-host-0123456789"}
GETS = (
    "/", "/config", "/gradio_api/info", "/gradio_api/info?all_endpoints=True", "/gradio_api/startup-events", "/theme.css",
    "/gradio_api/file=/etc/passwd", "/gradio_api/file=app.py", "/gradio_api/file=../app.py", "/gradio_api/file=.",
    "/static/../../app.py", "/assets/%2e%2e/%2e%2e/app.py", "/gradio_api/stream/a/b/c", "/gradio_api/upload_progress?upload_id=a",
    "/openapi.json", "/monitoring", "/gradio_api/deep_link?session_hash=a", "/api/runs", "/api/status", "/api/nothing", "/nothing",
    "/?__theme=%00&cfg=%ff", "/gradio_api/heartbeat/../../app.py", "/gradio_api/queue/data?session_hash=nobody-of-all",
)  # fmt: skip
GARBAGE: tuple[Any, ...] = (None, "canary", 10**15, [], {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}})


@pytest.fixture
def canaries(another_server) -> Server:
    return another_server(cifar10=False, **CANARIES).start()


def handlers(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in config["dependencies"] if each.get("backend_fn")]


def answers_to_garbage(page: httpx.Client, handlers: list[dict[str, Any]]) -> str:
    """What handlers of the page say to values that fit none of them, private ones as well."""
    told = []
    for handler in handlers:
        for number, value in enumerate(GARBAGE):
            data = [value] * len(handler["inputs"])
            request = {"data": data, "fn_index": handler["id"], "session_hash": f"canary{number}", "event_data": None}
            told.append(page.post("/gradio_api/queue/join", json=request).text)
            told.append(page.post("/gradio_api/run/predict", json=request).text)
    for number in range(len(GARBAGE)):
        with page.stream("GET", f"/gradio_api/queue/data?session_hash=canary{number}") as events:
            for line in events.iter_lines():
                told.append(line)
                if "close_stream" in line:
                    break
    assert sum("process_completed" in line for line in told) > len(handlers)
    return "\n".join(told)


def spoil(server: Server, trained: Path) -> None:
    """Runs of all kinds that cannot be read, so that what is raised is what nobody wrote a sentence for."""
    import shutil

    for name, damage in {
        "20250101-000001-aaaaaa": lambda run: (run / "metrics.jsonl").unlink() or (run / "metrics.jsonl").mkdir(),
        "20250101-000002-bbbbbb": lambda run: (run / "model.safetensors").write_bytes(b"canary"),
        "20250101-000003-cccccc": lambda run: (run / "config.json").write_text("[]"),
        "20250101-000004-dddddd": lambda run: (run / "summary.json").unlink() or (run / "summary.json").mkdir(),
        "20250101-000005-eeeeee": lambda run: (run / "name").mkdir(),
    }.items():
        damage(Path(shutil.copytree(trained, server.store.root / name)))


@pytest.mark.parametrize("share", [pytest.param(1, marks=pytest.mark.slow), 12])
def test_neither_a_secret_nor_a_place_of_the_disk_is_told_whatever_goes_wrong(share, canaries, trained):
    """One in so many of the page's handlers is asked."""
    server, told = canaries, []
    spoil(server, trained["path"])
    spoilt = [run.name for run in server.store.root.iterdir()]
    # A connection each: after some kinds of accident the server closes it.
    with httpx.Client(base_url=server.url, timeout=3 * PATIENCE, headers={"Connection": "close"}) as page:
        config = page.get("/config").json()
        for path in GETS[:-1]:
            told.append(page.get(path).text)
        for path in ("/api/train", "/api/stop", "/api/predict", *(f"/api/predict?run={run}" for run in spoilt)):
            told += [page.post(path, json=body).text for body in ({}, [], {"run": spoilt[0]}, "canary")]
            told += [page.post(path, content=content).text for content in (b"{", pictures.valid()[0])]
        told += [page.get(f"/api/status?run={run}").text for run in spoilt]
        for run in spoilt:
            for name, data in (("status", [run, 0]), ("stop", [run]), ("predict", [None, run]), ("runs", [])):
                event = page.post(f"/gradio_api/call/{name}", json={"data": data}).json().get("event_id")
                told.append(page.get(f"/gradio_api/call/{name}/{event}").text if event else "")
        told.append(answers_to_garbage(page, handlers(config)[::share]))
        uploaded = page.post("/gradio_api/upload", files={"files": ("a.png", b"no picture")}).json()
        server.store.root.rename(server.folder / "elsewhere")
        server.store.root.write_text("a file where the folder of runs was")
        train = {"data": [{"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 1}]}
        event = page.post("/gradio_api/call/train", json=train).json()["event_id"]
        refused = page.get(f"/gradio_api/call/train/{event}").text
        assert "cannot be made" in refused
        told.append(refused)
    said = "\n".join(told)
    for canary in CANARIES.values():
        assert canary not in said and canary not in server.log()
    # Gradio's client calls a file by where Gradio's own cache has it, under a hash that nobody guesses.
    cache = str(server.folder / "tmp")
    assert uploaded[0].startswith(cache)
    said = re.sub(rf"(?<=[\"=]){cache}/[0-9a-f]{{64}}/", "", said)
    for place in {str(server.folder), str(ROOT), sys.prefix, str(Path.home())} - {"/"}:
        around = said.partition(place)[0][-200:]
        assert place not in said, f"{around}{place}"


def test_malformed_pictures_are_refused_in_a_sentence_and_the_server_stays_as_it_is(server):
    """The short form over the network; `benchmarks/pictures.py` opens 10,000."""
    assert server.process
    here = psutil.Process(server.process.pid)
    with httpx.Client(base_url=server.url, timeout=3 * PATIENCE) as page:

        def asked(content: bytes) -> str:
            [path] = page.post("/gradio_api/upload", files={"files": ("mine.png", content)}).json()
            file = {"path": path, "meta": {"_type": "gradio.FileData"}}
            event = page.post("/gradio_api/call/predict", json={"data": [file, "basic_cnn-plain"]}).json()["event_id"]
            return page.get(f"/gradio_api/call/predict/{event}").text

        whole = pictures.valid()
        assert "event: complete" in asked(whole[0])
        before = here.memory_info().rss
        told = [asked(content) for content in pictures.malformed(whole, 20, seed=1)]
    assert all("mine.png" in answer for answer in told if "event: error" in answer)
    assert sum("is not a picture that can be read" in answer for answer in told) > 5
    assert here.is_running() and here.memory_info().rss - before < 50 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process was started with")
def test_no_process_of_a_server_but_itself_holds_a_secret(canaries):
    """Also once a run is trained and a picture is opened."""
    import gradio_client
    from pages import a_one

    with httpx.Client(base_url=canaries.url, timeout=3 * PATIENCE) as page:
        run = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 400}
        page.post("/gradio_api/call/train", json={"data": [run]})
    client = gradio_client.Client(canaries.url, verbose=False)
    client.predict(gradio_client.handle_file(a_one(canaries.folder)), "basic_cnn-plain", api_name="/predict")
    assert canaries.process

    def children() -> list[psutil.Process]:
        return [child for child in psutil.Process(canaries.process.pid).children(recursive=True) if child.cmdline()]

    wait_until(lambda: len(children()) >= 5, "no fork server, tracker, decoder, lane and worker")
    for child in children():
        words = [*child.cmdline(), *child.environ().values()]
        assert not any(canary in word for canary in CANARIES.values() for word in words), child.cmdline()
