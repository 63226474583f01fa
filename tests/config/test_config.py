"""The config is a value: it goes through JSON and through the command line unchanged, and refuses in one sentence."""

from __future__ import annotations

import json
import re

import pytest
from annotated_types import Ge, Gt, Le, Lt
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reglab.cli.main import build_parser
from reglab.cli.options import config_values
from reglab.config import USUAL_LR, RunConfig, flag, from_json, shrinkage, steps
from reglab.data import SOURCES
from reglab.errors import ConfigError
from reglab.models import MODELS
from reglab.regularizers import CATALOGUE
from reglab.teaching import cards
from reglab.training.schedules import lr_at


# ---- any config at all -------------------------------------------------------------------------------------------
def values_of(info) -> st.SearchStrategy:
    """Any value that a field allows, read off its type and bounds."""
    low, high = low_high(info)
    kinds = [type(m) for m in info.metadata]
    open_ends = {"exclude_min": Gt in kinds, "exclude_max": Lt in kinds}
    if info.annotation is bool:
        return st.booleans()
    if info.annotation is int:
        return st.integers(low, high)
    if info.annotation in (float, float | None):
        return st.floats(low, high, **open_ends)
    return st.sampled_from(info.annotation.__args__)  # a Literal


def low_high(info):
    """The bounds of a field as they are written there, None where there is none."""
    low = next((getattr(m, "ge", getattr(m, "gt", None)) for m in info.metadata if isinstance(m, (Ge, Gt))), None)
    high = next((getattr(m, "le", getattr(m, "lt", None)) for m in info.metadata if isinstance(m, (Le, Lt))), None)
    return low, high


# All that can be on at once, in a residual network from scratch.
TOGETHER = [key for key in CATALOGUE if key not in ("group_norm", "swa", "l2_sp", "layer_freezing")]


@st.composite
def configs(draw) -> RunConfig:
    values = {"dataset": draw(st.sampled_from(sorted(SOURCES))), "model": draw(st.sampled_from(sorted(MODELS)))}
    for name in ("epochs", "batch_size", "lr", "optimizer", "schedule", "seed", "device", "precision", "label_noise"):
        if draw(st.booleans()):
            values[name] = draw(values_of(RunConfig.model_fields[name]))
    if draw(st.booleans()):
        values["train_size"] = draw(st.sampled_from([None, 100, 123, 300]))
    if draw(st.booleans()):
        values["val_size"] = draw(st.integers(100, 900))
    keys = draw(st.lists(st.sampled_from(TOGETHER), unique=True))
    values["regularizers"] = {key: draw(settings_of(key)) for key in keys}
    try:
        return RunConfig.parse(values)
    except ConfigError:  # a combination that cannot be, such as batch_norm with a batch of one
        return RunConfig.parse({**values, "batch_size": 32, "model": "resnet20", "lr": 1e-3})


@st.composite
def settings_of(draw, key: str) -> dict:
    fields = CATALOGUE[key].model_fields
    return {name: draw(values_of(info)) for name, info in fields.items() if draw(st.booleans())}


def told_by_flags(config: RunConfig) -> RunConfig:
    arguments = build_parser().parse_args(["train", *config.flags()])
    return RunConfig().override(config_values(arguments))


@given(config=configs())
@settings(max_examples=150, deadline=None)
def test_any_config_goes_through_json_and_comes_back_equal(config):
    assert from_json(config.model_dump_json()) == config
    assert from_json(json.dumps({"run": "x", "config": config.model_dump(mode="json")})) == config
    assert from_json(config.model_dump_json()).model_dump_json() == config.model_dump_json()


@given(config=configs())
@settings(max_examples=150, deadline=None)
def test_the_flags_of_any_config_make_it_again(config):
    assert told_by_flags(config) == config


def test_a_learning_rate_with_many_digits_survives_the_command_line():
    config = RunConfig(lr=0.00123456789, label_noise=1 / 3)
    assert told_by_flags(config) == config


@pytest.mark.parametrize("settings", [{"mode": "l2"}, {"mode": "l2", "strength": 0.05}, {"strength": 5e-4}])
def test_the_flags_tell_the_mode_of_weight_decay(settings):
    config = RunConfig.parse({"regularizers": {"weight_decay": settings}})
    assert told_by_flags(config) == config


def test_the_usual_run_needs_only_its_data_set():
    assert RunConfig(dataset="digits").flags() == ["--dataset", "digits"]
    assert RunConfig(dataset="digits").command() == "python -m reglab train --dataset digits"


# ---- order, defaults, frozen -------------------------------------------------------------------------------------
@given(keys=st.permutations(TOGETHER))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_regularizers_never_matters(keys):
    shuffled = RunConfig.parse({"model": "resnet20", "regularizers": dict.fromkeys(keys, True)})
    sorted_ = RunConfig.parse({"model": "resnet20", "regularizers": dict.fromkeys(TOGETHER, True)})
    assert shuffled.model_dump_json() == sorted_.model_dump_json()


def test_off_is_off_however_it_is_said():
    said = [{}, {"dropout": False}, {"dropout": None}]
    assert {RunConfig.parse({"regularizers": r}).model_dump_json() for r in said} == {RunConfig().model_dump_json()}
    on = [{"dropout": True}, {"dropout": {}}]
    assert len({RunConfig.parse({"regularizers": r}).model_dump_json() for r in on}) == 1


@pytest.mark.parametrize("optimizer", USUAL_LR)
def test_the_learning_rate_follows_the_optimizer_unless_it_was_chosen(optimizer):
    assert RunConfig.parse({"optimizer": optimizer}).lr == USUAL_LR[optimizer]
    assert RunConfig().override({"optimizer": optimizer}).lr == USUAL_LR[optimizer]
    assert RunConfig.parse({"optimizer": optimizer, "lr": 0.02}).lr == 0.02
    assert RunConfig(lr=0.02).override({"optimizer": optimizer}).lr == 0.02
    assert RunConfig().override({"optimizer": optimizer, "lr": 0.02}).lr == 0.02


@pytest.mark.parametrize("dataset", SOURCES)
def test_the_validation_images_follow_the_data_set(dataset):
    usual = SOURCES[dataset].preset["val_size"]
    assert RunConfig(dataset=dataset).val_size == RunConfig().override({"dataset": dataset}).val_size == usual


def test_a_config_cannot_be_changed_afterwards():
    config = tiny_config(regularizers={"dropout": True})
    with pytest.raises(ValidationError, match="frozen"):
        config.lr = 1.0
    with pytest.raises(ValidationError, match="frozen"):
        config.regularizers["dropout"].rate = 0.9


# ---- overrides ---------------------------------------------------------------------------------------------------
def test_dotted_overrides_switch_on_set_and_switch_off():
    config = tiny_config(regularizers={"dropout": {"rate": 0.2}, "batch_norm": True})
    changed = config.override(
        {"dropout.rate": 0.5, "label_smoothing.smoothing": "0.2", "batch_norm": False, "epochs": "7"}
    )
    assert list(changed.regularizers) == ["dropout", "label_smoothing"]
    assert changed.regularizers["dropout"].rate == 0.5 and changed.regularizers["label_smoothing"].smoothing == 0.2
    assert changed.epochs == 7 and config.epochs == 3
    assert config.override({"dropout": True}) == config
    assert config.override({}) == config


def test_plain_is_the_same_run_without_regularizers():
    config = tiny_config(model="resnet20", regularizers=dict.fromkeys(TOGETHER, True), seed=5)
    assert config.plain() == tiny_config(model="resnet20", seed=5) and config.plain().recipe() == "no regularizers"


@pytest.mark.parametrize("mode", ["decoupled", "l2"])
def test_each_mode_of_weight_decay_has_its_own_usual_strength(mode):
    usual = {"decoupled": 0.066, "l2": 5e-4}[mode]
    assert RunConfig().override({"weight_decay.mode": mode}).regularizers["weight_decay"].strength == usual
    chosen = RunConfig().override({"weight_decay.mode": mode, "weight_decay.strength": 0.2})
    assert chosen.regularizers["weight_decay"].strength == 0.2


RUNS = [
    {"train_size": 2_000, "epochs": 20},
    {"train_size": 5_000, "epochs": 3, "schedule": "cosine", "lr": 0.01},
    {"train_size": 1_000, "epochs": 12, "optimizer": "sgd", "schedule": "constant", "batch_size": 32},
    {"dataset": "digits", "train_size": 300, "batch_size": 32},
    {"dataset": "digits", "val_size": 297, "epochs": 9},
]


@pytest.mark.parametrize("values", RUNS, ids=str)
def test_over_any_run_the_usual_decay_takes_a_fifth_of_an_idle_weight(values):
    """Counted step by step with the learning rates of the run: w *= 1 - lr * strength."""
    config = RunConfig.parse({**values, "regularizers": {"weight_decay": {}}})
    left = 1.0
    for step in range(steps(config)):
        left *= (
            1 - lr_at(step, steps(config), config.lr, config.schedule) * config.regularizers["weight_decay"].strength
        )
    assert 1 - left == pytest.approx(0.22, abs=0.01)
    assert shrinkage(config) == pytest.approx(1 - left, abs=0.01)


def test_a_strength_that_nobody_chose_follows_the_run_and_one_that_was_chosen_stays():
    config = RunConfig.parse({"train_size": 2_000, "regularizers": {"weight_decay": {}}})
    longer = config.override({"epochs": 40})
    assert config.regularizers["weight_decay"].strength == 1.6 and longer.regularizers["weight_decay"].strength == 0.82
    chosen = config.override({"weight_decay.strength": 3})
    assert chosen.override({"epochs": 40}).regularizers["weight_decay"].strength == 3
    assert "--weight-decay.strength" not in config.flags() and "--weight-decay.strength" in chosen.flags()
    assert config.override({"weight_decay.mode": "l2"}).override({"weight_decay.mode": "decoupled"}) == config


def test_shrinkage_is_said_of_decoupled_decay_alone():
    assert shrinkage(RunConfig()) is None
    assert shrinkage(RunConfig().override({"weight_decay.mode": "l2"})) is None
    assert shrinkage(RunConfig().override({"weight_decay.strength": 0})) == 0


# ---- the initialization ------------------------------------------------------------------------------------------
def test_no_toggle_changes_the_initialization():
    for model, usual in [("basic_cnn", "glorot"), ("vgg16", "he"), ("resnet20", "he"), ("timm/resnet18", "own")]:
        plain = RunConfig.parse({"model": model})
        assert plain.init == usual
        for key in CATALOGUE:
            try:
                assert plain.override({key: True}).init == usual
            except ConfigError:  # no place for it in such a network
                continue


def test_the_initialization_follows_the_network_until_it_is_chosen():
    assert RunConfig().override({"model": "vgg16"}).init == "he"
    chosen = RunConfig.parse({"init": "torch"})
    assert chosen.override({"model": "vgg16"}).init == "torch"
    assert (
        chosen.flags()[-2:] == ["--init", "torch"] and "--init" not in RunConfig().override({"model": "vgg16"}).flags()
    )


@pytest.mark.parametrize("key", ["batch_norm", "group_norm"])
def test_a_network_that_is_named_beside_a_toggle_has_the_initialization_of_the_plain_one(key):
    """As on the command line, in a sweep over networks, in a publication and behind Try it on a card."""
    assert RunConfig().override({"model": "basic_cnn", key: True}).init == "glorot"
    assert RunConfig.parse({"model": "resnet20"}).override({"model": "basic_cnn", key: True}).init == "glorot"
    assert cards.alone(key, RunConfig()).init == "glorot"


@pytest.mark.parametrize("unsaid", ["lr", "val_size", "init", "judged_size"])
def test_null_asks_for_what_follows_even_beside_a_mistake(unsaid):
    assert getattr(RunConfig.parse({unsaid: None}), unsaid) == getattr(RunConfig(), unsaid)
    for name in ("model", "optimizer", "dataset"):
        assert "nosuch" in refusal({name: "nosuch", unsaid: None})


def test_a_run_whose_decay_is_refused_today_can_still_be_read():
    decay = {"weight_decay": {"strength": 0.05}}
    kept = RunConfig.parse({"optimizer": "sgd", "lr": 0.1, "regularizers": decay}).model_dump(mode="json") | {"lr": 100}
    assert "more than the whole weight" in refusal(kept)
    assert RunConfig.parse(kept, is_kept=True).lr == 100
    fork = {"epoch": 3, "regularizers": decay}
    forked = RunConfig.parse(kept | {"regularizers": {}, "fork": fork}, is_kept=True)
    assert forked.parent().regularizers["weight_decay"].strength == 0.05


@pytest.mark.parametrize(
    "model, on, had",
    [
        ("basic_cnn", {}, "glorot"),
        ("basic_cnn", {"dropout": {}}, "glorot"),
        ("basic_cnn", {"batch_norm": {}}, "torch"),
        ("basic_cnn", {"group_norm": {}}, "torch"),
        ("vgg16", {"batch_norm": {}}, "he"),
        ("timm/resnet18", {}, "own"),
    ],
)
def test_a_config_from_before_says_the_initialization_it_had(model, on, had):
    whole = RunConfig.parse({"model": model, "regularizers": on}).model_dump(mode="json")
    del whole["init"]
    assert RunConfig.parse(whole).init == had


# ---- what the points of the curves are judged on -----------------------------------------------------------------
@pytest.mark.parametrize(("images", "usual"), [(300, 100), (2_000, 125), (5_000, 312), (48_000, 2_000), (None, 2_000)])
def test_points_are_judged_on_a_sixteenth_of_the_training_images_unless_somebody_chose(images, usual):
    config = RunConfig.parse({"train_size": images})
    assert config.judged_size == usual == RunConfig().override({"train_size": images}).judged_size
    chosen = config.override({"judged_size": 77})
    assert chosen.override({"train_size": 9_000}).judged_size == 77 and chosen.plain().judged_size == 77
    assert chosen.flags()[-2:] == ["--judged-size", "77"] and "--judged-size" not in config.flags()


def test_there_are_never_more_to_judge_than_the_run_has():
    config = RunConfig.parse({"dataset": "digits", "train_size": 90, "val_size": 150})
    assert (config.judged_size, config.judged, config.judgeable) == (100, (90, 100), (90, 150))
    large = RunConfig.parse({"val_size": 5_000, "judged_size": 10_000})
    assert large.judged == large.judgeable == (2_000, 5_000)


@pytest.mark.parametrize(
    "values", [{}, {"train_size": 2_000}, {"dataset": "digits", "train_size": 200, "label_noise": 0.1}]
)
def test_a_config_from_before_was_judged_on_everything_in_every_epoch(values):
    whole = RunConfig.parse(values).model_dump(mode="json")
    del whole["judged_size"]
    before = RunConfig.parse(whole)
    assert before.judged == before.judgeable and before.judged_size == 10_000
    assert RunConfig.parse(whole | {"judged_size": None}) == RunConfig.parse(values)
    assert (
        before.override({"epochs": 3}).judged_size == before.forked(2, {"dropout": True}).parent().judged_size == 10_000
    )


# ---- refusals ----------------------------------------------------------------------------------------------------
def refusal(values) -> str:
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse(values)
    text = str(refused.value)
    assert text.endswith((".", "?")) and "\n" not in text and len(text) < 300, text
    return text


FIELDS = [(name, info, "") for name, info in RunConfig.model_fields.items()] + [
    (name, info, key) for key, technique in CATALOGUE.items() for name, info in technique.model_fields.items()
]
ALL = [pytest.param(*f, id=".".join(filter(None, (f[2], f[0])))) for f in FIELDS]
BOUNDED = [p for p in ALL if any(low_high(p.values[1]))]


@pytest.mark.parametrize(("name", "info", "key"), BOUNDED)
def test_every_bound_is_told_in_one_sentence_with_the_name(name, info, key):
    low, high = low_high(info)
    told = f"{key}.{name}" if key else name
    for wrong, words in ((low, "at least|more than"), (high, "at most|less than")):
        if wrong is None:
            continue
        beyond = wrong + (1 if words.startswith("at most") else -1)
        values = {"regularizers": {key: {name: beyond}}} if key else {name: beyond}
        assert re.match(rf"{re.escape(told)} is .*, but must be ({words}) ", refusal(values))


@pytest.mark.parametrize(("name", "info", "key"), BOUNDED)
def test_a_number_just_beyond_a_bound_is_not_told_as_the_bound_itself(name, info, key):
    _low, high = low_high(info)
    if info.annotation is not float or high is None:
        return
    beyond = high * (1 + 1e-9)
    text = refusal({"regularizers": {key: {name: beyond}}} if key else {name: beyond})
    said, bound = re.search(r"is (\S+), but must be (?:at most|less than) (\S+)\.$", text).groups()
    assert float(said) > float(bound)


@pytest.mark.parametrize(("name", "info", "key"), ALL)
@pytest.mark.parametrize(
    "wrong", [[], {}, [1, 2], {"a": {"b": 1}}, "\0", "x" * 5_000, float("nan"), float("inf"), -(10**30)]
)
def test_no_json_value_of_any_field_breaks_the_config(name, info, key, wrong):
    values = {"regularizers": {key: {name: wrong}}} if key else {name: wrong}
    try:
        RunConfig.parse(values)
    except ConfigError as refused:
        assert "\n" not in str(refused)


names = st.text(max_size=12) | st.sampled_from([*RunConfig.model_fields, *CATALOGUE, "config"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(value=anything)
@settings(max_examples=300, deadline=None)
def test_no_json_at_all_breaks_the_config(value):
    try:
        from_json(json.dumps(value))
    except ConfigError as refused:
        assert "\n" not in str(refused)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"dataset": "cifar1"}, "did you mean cifar10?"),
        ({"model": "resnet-20"}, "did you mean resnet20?"),
        ({"model": "zzz"}, "choose from basic_cnn"),
        ({"epoch": 3}, "did you mean epochs?"),
        ({"zzz": 3}, "choose from dataset"),
        ({"regularizers": {"drop_out": {}}}, "did you mean dropout?"),
        ({"regularizers": {"zzz": {}}}, "choose from"),
        ({"regularizers": {"dropout": {"rat": 0.3}}}, "did you mean rate?"),
        ({"regularizers": {"batch_norm": {"momentum": 1}}}, "it has no settings"),
        ({"regularizers": ["dropout"]}, "must be an object"),
        ({"batch_size": 1, "regularizers": {"batch_norm": True}}, "one image has no statistics"),
        ({"dataset": "digits", "train_size": 1_000}, "ask for at most 987"),
        ({"dataset": "digits", "val_size": 1_290}, "ask for at most 1,277"),
    ],
)
def test_what_is_unknown_or_impossible_is_answered_with_the_way_out(values, words):
    assert words in refusal(values)


def test_only_an_object_is_a_config():
    for text in ("", "[]", "3", "null", "{", '"x"', '{"config": 3}'):
        with pytest.raises(ConfigError):
            from_json(text)


# ---- what the screen shows ---------------------------------------------------------------------------------------
def test_every_setting_has_a_title_and_its_flag_is_its_name():
    for name, info, _key in FIELDS:
        assert info.title, name
        assert flag(name) == "--" + name.replace("_", "-")


def test_digits_are_never_mirrored():
    config = tiny_config(regularizers={"flip_crop": {"flip": True}})
    assert config.regularizers["flip_crop"].flip is False
    assert RunConfig.parse({"regularizers": {"flip_crop": True}}).regularizers["flip_crop"].flip is True
    assert from_json(config.model_dump_json()) == config


def nested(depth: int) -> dict:
    """A fork of a fork of a fork ..., each at a later epoch than the one that it leaves."""
    fork: dict | None = None
    for epoch in range(depth):
        fork = {"epoch": epoch, "regularizers": {}, "fork": fork}
    return {"dataset": "digits", "epochs": 500, "fork": fork}


@pytest.mark.parametrize("depth", [21, 199, 5_000])
def test_a_fork_that_is_nested_too_deep_is_refused_in_one_sentence(depth):
    with pytest.raises(ConfigError, match=r"^The fork is nested more than 20 deep: [^.]+\.$"):
        RunConfig.parse(nested(depth))


def test_a_fork_leaves_a_run_after_that_run_has_left_its_own():
    with pytest.raises(ConfigError, match="forked after epoch 3 was itself forked after epoch 5: fork it at a later"):
        RunConfig.parse({**nested(0), "fork": {"epoch": 3, "fork": {"epoch": 5}}})


def test_forks_may_be_nested_as_deep_as_they_can_be_checked():
    config = RunConfig.parse(nested(20))
    assert config.parent().fork.epoch == 18
    with pytest.raises(ConfigError, match="nested more than 20 deep"):
        config.forked(20, {"dropout": True})


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_json_that_is_nested_deep_is_refused_in_one_sentence(depth):
    text = '{"lr": ' + "[" * depth + "]" * depth + "}"
    with pytest.raises(ConfigError) as refused:
        from_json(text)
    assert str(refused.value).endswith(".") and len(str(refused.value)) < 400 and "\n" not in str(refused.value)
