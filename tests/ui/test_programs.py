"""The endpoints as other programs meet them, over the network: trained, followed, stopped, predicted, and refused in words."""

from __future__ import annotations

from typing import Any

import pytest
from pages import SENTENCE, a_one
from servers import ROOT, Server, wait_until

from reglab.config import RunConfig


@pytest.fixture
def client(server: Server) -> Any:
    from gradio_client import Client

    return Client(server.url, verbose=False)


def test_programs_can_train_follow_stop_and_predict(client, server, a_run, tmp_path):
    from gradio_client import handle_file

    names = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(names) == {"/train", "/status", "/stop", "/runs", "/predict"}

    config = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 400, "regularizers": {"batch_norm": {}}}
    run_id = client.predict(config, api_name="/train")
    told, cursor = [], 0

    def epochs() -> int:
        nonlocal cursor
        answer = client.predict(run_id, cursor, api_name="/status")
        assert answer["cursor"] >= cursor and answer["summary"]["run"] == run_id
        told.extend(answer["events"])
        cursor = answer["cursor"]
        return sum(event["event"] == "epoch" for event in told)

    wait_until(lambda: epochs() >= 2, "no epochs")
    client.predict(run_id, api_name="/stop")
    wait_until(lambda: client.predict(run_id, api_name="/status")["summary"]["status"] == "stopped", "not stopped")
    epochs()
    run = server.store.open(run_id)
    assert told == run.lines()[0], "each event once, none left out"
    assert told[-1]["event"] == "stopped"
    assert run.config == RunConfig.parse(config)
    assert client.predict(run_id, cursor, api_name="/status")["events"] == []
    assert run_id in [summary["run"] for summary in client.predict(api_name="/runs")]

    finished = a_run("20250101-000008-123456")
    answer = client.predict(handle_file(a_one(tmp_path)), finished.id, api_name="/predict")
    shares = {each["label"]: each["confidence"] for each in answer["confidences"]}
    assert answer["label"] == max(shares, key=shares.get) and 0 < sum(shares.values()) <= 1 + 1e-6
    assert set(shares) <= set("0123456789")


@pytest.mark.parametrize(
    ("endpoint", "values"),
    [
        ("/train", [{"epochs": 0}]),
        ("/train", [{"epochz": 3}]),
        ("/train", [{"dataset": "digitz"}]),
        ("/train", [{"dataset": ["digits"]}]),
        ("/train", [{"dataset": "digits", "lr": "fast"}]),
        ("/train", [{"dataset": "digits", "regularizers": {"dropout": {"rate": 2}}}]),
        ("/train", [["digits"]]),
        ("/train", ["digits"]),
        ("/train", [None]),
        ("/status", ["nobody", 0]),
        ("/status", ["../..", 0]),
        ("/status", [None, 0]),
        ("/status", [7, 0]),
        ("/status", [["basic_cnn-plain"], 0]),
        ("/status", ["basic_cnn-plain", 2**70]),
        ("/stop", [{"run": "nobody"}]),
        ("/stop", ["nobody"]),
        ("/predict", [None, "nobody"]),
        ("/predict", [7, "basic_cnn-plain"]),
    ],
    ids=str,
)
def test_programs_are_told_what_is_wrong_in_a_sentence(client, server, endpoint, values):
    before = len(server.runs())
    with pytest.raises(Exception) as problem:
        client.predict(*values, api_name=endpoint)
    sentence = str(problem.value)
    assert SENTENCE.fullmatch(sentence) and "show_error" not in sentence, sentence
    assert len(server.runs()) == before


def test_a_program_cannot_have_files_of_the_server_opened(client, a_run):
    """A path that nobody uploaded is refused, also that of a picture; nothing of the file comes back."""
    run = a_run("20250101-000009-654321")
    config, picture = str(run.path / "config.json"), str(ROOT / "docs" / "train.png")
    # What is called a file, this client uploads by itself.
    for stolen in ({"path": config, "meta": {"_type": "gradio.FileData"}}, {"path": config}, {"path": picture}):
        with pytest.raises(Exception) as problem:
            client.predict(stolen, run.id, api_name="/predict")
        assert SENTENCE.fullmatch(str(problem.value)) and "train_size" not in str(problem.value), problem.value
