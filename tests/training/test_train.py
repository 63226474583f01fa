"""The training loop: its order, its bytes, and its arithmetic against slow or trusted versions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import make_split, tiny_config
from stories import EVERYTHING, epochs, names, narrow, stories_in_turn, story, told
from torch.nn.functional import cross_entropy

from reglab import machine, models
from reglab.training.batches import derived_seed
from reglab.training.events import Best, Epoch, Finished, Snapshot, Started, Step
from reglab.training.train import train

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


# ---- the order of events -----------------------------------------------------------------------------------------
def test_the_events_come_in_the_order_of_training(tiny_split):
    seen = names(train(narrow(epochs=2), tiny_split))
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
    events = list(train(narrow(epochs=2), tiny_split))
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
    events = list(train(narrow(batch_size=4_096, epochs=1), tiny_split))
    assert [e.images for e in events if isinstance(e, Step)] == [64]


# ---- same config, same bytes -------------------------------------------------------------------------------------
def test_the_same_config_tells_the_same_story_to_the_byte(tiny_split):
    config = narrow(regularizers=EVERYTHING)
    assert story(train(config, tiny_split)) == story(train(config, tiny_split))


def test_another_seed_tells_another_story(tiny_split):
    last = [epochs(train(narrow(seed=seed), tiny_split))[-1] for seed in (0, 1)]
    assert last[0].train_loss != last[1].train_loss


def test_two_runs_trained_in_turn_are_as_each_alone(tiny_split):
    configs = [narrow(regularizers=EVERYTHING), narrow(seed=1, optimizer="sgd", regularizers={"dropout": {}})]
    alone = [story(train(config, tiny_split)) for config in configs]
    assert stories_in_turn(configs, tiny_split) == alone


def test_what_others_draw_from_the_global_generator_changes_nothing(tiny_split):
    config = narrow(regularizers=EVERYTHING)
    meddled = []
    for event in train(config, tiny_split):
        meddled.append(told(event))
        torch.manual_seed(len(meddled))
        torch.rand(len(meddled))
        np.random.seed(len(meddled))
    assert meddled == story(train(config, tiny_split))


# ---- what the numbers mean ---------------------------------------------------------------------------------------
def test_the_test_images_are_opened_only_at_the_end():
    class Sealed(np.ndarray):
        opened = False

        def copy(self, *args, **kwargs):
            type(self).opened = True
            return np.array(self)

    split = make_split()
    object.__setattr__(split, "test_images", split.test_images.view(Sealed))
    for event in train(narrow(epochs=2), split):
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
    config = narrow(epochs=4, lr=3e-3, regularizers={"batch_norm": True})
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
    for epoch in epochs(train(narrow(epochs=1), tiny_split)):
        assert epoch.memorised is epoch.fit_loss is epoch.fit_accuracy is None


def test_the_running_loss_is_the_mean_over_the_steps_of_the_epoch(tiny_split):
    """With a rate of next to nothing the network stays as it is, so the running numbers are those of epoch 0."""
    before, after = epochs(train(narrow(epochs=1, lr=1e-12, schedule="constant"), tiny_split))
    assert after.running_loss == pytest.approx(before.train_loss, rel=1e-5)
    assert after.running_accuracy == pytest.approx(before.train_accuracy, abs=1e-6)


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
@pytest.mark.parametrize("precision", machine.native_precisions(torch.device("cpu")))
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
