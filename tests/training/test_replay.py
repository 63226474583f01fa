"""Steps that are recorded and replayed: the same bytes as without, for every technique for which that can be."""

from __future__ import annotations

import gc
import weakref

import pytest
import tape
import torch
from stories import EVERYTHING, narrow, resumes_exactly, stories_in_turn, story
from techniques import TRAINABLE, config_with

from reglab.regularizers import Progress, Regularizer
from reglab.teaching.presets import PRESETS
from reglab.training.replay import ORDINARY, Noticed, Watch
from reglab.training.train import Trainer, train

ORDINARY_ALWAYS = {
    "dropblock": "waits for a number of the device",
    "gradient_noise": "goes by how far the run is",
    "manifold_mixup": "draws numbers on the host",
    "trivial_augment": "brings numbers from the host",
}


def told_both_ways(config, split):
    """The story of a run, that of the same run replayed, and the `Replay`."""
    plain = story(train(config, split))
    with pytest.MonkeyPatch.context() as patch:
        made = tape.replaying(patch)
        replayed = story(train(config, split))
    return plain, replayed, made[0]


def kinds(replay) -> int:
    """How many kinds of steps were recorded."""
    return sum(steps.replay is not None for steps in replay._steps.values())


@pytest.mark.parametrize("key", TRAINABLE)
def test_replayed_or_not_every_technique_trains_to_the_same_bytes(key, tiny_split):
    plain, replayed, replay = told_both_ways(config_with(key, epochs=2), tiny_split)
    assert replayed == plain
    assert ORDINARY_ALWAYS.get(key, "") in replay.why_not and bool(replay.why_not) == (key in ORDINARY_ALWAYS)
    assert kinds(replay) == (key not in ORDINARY_ALWAYS)


SETUPS = {
    "basic_cnn": dict(regularizers=EVERYTHING),
    "sgd": dict(optimizer="sgd", schedule="cosine", regularizers={"dropout": {}, "weight_decay": {"strength": 0.5}}),
    "muon": dict(optimizer="muon", regularizers={"batch_norm": {}, "weight_decay": {"strength": 0.5}}),
    "in turn": dict(dataset="cifar10", regularizers={"flip_crop": {"alternate": True}}),
    "resnet20": dict(model="resnet20", regularizers={"batch_norm": {}, "stochastic_depth": {}, "swa": {}, "sam": {}}),
    "vgg11": dict(
        model="vgg11", regularizers={"group_norm": {}, "spatial_dropout": {}, "ema": {}, "spectral_norm": {}}
    ),
    "speed_cnn": dict(model="speed_cnn", regularizers={"batch_norm": {}, "random_erasing": {"value": "mean"}}),
}


@pytest.mark.parametrize("which", SETUPS)
def test_so_does_every_network_and_optimizer(which, tiny_split):
    plain, replayed, replay = told_both_ways(narrow(epochs=2, **SETUPS[which]), tiny_split)
    assert replayed == plain and not replay.why_not and kinds(replay) == 1


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.title)
def test_every_recipe_of_the_page_can_be_replayed(preset, tiny_split):
    plain, replayed, replay = told_both_ways(narrow(epochs=2, regularizers=preset.regularizers), tiny_split)
    assert replayed == plain and not replay.why_not


def test_a_second_pass_drops_the_same_units_when_it_is_replayed(tiny_split):
    plain, replayed, replay = told_both_ways(narrow(epochs=2, regularizers={"sam": {}, "dropout": {}}), tiny_split)
    assert replayed == plain and not replay.why_not


def test_each_technique_that_mixes_has_a_recording_of_its_own(tiny_split):
    config = narrow(epochs=4, regularizers={"mixup": {}, "cutmix": {}})
    plain, replayed, replay = told_both_ways(config, tiny_split)
    assert replayed == plain and kinds(replay) == 2


def test_a_run_that_is_replayed_can_be_stopped_anywhere(tiny_split, monkeypatch):
    tape.replaying(monkeypatch)
    for questions in (2, 5, 9, 17):
        resumes_exactly(narrow(epochs=2, regularizers=EVERYTHING | {"mixup": {}}), tiny_split, questions)


def test_two_runs_that_are_replayed_in_turn_are_as_each_alone(tiny_split, monkeypatch):
    configs = [narrow(seed=seed, regularizers=EVERYTHING) for seed in (0, 1)]
    alone = [story(train(config, tiny_split)) for config in configs]
    tape.replaying(monkeypatch)
    assert stories_in_turn(configs, tiny_split) == alone


def test_a_step_that_cannot_be_recorded_is_an_ordinary_one_and_that_is_said_once(tiny_split, monkeypatch):
    def refuse(*args):
        tape.record(*args)  # all of it, and then
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    config = narrow(epochs=2, regularizers=EVERYTHING)
    plain = story(train(config, tiny_split))
    made = tape.replaying(monkeypatch, refuse)
    with pytest.warns(UserWarning, match="could not record a step") as said:
        assert story(train(config, tiny_split)) == plain
    assert len(said) == 1 and made[0].why_not == "operation not permitted when stream is capturing"


# ---- techniques that somebody else writes ------------------------------------------------------------------------
class Phase(Regularizer):
    """Does something else from the middle of the run on, which two steps at its beginning do not show."""

    def compute_gradients(self, model, closure, rng, progress) -> None:
        closure()
        if progress.fraction > 0.5:
            for p in model.parameters():
                p.grad.mul_(0.5)


class Dims(Regularizer):
    """Darkens every batch by a number that the host knows."""

    def augment(self, images, rng):
        return images * (rng.initial_seed() % 7 / 7)


class Asks(Regularizer):
    """Goes by the number of a batch."""

    def mix(self, images, targets, rng):
        return (images, targets) if images.mean() > 0 else (images.flip(3), targets)


class Brings(Regularizer):
    """Takes a list of numbers along, as `docs/extending.md` does: the same at every step, but a GPU would have to fetch them."""

    def augment(self, images, rng):
        return images * images.new_tensor([0.9, 1.0, 0.8]).view(1, 3, 1, 1)


@pytest.mark.parametrize("kind", [Phase, Dims, Asks, Brings])
def test_what_goes_by_something_that_changes_is_never_replayed_unasked(kind, tiny_split, technique):
    plain, replayed, replay = told_both_ways(narrow(epochs=3, regularizers={technique(kind): True}), tiny_split)
    assert replayed == plain and replay.why_not


def test_a_run_that_is_over_leaves_its_memory_at_once(tiny_split, monkeypatch):
    """Without a circle of references, in which the images and the recording would stay until somebody looks for it."""
    tape.replaying(monkeypatch)
    trainer = Trainer(narrow(regularizers=EVERYTHING | {"mixup": {}}), tiny_split)
    trainer.epoch = 1
    trainer.begin_epoch()
    trainer.step()
    left = weakref.ref(trainer)
    gc.disable()
    del trainer
    gone = left() is None
    gc.enable()
    assert gone


def test_the_first_steps_are_ordinary_ones(tiny_split, monkeypatch):
    at = []
    tape.replaying(monkeypatch, lambda step, *_: at.append(1) or step)
    for number, _event in enumerate(e for e in train(narrow(epochs=2), tiny_split) if e.name == "step"):
        assert bool(at) == (number + 1 >= ORDINARY)
    assert len(at) == 1


def test_progress_is_what_it_was_but_for_its_reader_being_noticed():
    watch = Watch(torch.device("cpu"))
    seen = Noticed(Progress(7, 20, 5), watch)
    assert not watch.asked
    assert (seen.step, seen.fraction, seen.ends_epoch) == (7, 0.35, False) and watch.asked
