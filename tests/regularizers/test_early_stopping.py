"""Early stopping against the count of Keras' callback, and which epoch a run with it stands by."""

from __future__ import annotations

import json

import pytest
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st

from reglab.regularizers import CATALOGUE
from reglab.runs.recording import record
from reglab.runs.run import Run
from reglab.training.events import Epoch, Finished, Stopped
from reglab.training.fork import train_fork
from reglab.training.train import train

EarlyStopping = CATALOGUE["early_stopping"]


def history(losses, accuracies=None) -> list[Epoch]:
    accuracies = accuracies or [0.5] * len(losses)
    return [
        Epoch(
            epoch=i,
            step=i,
            lr=0.1,
            train_loss=1,
            train_accuracy=0.5,
            val_loss=loss,
            val_accuracy=accuracy,
            ece=0,
            gap=0,
        )
        for i, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True))
    ]


def stopped_at(technique, epochs: list[Epoch]) -> int | None:
    return next((n for n in range(1, len(epochs) + 1) if technique.stop_reason(epochs[:n])), None)


def stopped_at_slowly(losses, patience: int, min_delta: float) -> int | None:
    """As Keras' callback counts: one more epoch without improvement, or one that improves and starts anew."""
    best, waited = losses[0], 0
    for n, loss in enumerate(losses[1:], 2):
        if loss < best - min_delta:
            best, waited = loss, 0
        else:
            waited += 1
        if waited >= patience:
            return n
    return None


@given(
    losses=st.lists(st.floats(0, 3), min_size=1, max_size=30),
    patience=st.integers(1, 6),
    least=st.sampled_from([0.0, 0.05]),
)
@settings(max_examples=100, deadline=None)
def test_it_ends_when_the_slow_count_does(losses, patience, least):
    technique = EarlyStopping(patience=patience, min_delta=least)
    assert stopped_at(technique, history(losses)) == stopped_at_slowly(losses, patience, least)


def test_it_waits_for_its_patience_and_says_why():
    losses = [2.3, 1.5, 1.0, 1.2, 1.1, 1.0, 1.3, 0.1]
    technique = EarlyStopping(patience=3)
    assert stopped_at(technique, history(losses)) == 6
    reason = technique.stop_reason(history(losses)[:6])
    assert "loss has not improved on epoch 2 for 3 epochs" in reason


def test_it_can_watch_the_accuracy():
    accuracies = [0.1, 0.5, 0.4, 0.5, 0.9]
    technique = EarlyStopping(patience=2, monitor="accuracy")
    assert stopped_at(technique, history([1.0] * 5, accuracies)) == 4


def test_a_run_that_it_ends_reports_its_best_epoch(tiny_split):
    config = tiny_config(
        epochs=40, lr=3e-3, schedule="constant", regularizers={"early_stopping": {"patience": 2, "min_delta": 0.2}}
    )
    *events, end = train(config, tiny_split)
    epochs = [e for e in events if isinstance(e, Epoch)]
    assert isinstance(end, Finished) and end.reported == "best" and end.epochs == epochs[-1].epoch < 40
    assert stopped_at_slowly([e.val_loss for e in epochs], 2, 0.2) == len(epochs)
    assert end.best["epoch"] == max(epochs, key=lambda e: (e.val_accuracy, -e.epoch)).epoch
    assert "early stopping" in end.reason


# ---- it never ends the run, and the run stands by its best epoch all the same ------------------------------------
NEVER = {"early_stopping": {"patience": 1000}}
GETS_WORSE = dict(epochs=4, lr=0.1, schedule="constant", width=0.125)


@pytest.fixture(scope="module", name="worse")
def worse_fixture(tiny_split) -> tuple[list, list]:
    """The events of a run whose last epoch isn't its best, with early stopping that never ends it, and without."""
    told = [list(train(tiny_config(**GETS_WORSE, regularizers=each), tiny_split)) for each in (NEVER, {})]
    assert told[0][-1].best["epoch"] < told[0][-1].last["epoch"] == 4
    return told[0], told[1]


def test_a_run_that_it_never_ends_stands_by_its_best_epoch_as_keras_restores_it(worse):
    (*events, end), (*without, plain) = worse
    accuracies = [e.val_accuracy for e in events if isinstance(e, Epoch)]
    assert end.best["epoch"] == accuracies.index(max(accuracies)) and (end.reported, end.reason) == ("best", "")
    assert plain.reported == "last" and (plain.best, plain.last, plain.right) == (end.best, end.last, end.right)
    assert [e for e in events if isinstance(e, Epoch)] == [e for e in without if isinstance(e, Epoch)]


def test_summary_and_answers_are_those_of_the_best_epoch_and_a_finished_run_keeps_what_it_wrote(worse, store):
    run = store.create(tiny_config(**GETS_WORSE, regularizers=NEVER))
    list(record(run, iter(worse[0])))
    s = Run(run.path).summary()
    assert s["reported"] == "best" and {k: s[k] for k in s["best"] if k in s and k != "epoch"} == {
        k: v for k, v in s["best"].items() if k != "epoch"
    }
    assert run.right().mean() == s["best"]["test_accuracy"]
    written = (run.path / "metrics.jsonl").read_text().replace('"reported": "best"', '"reported": "last"')
    (run.path / "metrics.jsonl").write_text(written)  # as it was written before
    s = Run(run.path).summary()
    assert (s["reported"], s["test_accuracy"]) == ("last", s["last"]["test_accuracy"])
    assert run.right().mean() == s["last"]["test_accuracy"]


def test_stopped_or_pruned_it_stands_by_its_best_so_far(worse, store):
    run = store.create(tiny_config(**GETS_WORSE, regularizers=NEVER))
    events = [e for e in worse[0] if not isinstance(e, Finished)]
    list(record(run, iter([*events, Stopped(epoch=4, step=16, reason="Pruned after epoch 4 of 9.")])))
    s = Run(run.path).summary()
    assert (s["status"], s["reported"], s["val_accuracy"]) == ("stopped", "best", s["best"]["val_accuracy"])


def test_of_a_run_and_its_fork_each_stands_by_what_its_own_techniques_say(worse, tiny_split):
    config = tiny_config(**GETS_WORSE, regularizers=NEVER)
    *_, end = train_fork(config.forked(2, {"early_stopping": False}), tiny_split)
    assert end.reported == "last"
    *_, end = train_fork(tiny_config(**GETS_WORSE).forked(2, {"early_stopping.patience": 1000}), tiny_split)
    assert end.reported == "best" and end.best == worse[0][-1].best


def test_the_command_line_says_which_epoch_the_run_stands_by(worse, store):
    from reglab.cli.commands.train import _in_words
    from reglab.publishing.model_card import curves

    run = store.create(tiny_config(**GETS_WORSE, regularizers=NEVER))
    list(record(run, iter(worse[0])))
    told = json.loads((run.path / "summary.json").read_text())
    assert "The run stands by its best epoch." in _in_words(told)
    assert "With early stopping on, the run stands by its best epoch." in curves(run, told)
