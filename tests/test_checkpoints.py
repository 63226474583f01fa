"""What ships is what its cards say, and CIFAR-10 is really learned."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reglab import data
from reglab.analysis.evaluate import answers, known
from reglab.analysis.networks import logits_of
from reglab.config import RunConfig
from reglab.publishing.model_card import model_card
from reglab.runs.store import checkpoints_store
from reglab.training import metrics
from reglab.training.events import Finished
from reglab.training.train import train

ROOT = Path(__file__).parent.parent
SHIPPED = checkpoints_store().runs()
needs_cifar10 = pytest.mark.skipif(not data.is_local("cifar10"), reason="CIFAR-10 is not on this machine")


@pytest.fixture(autouse=True)
def the_networks_that_ship(own_folders, monkeypatch) -> None:
    monkeypatch.delenv("REGLAB_CHECKPOINTS")


def test_a_plain_and_a_regularized_network_ship_as_one_comparison():
    pair = [run for run in SHIPPED if run.described["group"]]
    assert sorted(run.name for run in pair) == [
        "basic_cnn, batch norm + dropout 0.3 + weight decay + flip and crop, 5,000 images",
        "basic_cnn, plain, 5,000 images",
    ]
    assert len({run.described["group"] for run in pair}) == 1
    assert all(run.status() == "finished" for run in SHIPPED)
    plain, regularized = sorted((run.config for run in pair), key=lambda c: len(c.regularizers))
    assert regularized.plain() == plain


def test_what_ships_without_regularizers_differs_from_a_regularized_one_in_nothing_else():
    """Beside one of another schedule it would compare schedules."""
    plain = [run.config for run in SHIPPED if not run.config.regularizers]
    assert plain and all(any(run.config.plain() == c for run in SHIPPED if run.config.regularizers) for c in plain)


@pytest.mark.parametrize("run", SHIPPED, ids=lambda run: run.id)
def test_a_shipped_folder_is_whole_and_its_card_says_what_its_metrics_say(run):
    for name, file in json.loads((run.path / "manifest.json").read_text())["files"].items():
        assert hashlib.sha256((run.path / name).read_bytes()).hexdigest() == file["sha256"], name
    assert json.loads((run.path / "summary.json").read_text()) == run.summary()
    assert (run.path / "README.md").read_text(encoding="utf-8") == model_card(run), "run `python docs/make.py`"
    assert sum(file.stat().st_size for file in run.path.iterdir()) < 10_000_000


@needs_cifar10
@pytest.mark.parametrize("run", SHIPPED, ids=lambda run: run.id)
def test_a_shipped_network_still_answers_as_it_did_when_its_card_was_written(run):
    told, kept, loaded = known(run), answers(run), data.load("cifar10")
    labels = torch.from_numpy(loaded.test_labels.copy())
    assert told is not None and metrics.accuracy(kept, labels) == pytest.approx(told.accuracy, abs=1e-9)
    first = slice(0, 400)
    again = logits_of(run, loaded.test_images[first])
    assert torch.allclose(again, kept[first], atol=0.01 * kept.abs().max().item())
    assert metrics.accuracy(again, labels[first]) == pytest.approx(
        metrics.accuracy(kept[first], labels[first]), abs=0.003
    )


@needs_cifar10
def test_a_narrow_network_learns_real_photographs():
    """Chance is 10 %; a run as short as this sees twice as much. The next test trains the network that people get."""
    config = RunConfig.parse({"train_size": 1_000, "val_size": 200, "epochs": 4, "batch_size": 32, "width": 0.25})
    split = data.split(data.load("cifar10"), 1_000, 200, 0, 0)
    few = replace(split, test_images=split.test_images[:1_000], test_labels=split.test_labels[:1_000])
    *_, end = train(config.override({"flip_crop": True, "device": "cpu", "precision": "fp32"}), few)
    assert isinstance(end, Finished) and end.last["test_accuracy"] > 0.2


@needs_cifar10
@pytest.mark.slow
def test_a_network_learns_real_photographs(tmp_path):
    """Chance is 10 %; four epochs on 1,000 images see far more."""
    command = [
        sys.executable,
        "-m",
        "reglab",
        "train",
        "--dataset",
        "cifar10",
        "--train-size",
        "1000",
        "--val-size",
        "500",
    ]
    command += ["--epochs", "4", "--batch-size", "32", "--flip-crop", "--json", "--runs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["status"] == "finished" and summary["test_images"] == 10_000
    assert summary["test_accuracy"] > 0.25
