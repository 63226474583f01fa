"""The lessons: set-ups small enough to wait for, fair scores, and takeaways that claim nothing the runs did not show."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reglab import data
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments.executors import local
from reglab.experiments.experiment import Experiment
from reglab.experiments.outcome import Outcome
from reglab.runs import names
from reglab.runs.cost import judged
from reglab.runs.store import Store
from reglab.teaching import lessons
from reglab.teaching.lessons import LESSONS, arms_of, lesson, outcomes, score
from reglab.teaching.lessons.lesson import BASE
from reglab.teaching.lessons.scoring import chance, guess, pick
from reglab.teaching.lessons.sentences import path_of_loss
from reglab.training.events import Epoch, Finished, Started

every = pytest.mark.parametrize("key", LESSONS)
datasets = pytest.mark.parametrize("dataset", ["cifar10", "digits"])


def epoch(number: int, train: float, val: float, val_loss: float = 1.0, fit: float | None = None) -> Epoch:
    return Epoch(
        epoch=number, step=number, lr=0.0, train_loss=1 - train, train_accuracy=train, val_loss=val_loss,
        val_accuracy=val, ece=0.0, gap=train - val, fit_accuracy=fit, memorised=fit,
    )  # fmt: skip


def outcome(
    train: float, val: float, test: float | None = None, *, losses=(2.3, 1.0), fit=None, speed=1000.0, images=1_000
) -> Outcome:
    """A run of two epochs or more that ends with these accuracies, on its way up from 10 %."""
    test = val if test is None else test
    shares = np.linspace(0, 1, len(losses))
    history = tuple(
        epoch(i, 0.1 + (train - 0.1) * s, 0.1 + (val - 0.1) * s, loss, None if fit is None else fit * s)
        for i, (s, loss) in enumerate(zip(shares, losses, strict=True))
    )
    summary = {"status": "finished", "train_size": images, "val_images": 1_000, "test_images": 10_000}
    return Outcome(summary | {"images_per_second": speed, "last": {"test_accuracy": test}}, history)


# ---- set-ups -----------------------------------------------------------------------------------------------------
@every
@datasets
def test_the_arms_differ_and_have_short_names(key, dataset):
    arms = lesson(key).arms(dataset)
    assert 2 <= len(arms) <= 5 and len({c.model_dump_json() for c in arms.values()}) == len(arms)
    assert list(arms) == list(lesson(key).changes)
    for name, config in arms.items():
        assert len(name) <= 15 and names.checked(f"{lesson(key).title}, {name}")
        assert (config.dataset, config.model, config.seed) == (dataset, "basic_cnn", 0)
    assert [c.seed for c in lesson(key).arms(dataset, seed=7).values()] == [7] * len(arms)


@every
@datasets
def test_a_lesson_is_small_enough_to_wait_for(key, dataset):
    """At 1,500 images learned and 5,000 judged in a second, which is what two cores do."""
    seconds = 0.0
    for c in lesson(key).arms(dataset).values():
        seconds += c.epochs * c.train_size / 1_500 + judged(c, c.epochs) / 5_000
    assert seconds < 90


@every
def test_a_lesson_asks_and_explains(key):
    told = lesson(key)
    assert any(q.options for q in told.questions), "nothing that cannot be left as it was"
    assert len({q.key for q in told.questions}) == len(told.questions)
    assert len(told.look) >= 2 and told.title and told.background.count(". ") >= 1
    for q in told.questions:
        assert q.text.endswith("?") and len(set(q.options)) == len(q.options) != 1


def test_ninety_percent_wrong_labels_are_random_labels():
    """What the memorising lesson says: whatever the picture shows, every class is equally likely."""
    truth = np.arange(50_000) % 10
    _, given = data.wrong_labels(50_000, 10, 0.9, np.arange(50_000), truth, seed=0)
    table = np.zeros((10, 10))
    np.add.at(table, (truth, given), 1)
    assert (table.diagonal().sum(), table.sum()) == (5_000, 50_000)
    assert np.abs(table / 5_000 - 0.1).max() < 0.02  # five standard deviations
    noisy = lesson("memorising").arms()["random labels"]
    assert noisy.label_noise == 0.9 and len(data.SOURCES[noisy.dataset].classes) == 10


def test_there_is_no_lesson_by_another_name():
    with pytest.raises(ConfigError, match="did you mean dropout"):
        lesson("dropuot")


# ---- predictions -------------------------------------------------------------------------------------------------
def answers(key: str) -> dict:
    return {q.key: q.options[0] if q.options else 50 for q in lesson(key).questions}


@every
def test_a_prediction_is_whole_or_refused_in_a_sentence(key):
    told = lesson(key)
    whole = answers(key)
    assert told.checked({**whole, "another": 1}) == json.loads(json.dumps(told.checked(whole))) == whole
    for question in told.questions:
        for rubbish in (None, "by heart", math.nan, -1, 101, True, [], {}):
            with pytest.raises(ConfigError, match=r"Predict first: .* has no answer yet\.$"):
                told.checked({**whole, question.key: rubbish})
        with pytest.raises(ConfigError):
            told.checked({k: v for k, v in whole.items() if k != question.key})
    for rubbish in (None, [], "x", 3):
        with pytest.raises(ConfigError):
            told.checked(rubbish)


@pytest.mark.parametrize(
    ("said", "was", "points"), [(70, 0.7, 2), (65, 0.7, 2), (64, 0.7, 1), (85, 0.7, 1), (54, 0.7, 0)]
)
def test_a_guess_is_worth_what_it_is_close_to(said, was, points):
    mark = guess(said, was, "training accuracy")
    assert mark.points == points and f"{said} %" in mark.sentence and "70.0 %" in mark.sentence


def test_an_arm_that_the_images_cannot_tell_from_the_best_is_right_too():
    runs = {"a": outcome(0.9, 0.5, 0.500), "b": outcome(0.9, 0.5, 0.495), "c": outcome(0.9, 0.4, 0.4)}
    tests = {name: run.test for name, run in runs.items()}
    assert [pick(name, tests, "test accuracy", "highest", runs).points for name in "abc"] == [2, 2, 0]
    assert "cannot tell" in pick("b", tests, "test accuracy", "highest", runs).sentence
    assert chance(0.5, 0.5, runs["a"]) > chance(0.5, 0.5, runs["a"], "test_images")


def test_where_arms_share_the_number_none_of_them_has_the_highest():
    runs = {"a": outcome(0.9, 0.5, 0.1), "b": outcome(0.9, 0.5, 0.1), "c": outcome(0.9, 0.1, 0.05)}
    tests = {name: run.test for name, run in runs.items()}
    for name in "ab":
        mark = pick(name, tests, "test accuracy", "highest", runs)
        assert (mark.points, mark.sentence) == (
            2,
            "“a” and “b” share the highest test accuracy (10.0 %). 2 of 2 points.",
        )
    assert pick("c", tests, "test accuracy", "highest", runs).points == 0


@pytest.mark.parametrize(
    ("losses", "path"),
    [((2.3, 1.5, 1.2), "keep falling"), ((2.3, 1.2, 1.25), "keep falling"), ((2.3, 1.2, 1.9), "fall, then rise"),
     ((2.3, 2.4, 2.9), "never fall")],
)  # fmt: skip
def test_the_path_of_a_loss(losses, path):
    assert path_of_loss(outcome(0.9, 0.4, losses=losses)) == path


# ---- scores and takeaways ----------------------------------------------------------------------------------------
USUAL = {  # what these lessons gave on CIFAR-10, and the prediction that foresees it
    "overfitting": (
        {
            "few images": outcome(0.95, 0.30, losses=(2.3, 2.1, 2.9), images=300),
            "more images": outcome(0.93, 0.43, images=1_000),
            "many images": outcome(0.97, 0.55, images=3_000),
        },
        {"gap": "few images", "train": 95, "val": 30, "loss": "fall, then rise"},
    ),
    "dropout": (
        {
            "rate 0": outcome(0.933, 0.431, 0.441),
            "rate 0.25": outcome(0.759, 0.419, 0.436),
            "rate 0.5": outcome(0.577, 0.407, 0.422),
            "rate 0.9": outcome(0.257, 0.252, 0.257),
        },
        {"gap": "rate 0.9", "test": "rate 0.25", "train": 26},
    ),
    "weight_decay": (
        {
            "strength 0": outcome(0.933, 0.431, 0.441),
            "strength 0.5": outcome(0.847, 0.427, 0.435),
            "strength 2": outcome(0.730, 0.430, 0.431),
            "strength 10": outcome(0.462, 0.353, 0.380),
        },
        {"gap": "strength 10", "test": "strength 0", "train": 46},
    ),
    "batch_norm": (
        {
            "off": outcome(0.905, 0.412, 0.436, losses=[2] * 13),
            "on": outcome(1.0, 0.9, 0.468, losses=[2] * 13, speed=800),
            "off, 10 x rate": outcome(0.513, 0.305, 0.315, losses=[2] * 13),
            "on, 10 x rate": outcome(1.0, 0.477, 0.472, losses=[2] * 13, speed=800),
        },
        {"reach": "in half the epochs or fewer", "speed": "more than 10 % slower", "high": "only the one with it"},
    ),
    "memorising": (
        {
            "true labels": outcome(1.0, 0.341, losses=[2] * 31),
            "random labels": outcome(0.1, 0.106, fit=0.99, losses=[2] * 31),
            "random, dropout": outcome(0.1, 0.098, fit=0.98, losses=[2] * 31),
        },
        {"fit": 99, "val": 10, "first": "the one with true labels"},
    ),
}


@every
def test_whoever_foresees_everything_has_all_points(key):
    runs, prediction = USUAL[key]
    told = score(lesson(key), prediction, runs)
    assert (told.points, told.of) == (2 * len(prediction), 2 * len(prediction)), told.sentences
    wrong = {
        q.key: [o for o in q.options if o != prediction[q.key]][-1] if q.options else (prediction[q.key] + 50) % 100
        for q in lesson(key).questions
    }
    assert score(lesson(key), wrong, runs).points == 0, wrong
    assert all(s.endswith("points.") for s in told.sentences)


def test_takeaways_say_what_these_runs_have_shown():
    said = {key: " ".join(lesson(key).takeaway(runs)) for key, (runs, _) in USUAL.items()}
    assert "a gap of 65.0 points" in said["overfitting"]
    assert "The gap was 23.0 points narrower with many images" in said["overfitting"]
    assert "turned upwards with “few images”" in said["overfitting"]
    assert "fell from 50.2 points without dropout to 0.5 points at rate 0.9" in said["dropout"]
    assert "Of the networks with dropout, validation chooses rate 0.25." in said["dropout"]
    assert "With rate 0.25 test accuracy did not clearly change (43.6 % with, 44.1 % without)." in said["dropout"]
    assert "That much dropout (rate 0.9) cost 18.4 points of test accuracy" in said["dropout"]
    assert "So strong a pull (strength 10) cost 6.1 points" in said["weight_decay"]
    assert "Each image took 25 % more time" in said["batch_norm"]
    assert (
        "Test accuracy rose by 3.2 points with batch normalization (46.8 % with, 43.6 % without)." in said["batch_norm"]
    )
    assert "without it fell back: 31.5 % on test images, 43.6 % at the usual rate" in said["batch_norm"]
    assert "with it kept up: 47.2 %" in said["batch_norm"]
    assert "came to repeat 99.0 %" in said["memorising"] and "proves nothing" in said["memorising"]
    assert "was no better on new images (9.8 %)" in said["memorising"]


def test_takeaways_claim_nothing_where_nothing_happened():
    """All arms of a lesson alike: no difference may be told as one."""
    same = outcome(0.6, 0.5)
    said = {key: " ".join(told.takeaway(dict.fromkeys(told.changes, same))) for key, told in LESSONS.items()}
    assert "did not clearly help" in said["overfitting"] and "hardly changed" in said["overfitting"]
    assert "turned upwards" not in said["overfitting"]
    for key in ("dropout", "weight_decay"):
        assert "did not clearly narrow the gap" in said[key] and "did not cost test accuracy" in said[key]
        assert "test accuracy did not clearly change (50.0 % with, 50.0 % without)." in said[key]
        assert "validation chooses" not in said[key]
    unchanged = "With batch normalization test accuracy did not clearly change (50.0 % with, 50.0 % without)."
    assert "fell back" not in said["batch_norm"] and unchanged in said["batch_norm"]
    assert "no more time" in said["batch_norm"]
    assert "proves nothing" not in said["memorising"] and "was no better on new images" in said["memorising"]


share = st.floats(0, 1)
any_outcome = st.builds(
    lambda train, val, test, losses, fit, speed: outcome(train, val, test, losses=losses, fit=fit, speed=speed),
    share, share, share, st.lists(st.floats(0, 20), min_size=2, max_size=5), st.none() | share, st.floats(1, 9_999),
)  # fmt: skip


@every
@given(values=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_happens_there_are_a_score_and_a_takeaway(key, values):
    told = lesson(key)
    runs = {name: values.draw(any_outcome) for name in told.changes}
    prediction = {
        q.key: values.draw(st.sampled_from(q.options) if q.options else st.integers(0, 100)) for q in told.questions
    }
    scored = score(told, prediction, runs)
    assert 0 <= scored.points <= scored.of == 2 * len(scored.sentences) == 2 * len(told.questions)
    for sentence in (*scored.sentences, *told.takeaway(runs)):
        assert sentence.endswith(".") and not any(odd in sentence for odd in ("nan", "None", "inf", "-0.0", "  "))


# ---- runs --------------------------------------------------------------------------------------------------------
def finished(store: Store, config: RunConfig, done: bool = True):
    """A run folder as training leaves it."""
    run = store.create(config)
    numbers = {"images": 0, "mean": (0.0,), "std": (1.0,)}
    told = [
        Started(
            parameters=1, train_images=config.train_size, val_images=config.val_size, test_images=500,
            steps_per_epoch=1, device="cpu", precision="fp32", threads=1, mean=numbers["mean"], std=numbers["std"],
        ),
        epoch(0, 0.1, 0.1),
        epoch(1, 0.9, 0.5),
    ]  # fmt: skip
    last = {"epoch": 1, "test_accuracy": 0.5}
    told += [Finished(epochs=1, reported="last", best=last, last=last)] if done else []
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(e.to_json()) + "\n" for e in told))
    (run.path / "timing.jsonl").write_text(json.dumps({"seconds": 1.0, "images_per_second": 100.0}) + "\n")
    return run


@every
def test_runs_are_known_by_their_configs_in_whatever_order(key, store):
    told = lesson(key)
    runs = [finished(store, config) for config in told.arms("digits", seed=3).values()]
    stranger = finished(store, RunConfig.parse({"dataset": "digits", "train_size": 77}))
    shuffled = [stranger, *reversed(runs)]
    assert list(arms_of(told, shuffled).values()) == runs and list(arms_of(told, shuffled)) == list(told.changes)
    ended = outcomes(told, shuffled)
    assert list(ended) == list(told.changes)
    assert score(told, answers(key), ended).of == 2 * len(told.questions) and told.takeaway(ended)


def test_arms_are_made_once_for_runs_that_are_looked_at_again(store, monkeypatch):
    told, made = lesson("dropout"), []
    runs = [finished(store, config) for config in told.arms("digits", seed=4).values()]
    make = told.arms
    monkeypatch.setattr(type(told), "arms", lambda self, *of: made.append(of) or make(*of))
    lessons.made_arms.cache_clear()
    for _ in range(2):
        assert list(arms_of(told, runs).values()) == runs
    assert made == [("digits", 4)]


def test_there_is_no_outcome_until_all_arms_are_finished(store):
    told = lesson("dropout")
    *most, last = told.arms("digits").values()
    runs = [finished(store, config) for config in most]
    assert outcomes(told, runs) == {}
    assert outcomes(told, [*runs, finished(store, last, done=False)]) == {}
    assert len(outcomes(told, [*runs, finished(store, last)])) == 4
    (runs[0].path / "config.json").write_text("{")
    assert outcomes(told, [type(runs[0])(run.path) for run in runs]) == {}
    assert lessons.outcomes(told, []) == {}


def test_a_lesson_is_one_experiment_from_its_start_to_its_score(store, monkeypatch):
    """Trained for real, on a network and a set as small as they come."""
    monkeypatch.setitem(
        BASE, "digits", {"train_size": 40, "val_size": 40, "epochs": 2, "batch_size": 20, "width": 0.125}
    )
    lessons.made_arms.cache_clear()
    told = lesson("dropout")
    asked = told.experiment("digits", seed=5)
    runs = local.train(asked, store)
    assert [run.name for run in runs] == [f"{told.title}, {arm}" for arm in told.changes]
    assert Experiment.of(runs[0]) == asked
    assert (asked.subject, asked.title, asked.is_one_job, asked.is_named) == ("dropout", told.title, True, False)
    ended = outcomes(told, runs)
    assert list(ended) == list(told.changes) and score(told, answers("dropout"), ended).of == 6
    assert all(sentence.endswith(".") for sentence in told.takeaway(ended))
    assert told.experiment("digits", seed=5).group != asked.group, "every attempt is one of its own"
    lessons.made_arms.cache_clear()


def test_the_runs_of_a_lesson_of_before_still_are_its_arms(store):
    """They were judged on everything in every epoch, which changes nothing about what they learned."""
    told = lesson("dropout")
    runs = [finished(store, config.override({"judged_size": 10_000})) for config in told.arms("digits").values()]
    assert list(arms_of(told, runs).values()) == runs
