"""Work that is ended by a deadline and taken up again: the same bytes as in one go, and never without end."""

from __future__ import annotations

import time

import pytest
import torch
from conftest import tiny_config

from reglab.jobs import worker
from reglab.jobs.worker import work
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Preparing, Stopped

REPRODUCIBLE = ("metrics.jsonl", "model.safetensors", "right.json")


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def config(**changes):
    return tiny_config(**{"train_size": 200, "val_size": 60, "epochs": 6, **changes})


def in_slices(runs: list[Run], seconds: float, most: int = 500, **options) -> int:
    """Work at them in slices until each has its last word; how many that took."""
    for done in range(1, most + 1):
        work([run for run in runs if run.status() == "interrupted"], deadline=time.monotonic() + seconds, **options)
        left = [run for run in runs if run.status() == "interrupted"]
        assert all(run.resume() is not None for run in left if run.lines()[0]), "each has a snapshot"
        if not left:
            return done
    raise AssertionError("no end")


def assert_same(runs: list[Run], others: list[Run]) -> None:
    for run, other in zip(runs, others, strict=True):
        for file in REPRODUCIBLE:
            assert (run.path / file).read_bytes() == (other.path / file).read_bytes(), file


@pytest.mark.parametrize(
    ("share", "epochs"), [(1 / 4, 3), (0.0, 1)], ids=["of a quarter", "too short for a single step"]
)
def test_runs_side_by_side_in_slices_come_to_the_bytes_of_one_go(tmp_path, share, epochs):
    usual = {"epochs": epochs, "width": 0.25}
    configs = [config(**usual), config(**usual, seed=1, regularizers={"dropout": {}, "ema": {}})]
    whole = [Store(tmp_path / "whole").create(c) for c in configs]
    began = time.monotonic()
    work(whole)
    seconds = share * (time.monotonic() - began)
    runs = [Store(tmp_path / "sliced").create(c) for c in configs]
    assert in_slices(runs, seconds) > 1
    assert {run.status() for run in runs} == {"finished"}
    assert_same(runs, whole)


def test_a_slice_ends_within_a_step_of_its_deadline_without_a_last_word(store):
    run = store.create(config(epochs=1_000))
    began = time.monotonic()
    work([run], deadline=began + 0.5)
    assert time.monotonic() - began < 5
    assert run.status() == "interrupted" and not (run.path / "manifest.json").exists()
    epochs, seconds = len(run.history()), run.last_timing()["seconds"]
    work([run], deadline=time.monotonic() + 0.5)
    assert len(run.history()) >= epochs and run.last_timing()["seconds"] > seconds


def test_what_was_asked_counts_for_more_than_the_deadline(store):
    run = store.create(config())
    run.ask_to_stop()
    work([run], deadline=time.monotonic())
    assert run.status() == "stopped" and not run.was_pruned


def test_a_run_that_fails_in_a_slice_has_its_last_word(store):
    bad, good = store.create(config(optimizer="sgd", lr=1e6)), store.create(config(epochs=1))
    in_slices([bad, good], 0.0)
    assert [bad.status(), good.status()] == ["failed", "finished"]


def test_features_that_take_several_slices_get_on_in_each(store, monkeypatch):
    kept: list[int] = []
    plain = worker.trained

    def with_features(config, split, resume, stop):
        yield Preparing(what="features", done=len(kept), total=4)
        while len(kept) < 4:
            if stop():
                yield Stopped(epoch=0, step=0)
                return
            kept.append(1)
            yield Preparing(what="features", done=len(kept), total=4)
        yield from plain(config, split, resume, stop)

    monkeypatch.setattr(worker, "trained", with_features)
    run = store.create(config(train_size=32, epochs=1))
    work([run], deadline=0.0)
    assert len(kept) == 1 and run.status() == "interrupted" and run.last_timing()["done"] == 1
    in_slices([run], 0.0, most=30)
    assert run.status() == "finished"
