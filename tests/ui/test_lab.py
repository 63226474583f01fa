"""What the tabs do, without the page: refusals, evaluations, downloads."""

from __future__ import annotations

import os
import threading
import zipfile
from pathlib import Path

import gradio as gr
import pytest
from conftest import tiny_config

from reglab import data
from reglab.analysis import evaluate
from reglab.errors import ConfigError, RunError
from reglab.runs.recording import record
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.train import train
from reglab.ui.api import Api
from reglab.ui.services.files import KEPT
from reglab.ui.services.lab import Lab


@pytest.fixture
def lab(tmp_path):
    lab = Lab(Store(tmp_path / "runs"), Store(tmp_path / "shipped"))
    yield lab
    lab.close()


@pytest.fixture
def finished(lab) -> Run:
    run = lab.stores.own.create(tiny_config(train_size=60, val_size=60, epochs=1))
    split = data.split(data.load("digits"), 60, 60, 0, 0)
    for _ in record(run, train(run.config, split)):
        pass
    return Run(run.path)


@pytest.mark.parametrize("name", ["timm/convnext_xxlarge", "timm/" + "x" * 500])
def test_the_page_trains_only_those_networks_of_timm_that_it_offers(lab, name):
    asked = {"dataset": "digits", "model": name, "pretrained": True}
    for refused in (lambda: Api(lab).train(asked), lambda: lab.predictions.preview(asked)):
        with pytest.raises(
            (ConfigError, gr.Error), match=r"The page does not offer 'timm/.*: choose one of its networks"
        ):
            refused()
    assert lab.stores.own.runs() == [] and name not in lab.datasets.fetches


def test_a_run_is_evaluated_by_one_visitor_at_a_time(lab, finished, monkeypatch):
    inside, go_on, calls = threading.Event(), threading.Event(), []

    def call(function, run, timeout):
        calls.append(run.id)
        inside.set()
        assert go_on.wait(30)
        return function(run)

    monkeypatch.setattr(lab.predictions.evaluations, "call", call)
    first = threading.Thread(target=lab.predictions.evaluate, args=(finished,))
    first.start()
    assert inside.wait(30)
    with pytest.raises(RunError, match="is being evaluated already"):
        lab.predictions.evaluate(finished)
    go_on.set()
    first.join(60)
    assert calls == [finished.id] and evaluate.known(finished) and not lab.predictions.evaluating
    assert lab.predictions.mistakes(finished).images == data.source("digits").test_images


def test_a_download_is_whole_and_the_old_ones_go(lab, finished):
    first = lab.files.run(finished)
    with zipfile.ZipFile(first) as archive:
        assert {"model.safetensors", "config.json", "README.md"} <= {Path(name).name for name in archive.namelist()}
    second = lab.files.run(finished)
    assert first.exists() and second.exists()
    old = first.parent.stat().st_mtime - KEPT - 1
    os.utime(first.parent, (old, old))
    lab.files.run(finished)
    assert not first.exists() and second.exists()
    lab.close()
    assert not second.exists()
