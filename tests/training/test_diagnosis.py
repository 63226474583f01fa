"""What is said of the curves of a run: the right word for every history of the table, and what holds for any."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reglab.config import RunConfig
from reglab.regularizers import CATALOGUE
from reglab.training.diagnosis import KINDS, Diagnosis, bought, change, diagnose
from reglab.training.events import Epoch, as_reported


def history(train_loss, val_loss, train_accuracy, val_accuracy, steps=40, **more) -> list[Epoch]:
    rows = zip(train_loss, val_loss, train_accuracy, val_accuracy, strict=True)
    return [
        Epoch(
            epoch=i,
            step=i * steps,
            lr=0.1,
            train_loss=tl,
            val_loss=vl,
            train_accuracy=ta,
            val_accuracy=va,
            gap=ta - va,
            ece=0.0,
            **{k: v[i] for k, v in more.items()},
        )
        for i, (tl, vl, ta, va) in enumerate(rows)
    ]


STORIES = json.loads((Path(__file__).parent / "histories.json").read_text("utf-8"))
"""Runs that were trained (`python benchmarks/histories.py` does it again) and runs made up, each with the word for it."""


def told(story: dict[str, Any], **config: Any) -> Diagnosis:
    rows = history(**story["epochs"], steps=story["steps"])
    return diagnose(rows, RunConfig.parse({**story["config"], **config}), story.get("failed", ""), story["done"])


# ---- the right word ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("story", STORIES, ids=[story["name"] for story in STORIES])
def test_every_history_gets_the_right_word(story):
    said = told(story)
    assert said.kind == story["word"], said.text
    assert [words for words in story["says"] if words not in said.text] == [], said.text
    assert [words for words in story["never"] if words in said.text] == [], said.text


def test_there_are_forty_histories_and_every_word_is_among_them():
    assert len({story["name"] for story in STORIES}) == len(STORIES) >= 40
    assert {story["word"] for story in STORIES} == set(KINDS)
    assert sum(story["trained"] for story in STORIES) >= 20


LASTING = [
    s
    for s in STORIES
    if s["word"] not in ("wait", "diverged")
    and len(s["epochs"]["train_loss"]) > 6
    and "last epoch" not in s["name"]  # a second bad one in a row would be no accident
]


@pytest.mark.parametrize("story", LASTING, ids=[story["name"] for story in LASTING])
def test_one_bad_last_epoch_more_changes_no_word(story):
    bad = {"train_loss": 9.0, "val_loss": 9.0, "train_accuracy": 0.12, "val_accuracy": 0.12, "fit_loss": 9.0}
    bad |= {"fit_accuracy": 0.12, "memorised": 0.1}
    longer = {name: [*values, bad[name]] for name, values in story["epochs"].items()}
    assert told({**story, "epochs": longer}).kind == story["word"]


def test_what_is_said_of_a_finished_run_has_a_way_out_unless_it_is_fine():
    for story in STORIES:
        if story["word"] in ("dead", "unstable", "memorising", "overfitting", "underfitting"):
            assert re.search(r"(Try|Lower|Use) [^.]+(\.\d[^.]*)*\.$", told(story).text), told(story).text


# ---- the laws of it ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["CIFAR-10, 1,000 images, plain", "a gap of 20 points while it runs"])
def test_the_advice_is_never_what_is_on_already(name):
    story = next(story for story in STORIES if story["name"] == name)
    for key in ("flip_crop", "dropout", "weight_decay", "label_smoothing", "early_stopping"):
        advice = told(story, regularizers={key: True}).text.rpartition("Try ")[2]
        assert advice and CATALOGUE[key].title.lower() not in advice
    everything = dict.fromkeys(("flip_crop", "dropout", "weight_decay", "label_smoothing", "early_stopping"), True)
    assert "Try " in told(story, regularizers=everything).text


def test_the_advice_is_nothing_that_would_be_refused():
    rows = history([2.3, *[0.1] * 6], [2.3, *[1.4] * 6], [0.1, *[0.99] * 6], [0.1, *[0.6] * 6])
    head = RunConfig.parse({"model": "timm/resnet18", "pretrained": True})
    assert "Try dropout or weight decay." in diagnose(rows, head, done=True).text
    dead = history([2.3] * 8, [2.3] * 8, [0.1] * 8, [0.1] * 8)
    for values in ({"model": "timm/resnet18"}, {"regularizers": {"group_norm": True}}):
        assert "add normalization" not in diagnose(dead, RunConfig.parse(values), done=True).text


def test_a_failed_run_has_diverged_and_says_why():
    said = diagnose([], RunConfig(), failed="Diverged at step 3.")
    assert (said.kind, said.text) == ("diverged", "Diverged at step 3.")


@pytest.mark.parametrize("classes", [("cifar10", 0.62), ("cifar100", 0.4)])
def test_what_counts_as_learned_depends_on_the_number_of_classes(classes):
    dataset, enough = classes
    bar = {"cifar10": 0.6, "cifar100": 0.36}[dataset]
    for reached, word in ((enough, "fine"), (bar - 0.05, "underfitting")):
        rows = history([2.3, *[1.3] * 6], [2.3, *[1.4] * 6], [0.01, *[reached] * 6], [0.01, *[reached - 0.02] * 6])
        assert diagnose(rows, RunConfig.parse({"dataset": dataset}), done=True).kind == word


# ---- what a slice cannot tell ------------------------------------------------------------------------------------
SLICED = RunConfig.parse({"train_size": 2_000, "judged_size": 200})


def curves(gap: float, losses=(2.3, *[1.0] * 8), fit=0.8) -> list[Epoch]:
    n = len(losses) - 1
    return history([2.3, *[0.6] * n], list(losses), [0.1, *[fit] * n], [0.1, *[fit - gap] * n])


def test_a_gap_is_wide_when_the_slice_that_shows_it_says_so_beyond_its_error():
    everything = SLICED.override({"judged_size": 10_000})
    for gap, sliced, whole in (
        (0.14, "fine", "fine"),
        (0.17, "fine", "overfitting"),
        (0.21, "overfitting", "overfitting"),
    ):
        assert (diagnose(curves(gap), SLICED).kind, diagnose(curves(gap), everything).kind) == (sliced, whole)
    assert "17.0 points ± 4" in diagnose(curves(0.17), SLICED).text, "and what keeps it from being called so is said"


def test_at_the_end_the_numbers_of_everything_decide_and_are_told():
    rows = curves(0.21)
    last = as_reported(rows[-1], {"train_accuracy": 0.76, "val_accuracy": 0.64, "gap": 0.12})
    assert diagnose(rows, SLICED, done=True).kind == "overfitting"
    said = diagnose(rows, SLICED, done=True, last=last)
    assert said.kind == "fine" and "the gap is 12.0 points over" in said.text
    wide = as_reported(rows[-1], {"train_accuracy": 0.8, "val_accuracy": 0.64, "gap": 0.16})
    assert "a gap of 16.0 points" in diagnose(rows, SLICED, done=True, last=wide).text


def test_a_loss_that_rises_by_less_than_its_slice_makes_it_is_no_overfitting():
    for rise, word in ((0.18, "fine"), (0.6, "overfitting")):
        rows = history([2.3, 1.5, *[0.6 - 0.05 * i for i in range(8)]], [2.3, 1.4, *[1.0 + rise * i / 7 for i in range(8)]],
                       [0.1, 0.5, *[0.7] * 8], [0.1, 0.5, *[0.65] * 8])  # fmt: skip
        assert diagnose(rows, SLICED).kind == word
        assert diagnose(rows, SLICED.override({"judged_size": 10_000})).kind == "overfitting"


def test_half_of_the_wrong_labels_must_be_learned_beyond_the_error_of_those_in_the_slice():
    config = SLICED.override({"label_noise": 0.1})  # 20 wrong ones among the 200
    for share, word in ((0.55, "fine"), (0.65, "memorising")):
        rows = history([1.0] * 8, [1.0] * 8, [0.7] * 8, [0.65] * 8, memorised=[share] * 8)
        assert diagnose(rows, config).kind == word
        assert diagnose(rows, config.override({"judged_size": 10_000})).kind == "memorising"


def test_a_network_at_chance_is_dead_on_any_slice():
    dead = history([2.303] * 12, [2.303] * 12, [0.12] * 12, [0.135] * 12)
    assert diagnose(dead, SLICED, done=True).kind == "dead", "135 of 1,000 are many, 27 of 200 are not"
    assert diagnose(dead, SLICED.override({"judged_size": 10_000}), done=True).kind != "dead"


@given(st.lists(st.floats(0, 5), min_size=2, max_size=25))
def test_a_rise_counts_only_as_far_as_it_is_larger_than_the_wobble(losses):
    did = change(history(losses, losses, [0.5] * len(losses), [0.5] * len(losses)))
    assert did.val_rose >= 0 and did.wobble >= 0 and did.has_risen == (did.val_rose > 0.1 + did.wobble)
    falling = change(history(*[sorted(losses, reverse=True)] * 2, [0.5] * len(losses), [0.5] * len(losses)))
    assert falling.val_rose == falling.wobble == 0 and not falling.has_risen


numbers = st.floats(0, 5)
shares = st.floats(0, 1)


@given(rows=st.lists(st.tuples(numbers, numbers, shares, shares), max_size=8), done=st.booleans())
@settings(max_examples=200, deadline=None)
def test_there_is_something_to_say_about_any_history(rows, done):
    columns = list(zip(*rows, strict=True)) or [[]] * 4
    said = diagnose(history(*columns), RunConfig(), done=done)
    assert said.kind in KINDS
    assert re.fullmatch(r"[A-Z].*\.", said.text) and "nan" not in said.text


# ---- what regularization bought ----------------------------------------------------------------------------------
def test_what_it_bought_is_the_difference_in_points():
    said = bought({"test_accuracy": 0.70, "gap": 0.25}, {"test_accuracy": 0.753, "gap": 0.05})
    assert "bought 5.3 points of test accuracy" in said and "narrowed the gap by 20.0 points" in said


def test_what_it_cost_is_told_as_a_cost():
    said = bought({"test_accuracy": 0.70, "gap": 0.05}, {"test_accuracy": 0.66, "gap": 0.07})
    assert "cost 4.0 points of test accuracy" in said and "widened the gap by 2.0 points" in said


def test_what_is_equal_was_neither_bought_nor_closed():
    dead = {"test_accuracy": 0.1, "gap": 0.0}
    assert bought(dead, dead) == "Regularization left test accuracy as it was and left the gap as it was."
    dead = dead | {"memorised": 0.1}
    assert bought(dead, dead | {"memorised": 0.104}).endswith("and let as many wrong labels be learned by heart.")


@pytest.mark.parametrize(("plain", "regularized", "words"), [(0.9, 0.2, "kept 70 % of"), (0.1, 0.4, "let 30 % more")])
def test_under_label_noise_what_counts_is_what_was_memorised(plain, regularized, words):
    told = [{"test_accuracy": 0.5, "gap": 0.0, "memorised": share} for share in (plain, regularized)]
    assert words in bought(*told) and "gap" not in bought(*told)
