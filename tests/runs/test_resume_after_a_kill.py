"""A run that breaks off, wherever it is, goes on to the same bytes as one that was left alone."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import tiny_config

from reglab.runs import clock
from reglab.runs.recording import record
from reglab.runs.run import BEST, BEST_AT_LAST, LAST, Run
from reglab.runs.store import Store
from reglab.runs.tensors import read_tensors, tensor_bytes
from reglab.training.events import Best, Epoch, Step, best_epoch
from reglab.training.train import train


class Killed(BaseException):
    """What `kill -9` is to a process: nothing catches it."""


class Reaper:
    """Kills whoever is about to rename, link or remove a file in a folder, at the n-th time."""

    def __init__(self) -> None:
        self.folder, self.left = "", 0
        self.done: list[str] = []

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.folder or event not in ("os.rename", "os.link", "os.remove"):
            return
        target = os.fsdecode(arguments[0 if event == "os.remove" else 1])
        if not target.startswith(self.folder):
            return
        self.done.append(f"{event} {Path(target).name}")
        self.left -= 1
        if self.left == 0:
            raise Killed


reaper = Reaper()
sys.addaudithook(reaper)  # for good: it does nothing while it has no folder


@pytest.fixture
def reaping():
    yield reaper
    reaper.folder = ""


@pytest.fixture
def often(monkeypatch):
    """A snapshot whenever there can be one, not every five seconds."""
    monkeypatch.setattr(clock, "SNAPSHOT_SECONDS", 0.0)


@pytest.fixture(scope="module")
def config():
    """Best at epochs 0, 2 and 3, so that weights are replaced while a snapshot vouches for others."""
    return tiny_config(epochs=4, width=0.25, batch_size=32)


@pytest.fixture(scope="module")
def whole(config, tiny_split, tmp_path_factory) -> tuple[Run, dict[int, dict[str, torch.Tensor]]]:
    """A run that was left alone, and the weights that were the best, by the epoch from which on they were."""
    run = Store(tmp_path_factory.mktemp("whole")).create(config)
    best = {}
    for event in record(run, train(config, tiny_split)):
        if isinstance(event, Best):
            best[event.epoch] = {k: v.clone() for k, v in event.weights.items()}
    assert len(best) >= 3 and 0 in best
    return Run(run.path), best


def go_on(run: Run, split, until=lambda event: False, **how) -> Run:
    for event in record(Run(run.path), train(run.config, split, resume=Run(run.path).resume(), **how)):
        if until(event):
            break
    return Run(run.path)


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def is_as_left_alone(run: Run, whole: Run) -> None:
    for file in ("metrics.jsonl", BEST):
        assert (run.path / file).read_bytes() == (whole.path / file).read_bytes(), file
    assert run.status() == "finished" and not list(run.path.glob(".*.tmp")) and not (run.path / BEST_AT_LAST).exists()


def test_killed_after_a_best_that_the_snapshot_does_not_know(store, config, tiny_split, whole, often):
    """History says the best is an earlier epoch, so the weights must be that epoch's."""
    alone, best = whole
    for epoch in sorted(best)[1:]:
        run = go_on(
            store.create(config), tiny_split, lambda event, e=epoch: isinstance(event, Best) and event.epoch == e
        )
        assert same(run.weights(), best[epoch]), "whoever uses them meanwhile has the best of all"
        resume = run.resume()
        known = best_epoch(resume.history, run.config).epoch
        assert known < epoch and same(resume.best_weights, best[known]) and same(run.weights(), best[known])
        is_as_left_alone(go_on(run, tiny_split), alone)


def test_stopped_before_that_best_comes_again(store, config, tiny_split, whole, often):
    """What is on disk at the end is what the run says is its best."""
    alone, best = whole
    last = max(best)
    run = go_on(store.create(config), tiny_split, lambda event: isinstance(event, Best) and event.epoch == last)
    go_on(run, tiny_split, stop=lambda: True)
    assert run.status() == "stopped" and run.summary()["best_epoch"] < last
    assert same(run.weights(), best[run.summary()["best_epoch"]])
    is_as_left_alone(go_on(run, tiny_split), alone)


def goes_on_after_a_kill_at(n: int, run: Run, split, whole, reaping) -> bool:
    """Whether there was an n-th time at all."""
    alone, best = whole
    reaping.folder, reaping.left = str(run.path), n
    try:
        go_on(run, split)
    except Killed:
        pass
    else:
        return False
    finally:
        reaping.folder = ""
    if resume := Run(run.path).resume():
        known = [e for e in best if e <= max((e.epoch for e in resume.history), default=-1)]
        assert same(resume.best_weights, best[max(known)] if known else {}), reaping.done
    is_as_left_alone(go_on(run, split), alone)
    return True


@pytest.mark.slow
def test_killed_before_any_change_to_any_file(store, config, tiny_split, whole, often, reaping):
    n = 1
    while goes_on_after_a_kill_at(n, store.create(config), tiny_split, whole, reaping):
        n += 1
    assert n > 25 and any(BEST_AT_LAST in done for done in reaping.done)


@pytest.mark.parametrize("change", [f"os.rename {BEST_AT_LAST}", f"os.remove {BEST_AT_LAST}", f"os.rename {LAST}"])
def test_killed_before_a_change_that_concerns_the_best_weights(
    change, store, config, tiny_split, whole, often, reaping
):
    """Before they are kept beside, before the snapshot that vouches for new ones, and before the old ones go."""
    watched = store.create(config)
    reaping.folder, reaping.left, reaping.done = str(watched.path), 0, []  # never: only what is done is noted
    go_on(watched, tiny_split)
    reaping.folder = ""
    last = len(reaping.done) - reaping.done[::-1].index(change)
    assert goes_on_after_a_kill_at(last, store.create(config), tiny_split, whole, reaping)


def test_a_folder_from_before_snapshots_vouched_for_the_weights_is_gone_on_with(
    store, config, tiny_split, whole, often
):
    alone, _ = whole
    run = go_on(store.create(config), tiny_split, lambda event: isinstance(event, Epoch) and event.epoch == 3)
    tensors, metadata = read_tensors(run.path / LAST)
    old = metadata["state"].partition(', "best_sha256"')[0] + "}"
    assert "best_sha256" not in old
    (run.path / LAST).write_bytes(tensor_bytes(tensors, {"state": old}))
    resume = run.resume()
    assert resume.state["epoch"] == 3 and resume.best_weights
    is_as_left_alone(go_on(run, tiny_split), alone)


@pytest.mark.parametrize("file", [BEST, BEST_AT_LAST])
def test_best_weights_that_are_lost_or_others_cost_time_not_truth(file, store, config, tiny_split, whole, often):
    alone, best = whole
    run = go_on(store.create(config), tiny_split, lambda event: isinstance(event, Best) and event.epoch == max(best))
    (run.path / BEST_AT_LAST).write_bytes(tensor_bytes({"other": torch.zeros(3)}))
    if file == BEST:
        (run.path / BEST).unlink()
    assert run.resume() is None
    is_as_left_alone(go_on(run, tiny_split), alone)


def test_what_is_kept_beside_travels_no_farther(store, config, tiny_split, tmp_path, often):
    """Somebody who takes the run along gets what it is, not what is needed to go on."""
    run = go_on(store.create(config), tiny_split, lambda event: isinstance(event, Best) and event.epoch > 0)
    assert (run.path / BEST_AT_LAST).exists()
    with zipfile.ZipFile(run.zip(tmp_path)) as packed:
        assert [name for name in packed.namelist() if "last" in name] == []


# ---- broken off, and gone on with -------------------------------------------------------------------------------
def recorded(store: Store, split, config=None, until=lambda event: False, **how) -> Run:
    """A run trained here and now, its recording broken off (as a crash would) after the first event that `until` is true of."""
    run = store.create(config or tiny_config(epochs=2))
    for event in record(run, train(run.config, split, resume=run.resume(), **how)):
        if until(event):
            break
    return Run(run.path)


def broken_off(store: Store, split, after: int, config=None) -> Run:
    """A run whose process died after that many steps: no summary, no manifest."""
    seen = []
    return recorded(
        store, split, config, until=lambda e: isinstance(e, Step) and (seen.append(e) or len(seen) == after)
    )


def test_a_run_that_broke_off_is_interrupted_and_goes_on_to_the_same_bytes(store, tiny_split, often):
    whole = recorded(store, tiny_split)
    broken = broken_off(store, tiny_split, 6)
    assert broken.status() == "interrupted"
    list(record(broken, train(broken.config, tiny_split, resume=broken.resume())))
    is_as_left_alone(broken, whole)


def test_resuming_cuts_the_metrics_back_to_the_snapshot(store, tiny_split, often):
    broken = broken_off(store, tiny_split, 6)
    state = json.loads((broken.path / "state.json").read_text())
    with (broken.path / "metrics.jsonl").open("ab") as out:
        out.write(b'{"event": "epoch", "epoch": 9')
    (broken.path / ".model.safetensors.123.tmp").write_bytes(b"half")
    resume = broken.resume()
    assert (broken.path / "metrics.jsonl").stat().st_size == state["metrics_bytes"]
    assert resume.state["epoch"] == 2 and [e.epoch for e in resume.history] == [0, 1]
    assert not list(broken.path.glob("*.tmp")) and not list(broken.path.glob(".*.tmp"))


def test_who_trains_a_run_leaves_alone_what_others_write_into_it(store, monkeypatch):
    """A rename or a stop while the training process is starting: neither may lose its file to the tidying up."""
    run = store.create(tiny_config())
    replace = os.replace

    def meanwhile(source, target):
        Run(run.path).resume()
        replace(source, target)

    monkeypatch.setattr(os, "replace", meanwhile)
    run.rename("kept")
    run.ask_to_stop()
    assert run.name == "kept" and run.should_stop()
    assert sorted(path.name for path in run.path.glob(".*.tmp")) == []
