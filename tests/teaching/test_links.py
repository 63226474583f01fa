"""A set-up as a link: short, the same when it is opened, and never more than a sentence when it is none."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib

import pytest
from conftest import tiny_config
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_config import anything, configs

from reglab.config import RunConfig
from reglab.data import SOURCES
from reglab.errors import ConfigError
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE
from reglab.teaching import links as share
from reglab.teaching.links import (
    CONTROLS,
    LARGEST,
    LONGEST,
    PREDICTABLE,
    Assignment,
    Beside,
    decode,
    decode_all,
    differing,
    encode,
    text_of,
)
from reglab.teaching.presets import PRESETS


@st.composite
def assignments(draw) -> Assignment:
    config = draw(configs())
    names = draw(st.lists(st.sampled_from(CONTROLS), unique=True, max_size=9))
    values = {"open": names[:3], "locked": names[3:6], "hidden": names[6:]}
    values |= {"rest": draw(st.sampled_from(["open", "locked", "hidden"]))}
    values |= {"task": draw(st.text(max_size=80)), "predict": draw(st.sampled_from(["", *PREDICTABLE]))}
    values |= {"max_epochs": draw(st.none() | st.integers(config.epochs, 1_000))}
    values |= {"max_images": draw(st.none() | st.integers(60_000, 70_000)), "max_runs": draw(st.none() | st.just(3))}
    return Assignment.parse({**values, "config": config})


# ---- there and back ----------------------------------------------------------------------------------------------
@given(config=configs())
@settings(max_examples=150, deadline=None)
def test_a_link_of_any_config_says_that_config(config):
    assert decode(encode(config)) == config
    assert RunConfig.parse(differing(config)) == config


@given(assignment=assignments())
@settings(max_examples=60, deadline=None)
def test_a_link_of_any_assignment_says_that_assignment(assignment):
    assert decode(encode(assignment)) == assignment


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("scratch", [True, False])
def test_a_link_says_what_its_runs_are_trained_beside(plain, scratch):
    config, beside = usual("digits", {"dropout": True}), Beside(plain=plain, scratch=scratch)
    for shared in (config, Assignment.parse({"config": config, "predict": "gap"})):
        assert decode_all(encode(shared, beside)) == (shared, beside)
    assert decode_all(encode(config)) == (config, Beside()), "as every link that was made before"


@given(config=configs())
@settings(max_examples=50, deadline=None)
def test_nothing_is_said_that_could_be_left_out(config):
    said = differing(config)
    for name in said:
        without = {key: value for key, value in said.items() if key != name}
        try:
            assert RunConfig.parse(without) != config
        except ConfigError:
            continue


def usual(dataset: str, regularizers: dict) -> RunConfig:
    return RunConfig.parse({"dataset": dataset, **SOURCES[dataset].preset, "regularizers": regularizers})


def test_links_are_short():
    assert encode(RunConfig()) == "1"
    assert all(len(encode(RunConfig(dataset=dataset))) < 40 for dataset in SOURCES)
    presets = [usual(d, p.regularizers) for d in SOURCES for p in PRESETS]
    assert max(len(encode(config)) for config in presets) < 80
    everything = {key: True for key in CATALOGUE if key not in ("group_norm", "swa", "l2_sp", "layer_freezing")}
    assert len(encode(RunConfig.parse({"model": "resnet20", "regularizers": everything}))) < 400
    task = "Which dropout rate closes the gap without costing test accuracy? Try three and explain the curves."
    rules = {"task": task, "predict": "gap", "rest": "locked", "open": ["dropout.rate"], "max_epochs": 30}
    assert len(encode(Assignment.parse({**rules, "config": usual("digits", {"dropout": True})}))) < 200


def test_the_longest_task_in_any_script_fits_into_a_link():
    letters = [chr(0x4E00 + (i * 7919) % 20_000) for i in range(share.TASK)]
    assignment = Assignment.parse({"config": RunConfig(), "task": "".join(letters)})
    assert decode(encode(assignment)) == assignment


def test_links_that_were_made_once_stay_what_they_are():
    """The words the packer knows are part of the format."""
    assert hashlib.sha256(share.WORDS).hexdigest().startswith(PINNED)
    assert decode(OLD) == usual("digits", {"dropout": {"rate": 0.35}, "batch_norm": True})


PINNED = "37e54998e2e45b56"
OLD = "1ePk9PBIAq0YqyrCWV8ZYiitjzCIKPakT4VpjkP0A5QsrcA"


@pytest.mark.parametrize("link", ["1abc", "?cfg=1abc", "https://lab.example/?cfg=1abc&__theme=dark", " 1abc\n"])
def test_the_text_is_found_in_a_whole_address(link):
    assert text_of(link) == "1abc"


def test_an_address_without_a_set_up_is_answered():
    with pytest.raises(ConfigError, match="says no set-up"):
        text_of("https://lab.example/")


# ---- what is no link ---------------------------------------------------------------------------------------------
def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        decode(text)
    sentence = str(refused.value)
    assert "\n" not in sentence and len(sentence) < 400, sentence
    return sentence


def packed(raw: bytes, words: bytes = share.WORDS) -> str:
    packer = zlib.compressobj(9, zdict=words)
    return "1" + base64.urlsafe_b64encode(packer.compress(raw) + packer.flush()).rstrip(b"=").decode()


@given(text=st.text(max_size=200) | st.from_regex(r"1[A-Za-z0-9_-]{0,80}", fullmatch=True))
@example("1" + "A" * LONGEST)
@example("1é")
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_set_up_or_answered_in_one_sentence(text):
    try:
        assert isinstance(decode(text), RunConfig | Assignment)
    except ConfigError as refused:
        assert len(str(refused)) < 400


@given(value=anything | st.dictionaries(st.sampled_from(["assignment", "beside", "model", "regularizers"]), anything))
@settings(max_examples=300, deadline=None)
def test_any_json_in_a_link_is_a_set_up_or_answered_in_one_sentence(value):
    text = packed(json.dumps(value).encode())
    try:
        assert isinstance(decode(text), RunConfig | Assignment)
    except ConfigError as refused:
        assert len(str(refused)) < 400


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_link_with_one_wrong_character_or_a_lost_end_is_no_other_set_up(data):
    text = encode(tiny_config(train_size=123, regularizers={"dropout": {"rate": 0.37}}))
    place = data.draw(st.integers(1, len(text) - 1))
    other = data.draw(st.sampled_from([c for c in "Aa0_-z9" if c != text[place]]))
    # The last character holds bits that mean nothing, so that there it may say the same.
    for damaged in (text[:place] + other + text[place + 1 :], text[:place]):
        try:
            assert decode(damaged) in (decode(text), RunConfig())
        except ConfigError:
            continue


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "of another version"),
        ("2abc", "of another version"),
        ("1abc!", "damaged"),
        ("1" + "a" * LONGEST, "too long"),
        (packed(b"[1, 2]"), "damaged"),
        (packed(b"not JSON"), "damaged"),
        (packed(b"[" * 15_000), "damaged"),
        (packed(b'{"a":' * 3_000 + b"1" + b"}" * 3_000), "damaged"),
        (packed(b" " * (LARGEST + 1) + b"{}"), "damaged"),
        (packed(b" " * 10**7), "too long"),
        (packed(b"{}", words=b"others"), "damaged"),
        (packed(b'{"epochs": 0}'), "epochs is 0, but must be at least 1"),
        (packed(b'{"lr": NaN}'), "finite"),
        (packed(b'{"epochz": 3}'), "did you mean epochs?"),
        (packed(b'{"dataset": ["digits"]}'), "dataset"),
        (packed(b'{"regularizers": {"drop_out": {}}}'), "did you mean dropout?"),
        (packed(b'{"dataset": "' + b"x" * 15_000 + b'"}'), "not known"),
        (packed(b'{"lr": "' + b"x" * 15_000 + b'"}'), "lr is"),
        (packed(b'{"epochs": ' + b"9" * 4_000 + b"}"), "epochs is"),
        (packed(b'{"dataset": "\\ud800"}'), "not known"),
        (packed(b'{"model": "timm/convnext_base"}'), "does not offer"),
        (packed(b'{"beside": true}'), "a list of: plain, scratch"),
        (packed(b'{"beside": ["zzz"]}'), "a list of: plain, scratch"),
        (packed(b'{"beside": [[]]}'), "a list of: plain, scratch"),
        (packed(b'{"assignment": 3}'), "must be an object"),
        (packed(b'{"assignment": {"config": {}}}'), "must be an object"),
        (packed(b'{"assignment": {"task": 3}}'), "task"),
        (packed(b'{"assignment": {"max_epochs": 0}}'), "max_epochs"),
        (packed(b'{"assignment": {"zzz": 1}}'), "zzz"),
        (packed(b'{"assignment": {"locked": ["zzz"]}}'), "no control called"),
        (packed(b'{"assignment": {"open": ["lr"], "hidden": ["lr"]}}'), "two lists"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_link_is_told_why(text, words):
    assert words in refusal(text)


def test_a_bomb_is_not_unpacked(monkeypatch):
    """A kilobyte that would be a gigabyte: no more than the bound is ever there."""
    bomb = packed(b" " * 2_000_000)
    assert len(bomb) < LONGEST
    assert "damaged" in refusal(bomb)


def test_a_link_never_asks_timm(monkeypatch):
    monkeypatch.setattr(pretrained, "_asked_of_timm", lambda name: pytest.fail("timm was asked"))
    refusal(packed(b'{"model": "timm/resnet18d", "assignment": {}}'))


# ---- the rules of an assignment ----------------------------------------------------------------------------------
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
    counted = everything.override({"train_size": 997})
    assert Assignment.parse({"config": everything, "rest": "locked"}).broken(counted) == []
    few = Assignment.parse({"config": tiny_config(train_size=60), "max_images": 100})
    assert few.broken(tiny_config()) == ["997 training images are more than the 100 that the assignment allows."]


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
    names = [share.called(name) for name in CONTROLS]
    assert len(set(names)) == len(names) and all(name[0].isupper() or name[0].isdigit() for name in names)


def test_a_sweep_has_to_keep_the_rules_too():
    small = {"train_size": 60, "epochs": 2}
    rules = Assignment.parse({"config": tiny_config(**small), "rest": "locked", "open": ["dropout"], "max_epochs": 2})
    rules.check_all([tiny_config(**small, regularizers={"dropout": {"rate": r}}) for r in (0.1, 0.5)])
    with pytest.raises(ConfigError, match=r"no room for this sweep: .*Learning rate"):
        rules.check_all([tiny_config(**small), tiny_config(**small, lr=0.5)])
    with pytest.raises(ConfigError, match="one by one"):
        Assignment.parse({"config": tiny_config(**small), "max_runs": 3}).check_all([tiny_config(**small)])
