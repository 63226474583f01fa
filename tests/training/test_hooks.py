"""The hooks of the techniques: when the loop calls them, with what, and what it does with their answers."""

from __future__ import annotations

import pytest
import torch
from stories import epochs, narrow, story
from test_resume import Average

from reglab.regularizers import Regularizer
from reglab.training.events import Best, Snapshot, Step
from reglab.training.train import train


class ToyMix(Regularizer):
    def mix(self, images, targets, rng):
        drawn.append(type(self).__name__)
        return images, targets


class FirstMix(ToyMix): ...


class SecondMix(ToyMix): ...


drawn: list[str] = []


def test_one_mixer_is_drawn_for_each_batch(tiny_split, technique):
    drawn.clear()
    both = {technique(FirstMix): True, technique(SecondMix): True}
    events = list(train(narrow(epochs=5, regularizers=both), tiny_split))
    steps = sum(isinstance(e, Step) for e in events)
    assert len(drawn) == steps == 20
    assert set(drawn) == {"FirstMix", "SecondMix"}


class FlipEarly(Regularizer):
    """Another order of the pictures of a batch and of their labels, before the network."""

    def mix(self, images, targets, rng):
        return images.flip(0), targets.flip(0)


class FlipInside(Regularizer):
    """The same at the first layer of the network."""

    def hidden(self, activations, targets, layer, layers, rng):
        return (activations.flip(0), targets.flip(0)) if layer == 0 else (activations, targets)


class FlipTwice(Regularizer):
    """There at the second layer, and back at the third."""

    def hidden(self, activations, targets, layer, layers, rng):
        return (activations.flip(0), targets.flip(0)) if layer in (1, 2) else (activations, targets)


def test_what_acts_on_the_first_hidden_layer_is_as_if_it_mixed(tiny_split, technique):
    early, inside = technique(FlipEarly), technique(FlipInside)
    stories = [
        story(train(narrow(epochs=1, width=0.125, regularizers={key: True}), tiny_split)) for key in (early, inside)
    ]
    assert stories[0] == stories[1]


def test_what_is_undone_at_the_next_layer_is_plain_training(tiny_split, technique):
    """But for the order in which the gradients of a batch are added up."""
    key = technique(FlipTwice)
    config = narrow(epochs=1, width=0.125, regularizers={key: True})
    flipped, plain = (epochs(train(c, tiny_split))[-1] for c in (config, config.plain()))
    assert flipped.running_loss == pytest.approx(plain.running_loss, rel=1e-5)
    assert flipped.val_loss == pytest.approx(plain.val_loss, rel=1e-5)


class Twice(Regularizer):
    """Calls the closure twice, as SAM does: the second call alone must count."""

    def compute_gradients(self, model, closure, rng, progress) -> None:
        closure()
        closure()


class Nothing(Regularizer):
    """Overrides no hook."""


def test_a_technique_that_computes_the_gradients_twice_changes_nothing_by_that(tiny_split, technique):
    twice, nothing = technique(Twice), technique(Nothing)
    stories = [story(train(narrow(epochs=1, regularizers={key: True}), tiny_split)) for key in (twice, nothing)]
    assert stories[0] == stories[1]


class Climb(Regularizer):
    """SAM with a radius of 0 in between: climbs nowhere and back."""

    def compute_gradients(self, model, closure, rng, progress) -> None:
        closure()
        with torch.no_grad():
            for p in model.parameters():
                p.add_(p.grad, alpha=0.0)
        closure()


def test_climbing_by_nothing_is_plain_training(tiny_split, technique):
    climb = technique(Climb)
    plain = story(train(narrow(epochs=1, optimizer="sgd"), tiny_split))
    assert story(train(narrow(epochs=1, optimizer="sgd", regularizers={climb: True}), tiny_split)) == plain


class Fixed(Regularizer):
    """A penalty that is a constant."""

    def penalty(self, model, logits, state):
        return logits.sum() * 0 + 2.5


def test_the_penalty_is_shown_apart_from_the_loss(tiny_split, technique):
    key = technique(Fixed)
    with_penalty = epochs(train(narrow(epochs=1, regularizers={key: True}), tiny_split))[-1]
    plain = epochs(train(narrow(epochs=1), tiny_split))[-1]
    assert with_penalty.penalty == pytest.approx(2.5)
    assert with_penalty.running_loss == plain.running_loss and plain.penalty is None


class Order(Regularizer):
    """Writes down which hook was called."""

    def on_train_begin(self, model, state):
        called.append("on_train_begin")

    def view(self, images, index, epoch):
        called.append("view")
        assert len(index) == len(images) and len(index.unique()) == len(index) and epoch == 1
        return images

    def augment(self, images, rng):
        called.append("augment")
        assert images.dtype == torch.float32 and images.min() >= 0 and images.max() <= 1
        return images

    def mix(self, images, targets, rng):
        called.append("mix")
        assert torch.allclose(targets.sum(1), torch.ones(len(targets)))
        return images, targets

    def soft_targets(self, targets, logits):
        called.append("soft_targets")
        return targets

    def penalty(self, model, logits, state):
        called.append("penalty")

    def compute_gradients(self, model, closure, rng, progress) -> None:
        called.append("compute_gradients")
        assert (progress.step, progress.total_steps, progress.ends_epoch) == (0, 1, True)
        closure()

    def learning_rate(self, lr, peak, progress):
        called.append("learning_rate")
        return lr

    def on_step_end(self, model, state, progress) -> None:
        called.append("on_step_end")

    def evaluation_model(self, model, state, batches):
        called.append("evaluation_model")
        return model

    def stop_reason(self, history):
        called.append("stop_reason")
        return ""


called: list[str] = []


def test_the_hooks_are_called_in_the_order_of_the_documentation(tiny_split, technique):
    called.clear()
    list(train(narrow(epochs=1, batch_size=64, regularizers={technique(Order): True}), tiny_split))
    batch = ["learning_rate", "view", "augment", "mix", "compute_gradients", "soft_targets", "penalty", "on_step_end"]
    told = ["learning_rate"]  # the rate that an epoch tells
    assert [c for c in called if c != "stop_reason"] == [
        "on_train_begin", "evaluation_model", *told, *batch, "evaluation_model", *told, "evaluation_model",
    ]  # fmt: skip


def test_the_average_is_what_is_judged_and_saved(tiny_split, technique):
    key = technique(Average)
    events = train(narrow(epochs=1, batch_size=64, lr=1e-2, regularizers={key: True}), tiny_split)
    for event in events:
        if isinstance(event, Snapshot) and event.state["epoch"] == 2:
            for name, average in event.tensors.items():
                if name.startswith(f"memory/{key}/"):
                    trained = event.tensors["model/" + name.rpartition("/")[2]]
                    assert torch.equal(average, trained)  # one step: the average of one
        if isinstance(event, Best):
            assert all(v.isfinite().all() for v in event.weights.values())
