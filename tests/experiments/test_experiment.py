"""An experiment: what each kind of it trains, what is written, what is read again, and what two who start it at once get."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import tiny_config

from reglab.config import EVERYTHING
from reglab.errors import ConfigError, RunError
from reglab.experiments.executors import local, queue
from reglab.experiments.experiment import Experiment, name_of
from reglab.jobs.queue import Jobs
from reglab.runs.run import Run
from reglab.runs.store import Store

BASE = tiny_config(train_size=40, val_size=40, epochs=1, width=0.125, batch_size=20)
DROPOUT = BASE.override({"dropout.rate": 0.5, "seed": 3})


def swept(store: Store, rates=(0.1, 0.5), seeds=(0, 1)) -> Experiment:
    return Experiment.planned("sweep", [BASE.override({"dropout.rate": rate}) for rate in rates], seeds)


# ---- what each kind of it trains ---------------------------------------------------------------------------------
def test_a_pair_is_the_plain_run_first_and_random_weights_last():
    assert Experiment.pair(DROPOUT).configs == [DROPOUT.plain(), DROPOUT]
    assert Experiment.pair(DROPOUT, plain=False).kind == Experiment.pair(BASE).kind == "run"
    moved = DROPOUT.override({"model": "timm/mobilenetv3_small_050", "pretrained": True, "width": 1.0})
    told = Experiment.pair(moved, scratch=True)
    assert told.configs == [moved.plain(), moved, moved.from_scratch()] and told.is_one_job
    assert list(told.arms) == ["plain", "regularized", "random weights"]
    assert Experiment.pair(moved).group != told.group, "two pairs never share a group"


def test_every_arm_comes_with_the_first_seed_before_any_comes_with_the_second(store):
    told = swept(store)
    assert [(c.regularizers["dropout"].rate, c.seed) for c in told.configs] == [(0.1, 0), (0.5, 0), (0.1, 1), (0.5, 1)]
    assert list(map(told.name, told.configs)) == [f"dropout rate {r}, seed {s}" for s in (0, 1) for r in (0.1, 0.5)]


def test_the_same_plan_has_the_same_group_whatever_its_order(store):
    assert swept(store).group == swept(store, (0.5, 0.1)).group == name_of(swept(store).configs)
    assert swept(store).group != swept(store, (0.1, 0.6)).group
    before = [config.override({"judged_size": EVERYTHING}) for config in swept(store).configs]
    assert name_of(before) == "sweep-951ba0f2", "sweeps of before are found under this name"


def test_a_fork_says_where_it_leaves_and_how(store):
    run = store.create(BASE.override({"epochs": 3}), name="mine")
    told = Experiment.fork(run, 1.0, {"dropout.rate": "0.5"})
    (made,) = told.folders(store)
    assert made.name == "basic_cnn, dropout 0.5 from epoch 2 on, 40 images of Digits" and made.config.fork.epoch == 1
    assert made.described["parent"] == run.id and made.described["group"] == ""
    assert (Experiment.of(made).kind, Experiment.of(made).parent) == ("fork", run.id)
    for value in (0, 0.5):
        [arm] = Experiment.fork(run, 1, {"dropout.rate": value}).arms
        assert arm == f"basic_cnn, dropout {value} from epoch 2 on, 40 images of Digits"
    for epoch in (1.5, float("nan"), None):
        with pytest.raises(ConfigError, match="give a whole number"):
            Experiment.fork(run, epoch, {"dropout.rate": "0.5"})


# ---- what is written ---------------------------------------------------------------------------------------------
def test_an_experiment_is_read_as_it_was_written(store):
    for told in (swept(store), Experiment.pair(DROPOUT)):
        runs = told.folders(store)
        assert Experiment.read(store, told.group) == told == Experiment.of(runs[0])
        assert [run.config for run in runs] == told.configs and told.folders(store) == runs
    (alone,) = Experiment.run(DROPOUT).folders(store)
    assert Experiment.of(alone).kind == "run" and alone.described["group"] == ""


def test_more_seeds_of_the_same_plan_add_up(store):
    first = swept(store).model_copy(update={"group": "paper"})
    first.folders(store)
    first.model_copy(update={"seeds": (2,)}).folders(store)
    assert Experiment.read(store, "paper").seeds == (0, 1, 2) and len(store.group("paper")) == 6


def test_a_damaged_file_is_made_up_for_by_the_runs(store):
    told = swept(store)
    told.folders(store)
    file = store.root / ".experiments" / told.group / "experiment.json"
    whole = json.loads(file.read_text())
    deep = '{"format": 1, "kind": "sweep", "arms": ' + '{"a": ' * 5_000 + "1" + "}" * 5_001
    wrong = ({"format": 99}, {"arms": {"a": {"lr": -1}}}, {"arms": {}}, {"seeds": "many"}, {"kind": ["sweep"]})
    for damaged in ("", "[]", "\0", deep, *(json.dumps({**whole, **change}) for change in wrong)):
        file.write_text(damaged)
        assert Experiment.read(store, told.group) == told.model_copy(update={"axes": ()})


@pytest.mark.parametrize(
    ("group", "kind", "title", "one_job"),
    [
        ("0123456789ab", "pair", "", True),
        ("sweep-01234567", "sweep", "sweep-01234567", False),
        ("cutout-budget", "publication", "cutout-budget", False),
        ("My own", "group", "My own", True),
    ],
)
def test_a_group_from_before_is_told_by_its_runs(store, group, kind, title, one_job):
    runs = [store.create(config, group=group) for config in (BASE, DROPOUT)]
    told = Experiment.of(runs[0])
    assert (told.kind, told.title, told.is_one_job) == (kind, title, one_job)
    assert list(told.arms) == ["plain", "dropout"] and told.seeds == (0, 3)


def test_there_is_no_experiment_without_a_run_and_none_outside_of_the_folder(store, tmp_path):
    told = swept(store)
    told.folders(store)
    shutil.copytree(store.root / ".experiments" / told.group, tmp_path / "elsewhere")
    for group in ("nothing", "../../../elsewhere", str(tmp_path / "elsewhere"), ""):
        with pytest.raises(RunError, match="no group called"):
            Experiment.read(store, group)
    with pytest.raises(ConfigError, match="cannot be the name of a group"):
        told.model_copy(update={"group": "../../../elsewhere"}).folders(store)


# ---- who trains it -----------------------------------------------------------------------------------------------
def test_runs_side_by_side_are_trained_a_step_of_each_in_turn(store):
    order: list[str] = []
    local.train(Experiment.pair(DROPOUT), store, listen=lambda run, event: order.append(run.id))
    first, second = store.runs()
    assert first.status() == second.status() == "finished"
    assert order.index(first.id) < order.index(second.id) + 2 and order.index(second.id) < order.index(first.id) + 2


@pytest.fixture
def jobs(store):
    store.root.mkdir(parents=True)
    ours = Jobs(store)
    yield ours
    ours.close()


def test_two_who_start_the_same_experiment_at_once_get_the_same_runs_queued_once(store, jobs):
    told = swept(store).model_copy(update={"arms": {"long": BASE.override({"epochs": 900})}, "seeds": tuple(range(6))})
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda owner: queue.train(told, jobs, owner), "abcd"))
    assert all(answer == answers[0] for answer in answers) and len(store.runs()) == 6
    assert sum(jobs.counts()) == 6
    jobs.stop_all(answers[0])


def test_what_the_queue_refuses_was_never_made(store, jobs):
    for n in range(4):
        try:
            queue.train(Experiment.run(BASE.override({"epochs": 900, "seed": n})), jobs, "me")
        except ConfigError as error:
            assert "jobs waiting already" in str(error)
    before = store.runs()
    for told in (swept(store), Experiment.pair(DROPOUT)):
        with pytest.raises(ConfigError, match="jobs waiting already"):
            queue.train(told, jobs, "me")
    assert store.runs() == before
    jobs.stop_all(before)


def test_a_device_that_is_not_here_is_refused_and_nothing_is_made(store, jobs):
    if jobs.machine(timeout=0).get("device") == "cuda":
        pytest.skip("there is a GPU here")
    gpu = DROPOUT.override({"device": "cuda"})
    for told in (Experiment.pair(gpu), Experiment.planned("sweep", [gpu], (0,))):
        with pytest.raises(
            ConfigError, match="device cuda was asked for, but torch finds no GPU here: use auto or cpu"
        ):
            queue.train(told, jobs, "me")
    assert store.runs() == []


def test_a_run_of_before_is_left_where_it_is_when_the_queue_refuses(store, jobs):
    told = swept(store)
    (made,) = told.folders(store, told.configs[:1])
    jobs.close()
    with pytest.raises(RunError, match="shutting down"):
        queue.train(told, jobs, "me")
    assert store.runs() == [Run(made.path)]
