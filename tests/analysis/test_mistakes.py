"""Mistakes against numpy by hand, and those of a real run against its own answers."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import tiny_config

from reglab import data
from reglab.analysis.evaluate import ANSWERS, answers, evaluate
from reglab.analysis.mistakes import (
    IN_TABLE,
    OF_A_CELL,
    SUREST,
    in_table,
    is_ready,
    look,
    pictures,
    sureness,
    surest,
    taken_for,
)
from reglab.errors import ConfigError, RunError
from reglab.runs.recording import record
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.train import train


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> Run:
    """A run that has learned some digits, and was evaluated. Do not change it."""
    config = tiny_config(train_size=60, val_size=60, epochs=2, lr=0.01, width=0.25)
    run = Store(tmp_path_factory.mktemp("learned")).create(config)
    split = data.split(data.load("digits"), 60, 60, 0, 0)
    for _ in record(run, train(run.config, split)):
        pass
    evaluate(Run(run.path))
    return Run(run.path)


@pytest.fixture(scope="module")
def told(learned) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each test image of that run: its label, what it is taken for, and how confidently; by numpy."""
    logits = answers(learned).numpy().astype(np.float64)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return data.load("digits").test_labels, shares.argmax(1), shares.max(1)


def test_mistakes_are_the_wrong_rows_the_most_confident_first():
    logits = torch.tensor([[4.0, 0, 0], [0, 1, 0], [0, 0, 3], [0, 2, 0], [9, 0, 0], [0, 2.5, 0]])
    labels = torch.tensor([0, 0, 1, 0, 2, 0])
    assert surest(logits, labels) == [4, 2, 5, 3, 1]
    assert taken_for(logits, labels, 0, 1) == [5, 3, 1]
    assert taken_for(logits, labels, 0, 0) == [0] and taken_for(logits, labels, 1, 0) == []


def test_as_confident_rows_keep_their_order():
    assert surest(torch.tensor([[200.0, 0], [100, 0], [100, 0]]), torch.ones(3, dtype=torch.long)) == [0, 1, 2]


def test_sureness_adds_up_to_the_calibration_error():
    logits = torch.randn(200, 5, generator=torch.Generator().manual_seed(0)) * 3
    labels = torch.arange(200) % 5
    told = sureness(logits, labels)
    bins = [b for b in told["reliability"] if b["count"]]
    assert sum(b["count"] for b in bins) == 200
    assert told["ece"] == pytest.approx(sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / 200)
    assert told["confidence"] == pytest.approx(logits.double().softmax(1).amax(1).mean().item())


def test_a_table_of_many_classes_shows_those_that_are_confused_most():
    counts = np.zeros((100, 100), dtype=int)
    assert in_table(counts[:IN_TABLE, :IN_TABLE].tolist()) == list(range(IN_TABLE))
    np.fill_diagonal(counts, 50)
    for n in range(0, 40, 2):
        counts[90 - n, 91 - n] = 40 - n
    assert in_table(counts.tolist()) == list(range(72, 92))


def test_the_look_at_a_run_is_that_of_its_answers(learned, told):
    labels, predicted, confidence = told
    found = look(str(learned.path))
    expected = np.zeros((10, 10), dtype=int)
    np.add.at(expected, (labels, predicted), 1)
    assert np.array_equal(found.counts, expected)
    assert found.images == len(labels) and found.accuracy == pytest.approx((labels == predicted).mean())
    assert found.per_class == pytest.approx(expected.diagonal() / expected.sum(1))
    wrong = np.flatnonzero(labels != predicted)
    first = wrong[np.argsort(-confidence[wrong], kind="stable")][:SUREST]
    assert [m.confidence for m in found.surest] == pytest.approx(confidence[first].tolist())
    assert [(m.true, m.predicted) for m in found.surest] == [(str(labels[i]), str(predicted[i])) for i in first]
    assert all(
        np.array_equal(m.pixels, data.load("digits").test_images[i]) for m, i in zip(found.surest, first, strict=True)
    )
    assert found.calibrated["ece"] != found.raw["ece"] and found.temperature != 1


def test_the_pictures_of_a_cell_are_those_that_it_counts(learned, told):
    labels, predicted, confidence = told
    right = int(labels[labels == predicted][0])
    for true, taken in [(right, right), (int(labels[labels != predicted][0]), int(predicted[labels != predicted][0]))]:
        shown = pictures(str(learned.path), true, taken)
        rows = np.flatnonzero((labels == true) & (predicted == taken))
        assert len(shown) == min(len(rows), OF_A_CELL)
        assert [m.confidence for m in shown] == pytest.approx(sorted(confidence[rows], reverse=True)[: len(shown)])
        assert {(m.true, m.predicted) for m in shown} == {(str(true), str(taken))}
    with pytest.raises(ConfigError, match="choose 0 to 9"):
        pictures(str(learned.path), 0, 10)


def test_a_run_that_was_not_evaluated_is_refused_in_a_sentence(learned, tmp_path):
    run = Run(shutil.copytree(learned.path, tmp_path / learned.id))
    assert is_ready(run)
    known = json.loads((run.path / "evaluation.json").read_text())
    (run.path / "evaluation.json").write_text(json.dumps(known | {"revision": "another"}))
    with pytest.raises(RunError, match="another edition of Digits than is here: evaluate it again"):
        look(str(run.path))
    (run.path / ANSWERS).unlink()
    assert not is_ready(run), "it would take a while"
    (run.path / "evaluation.json").unlink()
    with pytest.raises(RunError, match="press Evaluate first"):
        look(str(run.path))
