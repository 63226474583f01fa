"""What goes to the Hub comes back the same; what comes from strangers is checked. The Hub here is on 127.0.0.1."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi, constants

from reglab.analysis import evaluate
from reglab.analysis.networks import logits_of
from reglab.cli import main as cli
from reglab.errors import ConfigError, DataError, RunError
from reglab.publishing import hub
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.tensors import tensor_bytes

COMMIT = "1" * 40
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


class Hub(BaseHTTPRequestHandler):
    """One model repository: the files of `server.folder`. `server.sizes` are told instead of the true ones."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        self.server.asked.append(self.path)
        files = {file.name: file for file in self.server.folder.iterdir()}
        name = self.path.rpartition("/")[2]
        if self.path.startswith("/api/models/some/net"):
            told = [{"rfilename": n, "size": self.server.sizes.get(n, f.stat().st_size)} for n, f in files.items()]
            answer = json.dumps({"id": "some/net", "modelId": "some/net", "sha": COMMIT, "siblings": told}).encode()
        elif self.path.startswith("/some/net/resolve/") and name in files:
            answer = files[name].read_bytes()
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(answer).hexdigest()}"')
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if body:
            self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads, server.folder, server.sizes, server.asked = True, tmp_path / "on-the-hub", {}, []
    server.folder.mkdir()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def uploads(server, monkeypatch):
    """Takes the place of the two calls that write to the Hub: what is uploaded is what the server holds."""
    said = []

    def create_repo(self, repo_id, **how):
        said.append((repo_id, self.token, how))
        return type("Url", (str,), {"repo_id": repo_id})(f"https://huggingface.co/{repo_id}")

    def upload_folder(self, *, repo_id, folder_path, **_):
        shutil.copytree(folder_path, server.folder, dirs_exist_ok=True)

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    return said


@pytest.fixture
def pushed(finished, server):
    """The run as it lies on the Hub, to be damaged at will."""
    hub.gather(finished, "some/net", server.folder)
    return server


def test_what_was_pushed_comes_back_as_a_run_of_ones_own(finished, uploads, server, store, tmp_path):
    evaluated = evaluate.evaluate(finished)
    made = hub.push(finished, "some/net", token="secret", private=True)
    assert made.url == "https://huggingface.co/some/net"
    assert uploads == [("some/net", "secret", {"repo_type": "model", "private": True, "exist_ok": True})]
    names = {
        "README.md",
        "config.json",
        "evaluation.json",
        "metrics.jsonl",
        "model.safetensors",
        "summary.json",
        "right.json",
    }
    assert {name for name, _ in made.files} == names == {file.name for file in server.folder.iterdir()}

    (server.folder / "pytorch_model.bin").write_bytes(b"a pickle")
    pulled = hub.pull("some/net", store)
    assert pulled.id != finished.id and pulled.name == "net" and pulled in store.runs()
    assert pulled.config == finished.config and pulled.status() == "finished"
    assert pulled.described["pulled"] == {"repo": "some/net", "commit": COMMIT} and pulled.described["group"] == ""
    assert torch.equal(logits_of(pulled, PIXELS), logits_of(finished, PIXELS))
    assert pulled.right().tolist() == finished.right().tolist()
    known = evaluate.known(pulled)
    assert known is not None and (known.run, known.accuracy) == (pulled.id, evaluated.accuracy)
    assert not any("pytorch_model.bin" in path for path in server.asked)
    assert json.loads((pulled.path / "summary.json").read_text()) == pulled.summary()
    assert {run.id for run in store.runs()} == {pulled.id, finished.id}
    assert not list(store.root.glob(".pulled-*"))


# ---- push --------------------------------------------------------------------------------------------------------
def test_without_a_token_it_is_told_what_would_be_uploaded(finished, uploads, capsys):
    assert cli.main(["push", finished.id, "some/net", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "To some/net would go:" in out and "model.safetensors" in out and "2.2 MB" in out
    assert cli.main(["push", finished.id, "some/net"]) == 2
    assert "log in with `hf auth login` or set HF_TOKEN" in capsys.readouterr().err
    assert cli.main(["push", finished.id, "some/net", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["uploaded"] is False and told["files"]["config.json"] > 0
    assert uploads == []


@pytest.mark.parametrize("name", ["a/b/c", "../x", "spaces here", "", "a--b", "x" * 200, "a/b\nc"])
def test_a_name_that_no_repository_can_have_is_refused(finished, store, name):
    for ask in (lambda: hub.push(finished, name), lambda: hub.pull(name, store)):
        with pytest.raises(ConfigError, match=r"^[^\n]* cannot be a repository's name: give USER/NAME"):
            ask()


def test_what_the_hub_refuses_and_what_takes_too_long_is_told(finished, uploads, monkeypatch):
    def refuse(self, repo_id, **_):
        error = OSError("403 Client Error")
        error.response = type("Response", (), {"status_code": 403})
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(HfApi, "upload_folder", refuse)
        with pytest.raises(RunError, match=r"could not be pushed to some/net \(the Hub answered 403\): log in"):
            hub.push(finished, "some/net", token="secret")
    over = threading.Event()
    monkeypatch.setattr(HfApi, "upload_folder", lambda self, **_: over.wait(10))
    monkeypatch.setattr(hub, "SECONDS", 0.2)
    with pytest.raises(RunError, match=r"no end after 0 seconds"):
        hub.push(finished, "some/net", token="secret")
    over.set()


def test_offline_it_is_said_at_once(finished, store, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match=r"\(HF_HUB_OFFLINE is set\)"):
        hub.push(finished, "some/net", token="secret")
    with pytest.raises(DataError, match=r"^some/net could not be fetched \(HF_HUB_OFFLINE is set\): try again later"):
        hub.pull("some/net", store)


def test_a_run_in_training_and_one_without_weights_are_not_pushed(finished):
    with finished.locked():
        (finished.path / "metrics.jsonl").write_text("")
        with pytest.raises(RunError, match="is being trained"):
            hub.push(finished, "some/net")
    with pytest.raises(RunError, match="no model card yet"):
        hub.push(finished, "some/net")


# ---- pull: what strangers may have put there ---------------------------------------------------------------------
def refused(store: Store, match: str) -> None:
    """Nothing is pulled, one sentence says why, and nothing is left behind."""
    before = sorted(store.root.iterdir())
    with pytest.raises((RunError, DataError), match=match) as caught:
        hub.pull("some/net", store)
    assert "\n" not in str(caught.value)
    assert sorted(store.root.iterdir()) == before


def rewrite(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_a_repository_that_is_not_there_or_no_run_is_refused(pushed, store, capsys):
    assert cli.main(["pull", "some/other"]) == 2
    assert capsys.readouterr().err.startswith("There is no model some/other on the Hub, or it is not for everyone")
    (pushed.folder / "metrics.jsonl").unlink()
    refused(store, r"some/net is no run of reglab \(it has no metrics\.jsonl\)")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 99},
        {"config": {"dataset": "cifar10", "surprise": 1}},
        {"config": "text"},
        {"normalization": {"mean": [0, 0, 0], "std": [1, 1, 0]}},
        {"normalization": {"mean": [0, 0], "std": [1, 1]}},
        {"created": "<b>now</b>"},
        {"versions": None},
    ],
)
def test_a_config_that_is_not_ours_is_refused(pushed, store, changes):
    rewrite(pushed.folder, **changes)
    refused(store, "some/net is no run of reglab")


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        '["started"]',
        '{"event": "epoch", "epoch": 1}',
        '{"event": "best", "epoch": 1, "val_accuracy": NaN}',
        '{"event": "boom"}',
        f'{{"event": "best", "epoch": {"9" * 400}, "val_accuracy": 1}}',
        '{"event": "failed", "reason": "two\\nlines"}',
        '{"event": "finished", "epochs": 1, "reported": "last", "best": {}, "last": {}}',
    ],
)
def test_metrics_that_are_not_ours_are_refused(pushed, store, line):
    with open(pushed.folder / "metrics.jsonl", "a") as f:
        f.write(line + "\n")
    refused(store, "some/net is no run of reglab")


def test_weights_that_are_not_those_of_the_config_are_refused(pushed, finished, store):
    file, good = pushed.folder / "model.safetensors", finished.weights()
    file.write_bytes(file.read_bytes()[:-4] + b"\0\1\2\3")
    refused(store, r"some/net is damaged \(its weights are not what their checksum says\)")
    shutil.rmtree(constants.HF_HUB_CACHE)
    largest = max(good, key=lambda name: good[name].numel())  # torch does without a counter of batches
    file.write_bytes(tensor_bytes({name: t for name, t in good.items() if name != largest}))
    refused(store, r"some/net is damaged \(its weights do not fit its config\)")
    shutil.rmtree(constants.HF_HUB_CACHE)
    file.write_bytes(tensor_bytes({name: t.float() * float("nan") for name, t in good.items()}))
    refused(store, r"some/net is damaged \(its weights are not all finite")
    shutil.rmtree(constants.HF_HUB_CACHE)
    file.write_bytes(b"\x80\x04pickled")
    refused(store, "is damaged")


def test_what_is_too_large_is_not_fetched(pushed, store):
    pushed.sizes["model.safetensors"] = 2 * 10**9
    refused(store, r"model\.safetensors of some/net is larger than 1,000 MB")
    assert not any("model.safetensors" in path for path in pushed.asked)


def test_bits_that_are_not_the_runs_do_not_come_along(pushed, store):
    (pushed.folder / "right.json").write_text('{"test_images": 1, "test_set": "", "best": "gA==", "last": "gA=="}')
    pulled = hub.pull("some/net", store)
    assert pulled.right() is None and not (pulled.path / "right.json").exists()


def test_an_evaluation_of_other_weights_and_a_strangers_texts_do_not_come_along(pushed, store):
    (pushed.folder / "evaluation.json").write_text(json.dumps({"accuracy": 1.0, "weights": "of another network"}))
    rewrite(pushed.folder, group="yours", device="a\nb" * 100, run="../../escape")
    pulled = hub.pull("some/net", store)
    assert not (pulled.path / "evaluation.json").exists()
    described = Run(pulled.path).described
    assert described["group"] == "" and described["run"] == pulled.id and len(described["device"]) == 80
    assert "\n" not in described["device"]
