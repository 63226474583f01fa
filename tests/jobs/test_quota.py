"""The minutes of ZeroGPU: who has how many, what a training takes of them, and what would fit."""

from __future__ import annotations

import pytest
from conftest import tiny_config
from hypothesis import given
from hypothesis import strategies as st

from reglab.config import RunConfig
from reglab.config.judged import usual_judged_size
from reglab.jobs.places.quota import ANONYMOUS, FREE, PRO, SIZES, in_words, quota_of, smaller


def test_whoever_is_not_known_has_what_nobody_has_to_log_in_for():
    assert [quota_of(plan).minutes for plan in ("pro", "free", "anonymous", "", "<b>")] == [40, 5, 2, 2, 2]


@pytest.mark.parametrize("quota", [ANONYMOUS, FREE, PRO], ids=["anonymous", "free", "pro"])
def test_the_sentence_says_what_it_takes_of_how_much_and_what_else_one_could_do(quota):
    fits, not_ = quota.sentence(60), quota.sentence(7_200)
    assert fits == f"On ZeroGPU this takes about 60 s of the {quota.minutes} minutes a day that {quota.whose}."
    assert "about 2 hours" in not_ and "fewer images or for fewer epochs" in not_
    assert ("log in" in not_) == (quota is ANONYMOUS) and ("PRO" in not_) == (quota is FREE)


def seconds(config: RunConfig) -> float:
    return 8 + config.epochs * config.train_images / 1_000


@given(size=st.integers(100, 48_000), epochs=st.integers(1, 300), most=st.floats(1, 3_000))
def test_the_smaller_run_fits_and_is_no_smaller_than_it_has_to_be(size, epochs, most):
    config = tiny_config(dataset="cifar10", train_size=size, epochs=epochs)
    found = smaller(config, seconds, most)
    if found is None:
        least = min(s for s in (*SIZES, size) if s <= size)
        assert seconds(config.model_copy(update={"train_size": least, "epochs": min(epochs, 5)})) > most
        return
    assert seconds(found) <= most and found.epochs <= epochs and found.train_images <= size
    assert (
        found == config
        or seconds(found.model_copy(update={"epochs": found.epochs + 1})) > most
        or found.epochs == epochs
    )


def test_the_points_of_a_smaller_run_are_judged_on_as_many_as_suit_it():
    found = smaller(RunConfig.parse({"dataset": "cifar10", "train_size": 48_000, "epochs": 5}), seconds, 20.0)
    assert found and found.judged_size == usual_judged_size(found.train_images) < usual_judged_size(48_000)


def test_times_are_said_as_one_says_them():
    assert [in_words(s) for s in (0.2, 45, 150, 9_000)] == ["1 s", "45 s", "2 minutes", "2 hours"]
