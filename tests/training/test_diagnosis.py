"""What is said of the curves of a run, on histories made up for it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reglab.regularizers import CATALOGUE
from reglab.training.diagnosis import bought, diagnose
from reglab.training.events import Epoch


def history(train_loss, val_loss, train_accuracy, val_accuracy, **more) -> list[Epoch]:
    rows = zip(train_loss, val_loss, train_accuracy, val_accuracy, strict=True)
    return [
        Epoch(
            epoch=i,
            step=i,
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


OVERFITTING = history(
    [2.3, 1.5, 1.0, 0.6, 0.3], [2.3, 1.6, 1.4, 1.6, 1.9], [0.1, 0.5, 0.7, 0.8, 0.95], [0.1, 0.4, 0.5, 0.52, 0.5]
)
GAP_ONLY = history([2.3, 1.5, 1.0, 0.9], [2.3, 1.6, 1.4, 1.35], [0.1, 0.5, 0.8, 0.9], [0.1, 0.4, 0.5, 0.52])
UNDERFITTING = history([2.3, 2.2, 2.1, 2.0], [2.3, 2.2, 2.1, 2.0], [0.1, 0.2, 0.25, 0.3], [0.1, 0.2, 0.24, 0.28])
FINE = history(
    [2.3, 1.0, 0.6, 0.5, 0.45], [2.3, 1.1, 0.8, 0.7, 0.65], [0.1, 0.6, 0.8, 0.85, 0.86], [0.1, 0.6, 0.76, 0.8, 0.8]
)
UNSTABLE = history([2.3, 1.0, 2.5], [2.3, 1.1, 3.0], [0.1, 0.6, 0.3], [0.1, 0.6, 0.3])
MEMORISING = history(
    [2.3, 1.8, 1.7], [2.3, 1.7, 1.9], [0.1, 0.5, 0.55], [0.1, 0.5, 0.45], memorised=[0.1, 0.3, 0.8],
    fit_loss=[2.3, 1.5, 0.4], fit_accuracy=[0.1, 0.5, 0.9],
)  # fmt: skip


def test_overfitting_is_told_with_the_epoch_and_both_changes():
    said = diagnose(OVERFITTING)
    assert said.kind == "overfitting"
    assert "since epoch 2" in said.text
    assert "validation loss rose 0.50" in said.text and "training loss fell 0.70" in said.text


def test_a_wide_gap_is_overfitting_even_while_the_validation_loss_falls():
    said = diagnose(GAP_ONLY)
    assert said.kind == "overfitting"
    assert "training accuracy is 90.0%" in said.text and "validation 52.0%" in said.text and "38.0 points" in said.text


def test_underfitting_is_told_only_when_the_run_is_done():
    assert diagnose(UNDERFITTING).kind == "wait"
    said = diagnose(UNDERFITTING, done=True)
    assert said.kind == "underfitting" and "30.0%" in said.text and "2.0 points" in said.text
    assert "less regularization" not in said.text
    assert "less regularization" in diagnose(UNDERFITTING, regularizers=["dropout"], done=True).text


def test_what_is_fine_is_told_as_fine():
    said = diagnose(FINE, done=True)
    assert said.kind == "fine" and "6.0 points" in said.text and "at its lowest" in said.text


def test_a_run_still_rising_at_its_end_is_told_to_go_on():
    rising = history(
        [2.3, 1.0, 0.8, 0.7, 0.6], [2.3, 1.1, 0.9, 0.8, 0.7], [0.1, 0.6, 0.7, 0.75, 0.8], [0.1, 0.6, 0.66, 0.7, 0.75]
    )
    assert "more epochs would help" in diagnose(rising, done=True).text
    assert "more epochs would help" not in diagnose(rising).text


def test_losses_that_both_rise_are_unstable_not_overfitting():
    said = diagnose(UNSTABLE)
    assert said.kind == "diverged"
    assert "validation loss rose 1.90" in said.text and "training loss 1.50" in said.text and "epoch 1" in said.text


def test_a_failed_run_has_diverged_and_says_why():
    said = diagnose(FINE, failed="Diverged at step 3.")
    assert (said.kind, said.text) == ("diverged", "Diverged at step 3.")


def test_memorised_labels_are_told_with_their_share():
    said = diagnose(MEMORISING)
    assert said.kind == "memorising" and "80% of the wrong labels" in said.text and "45.0%" in said.text


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_nothing_is_said_before_two_epochs(epochs):
    assert diagnose(OVERFITTING[:epochs]).kind == "wait"


@pytest.mark.parametrize("told", [OVERFITTING, GAP_ONLY, MEMORISING])
def test_the_advice_is_never_what_is_on_already(told):
    for key in CATALOGUE:
        text = diagnose(told, regularizers=[key]).text
        assert CATALOGUE[key].title.lower() not in text.rpartition("Try ")[2]
    assert "Try " in diagnose(told, regularizers=list(CATALOGUE)).text


numbers = st.floats(0, 5)
shares = st.floats(0, 1)


@given(rows=st.lists(st.tuples(numbers, numbers, shares, shares), max_size=8), done=st.booleans())
@settings(max_examples=200, deadline=None)
def test_there_is_something_to_say_about_any_history(rows, done):
    columns = list(zip(*rows, strict=True)) or [[]] * 4
    said = diagnose(history(*columns), done=done)
    assert said.kind in {"wait", "diverged", "memorising", "overfitting", "underfitting", "fine"}
    assert re.fullmatch(r"[A-Z].*\.", said.text) and "nan" not in said.text
    assert said.to_json() == {"kind": said.kind, "text": said.text}


# ---- what regularization bought ----------------------------------------------------------------------------------
def test_what_it_bought_is_the_difference_in_points():
    said = bought({"test_accuracy": 0.70, "gap": 0.25}, {"test_accuracy": 0.753, "gap": 0.05})
    assert "bought 5.3 points of test accuracy" in said and "closed the gap by 20.0 points" in said


def test_what_it_cost_is_told_as_a_cost():
    said = bought({"test_accuracy": 0.70, "gap": 0.05}, {"test_accuracy": 0.66, "gap": 0.07})
    assert "cost 4.0 points of test accuracy" in said and "widened the gap by 2.0 points" in said


@pytest.mark.parametrize(("plain", "regularized", "words"), [(0.9, 0.2, "kept 70% of"), (0.1, 0.4, "let 30% more")])
def test_under_label_noise_what_counts_is_what_was_memorised(plain, regularized, words):
    told = [{"test_accuracy": 0.5, "gap": 0.0, "memorised": share} for share in (plain, regularized)]
    assert words in bought(*told) and "gap" not in bought(*told)
