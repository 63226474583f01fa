"""What is told within an epoch: it moves the page, and leaves no trace in the run."""

from __future__ import annotations

import pytest
import torch
from conftest import make_split, tiny_config
from test_train import EVERYTHING, judged_slowly, story

from reglab import models
from reglab.runs.recording import record
from reglab.training import train as training
from reglab.training.events import Epoch, Snapshot, Step
from reglab.training.train import Trainer, train

SPLIT = make_split(train=96, val=40)
CONFIG = tiny_config(train_size=96, val_size=40, width=0.125, lr=3e-3)  # six steps an epoch


@pytest.fixture
def often(monkeypatch):
    """A look at the validation images after every second step."""
    monkeypatch.setattr(training, "GLIMPSE_EVERY", 32)


def within(config, split=SPLIT) -> list[Step]:
    return [event for event in train(config, split) if isinstance(event, Step) and event.val_loss is not None]


@pytest.mark.parametrize(
    "regularizers",
    [EVERYTHING, {"batch_norm": {}, "dropout": {}}, {"spectral_norm": {}}, {"ema": {}, "batch_norm": {}}],
)
def test_a_run_is_the_same_to_the_byte_whether_it_is_looked_at_or_not(regularizers, monkeypatch):
    told, weights = [], []
    for every in (16, 32, 10**6):
        monkeypatch.setattr(training, "GLIMPSE_EVERY", every)
        events = list(train(CONFIG.override(regularizers), SPLIT))
        told.append([event.to_json() for event in events if not isinstance(event, (Step, Snapshot))])
        weights.append({k: v.clone() for k, v in [e for e in events if isinstance(e, Snapshot)][-1].tensors.items()})
    assert told[0] == told[1] == told[2]
    assert all(torch.equal(weights[2][k], each[k]) for each in weights for k in each)


def test_the_network_goes_on_in_training_mode_and_nothing_is_drawn(often):
    trainer = Trainer(CONFIG.override({"batch_norm": True, "dropout": True}), SPLIT)
    [*trainer.evaluate()]
    trainer.end_epoch()
    trainer.begin_epoch()
    trainer.step()
    state = torch.get_rng_state()
    buffers = {k: v.clone() for k, v in trainer.model.named_buffers()}
    trainer.batch = 2
    assert trainer.glimpse() and all(module.training for module in trainer.model.modules())
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, buffers[k]) for k, v in trainer.model.named_buffers())


def test_the_running_numbers_are_means_over_the_steps_so_far_and_end_as_those_of_the_epoch():
    steps: list[Step] = []
    for event in train(CONFIG, SPLIT):
        if isinstance(event, Step):
            steps.append(event)
        elif isinstance(event, Epoch) and event.epoch:
            assert len(steps) == 6 * event.epoch
            assert (steps[-1].running_loss, steps[-1].running_accuracy) == (event.running_loss, event.running_accuracy)
    first = steps[:6]
    assert [step.running_accuracy * 16 * step.batch % 1 for step in first] == pytest.approx([0] * 6, abs=1e-9)


def test_where_all_validation_images_are_looked_at_it_is_what_they_say(often):
    """Forty are fewer than the fifty that are looked at, so nothing is estimated."""
    seen = 0
    trainer = Trainer(CONFIG, SPLIT)
    for _ in range(2):
        trainer.begin_epoch()
        while trainer.batch < trainer.batches:
            step = trainer.step()
            assert (step.val_loss is not None) == (step.batch in (2, 4))
            if step.val_loss is None:
                continue
            network = models.build(CONFIG.spec(10))
            network.load_state_dict(trainer.model.state_dict())
            slow = judged_slowly(network, SPLIT.val_images, SPLIT.val_labels, SPLIT.mean, SPLIT.std)
            assert (step.val_loss, step.val_accuracy) == pytest.approx(slow, rel=1e-4)
            seen += 1
        [*trainer.evaluate()]
        trainer.end_epoch()
    assert seen == 2


def test_an_average_is_not_looked_at_and_neither_is_what_goes_on_before_its_first_point(often):
    assert within(CONFIG) and not within(CONFIG.override({"ema": True}))
    trainer = Trainer(CONFIG, SPLIT)
    trainer.epoch, trainer.batch = 1, 1
    trainer.begin_epoch()
    assert trainer.step().val_loss is None and trainer.step().running_loss is not None


def test_within_an_epoch_the_folder_tells_what_is_known_and_the_record_does_not(store, often):
    run, lines = store.create(CONFIG), []
    for event in record(run, train(CONFIG, SPLIT)):
        if isinstance(event, Step) and event.val_loss is not None:
            lines.append(event)
    record_of_it = (run.path / "metrics.jsonl").read_text()
    assert lines and "step" not in {line["event"] for line in run.lines()[0]} and "val_loss" in record_of_it
    assert not {"running_loss", "val_loss"} & run.last_timing().keys(), "what it was within an epoch is over"
    assert story(train(CONFIG, SPLIT))
