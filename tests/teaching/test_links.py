"""A set-up as a link: short, the same when it is opened, and never more than a sentence when it is none."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import zlib
from pathlib import Path

import pytest
from conftest import tiny_config
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field
from test_config import anything, configs

from reglab.config import RunConfig
from reglab.data import SOURCES
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE, Regularizer
from reglab.teaching.assignments import CONTROLS, PREDICTABLE, TASK, Assignment
from reglab.teaching.links import (
    LARGEST,
    LONGEST,
    VERSION,
    WORDS,
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
    assert encode(RunConfig()) == VERSION
    assert all(len(encode(RunConfig(dataset=dataset))) < 40 for dataset in SOURCES)
    presets = [usual(d, p.regularizers) for d in SOURCES for p in PRESETS]
    assert max(len(encode(config)) for config in presets) < 80
    everything = {key: True for key in CATALOGUE if key not in ("group_norm", "swa", "l2_sp", "layer_freezing")}
    assert len(encode(RunConfig.parse({"model": "resnet20", "regularizers": everything}))) < 400
    task = "Which dropout rate closes the gap without costing test accuracy? Try three and explain the curves."
    rules = {"task": task, "predict": "gap", "rest": "locked", "open": ["dropout.rate"], "max_epochs": 30}
    assert len(encode(Assignment.parse({**rules, "config": usual("digits", {"dropout": True})}))) < 200


def test_the_longest_task_in_any_script_fits_into_a_link():
    letters = [chr(0x4E00 + (i * 7919) % 20_000) for i in range(TASK)]
    assignment = Assignment.parse({"config": RunConfig(), "task": "".join(letters)})
    assert decode(encode(assignment)) == assignment


# ---- links that were made once -----------------------------------------------------------------------------------
def test_the_words_of_a_version_stay_what_they_are():
    """They are part of the format: a link says which of them its packer knew."""
    assert {version: hashlib.sha256(words).hexdigest()[:16] for version, words in WORDS.items()} == PINNED


PINNED = {"1": "37e54998e2e45b56", "2": "817f16551ae620dc", "3": "e1dabc1cad0624c7", "4": "20f50bae5a1c29d5"}
RECORDED = json.loads((Path(__file__).parent / "recorded_links.json").read_text("utf-8"))


@pytest.mark.parametrize("link", RECORDED)
def test_a_recorded_link_still_means_what_it_meant(link):
    config, rules, switches = (RECORDED[link][part] for part in ("config", "assignment", "beside"))
    meant = RunConfig.parse(config)
    shared = meant if rules is None else Assignment.parse({**rules, "config": meant})
    assert decode_all(link) == (shared, Beside(**switches))
    assert decode_all(encode(shared, Beside(**switches))) == (shared, Beside(**switches))


def test_the_newest_words_are_names_that_settings_have():
    regularizers = WORDS[VERSION].decode().partition('"regularizers":')[2]
    for key, said in re.findall(r'"(\w+)":{([^{}]*)}', regularizers):
        assert set(re.findall(r'"(\w+)":', said)) <= set(CATALOGUE[key].model_fields), key


def test_a_technique_without_a_word_makes_a_link(technique):
    class Unheard(Regularizer):
        title, group = "Unheard", "Penalties"

        volume: float = Field(0.5, ge=0, le=11, title="volume")

    technique(Unheard)
    config = RunConfig.parse({"regularizers": {"unheard": {"volume": 11}, "dropout": True}})
    assert decode(encode(config)) == config and b"unheard" not in WORDS[VERSION]


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


def packed(raw: bytes, words: bytes = WORDS[VERSION]) -> str:
    packer = zlib.compressobj(9, zdict=words)
    return VERSION + base64.urlsafe_b64encode(packer.compress(raw) + packer.flush()).rstrip(b"=").decode()


@given(text=st.text(max_size=200) | st.from_regex(r"[12][A-Za-z0-9_-]{0,80}", fullmatch=True))
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
        ("5abc", "of another version"),
        ("0", "of another version"),
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
    monkeypatch.setitem(sys.modules, "timm", None)  # whoever imports it fails
    assert "does not offer" in refusal(packed(b'{"model": "timm/resnet18d", "assignment": {}}'))
