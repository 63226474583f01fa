"""What a visitor of the public may ask for, whichever way they ask: the service, Gradio's endpoint, the light route."""

from __future__ import annotations

import gradio as gr
import pytest
from conftest import tiny_config

from reglab.deployment import Deployment
from reglab.errors import ConfigError
from reglab.experiments.experiment import Experiment
from reglab.jobs.pace import Pace
from reglab.runs.owner import Visitor
from reglab.runs.store import Store
from reglab.ui.api import Api
from reglab.ui.services.lab import Lab

SLOW = Pace(layer=3.4e-4, parameter=2.8e-9, multiply_add=2.1e-11, activation=4.2e-9)  # a core of 2026, measured
FOR_WEEKS = {"dataset": "cifar10", "model": "resnet18", "width": 4, "batch_size": 1, "epochs": 1_000}
TOO_LARGE = (
    "resnet18 of width 4 has 178.6 M weights, but here a network may have at most 15 M: use a width of at most 1.125"
)
TOO_LONG = (
    r"resnet18 takes about \d+ days for 1,000 epochs of 48,000 images, but here a run may take at most 10 minutes"
)
ANN = Visitor("the key that ann has", "10.0.0.1")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    lab = Lab(
        Store(tmp_path / "runs"), Store(tmp_path / "shipped"), Deployment("public", admin_key="the key of the host")
    )
    monkeypatch.setattr(lab.training.jobs.admission, "_pace", lambda: SLOW)
    yield lab
    lab.close()


@pytest.mark.parametrize(("changes", "words"), [({}, TOO_LARGE), ({"width": 1}, TOO_LONG)])
def test_what_was_once_accepted_from_anybody_is_refused(lab, changes, words):
    """A run of 55 days; nothing is made, nothing is fetched, and the host alone may."""
    asked = {**FOR_WEEKS, **changes}
    with pytest.raises(ConfigError, match=words):
        lab.seen_by(ANN).training.start(Experiment.run(tiny_config(**asked)))
    with pytest.raises(gr.Error, match=words):
        Api(lab.seen_by(ANN)).train(asked)
    assert not lab.datasets.is_fetching()
    host = Visitor("the key that ann has", "10.0.0.1", "the key of the host")
    lab.seen_by(host).training.jobs.check(lab.seen_by(host).training.seat, [tiny_config(**asked)])
