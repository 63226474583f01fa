"""The training loop: its order, its arithmetic against slow or trusted versions, and that it can be taken up anywhere."""

from __future__ import annotations

from copy import deepcopy
from itertools import zip_longest

import numpy as np
import pytest
import torch
from conftest import make_split, tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from reglab import models
from reglab.models import ModelSpec
from reglab.regularizers import CATALOGUE, Regularizer
from reglab.training.batches import derived_seed
from reglab.training.divergence import Diverged, FiniteWatch
from reglab.training.events import Best, Epoch, Event, Failed, Finished, Snapshot, Started, Step, Stopped
from reglab.training.optimizers import SGDW, make_optimizer
from reglab.training.schedules import lr_at
from reglab.training.train import Resume, train

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


# ---- listening ---------------------------------------------------------------------------------------------------
def frozen(tensors) -> dict[str, bytes]:
    return {name: value.detach().cpu().contiguous().numpy().tobytes() for name, value in tensors.items()}


def told(event: Event):
    """An event as a value that stays the same when training goes on, tensors to the byte."""
    if isinstance(event, Best):
        return event.to_json(), frozen(event.weights)
    if isinstance(event, Snapshot):
        return event.name, dict(event.state), frozen(event.tensors)
    return event.to_json()


def story(events) -> list:
    return [told(event) for event in events]


def names(events) -> list[str]:
    return [event.name for event in events]


def epochs(events) -> list[Epoch]:
    return [event for event in events if isinstance(event, Epoch)]


EVERYTHING = {"dropout": True, "batch_norm": True, "flip_crop": True, "weight_decay": True, "label_smoothing": True}


class Average(Regularizer):
    """A moving average of the weights: remembers, changes nothing while training, and is what is judged."""

    def on_step_end(self, model, state, progress) -> None:
        for name, value in model.state_dict().items():
            before = state.get(name, value)
            state[name] = before * 0.5 + value * 0.5 if value.is_floating_point() else value.clone()

    def evaluation_model(self, model, state, batches):
        if not state:
            return model
        average = deepcopy(model)
        average.load_state_dict(state)
        return average


# ---- the order of events -----------------------------------------------------------------------------------------
def test_the_events_come_in_the_order_of_training(tiny_split):
    seen = names(train(tiny_config(epochs=2), tiny_split))
    without_best = [name for name in seen if name != "best"]
    epoch = ["step"] * 4 + ["epoch", "snapshot"]
    assert without_best == ["started", "epoch", "snapshot", *epoch, *epoch, "finished"]
    assert seen[:4] == ["started", "epoch", "best", "snapshot"]  # the untrained network is the best so far
    assert all(seen[i - 1] == "epoch" for i, name in enumerate(seen) if name == "best")


def test_started_tells_what_is_about_to_be_trained(tiny_split):
    started = next(train(tiny_config(), tiny_split))
    assert isinstance(started, Started)
    assert (started.train_images, started.val_images, started.test_images) == (64, 32, 32)
    assert (started.parameters, started.steps_per_epoch, started.precision) == (550_570, 4, "fp32")
    assert started.mean == pytest.approx(tiny_split.mean)


def test_steps_are_counted_from_one_and_epochs_from_zero(tiny_split):
    events = list(train(tiny_config(epochs=2), tiny_split))
    assert [(e.epoch, e.batch) for e in events if isinstance(e, Step)] == [(e, b) for e in (1, 2) for b in (1, 2, 3, 4)]
    assert [(e.epoch, e.step) for e in epochs(events)] == [(0, 0), (1, 4), (2, 8)]


def test_the_network_learns_and_the_best_epoch_has_the_highest_validation_accuracy(tiny_split):
    events = list(train(tiny_config(epochs=6, lr=3e-3), tiny_split))
    history, end = epochs(events), events[-1]
    assert isinstance(end, Finished) and end.reported == "last"
    assert end.last["train_accuracy"] > 0.9 and end.last["test_accuracy"] > 0.9
    first_highest = max(history, key=lambda e: e.val_accuracy)
    assert end.best["epoch"] == first_highest.epoch == [e for e in events if isinstance(e, Best)][-1].epoch
    assert [e.gap for e in history] == [e.train_accuracy - e.val_accuracy for e in history]


def test_a_batch_larger_than_the_training_set_is_the_training_set(tiny_split):
    events = list(train(tiny_config(batch_size=4_096, epochs=1), tiny_split))
    assert [e.images for e in events if isinstance(e, Step)] == [64]


# ---- same config, same bytes -------------------------------------------------------------------------------------
def test_the_same_config_tells_the_same_story_to_the_byte(tiny_split):
    config = tiny_config(regularizers=EVERYTHING)
    assert story(train(config, tiny_split)) == story(train(config, tiny_split))


def test_another_seed_tells_another_story(tiny_split):
    last = [epochs(train(tiny_config(seed=seed), tiny_split))[-1] for seed in (0, 1)]
    assert last[0].train_loss != last[1].train_loss


def test_two_runs_trained_in_turn_are_as_each_alone(tiny_split):
    configs = [tiny_config(regularizers=EVERYTHING), tiny_config(seed=1, optimizer="sgd", regularizers={"dropout": {}})]
    alone = [story(train(config, tiny_split)) for config in configs]
    in_turn: list[list] = [[], []]
    for pair in zip_longest(*(train(config, tiny_split) for config in configs)):
        for told_so_far, event in zip(in_turn, pair, strict=True):
            if event is not None:
                told_so_far.append(told(event))
    assert in_turn == alone


def test_what_others_draw_from_the_global_generator_changes_nothing(tiny_split):
    config = tiny_config(regularizers=EVERYTHING)
    meddled = []
    for event in train(config, tiny_split):
        meddled.append(told(event))
        torch.manual_seed(len(meddled))
        torch.rand(len(meddled))
        np.random.seed(len(meddled))
    assert meddled == story(train(config, tiny_split))


# ---- stop anywhere, go on from there -----------------------------------------------------------------------------
def stopped_after(config, data, questions: int):
    """The story until `stop` has been asked that often, and the Resume that a store would have kept."""
    asked = iter(range(questions))
    told_so_far, history, best, snapshot = [], [], {}, None
    for event in train(config, data, stop=lambda: next(asked, None) is None):
        told_so_far.append(told(event))
        if isinstance(event, Epoch):
            history.append(event)
        elif isinstance(event, Best):
            best = {k: v.clone() for k, v in event.weights.items()}
        elif isinstance(event, Snapshot):
            snapshot = dict(event.state), {k: v.clone() for k, v in event.tensors.items()}
    return told_so_far, Resume(*snapshot, history, best) if snapshot else None


def resumes_exactly(config, data, questions: int) -> None:
    whole = story(train(config, data))
    before, resume = stopped_after(config, data, questions)
    if "finished" in str(before[-1]):
        return  # never stopped: there were fewer questions than that
    assert before[-2][0] == "snapshot" and before[-1]["event"] == "stopped"
    after = story(train(config, data, resume=resume))
    assert before[:-2] + after == whole


TAKEN_UP = {
    "adamw": dict(optimizer="adamw"),
    "sgd": dict(optimizer="sgd", lr=0.02),
    "adamw-regularized": dict(regularizers=EVERYTHING),
    "sgd-regularized": dict(optimizer="sgd", regularizers=EVERYTHING | {"weight_decay": {"strength": 0.01}}),
    "resnet20": dict(model="resnet20", regularizers={"batch_norm": True, "dropout": True}),
}


@pytest.mark.parametrize("questions", [0, 1, 2, 5, 6, 7, 11, 13, 17])
def test_a_run_stopped_anywhere_goes_on_to_the_same_bytes(tiny_split, questions):
    resumes_exactly(tiny_config(epochs=2, regularizers=EVERYTHING), tiny_split, questions)


@pytest.mark.parametrize("which", TAKEN_UP)
def test_resuming_in_the_middle_of_an_epoch_is_exact_for(which, tiny_split):
    resumes_exactly(tiny_config(epochs=2, **TAKEN_UP[which]), tiny_split, 9)


@pytest.mark.parametrize("questions", [4, 8, 10])
def test_what_a_technique_remembers_survives_stopping(tiny_split, technique, questions):
    key = technique(Average)
    resumes_exactly(tiny_config(epochs=2, regularizers={key: True, "batch_norm": True}), tiny_split, questions)


def test_a_run_stopped_again_and_again_comes_to_the_same_end(tiny_split):
    config = tiny_config(epochs=2, regularizers=EVERYTHING)
    whole = story(train(config, tiny_split))
    told_so_far, history, best, resume = [], [], {}, None
    for _ in range(60):
        questions = iter((False, False, True))
        for event in train(config, tiny_split, resume=resume, stop=lambda left=questions: next(left, True)):
            if isinstance(event, Epoch):
                history.append(event)
            elif isinstance(event, Best):
                best = {k: v.clone() for k, v in event.weights.items()}
            elif isinstance(event, Snapshot):
                resume = Resume(
                    dict(event.state), {k: v.clone() for k, v in event.tensors.items()}, list(history), best
                )
            if not isinstance(event, (Stopped, Snapshot)):
                told_so_far.append(told(event))
        if isinstance(event, Finished):
            break
    assert told_so_far == [line for line in whole if not isinstance(line, tuple) or line[0] != "snapshot"]


def test_asking_to_stop_ends_the_run_within_one_step(tiny_split):
    asked = []
    events = train(tiny_config(), tiny_split, stop=lambda: bool(asked))
    for event in events:
        if isinstance(event, Step) and event.batch == 2:
            asked.append(True)
            break
    snapshot, stopped = list(events)
    assert isinstance(snapshot, Snapshot) and isinstance(stopped, Stopped)
    assert (stopped.epoch, stopped.step) == (1, 2)


# ---- the hooks ---------------------------------------------------------------------------------------------------
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
    events = list(train(tiny_config(epochs=5, regularizers=both), tiny_split))
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
        story(train(tiny_config(epochs=1, width=0.125, regularizers={key: True}), tiny_split))
        for key in (early, inside)
    ]
    assert stories[0] == stories[1]


def test_what_is_undone_at_the_next_layer_is_plain_training(tiny_split, technique):
    """But for the order in which the gradients of a batch are added up."""
    key = technique(FlipTwice)
    config = tiny_config(epochs=1, width=0.125, regularizers={key: True})
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
    stories = [story(train(tiny_config(epochs=1, regularizers={key: True}), tiny_split)) for key in (twice, nothing)]
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
    plain = story(train(tiny_config(epochs=1, optimizer="sgd"), tiny_split))
    assert story(train(tiny_config(epochs=1, optimizer="sgd", regularizers={climb: True}), tiny_split)) == plain


class Fixed(Regularizer):
    """A penalty that is a constant."""

    def penalty(self, model, logits, state):
        return logits.sum() * 0 + 2.5


def test_the_penalty_is_shown_apart_from_the_loss(tiny_split, technique):
    key = technique(Fixed)
    with_penalty = epochs(train(tiny_config(epochs=1, regularizers={key: True}), tiny_split))[-1]
    plain = epochs(train(tiny_config(epochs=1), tiny_split))[-1]
    assert with_penalty.penalty == pytest.approx(2.5)
    assert with_penalty.running_loss == plain.running_loss and plain.penalty is None


class Order(Regularizer):
    """Writes down which hook was called."""

    def on_train_begin(self, model, state):
        called.append("on_train_begin")

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
    list(train(tiny_config(epochs=1, batch_size=64, regularizers={technique(Order): True}), tiny_split))
    batch = ["augment", "mix", "compute_gradients", "soft_targets", "penalty", "learning_rate", "on_step_end"]
    told = ["learning_rate"]  # the rate that an epoch tells
    assert [c for c in called if c != "stop_reason"] == [
        "on_train_begin", "evaluation_model", *told, *batch, "evaluation_model", *told, "evaluation_model",
    ]  # fmt: skip


def test_the_average_is_what_is_judged_and_saved(tiny_split, technique):
    key = technique(Average)
    events = train(tiny_config(epochs=1, batch_size=64, lr=1e-2, regularizers={key: True}), tiny_split)
    for event in events:
        if isinstance(event, Snapshot) and event.state["epoch"] == 2:
            for name, average in event.tensors.items():
                if name.startswith(f"memory/{key}/"):
                    trained = event.tensors["model/" + name.rpartition("/")[2]]
                    assert torch.equal(average, trained)  # one step: the average of one
        if isinstance(event, Best):
            assert all(v.isfinite().all() for v in event.weights.values())


# ---- the learning rate -------------------------------------------------------------------------------------------
def by_torch(scheduler: str, total: int, peak: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    kinds = torch.optim.lr_scheduler
    if scheduler == "one_cycle":
        # Torch's final rate is a share of the initial one: 1/25 of the peak, divided by 10,000.
        schedule = kinds.OneCycleLR(optimizer, peak, total_steps=total, cycle_momentum=False)
    else:
        schedule = kinds.CosineAnnealingLR(optimizer, T_max=total)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < total else None
    return rates


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
@given(total=st.integers(1, 400), peak=st.floats(1e-5, 10))
@settings(max_examples=40, deadline=None)
def test_the_learning_rate_is_that_of_torch(schedule, total, peak):
    """But for one_cycle in fewer than four steps, of which torch's has none left that learns."""
    total += 3 * (schedule == "one_cycle")
    ours = [lr_at(step, total, peak, schedule) for step in range(total)]
    assert ours == pytest.approx(by_torch(schedule, total, peak), rel=1e-9, abs=1e-9 * peak)


def test_one_cycle_in_fewer_than_four_steps_is_the_cosine():
    for total in (1, 2, 3):
        rates = [lr_at(step, total, 0.1, "one_cycle") for step in range(total)]
        assert rates == [lr_at(step, total, 0.1, "cosine") for step in range(total)] and rates[0] == 0.1


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
@pytest.mark.parametrize("total", [*range(1, 13), 1_000])
def test_however_few_the_steps_the_rate_is_a_quarter_of_the_peak_on_average(schedule, total):
    rates = [lr_at(step, total, 1.0, schedule) for step in range(total)]
    assert sum(rates) / total >= 0.25 and max(rates) > 0.7


def test_a_run_of_one_step_learns(tiny_split):
    config = tiny_config(epochs=1, batch_size=64)
    untrained, trained = epochs(train(config, tiny_split))
    assert trained.lr == 1e-3 and trained.train_loss < untrained.train_loss - 0.01


def test_a_constant_learning_rate_is_constant():
    assert {lr_at(step, 10, 0.1, "constant") for step in range(10)} == {0.1}


def test_every_epoch_tells_the_rate_of_its_last_step(tiny_split):
    rates = by_torch("one_cycle", 8, 1e-3)
    told_rates = [e.lr for e in epochs(train(tiny_config(epochs=2), tiny_split))]
    assert told_rates == pytest.approx([rates[0], rates[3], rates[7]])


# ---- when the numbers run away -----------------------------------------------------------------------------------
def until_failed(config, data):
    events = list(train(config, data))
    assert isinstance(events[-1], Failed), events[-1]
    return events, events[-1]


def test_a_rate_of_a_million_fails_within_a_step_of_diverging_and_says_where(tiny_split):
    events, failed = until_failed(tiny_config(optimizer="sgd", lr=1e6, schedule="constant"), tiny_split)
    assert failed.step <= 3 and failed.epoch == 1
    assert f"step {failed.step}" in failed.reason and "batch normalization" in failed.reason
    assert sum(isinstance(e, Step) for e in events) == failed.step - 1
    best = [e for e in events if isinstance(e, Best)][-1]
    assert all(weights.isfinite().all() for weights in best.weights.values())


def test_divergence_in_the_last_step_of_an_epoch_is_told_as_such_and_never_as_a_number(tiny_split):
    """One step an epoch: the loss of the step is still finite, that of the network after it no longer is."""
    config = tiny_config(optimizer="sgd", lr=1e6, schedule="constant", batch_size=64)
    events, _failed = until_failed(config, tiny_split)
    for epoch in epochs(events):
        assert all(np.isfinite(v) for v in epoch.to_json().values() if isinstance(v, float)), epoch


class Poison(Regularizer):
    """Puts a NaN into one picture of the third batch."""

    def augment(self, images, rng):
        batches.append(1)
        if len(batches) == 3:
            images[5, 0, 7, 7] = float("nan")
        return images


batches: list[int] = []


def test_a_single_nan_in_a_picture_ends_the_run_in_that_step(tiny_split, technique):
    batches.clear()
    events, failed = until_failed(tiny_config(regularizers={technique(Poison): True}), tiny_split)
    assert (failed.epoch, failed.step) == (1, 3)
    assert [e.batch for e in events if isinstance(e, Step)] == [1, 2]


# ---- what the numbers mean ---------------------------------------------------------------------------------------
def test_the_test_images_are_opened_only_at_the_end():
    class Sealed(np.ndarray):
        opened = False

        def copy(self, *args, **kwargs):
            type(self).opened = True
            return np.array(self)

    split = make_split()
    object.__setattr__(split, "test_images", split.test_images.view(Sealed))
    for event in train(tiny_config(epochs=2), split):
        if isinstance(event, Snapshot):
            assert not Sealed.opened
    assert Sealed.opened


def judged_slowly(network, images, labels, mean, std) -> tuple[float, float]:
    """Mean cross-entropy and accuracy, one picture at a time."""
    network.eval()
    losses, right = [], []
    with torch.no_grad():
        for picture, label in zip(images, labels, strict=True):
            x = (torch.tensor(picture, dtype=torch.float64) / 255 - torch.tensor(mean)) / torch.tensor(std)
            logits = network(x.permute(2, 0, 1)[None].float())[0].double()
            losses.append((logits.logsumexp(0) - logits[label]).item())
            right.append(logits.argmax().item() == label)
    return float(np.mean(losses)), float(np.mean(right))


def test_the_numbers_under_label_noise_are_those_of_a_slow_literal_computation(noisy_split):
    config = tiny_config(epochs=4, lr=3e-3, regularizers={"batch_norm": True})
    compared = 0
    s = noisy_split
    for event in train(config, s):
        if isinstance(event, Epoch):
            epoch = event
        if not isinstance(event, Snapshot):
            continue
        network = models.build(config.spec(10))
        network.load_state_dict({k[6:]: v for k, v in event.tensors.items() if k.startswith("model/")})
        scale = s.mean, s.std
        clean = judged_slowly(network, s.train_images, s.true_labels, *scale)
        fit = judged_slowly(network, s.train_images, s.train_labels, *scale)
        val = judged_slowly(network, s.val_images, s.val_labels, *scale)
        wrong = judged_slowly(network, s.train_images[s.corrupted], s.train_labels[s.corrupted], *scale)
        assert (epoch.train_loss, epoch.train_accuracy) == pytest.approx(clean, rel=1e-4)
        assert (epoch.fit_loss, epoch.fit_accuracy) == pytest.approx(fit, rel=1e-4)
        assert (epoch.val_loss, epoch.val_accuracy) == pytest.approx(val, rel=1e-4)
        assert epoch.memorised == pytest.approx(wrong[1])
        compared += 1
    assert compared == 5


def test_without_label_noise_there_is_nothing_to_memorise(tiny_split):
    for epoch in epochs(train(tiny_config(epochs=1), tiny_split)):
        assert epoch.memorised is epoch.fit_loss is epoch.fit_accuracy is None


def test_the_running_loss_is_the_mean_over_the_steps_of_the_epoch(tiny_split):
    """With a rate of next to nothing the network stays as it is, so the running numbers are those of epoch 0."""
    before, after = epochs(train(tiny_config(epochs=1, lr=1e-12, schedule="constant"), tiny_split))
    assert after.running_loss == pytest.approx(before.train_loss, rel=1e-5)
    assert after.running_accuracy == pytest.approx(before.train_accuracy, abs=1e-6)


# ---- the optimizers ----------------------------------------------------------------------------------------------
def toy_problem():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 5, bias=False), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 3))
    return network, torch.randn(8, 6), torch.randint(3, (8,))


def go(network, optimizer, x, y, steps: int = 5) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(network(x), y).backward()
        optimizer.step()


def test_sgdw_is_the_literal_update():
    network, x, y = toy_problem()
    literal = deepcopy(network)
    lr, decay, momentum = 0.1, 0.02, 0.9
    optimizer = SGDW(
        [{"params": list(network.parameters()), "decay": decay, "weight_decay": 0.0}],
        lr=lr,
        momentum=momentum,
        nesterov=True,
    )
    go(network, optimizer, x, y)
    velocity = {}
    for _ in range(5):
        literal.zero_grad()
        cross_entropy(literal(x), y).backward()
        with torch.no_grad():
            for name, w in literal.named_parameters():
                velocity[name] = momentum * velocity.get(name, 0) + w.grad
                w.copy_(w * (1 - lr * decay) - lr * (w.grad + momentum * velocity[name]))
    for ours, theirs in zip(network.parameters(), literal.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("everything", [False, True])
def test_decoupled_weight_decay_is_torchs_adamw_on_the_weights_alone(everything):
    decay = CATALOGUE["weight_decay"](strength=0.3, norm_and_bias=everything)
    network, x, y = toy_problem()
    theirs = deepcopy(network)
    config = tiny_config(lr=0.01)
    go(network, make_optimizer(config, network, [decay]), x, y)
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim <= 1]
    go(
        theirs,
        torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.3}, {"params": vectors, "weight_decay": 0.3 * everything}], lr=0.01
        ),
        x,
        y,
    )
    for a, b in zip(network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_without_weight_decay_nothing_decays(optimizer):
    network, x, y = toy_problem()
    theirs = deepcopy(network)
    config = tiny_config(lr=0.01, optimizer=optimizer)
    go(network, make_optimizer(config, network, []), x, y)
    plain = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0)
    if optimizer == "sgd":
        plain = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    go(theirs, plain, x, y)
    for a, b in zip(network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_plain_epoch_is_the_loop_of_every_tutorial(tiny_split):
    """The whole of one epoch against ten lines of plain PyTorch."""
    config = tiny_config(epochs=1, schedule="constant", optimizer="sgd", lr=0.02)
    s = tiny_split
    torch.manual_seed(derived_seed(0, "weights"))
    network = models.build(config.spec(10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(derived_seed(0, "order", 1)))
    pictures = torch.tensor(s.train_images).permute(0, 3, 1, 2).double() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (s.mean, s.std))
    pictures, labels = ((pictures - mean) / std).float(), torch.tensor(s.train_labels)
    network.train()
    for index in order.split(16):
        optimizer.zero_grad()
        cross_entropy(network(pictures[index]), labels[index]).backward()
        optimizer.step()
    end = [e for e in train(config, s) if isinstance(e, Snapshot)][-1]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(end.tensors["model/" + name], value, rtol=1e-4, atol=1e-5)


# ---- precision and devices ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_precisions_learn(precision, tiny_split):
    events = list(
        train(tiny_config(epochs=5, lr=3e-3, precision=precision, regularizers={"batch_norm": {}}), tiny_split)
    )
    assert events[0].precision == precision
    assert events[-1].last["train_accuracy"] > 0.8
    assert all(w.dtype != torch.bfloat16 for w in [e for e in events if isinstance(e, Best)][-1].weights.values())


@needs_cuda
def test_the_same_config_tells_the_same_story_on_cuda(tiny_split):
    config = tiny_config(device="cuda", precision="auto", regularizers=EVERYTHING)
    assert story(train(config, tiny_split)) == story(train(config, tiny_split))


@needs_cuda
def test_stopping_and_resuming_on_cuda_is_exact(tiny_split):
    resumes_exactly(tiny_config(device="cuda", epochs=2, regularizers=EVERYTHING), tiny_split, 9)


@needs_cuda
def test_divergence_on_cuda_is_noticed_one_step_late(tiny_split):
    config = tiny_config(device="cuda", optimizer="sgd", lr=1e6, schedule="constant")
    _events, failed = until_failed(config, tiny_split)
    assert failed.step <= 3


@needs_cuda
def test_the_watch_on_cuda_tells_one_step_late_which_step_it_was():
    watch, fine = FiniteWatch(), torch.ones(3, device="cuda", dtype=torch.double)
    watch.look(1, fine)
    watch.look(2, fine * float("nan"))  # not known yet
    with pytest.raises(Diverged) as diverged:
        watch.look(3, fine)
    assert diverged.value.step == 2


@needs_cuda
def test_the_watch_on_cuda_knows_at_the_end_of_an_epoch():
    watch = FiniteWatch()
    watch.look(7, torch.full((3,), float("inf"), device="cuda", dtype=torch.double))
    with pytest.raises(Diverged) as diverged:
        watch.last()
    assert diverged.value.step == 7


def test_the_watch_on_the_cpu_tells_at_once():
    watch, fine = FiniteWatch(), torch.ones(3, dtype=torch.double)
    watch.look(1, fine)
    with pytest.raises(Diverged) as diverged:
        watch.look(2, fine * float("inf"))
    assert diverged.value.step == 2
    watch.last()


# ---- the networks ------------------------------------------------------------------------------------------------
COUNTS = {
    ("basic_cnn", "none"): 550_570,  # the tutorials' count
    ("basic_cnn", "batch"): 551_146,  # 576 channels and units: a scale and a shift each, but no bias
    ("resnet20", "batch"): 269_722,  # as in other implementations of the paper's option A
    ("resnet20", "none"): 269_034,  # 688 channels: a bias each, but no scale and shift
}


@pytest.mark.parametrize(("name", "norm"), COUNTS)
def test_the_number_of_parameters_is_the_known_one(name, norm):
    network = models.build(ModelSpec(name, norm=norm))
    assert sum(p.numel() for p in network.parameters()) == COUNTS[name, norm]


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("classes", [10, 100])
def test_a_network_turns_pictures_into_logits_whatever_the_memory_format(name, norm, classes):
    torch.manual_seed(0)
    network = models.build(ModelSpec(name, norm=norm, classes=classes)).eval()
    x = torch.randn(3, 3, 32, 32)
    plain = network(x)
    assert plain.shape == (3, classes)
    last = network.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("norm", [{}, {"batch_norm": True}])
def test_resnet20_trains_with_and_without_normalization(norm, tiny_split):
    events = list(train(tiny_config(model="resnet20", epochs=6, lr=3e-3, regularizers=norm), tiny_split))
    losses = [e.running_loss for e in epochs(events)[1:]]
    assert losses[-1] < 0.95 * losses[0]


def test_the_untrained_network_is_undecided(tiny_split):
    """A sane initialization begins near the loss of guessing, ln 10."""
    for name in models.MODELS:
        untrained = next(e for e in train(tiny_config(model=name), tiny_split) if isinstance(e, Epoch))
        assert untrained.val_loss < 2 * np.log(10), name
