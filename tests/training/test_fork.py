"""Forks: the same epochs as the other run to the byte, then others; stopped and taken up again; what cannot be forked."""

from __future__ import annotations

import json
import re

import pytest
from conftest import tiny_config

from reglab import models
from reglab.analysis.networks import network_of
from reglab.cli.main import main
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.jobs.worker import work
from reglab.models import MODELS, ModelSpec
from reglab.runs.run import Run
from reglab.training.events import Epoch, Failed, Finished, Stopped
from reglab.training.fork import names, train_fork
from reglab.training.train import train

BASE = tiny_config(epochs=4, train_size=60, val_size=60, width=0.125)


def told(events) -> list[dict]:
    return [event.to_json() for event in events if event.name in ("started", "epoch", "best", "finished")]


def epochs(events) -> list[Epoch]:
    return [event for event in events if isinstance(event, Epoch)]


# ---- what is trained ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("changes", [{"dropout.rate": 0.5}, {"weight_decay": True}, {"flip_crop": True, "ema": True}])
def test_a_fork_is_the_other_run_up_to_its_epoch_and_another_one_from_there(changes, tiny_split):
    parent = epochs(train(BASE, tiny_split))
    fork = epochs(train_fork(BASE.forked(2, changes), tiny_split))
    assert fork[:3] == parent[:3] and len(fork) == len(parent) == 5
    assert [e.train_loss for e in fork[3:]] != [e.train_loss for e in parent[3:]]


def test_a_technique_can_be_switched_off_and_another_continues_with_what_it_remembers(tiny_split):
    config = tiny_config(
        width=0.125, epochs=4, regularizers={"dropout": {"rate": 0.3}, "ema": {"decay": 0.9}, "flip_crop": {}}
    )
    fork = config.forked(2, {"dropout": False})
    assert fork.regularizers.keys() == {"ema", "flip_crop"}
    parent, after = epochs(train(config, tiny_split)), epochs(train_fork(fork, tiny_split))
    assert after[:3] == parent[:3] and after[3] != parent[3]


def test_a_change_that_changes_nothing_leaves_every_number_as_it_was(tiny_split):
    """A penalty of strength zero: what the fork is continued with is what the other run would have continued with."""
    config = tiny_config(width=0.125, epochs=3, regularizers={"dropout": {"rate": 0.3}, "ema": {"decay": 0.9}})
    fork = config.forked(1, {"l1.strength": 0})
    assert told(train_fork(fork, tiny_split)) == told(train(config, tiny_split))


def test_a_fork_of_a_fork_is_both(tiny_split):
    first = BASE.forked(1, {"dropout.rate": 0.5})
    second = first.forked(3, {"dropout": False, "weight_decay": True})
    assert epochs(train_fork(second, tiny_split))[:4] == epochs(train_fork(first, tiny_split))[:4]
    assert second.parent() == first and first.parent() == BASE


def test_its_weights_fit_its_own_network_even_where_the_best_epoch_was_the_others(store):
    run = store.create(BASE.forked(3, {"dropout.rate": 0.9, "gaussian_noise": True}))
    work([run])
    assert run.status() == "finished"
    parent = store.create(BASE)
    work([parent])
    assert network_of(Run(run.path))  # raises where the weights do not fit
    assert [e.to_json() for e in run.history()[:4]] == [e.to_json() for e in parent.history()[:4]]


@pytest.mark.parametrize("stop_after", [1, 3])
def test_stopped_in_either_part_and_resumed_it_comes_to_the_same_bytes(stop_after, store):
    config = BASE.forked(2, {"dropout.rate": 0.5})
    whole, broken = store.create(config), store.create(config)
    work([whole])
    work([broken], stopped=lambda: len(broken.history()) > stop_after)
    assert broken.status() == "stopped" and len(broken.history()) == stop_after + 1
    broken.reopen()
    work([broken])
    for file in ("metrics.jsonl", "model.safetensors"):
        assert (whole.path / file).read_bytes() == (broken.path / file).read_bytes()


def test_a_run_that_ended_before_cannot_be_forked_after(tiny_split):
    config = tiny_config(epochs=8, width=0.125, regularizers={"early_stopping": {"patience": 1, "min_delta": 1}})
    ended = list(train_fork(config.forked(6, {"early_stopping": False}), tiny_split))[-1]
    assert isinstance(ended, Failed) and "ends after epoch" in ended.reason


def test_stopping_in_the_common_part_ends_with_one_stop(tiny_split):
    asked: list[int] = []
    events = train_fork(
        BASE.forked(3, {"dropout": True}), tiny_split, stop=lambda: bool(asked.append(0)) or len(asked) > 3
    )
    last = list(events)[-1]
    assert isinstance(last, Stopped) and not isinstance(last, Finished)


# ---- which networks can go on ------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", MODELS)
def test_specs_said_to_have_the_same_weights_have_them_in_the_same_order(model):
    places = MODELS[model].places
    plain = ModelSpec(name=model, width=0.125)
    changes = [
        {"dropout": 0.5}, {"spatial_dropout": 0.2}, {"dropblock": 0.2}, {"stochastic_depth": 0.2}, {"norm": "batch"},
        {"norm": "group", "num_groups": 4}, {"spectral_norm": 1},
    ]  # fmt: skip
    shapes = [tuple(v.shape) for v in models.build(plain).state_dict().values()]
    for change in changes:
        if next(iter(change)) not in places | {"spectral_norm"}:
            continue
        other = plain.replace(**change)
        same = shapes == [tuple(v.shape) for v in models.build(other).state_dict().values()]
        assert plain.has_weights_of(other) == same == other.has_weights_of(plain), change


def test_the_names_of_weights_shift_with_a_layer_that_has_none():
    fork = BASE.forked(1, {"dropout.rate": 0.5})
    shifted = {a: b for a, b in names(BASE, fork, 10).items() if a != b}
    assert shifted and all(a.startswith("head.") and b.startswith("head.") for a, b in shifted.items())


# ---- what is refused ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("epoch", "changes", "words"),
    [
        (4, {"dropout": True}, "nothing left to train"),
        (1, {"batch_norm": True}, "batch_norm gives the network other weights"),
        (1, {"lr": 0.5}, "lr is none"),
        (1, {}, "would be the same run"),
        (1, {"weight_decay": False}, "would be the same run"),
        (-1, {"dropout": True}, "must be at least 0"),
        (1, {"dropout.rate": 2}, "must be at most"),
    ],
)
def test_a_fork_that_cannot_be_is_refused_in_one_sentence(epoch, changes, words):
    with pytest.raises(ConfigError, match=words) as refused:
        BASE.forked(epoch, changes)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "5", "[]", "{}", "[" * 5000, '{"epoch": 1, "what": 2}', {"epoch": "x"}, 7])
def test_nonsense_for_a_fork_is_one_sentence(value):
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse({"dataset": "digits", "fork": value})
    assert "\n" not in str(refused.value)


def test_a_config_with_a_fork_makes_the_round_trip():
    fork = BASE.forked(1, {"dropout.rate": 0.5}).forked(2, {"dropout": False, "l1": True})
    assert RunConfig.model_validate_json(fork.model_dump_json()) == fork
    assert RunConfig.parse(json.loads(fork.model_dump_json())) == fork


# ---- on the command line -----------------------------------------------------------------------------------------
def test_the_command_line_forks_a_run_and_its_own_command_makes_it_again(trained, capsys, monkeypatch):
    monkeypatch.setenv("REGLAB_CHECKPOINTS", str(trained["path"].parent))
    assert main(["train", "--fork-of", trained["path"].name, "--at-epoch", "1", "--dropout.rate", "0.5", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["status"] == "finished" and summary["regularizers"]["dropout"] == {"rate": 0.5}
    from reglab.runs.store import runs_store

    run = runs_store().open(summary["run"])
    assert run.described["parent"] == trained["path"].name
    import shlex

    assert main([*shlex.split(run.config.command())[3:], "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert runs_store().open(again["run"]).config == run.config
    assert again["test_accuracy"] == summary["test_accuracy"]


def test_the_command_line_goes_on_from_the_last_epoch_without_training_it_again(store, capsys, monkeypatch):
    monkeypatch.setenv("REGLAB_RUNS", str(store.root))
    parent = store.create(BASE)
    command = ["train", "--fork-of", parent.id, "--at-epoch", "last", "--dropout.rate", "0.5", "--json"]
    assert main(command) == 2 and "has no epoch yet" in capsys.readouterr().err
    parent.ask_to_stop(after=2)
    work([parent])
    assert main(command) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["epoch"] for line in told if line.get("event") == "epoch"] == [3, 4]
    assert main(["train", "--fork-of", parent.id, "--at-epoch", "first"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fork-of", "none"], "needs both"),
        (["--at-epoch", "2"], "needs both"),
        (["--fork-of", "none", "--at-epoch", "2"], "There is no checkpoint or run called 'none'"),
        (["--fork-of", "none", "--at-epoch", "2", "--config", "x"], "leave --config out"),
    ],
)
def test_a_fork_that_is_asked_for_wrongly_is_one_sentence(arguments, words, capsys):
    assert main(["train", *arguments]) == 2
    assert re.search(re.escape(words), capsys.readouterr().err)
