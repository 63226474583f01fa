"""A GPU that is not here: refused in one sentence, whoever asks for it and however, before anything is made."""

from __future__ import annotations

import json

import gradio as gr
import pytest
import torch
from conftest import QUICK, reglab
from pages import SENTENCE
from refusals import refused_here

from reglab import machine
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments.executors import queue
from reglab.experiments.experiment import Experiment
from reglab.runs.recording import conclude
from reglab.runs.run import Run
from reglab.teaching import links, sheet
from reglab.training.events import Stopped
from reglab.ui.api import Api

pytestmark = [
    pytest.mark.usefixtures("workers_begin_sooner"),
    pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here"),
]
NONE = "device cuda was asked for, but torch finds no GPU here: use auto or cpu."
GOES_ON = (
    "device cuda was asked for, but torch finds no GPU here: go on where there is one, or train it anew with auto."
)
OTHER = "device is 'cuda:3', but must be 'auto', 'cpu' or 'cuda'."
ASKED = {"dataset": "digits", "epochs": 1, "train_size": 60, "val_size": 60}


@pytest.mark.parametrize(("device", "sentence"), [("cuda", NONE), ("cuda:3", OTHER)])
@pytest.mark.parametrize("command", ["train", "sweep --over lr=0.1,0.2"])
def test_on_the_command_line(command, device, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "cache"))
    assert refused_here(f"{command} {' '.join(QUICK)} --device {device}", capsys) == sentence
    assert list(tmp_path.iterdir()) == [], "no run, and nothing decoded for it"


@pytest.mark.parametrize(("device", "sentence"), [("cuda", NONE), ("cuda:3", OTHER)])
def test_in_the_file_of_a_config(device, sentence, capsys, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({**ASKED, "device": device}))
    assert refused_here(f"train --config {tmp_path / 'config.json'}", capsys) == sentence
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def stopped(store) -> Run:
    """A run of elsewhere, trained on a GPU and stopped."""
    run = store.create(RunConfig.parse({**ASKED, "device": "cuda"}))
    conclude(run, Stopped(epoch=0, step=0))
    return run


def test_what_was_trained_on_one_is_not_resumed_on_the_command_line_and_stays_as_it_was(stopped, capsys):
    before = {path.name: path.read_bytes() for path in stopped.path.iterdir()}
    assert refused_here(f"train --resume {stopped.id}", capsys) == GOES_ON
    assert {path.name: path.read_bytes() for path in stopped.path.iterdir()} == before


def test_a_sheet_of_one_says_why_it_is_not_trained_again(trained, tmp_path, capsys):
    values = json.loads(sheet.make(Run(trained["path"]), "Ada").to_json())
    values["config"]["device"] = "cuda"
    (tmp_path / "sheet.json").write_text(json.dumps(values))
    done = reglab("check", tmp_path / "sheet.json", "--train")
    assert f"trained again: {NONE}" in done.stdout


def test_in_the_queue_by_a_link_and_by_a_program(here, stopped):
    jobs, before = here.training.jobs, {path.name for path in stopped.path.iterdir()}
    told = links.decode(links.encode(stopped.config))
    assert told == stopped.config, "a link says what it says, and is refused when it is trained"
    for sentence, asked in (
        (NONE, lambda: queue.train(Experiment.run(told), jobs)),
        (NONE, lambda: here.training.start(Experiment.pair(told.override({"dropout": True})))),
        (GOES_ON, lambda: jobs.resume([stopped])),
        (GOES_ON, lambda: here.training.resume(stopped)),
    ):
        with pytest.raises(ConfigError) as refused:
            asked()
        assert str(refused.value) == sentence
    for device, sentence in (("cuda", NONE), ("cuda:3", OTHER)):
        with pytest.raises(gr.Error) as answered:
            Api(here).train({**ASKED, "device": device})
        assert SENTENCE.fullmatch(answered.value.message) and answered.value.message == sentence
    assert here.stores.own.runs() == [stopped] and {path.name for path in stopped.path.iterdir()} == before


def test_auto_is_what_there_is():
    assert machine.choose_device("auto") == machine.choose_device("cpu") == torch.device("cpu")
    machine.check_device("cuda", "cuda")
