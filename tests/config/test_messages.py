"""Refusals are said twice: as a config names things, and as the page does; and they know which field they are about."""

from __future__ import annotations

import pytest

from reglab.config import RunConfig, called, on_screen
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE

REFUSED = [  # values, the fields it is about, what the command line says, what the page says
    ({"lr": -1}, "lr", "lr is -1, but must be more than 0.", "Learning rate must be more than 0, not -1."),
    ({"epochs": 1.5}, "epochs", "epochs is 1.5, but must be a", "Epochs must be a whole number, not 1.5."),
    ({"optimizer": "x"}, "optimizer", "optimizer is 'x', but", "Optimizer must be 'adamw', 'sgd' or 'muon', not 'x'."),
    ({"train_size": 5}, "train_size", "train_size is 5, but", "Training images must be at least 10, not 5."),
    ({"train_size": 49_000}, "train_size", "49,000 training images", "49,000 training images were asked for"),
    (
        {"val_size": 5_000, "dataset": "digits"},
        "val_size",
        "5,000 validation",
        "5,000 validation images were asked for",
    ),
    ({"dataset": "mnist"}, "dataset", "The data set 'mnist'", "The data set 'mnist' is not known"),
    ({"model": "resnet"}, "model", "There is no network called", "There is no network called 'resnet'"),
    ({"model": "timm/inception_v3", "side": 40}, "side", "--side 96", "ask for side 96."),
    ({"side": 40}, "side", "leave the side out", "basic_cnn sees pictures as they are"),
    ({"pretrained": True}, "pretrained", "switch pretrained off", "or switch pretrained off."),
    ({"finetune": "all"}, "finetune", "finetune all was asked for", "Fine-tuning all was asked for"),
    (
        {"batch_size": 1, "regularizers": {"batch_norm": {}}},
        "batch_size batch_norm",
        "batch_norm was asked for with batch size 1",
        "Batch normalization was asked for with batch size 1",
    ),
    (
        {"regularizers": {"batch_norm": {}, "group_norm": {}}},
        "group_norm batch_norm",
        "group_norm and batch_norm cannot both be on",
        "Group normalization and batch normalization cannot both be on",
    ),
    (
        {"regularizers": {"dropout": {"rate": 3}}},
        "dropout.rate",
        "dropout.rate is 3, but must be at most 0.95.",
        "Dropout: rate must be at most 0.95, not 3.",
    ),
    (
        {"regularizers": {"stochastic_depth": {}}},
        "stochastic_depth",
        "residual branches for stochastic_depth to drop",
        "residual branches for stochastic depth to drop",
    ),
    ({"regularizers": {"l2_sp": {}}}, "l2_sp", "l2_sp pulls", "L2-SP pulls weights back to pretrained ones"),
    ({"regularizers": {"layer_freezing": {}}}, "layer_freezing", "layer_freezing keeps", "Layer freezing keeps"),
    (
        {"model": "timm/resnet18", "pretrained": True, "regularizers": {"flip_crop": {}}},
        "flip_crop",
        "flip_crop changes pictures",
        "Flip and crop changes pictures",
    ),
    (
        {"model": "timm/resnet18", "pretrained": True, "regularizers": {"group_norm": {}}},
        "group_norm",
        "switch group_norm off",
        "switch group normalization off",
    ),
]


@pytest.mark.parametrize(("values", "fields", "typed", "shown"), REFUSED, ids=lambda each: str(each)[:30])
def test_a_refusal_knows_its_field_and_both_wordings(values, fields, typed, shown):
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse(values)
    assert list(refused.value.fields) == fields.split()
    assert typed in str(refused.value) and shown in on_screen(refused.value)
    assert not {"\x02", "\x03"} & {*str(refused.value), *on_screen(refused.value)}
    names = [*CATALOGUE, "train_size", "val_size", "label_noise", "batch_size"]
    assert not [name for name in names if "_" in name and name in on_screen(refused.value)]


@pytest.mark.parametrize("key", CATALOGUE)
def test_bounds_of_every_setting_are_told_in_both_wordings(key):
    for name, info in CATALOGUE[key].model_fields.items():
        if info.annotation not in (int, float):
            continue
        with pytest.raises(ConfigError) as refused:
            RunConfig.parse({"regularizers": {key: {name: -1}}})
        assert refused.value.fields == (f"{key}.{name}",)
        assert str(refused.value).startswith(f"{key}.{name} is -1, but must be ")
        assert on_screen(refused.value).startswith(f"{called(f'{key}.{name}')} must be ")
