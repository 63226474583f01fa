"""Early stopping against the count of Keras' callback."""

from __future__ import annotations

from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st

from reglab.regularizers import CATALOGUE
from reglab.training.events import Epoch, Finished
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
