"""Runs that cannot win are stopped early: by the rule of successive halving, and in real sweeps."""

from __future__ import annotations

import json
import math

import pytest
from conftest import tiny_config

from reglab.cli.main import main
from reglab.experiments.axes import axis
from reglab.experiments.executors import local
from reglab.experiments.sweep import sweep
from reglab.jobs.pruning import is_hopeless, pruned, rivals, rungs
from reglab.runs.owner import write_owner
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Epoch, Snapshot, Step


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(1, {}), (2, {1: 1}), (3, {1: 1}), (4, {1: 1, 3: 3}), (20, {2: 1, 6: 3}), (90, {10: 1, 30: 3})],
)
def test_a_run_is_judged_at_a_ninth_and_at_a_third(epochs, expected):
    assert rungs(epochs) == expected


def test_of_runs_that_came_as_far_the_best_third_goes_on():
    others = [{1: value} for value in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert is_hopeless({1: 0.05}, others) and is_hopeless({1: 0.35}, others)
    assert not is_hopeless({1: 0.6}, others) and not is_hopeless({1: 0.45}, others)
    assert not is_hopeless({1: 0.01}, []), "the first has nobody to lose against"


def test_each_rung_counts_for_itself():
    others = [{1: 0.9, 3: 0.1}, {1: 0.8, 3: 0.2}, {1: 0.1}]
    assert not is_hopeless({1: 0.85, 3: 0.3}, others)
    assert is_hopeless({1: 0.95, 3: 0.05}, others)


@pytest.mark.parametrize("runs", [1, 2, 3, 5, 6, 9, 20])
def test_of_runs_that_differ_a_third_goes_on_and_the_best_always_does(runs):
    reached = [{1: value / runs} for value in range(runs)]
    kept = [own for own in reached if not is_hopeless(own, [other for other in reached if other is not own])]
    assert kept == reached[-max(runs // 3, 1) :]


def test_equals_of_the_last_that_goes_on_go_on_and_no_number_is_no_hope():
    assert not is_hopeless({1: 0.5}, [{1: 0.5}, {1: 0.5}])
    assert is_hopeless({1: math.nan}, []) and is_hopeless({1: math.nan}, [{1: 0.1}])


def test_who_is_within_the_error_of_its_slice_goes_on_too():
    others = [{1: value} for value in (0.1, 0.3, 0.5)]
    assert is_hopeless({1: 0.45}, others) and not is_hopeless({1: 0.45}, others, error=0.05)
    assert is_hopeless({1: 0.45}, others, error=0.04) and is_hopeless({1: math.nan}, others, error=0.5)


@pytest.mark.parametrize(("judged_size", "goes_on"), [(50, True), (10_000, False)])
def test_a_run_loses_where_its_images_can_tell(store, judged_size, goes_on):
    numbers = dict(step=1, lr=0.1, train_loss=1.0, train_accuracy=0.1, val_loss=1.0, ece=0.1, gap=0.0)
    sizes = {**SMALL, "val_size": 250, "judged_size": judged_size}
    other = store.create(tiny_config(**{**sizes, "seed": 1}), group="prune")
    (other.path / "metrics.jsonl").write_text(json.dumps(Epoch(epoch=1, val_accuracy=0.5, **numbers).to_json()) + "\n")
    run = store.create(tiny_config(**sizes), group="prune")
    events = [Epoch(epoch=1, val_accuracy=0.46, **numbers), Step(epoch=2, batch=1, batches=3, images=20)]
    assert (list(pruned(iter(events), Run(run.path))) == events) == goes_on


# ---- real runs ---------------------------------------------------------------------------------------------------
SMALL = {"train_size": 60, "val_size": 60, "epochs": 4, "width": 0.125, "seed": 0}


def plan(*lrs, prune=True):
    """The best learning rate first, so that the others have somebody to lose against."""
    return sweep(tiny_config(**SMALL), [axis(f"lr={','.join(map(str, lrs))}")], prune=prune)


def test_a_hopeless_run_ends_with_a_reason_and_is_not_tried_again(store):
    told = plan(0.01, 1e-8, 1e-9, 1e-10)
    runs = local.train(told, store)
    ends = [(run.status(), run.was_pruned, len(run.history()) - 1) for run in runs]
    assert ends[0] == ("finished", False, 4)
    losers = [run for run in runs if run.was_pruned]
    assert losers and all(len(run.history()) - 1 in (1, 3) for run in losers)
    assert losers[-1].summary()["reason"].startswith("Pruned after epoch ")
    before = [(run.path / "metrics.jsonl").read_bytes() for run in runs]
    again = local.train(told, store)
    assert [(run.path / "metrics.jsonl").read_bytes() for run in again] == before


def test_without_pruning_the_same_sweep_is_completed_to_the_same_bytes(store, tmp_path):
    rates = 0.01, 1e-8, 1e-9
    assert any(run.was_pruned for run in local.train(plan(*rates), store))
    whole = local.train(plan(*rates, prune=False), store)
    assert [run.status() for run in whole] == ["finished"] * 3
    plain = local.train(plan(*rates, prune=False), Store(tmp_path / "plain"))
    for run, other in zip(whole, plain, strict=True):
        assert (run.path / "metrics.jsonl").read_bytes() == (other.path / "metrics.jsonl").read_bytes()


def test_a_run_that_is_resumed_past_a_rung_is_not_judged_there_again(store):
    run = store.create(tiny_config(**SMALL), group="prune")
    numbers = dict(step=1, lr=0.1, train_loss=1.0, train_accuracy=0.1, val_loss=1.0, ece=0.1, gap=0.0)
    line = Epoch(epoch=1, val_accuracy=0.1, **numbers)
    (run.path / "metrics.jsonl").write_text(json.dumps(line.to_json()) + "\n")
    later = [Epoch(epoch=2, val_accuracy=0.0, **numbers), Snapshot(state={}, tensors={})]
    assert list(pruned(iter(later), Run(run.path))) == later


def test_a_factorial_is_not_pruned(capsys):
    assert main(["sweep", "--factorial", "dropout,batch_norm", "--prune"]) == 2
    assert "needs all of" in capsys.readouterr().err


def test_an_epoch_without_a_snapshot_is_judged_before_what_comes_next(store):
    """As from a cluster, where not every snapshot is worth sending."""
    numbers = dict(step=1, lr=0.1, train_loss=1.0, train_accuracy=0.1, val_loss=1.0, ece=0.1, gap=0.0)
    for seed, accuracy in enumerate((0.9, 0.8)):
        other = store.create(tiny_config(**{**SMALL, "seed": seed + 1}), group="prune")
        line = Epoch(epoch=1, val_accuracy=accuracy, **numbers)
        (other.path / "metrics.jsonl").write_text(json.dumps(line.to_json()) + "\n")
    run = store.create(tiny_config(**SMALL), group="prune")
    events = [Epoch(epoch=1, val_accuracy=0.1, **numbers), Step(epoch=2, batch=1, batches=3, images=20)]
    told = list(pruned(iter(events), Run(run.path)))
    assert told[0] is events[0] and len(told) == 2
    assert told[1].reason.startswith("Pruned after epoch 1 of 4: 2 other runs were at least as good there (10.0 %")


def test_a_visitor_s_run_loses_to_nobody_else_s(store):
    """The same sweep has the same group whoever starts it: another's results ended a run, and were told in its last line."""
    numbers = dict(step=1, lr=0.1, train_loss=1.0, train_accuracy=0.1, val_loss=1.0, ece=0.1, gap=0.0)
    made = {}
    for place, (key, accuracy) in enumerate({"ann": 0.3, "bob": 0.9, "": 0.5, "ann too": 0.4}.items()):
        made[key] = run = store.create(tiny_config(**{**SMALL, "seed": place}), group="prune")
        if key:
            write_owner(run.path, f"the key that {key[:3]} has")
        line = Epoch(epoch=1, val_accuracy=accuracy, **numbers)
        (run.path / "metrics.jsonl").write_text(json.dumps(line.to_json()) + "\n")
    assert sorted(each[1] for each in rivals(made["ann"])) == [0.4, 0.5]
    assert sorted(each[1] for each in rivals(made["bob"])) == [0.5]
    assert sorted(each[1] for each in rivals(made[""])) == [0.3, 0.4, 0.9], "the host's, who sees all"
