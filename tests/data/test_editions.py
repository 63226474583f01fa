"""The digits were divided otherwise once: what began so goes on so, is judged so, and is read as it was."""

from __future__ import annotations

import itertools

import pytest
from conftest import tiny_config
from hub_cache import own_cache_fixture  # noqa: F401  (for every test of this file)

from reglab import data
from reglab.analysis import evaluate, mistakes
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.jobs.worker import work
from reglab.runs.run import Run
from reglab.teaching import sheet

LARGE = {"train_size": 990, "val_size": 300}
"""More than there is today, and no more than there was."""


def begun_before(store, monkeypatch, stop_after: int | None = None, **settings) -> Run:
    """A run as the version before made it."""
    with monkeypatch.context() as before:
        before.setitem(data.SOURCES, "digits", data.EARLIER["digits"])
        run = store.create(tiny_config(**{"train_size": 60, "val_size": 60, "epochs": 2, "width": 0.25, **settings}))
        seen = itertools.count()
        work([run], stopped=lambda: stop_after is not None and next(seen) > stop_after)
    return Run(run.path)


def test_both_editions_are_at_hand():
    now, before = data.load("digits"), data.load("digits", test_images=500)
    assert (len(now.images), len(now.test_images), now.revision) == (1_287, 510, "by-writer")
    assert (len(before.images), len(before.test_images), before.revision) == (1_297, 500, "built-in")
    assert (before.test_labels == now.test_labels[10:]).all()
    assert data.source("digits", 510) == data.source("digits") == data.source("digits", 12) == now.source
    assert data.source("cifar10", 500).test_images == 10_000


def test_a_run_that_began_before_goes_on_to_the_same_bytes(store, monkeypatch):
    whole, broken_off = begun_before(store, monkeypatch), begun_before(store, monkeypatch, stop_after=5)
    assert whole.summary()["test_images"] == 500
    assert broken_off.summary()["status"] == "stopped"
    broken_off.reopen()
    work([broken_off])
    assert Run(broken_off.path).summary()["status"] == "finished"
    assert (broken_off.path / "metrics.jsonl").read_bytes() == (whole.path / "metrics.jsonl").read_bytes()


def test_it_is_judged_on_what_it_saw(store, monkeypatch):
    run = begun_before(store, monkeypatch, **LARGE, epochs=1)
    found = evaluate.evaluate(run)
    assert (found.test_images, found.revision, found.accuracy) == (
        500,
        "built-in",
        run.summary()["best"]["test_accuracy"],
    )
    assert len(evaluate.answers(run)) == mistakes.look(str(run.path)).images == 500
    assert run.config.train_size == 990
    with pytest.raises(ConfigError, match="ask for at most 987"):
        RunConfig.parse(run.config.model_dump())


def test_its_sheet_holds_and_is_not_trained_again(store, monkeypatch):
    made = sheet.make(begun_before(store, monkeypatch))
    without = made.model_copy(update={"result": made.result.model_copy(update={"test_images": 0})})
    for told in (made, without):  # sheets of that version do not say the number
        assert [finding.sentence for finding in sheet.check(told) if finding.holds is False] == []
        with pytest.raises(ConfigError, match="saw 500 test images of Digits, which has 510 now"):
            sheet.check_trainable(told)
