"""What an empty field means: the usual value, which follows other settings exactly where its field says so."""

from __future__ import annotations

import itertools
from typing import Literal, get_args, get_origin

import pytest

from reglab import data
from reglab.config import PLAIN, RunConfig, shrinkage
from reglab.config.usual import field_of, follows, usual, usual_in_words
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE

CHOICES = {  # what may decide over the usual value of another setting
    "dataset": tuple(data.SOURCES),
    "optimizer": ("adamw", "sgd", "muon"),
    "schedule": ("one_cycle", "constant"),
    "epochs": (5, 20),
}


def configs() -> list[RunConfig]:
    chosen = (dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values()))
    return [RunConfig.parse(values) for values in chosen]


def test_a_number_that_depends_on_another_setting_says_so():
    told = [usual(config) for config in configs()]
    numbers = {name for name in told[0] if field_of(name).annotation in (int, float, int | None, float | None)}
    varying = {name for name in numbers if len({each[name] for each in told}) > 1}
    assert (
        varying
        == {"lr", "val_size", "judged_size", "weight_decay.strength"}
        <= {name for name in numbers if follows(name)}
    )


def modes() -> list[tuple[str, str]]:
    """Every choice inside a technique, with each of its values."""
    found = [(key, name, info) for key, t in CATALOGUE.items() for name, info in t.model_fields.items()]
    literal = [
        (key, name, get_args(info.annotation)) for key, name, info in found if get_origin(info.annotation) is Literal
    ]
    return [(f"{key}.{name}", value) for key, name, values in literal for value in values]


@pytest.mark.parametrize(("name", "value"), modes())
def test_a_number_that_depends_on_a_mode_says_so(name, value):
    key, _, mode = name.partition(".")
    try:
        config = RunConfig.parse({"regularizers": {key: {mode: value}}})
    except ConfigError:
        pytest.skip("not for this network")
    told, before = usual(config), usual(RunConfig.parse({"regularizers": {key: {}}}))
    changed = {other for other in told if told[other] != before[other] and other != name}
    assert all(follows(other) for other in changed)


def test_an_empty_field_shows_what_it_means_in_this_run():
    words = usual_in_words(RunConfig.parse({"optimizer": "sgd"}))
    assert words["lr"] == 0.05 and words["train_size"] == "all 48,000" and words["side"] == 32
    assert usual_in_words(RunConfig.parse({"model": "timm/resnet18"}))["side"] == 96
    l2 = RunConfig.parse({"regularizers": {"weight_decay": {"mode": "l2"}}})
    assert usual_in_words(l2)["weight_decay.strength"] == 5e-4 and shrinkage(l2) is None


def test_what_is_left_out_is_what_is_usual():
    for config in configs():
        told = usual(config)
        values = {name: told[name] for name in PLAIN if name not in CHOICES}
        assert RunConfig.parse({**{name: getattr(config, name) for name in CHOICES}, **values}) == config
