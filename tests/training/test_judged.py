"""On which images a run is judged: slices for the points of its curves, everything for what it reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_split, tiny_config
from test_train import epochs, judged_slowly

from reglab import data, models
from reglab.config import EVERYTHING
from reglab.runs.cost import judged
from reglab.runs.recording import record
from reglab.training import train as training
from reglab.training.events import Best, Epoch, Finished, Snapshot, best_epoch
from reglab.training.train import Trainer, train

SPLIT = make_split(train=120, val=80, test=400, label_noise=0.25)
SMALL = {"train_size": 120, "val_size": 80, "label_noise": 0.25, "width": 0.125, "epochs": 4, "lr": 3e-3}
SLICES = tiny_config(**SMALL, judged_size=20)
EARLY = tiny_config(**SMALL, judged_size=20, regularizers={"early_stopping": {}})


def finished(config, split=SPLIT) -> Finished:
    *_, end = train(config, split)
    assert isinstance(end, Finished)
    return end


def slices(seed=0) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the training and of the validation images."""
    strata = 2 * SPLIT.true_labels + SPLIT.corrupted
    return data.spread(strata, 20, seed), data.spread(SPLIT.val_labels, 20, seed)


def test_a_point_is_judged_on_the_same_slices_in_every_epoch_and_the_end_on_everything():
    fit, val = slices()
    assert 4 <= SPLIT.corrupted[fit].sum() <= 6, "a quarter of them, as of all"
    s, scale = SPLIT, (SPLIT.mean, SPLIT.std)
    for event in train(SLICES, SPLIT):
        if isinstance(event, Epoch):
            epoch = event
        elif isinstance(event, Snapshot):
            network = models.build(SLICES.spec(10))
            network.load_state_dict({k[6:]: v for k, v in event.tensors.items() if k.startswith("model/")})
            clean = judged_slowly(network, s.train_images[fit], s.true_labels[fit], *scale)
            held_out = judged_slowly(network, s.val_images[val], s.val_labels[val], *scale)
            assert (epoch.train_loss, epoch.train_accuracy) == pytest.approx(clean, rel=1e-4)
            assert (epoch.val_loss, epoch.val_accuracy) == pytest.approx(held_out, rel=1e-4)
    clean, held_out, test = (
        judged_slowly(network, *part, *scale)
        for part in ((s.train_images, s.true_labels), (s.val_images, s.val_labels), (s.test_images, s.test_labels))
    )
    wrong = judged_slowly(network, s.train_images[s.corrupted], s.train_labels[s.corrupted], *scale)
    assert isinstance(event, Finished) and event.reported == "last" and "test_images" not in event.last
    assert (event.last["train_loss"], event.last["train_accuracy"]) == pytest.approx(clean, rel=1e-4)
    assert (event.last["val_loss"], event.last["val_accuracy"]) == pytest.approx(held_out, rel=1e-4)
    assert (event.last["test_loss"], event.last["test_accuracy"]) == pytest.approx(test, rel=1e-4)
    assert event.last["memorised"] == pytest.approx(wrong[1])
    assert event.last["gap"] == pytest.approx(clean[1] - held_out[1], abs=1e-6)


def test_on_what_it_is_judged_changes_nothing_about_what_it_learns():
    ends, weights = [], []
    for size in (20, 50, EVERYTHING):
        for event in train(SLICES.override({"judged_size": size}), SPLIT):
            if isinstance(event, Snapshot):
                last = {k: v.clone() for k, v in event.tensors.items()}
        ends.append(event.last)
        weights.append(last)
    assert all(torch.equal(weights[0][k], each[k]) for each in weights for k in each)
    assert (
        ends[1]
        == ends[2] | {k: pytest.approx(v, rel=1e-6) for k, v in ends[1].items()}
        == ends[0] | {k: pytest.approx(v, rel=1e-6) for k, v in ends[1].items()}
    )


@pytest.mark.parametrize("config", [SLICES, EARLY], ids=["stands by its last", "stands by its best"])
def test_the_epoch_that_a_run_does_not_stand_by_has_the_numbers_of_its_point(config):
    """The seed is one in which the best epoch is not the last."""
    config, history = config.override({"seed": different(config)}), []
    for event in train(config, SPLIT):
        history += [event] if isinstance(event, Epoch) else []
    best = best_epoch(history, config)
    which = {"last": history[-1], "best": best}
    other = "best" if event.reported == "last" else "last"
    ours, theirs = getattr(event, event.reported), getattr(event, other)
    assert "test_images" not in ours and theirs["test_images"] == 100, "five times as many as of validation"
    assert {k: theirs[k] for k in ("epoch", "train_accuracy", "val_accuracy", "gap", "train_loss")} == {
        k: getattr(which[other], k) for k in ("epoch", "train_accuracy", "val_accuracy", "gap", "train_loss")
    }
    assert ours["val_accuracy"] * 80 == pytest.approx(round(ours["val_accuracy"] * 80)), "of all validation images"
    assert set(event.right) == {"test_images", "test_set", event.reported}


def different(config) -> int:
    """A seed of which the best epoch is not the last."""
    return next(
        seed
        for seed in range(20)
        if (history := epochs(train(config.override({"seed": seed}), SPLIT)))
        and best_epoch(history, config) is not history[-1]
    )


def test_where_the_best_epoch_is_the_last_the_test_images_are_answered_once(monkeypatch):
    answered = []
    plain = Trainer.logits

    def counting(self, network, part):
        answered.append(len(part))
        return plain(self, network, part)

    monkeypatch.setattr(training.Trainer, "logits", counting)
    for config in (SLICES, EARLY, SLICES.override({"judged_size": EVERYTHING})):
        for seed in range(4):
            answered.clear()
            history = []
            for event in train(config.override({"seed": seed}), SPLIT):
                history += [event] if isinstance(event, Epoch) else []
            ends = 400 if best_epoch(history, config) is history[-1] else 400 + min(400, 5 * config.judged_size)
            anew = 200 if sum(config.judged) < 200 else 0
            assert sum(answered) == len(history) * sum(config.judged) + anew + ends
            assert sum(answered) <= judged(config, len(history) - 1) + 400, "what a run is expected to cost"
            assert event.best == event.last or best_epoch(history, config) is not history[-1]


def rising(*accuracies: float) -> list[Epoch]:
    numbers = dict(step=1, lr=0.1, train_loss=1.0, train_accuracy=0.1, val_loss=1.0, ece=0.1, gap=0.0)
    return [Epoch(epoch=e, val_accuracy=a, **numbers) for e, a in enumerate(accuracies)]


@pytest.mark.parametrize(
    ("accuracies", "on_all", "on_a_slice"),
    [
        ((0.1, 0.4, 0.5, 0.49, 0.44), 2, 3),
        ((0.1, 0.5, 0.5, 0.3), 1, 2),
        ((0.1, 0.5, 0.4, 0.46, 0.47), 1, 1),
        ((0.1,), 0, 0),
    ],
)
def test_of_epochs_that_a_slice_cannot_tell_apart_the_last_is_the_best(accuracies, on_all, on_a_slice):
    """Half of a standard error of 125 images at 50 % is 2.2 points."""
    config = tiny_config(dataset="cifar10", train_size=2_000, judged_size=125)
    assert best_epoch(rising(*accuracies), config).epoch == on_a_slice
    for everything in (config.override({"judged_size": EVERYTHING}), config.override({"early_stopping": True})):
        assert best_epoch(rising(*accuracies), everything).epoch == on_all


def test_early_stopping_decides_by_all_validation_images():
    assert EARLY.judged == (20, 80) and EARLY.plain().judged == (20, 20)
    trainer = Trainer(EARLY, SPLIT)
    assert (len(trainer.slices.train), len(trainer.slices.val)) == (20, 80)


def test_a_network_that_is_finite_on_the_slices_alone_has_diverged(monkeypatch):
    """One picture outside the slices makes it infinite."""
    split = replace(SPLIT, val_images=SPLIT.val_images.copy())
    outside = next(row for row in range(80) if row not in slices()[1])
    split.val_images[outside] = 255
    plain = models.basic.BasicCNN.forward

    def forward(self, images):
        white = (images.amin((1, 2, 3)) == images.amax((1, 2, 3)))[:, None]
        return plain(self, images).masked_fill(white & (not self.training), float("inf"))

    split.mean[:], split.std[:] = split.mean.mean(), split.std.mean()  # so that white stays one number
    monkeypatch.setattr(models.basic.BasicCNN, "forward", forward)
    *_, end = train(SLICES, split)
    assert end.name == "failed" and end.epoch == 4 and "Diverged at step 28 (epoch 4)" in end.reason


def test_a_run_in_its_folder_shows_the_end_on_everything_in_the_place_of_its_point(store):
    run = store.create(SLICES)
    for event in record(run, train(SLICES, SPLIT)):
        if isinstance(event, Best):
            assert run.view().curve == run.view().history
    view = run.view()
    *points, last = view.curve
    assert tuple(points) == view.history[:-1] and last != view.history[-1] and view.last == last
    assert (last.val_accuracy, last.gap) == (event.last["val_accuracy"], event.last["gap"])
    assert last.ece == view.history[-1].ece, "that of the test images is another number"
    assert view.judged(last) == (120, 80) and view.judged(points[0]) == (20, 20)
    assert view.summary()["val_accuracy"] == last.val_accuracy
