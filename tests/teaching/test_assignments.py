"""The rules of an assignment: what may change, what is kept, and the sentence that says so."""

from __future__ import annotations

import pytest
from conftest import tiny_config

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.teaching.assignments import CONTROLS, Assignment, called


def rules(**values) -> Assignment:
    return Assignment.parse({"config": tiny_config(train_size=60, regularizers={"dropout": True}), **values})


def test_a_setting_follows_its_technique_unless_it_is_named():
    assignment = rules(rest="locked", open=["dropout.rate", "l1"], hidden=["seed"])
    expected = {"dropout.rate": "open", "dropout": "locked", "l1": "open", "l1.strength": "open", "lr": "locked"}
    assert {name: assignment.access(name) for name in expected} == expected
    assert assignment.access("seed") == "hidden" and assignment.access("device") == "open"


def test_what_is_open_may_change_and_nothing_else():
    assignment = rules(rest="locked", open=["dropout.rate", "seed"], hidden=["l1"])
    allowed = assignment.config.override({"dropout.rate": 0.7, "seed": 5, "device": "auto"})
    assert assignment.broken(allowed) == []
    broken = {"lr": 0.01, "l1": True, "dropout": False, "train_size": 61}
    said = [sentence for change in broken.items() for sentence in assignment.broken(allowed.override(dict([change])))]
    assert [s.partition(" is ")[0] for s in said] == ["Learning rate", "L1 penalty", "Dropout", "Training images"]
    assert "Dropout is off, but the assignment keeps it at on." in said
    with pytest.raises(ConfigError, match=r"is 0\.01, but the assignment keeps it at 0\.001: put it back"):
        assignment.check(allowed.override({"lr": 0.01}))


def test_all_images_are_counted():
    everything = RunConfig.parse({"dataset": "digits", "val_size": 300})
    counted = everything.override({"train_size": 987})
    assert Assignment.parse({"config": everything, "rest": "locked"}).broken(counted) == []
    few = Assignment.parse({"config": tiny_config(train_size=60), "max_images": 100})
    assert few.broken(tiny_config()) == ["987 training images are more than the 100 that the assignment allows."]


def test_the_budget_is_kept():
    assignment = rules(max_epochs=5, max_runs=2)
    assignment.check(assignment.config.override({"epochs": 5}), runs=1)
    with pytest.raises(ConfigError, match="6 epochs are more than the 5"):
        assignment.check(assignment.config.override({"epochs": 6}))
    with pytest.raises(ConfigError, match="the assignment allows 2, so hand in"):
        assignment.check(assignment.config, runs=2)
    with pytest.raises(ConfigError, match="its own set-up breaks it"):
        rules(max_epochs=1)


def test_a_task_is_text_without_what_disturbs():
    assert rules(task="  a\tb\r\nc\x1b[31m\u202e\ud800 \n").task == "a b\nc[31m"
    assert rules(task="مرحبا 👩‍🔬").task == "مرحبا 👩‍🔬"


def test_every_control_has_a_name_of_its_own():
    names = [called(name) for name in CONTROLS]
    assert len(set(names)) == len(names) and all(name[0].isupper() or name[0].isdigit() for name in names)


def test_a_sweep_has_to_keep_the_rules_too():
    small = {"train_size": 60, "epochs": 2}
    rules = Assignment.parse({"config": tiny_config(**small), "rest": "locked", "open": ["dropout"], "max_epochs": 2})
    rules.check_all([tiny_config(**small, regularizers={"dropout": {"rate": r}}) for r in (0.1, 0.5)])
    with pytest.raises(ConfigError, match=r"no room for this sweep: .*Learning rate"):
        rules.check_all([tiny_config(**small), tiny_config(**small, lr=0.5)])
    with pytest.raises(ConfigError, match="one by one"):
        Assignment.parse({"config": tiny_config(**small), "max_runs": 3}).check_all([tiny_config(**small)])
