"""What the tabs do, without the page: refusals, evaluations, downloads."""

from __future__ import annotations

import os
import shutil
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import pytest
from conftest import tiny_config
from PIL import Image

from reglab import data
from reglab.analysis import evaluate
from reglab.errors import ConfigError, RunError
from reglab.experiments.axes import axis
from reglab.experiments.experiment import Experiment
from reglab.experiments.sweep import sweep
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


def test_what_takes_long_delays_nobodys_prediction(lab, finished, tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    with ThreadPoolExecutor(4) as visitors:
        lanes = ("preview", "inside", "errors", "timm")
        long = [visitors.submit(lab.predictions.lanes.call, lane, time.sleep, 300, timeout=300) for lane in lanes]
        answer = lab.predictions.predict(str(tmp_path / "black.png"), finished)
        assert sum(answer.values()) == pytest.approx(1) and not any(call.done() for call in long)
        lab.predictions.close()
        assert all(isinstance(call.exception(60), RunError) for call in long)


def test_a_network_of_timm_is_asked_in_a_lane_of_its_own(lab, finished, monkeypatch, tmp_path):
    asked: list[str] = []
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    monkeypatch.setattr(lab.predictions.lanes, "call", lambda lane, *rest, **more: asked.append(lane))
    timm = lab.stores.own.create(tiny_config(model="timm/resnet18", pretrained=False, side=32))
    for run in (finished, timm):
        lab.predictions.answer(str(tmp_path / "a.png"), run)
    lab.predictions.preview(finished.config.model_dump())
    lab.predictions.preview(timm.config.model_dump())
    assert asked == ["predictions", "timm", "preview", "timm"]


def test_a_look_inside_is_kept_until_the_weights_change(lab, finished, monkeypatch):
    looks = []

    def call(lane, function, path, timeout):
        looks.append(path)
        return {"layers": len(looks)}

    monkeypatch.setattr(lab.predictions.lanes, "call", call)
    assert lab.predictions.inside(finished) == lab.predictions.inside(finished) == {"layers": 1}
    os.utime(finished.path / "model.safetensors", ns=(0, 0))
    assert lab.predictions.inside(finished) == {"layers": 2}
    (finished.path / "model.safetensors").unlink()
    with pytest.raises(RunError, match="has no weights yet"):
        lab.predictions.inside(finished)


def test_a_pair_is_one_job_that_is_gone_on_with_together_and_a_sweep_is_not(lab):
    small = tiny_config(train_size=60, val_size=60, epochs=300, width=0.125, regularizers={"dropout": {}})
    pair = lab.training.start(Experiment.pair(small))
    apart = lab.training.start(sweep(small, [axis("dropout.rate=0.1,0.2")]))
    lab.training.stop([*pair, *apart])
    wait_until(lambda: not lab.training.is_live([*pair, *apart]))
    assert lab.training.together(pair[0]) == pair and lab.training.together(apart[1]) == apart
    assert lab.training.resume(pair[0]) == pair and lab.training.resume(apart[1]) == [apart[1]]
    with pytest.raises(RunError, match=r"is (running|queued): only a stopped"):
        lab.training.resume(pair[1])  # pressed twice
    lab.training.stop([*pair, *apart])
    assert [name for _, name in lab.results.sweeps()] == [apart[0].described["group"]], "a pair has no name of its own"


def test_a_run_is_called_by_the_name_that_somebody_gave_it(lab, trained):
    named = shutil.copytree(trained["path"], lab.stores.own.root / "my-net")
    unnamed = lab.stores.own.create(tiny_config(epochs=2))
    for file in ("metrics.jsonl", "timing.jsonl"):
        shutil.copy(trained["path"] / file, unnamed.path / file)
    called = {row["id"]: row["name"] for row in lab.results.listed()}
    assert called["my-net"] == named.name and unnamed.id not in called.values(), "an id tells nobody anything"
    unnamed.rename("the other")
    assert {row["name"] for row in lab.results.listed()} == {"my-net", "the other"}
    assert lab.stores.find("the other") == unnamed
    assert lab.stores.open(["my-net", "the other", "gone"]) == [Run(named)], (
        "by ids: of those that are gone no name is read"
    )


def wait_until(happened, seconds=60.0):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
