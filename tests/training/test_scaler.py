"""fp16: a larger loss, gradients of the right size, steps that are left out, and a run that goes on where it was.

Where it is meant for, on GPUs without bf16, no test runs; the CPU computes the same, slowly.
"""

from __future__ import annotations

import pytest
import tape
import torch
from conftest import tiny_config
from stories import EVERYTHING, narrow, resumes_exactly, story

from reglab import machine
from reglab.regularizers import Regularizer
from reglab.training.events import Failed, Snapshot
from reglab.training.train import Trainer, train


@pytest.fixture(autouse=True)
def in_fp16(monkeypatch):
    """The CPU is refused it otherwise."""
    monkeypatch.setattr(machine, "choose_precision", lambda *args, **options: "fp16")


def test_a_network_learns_in_fp16(tiny_split):
    events = list(train(tiny_config(epochs=5, lr=3e-3, width=0.25, regularizers={"batch_norm": {}}), tiny_split))
    assert events[0].precision == "fp16" and events[-1].last["train_accuracy"] > 0.8


class Lengths(Regularizer):
    """Writes down how long the gradients are."""

    def compute_gradients(self, model, closure, rng, progress) -> None:
        closure()
        lengths.append(torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]).item())


lengths: list[float] = []


def test_techniques_see_gradients_of_the_right_size(tiny_split, technique, monkeypatch):
    key = technique(Lengths)
    config = narrow(epochs=1, regularizers={key: True, "sam": {}, "l1": {}})
    seen = []
    for precision in ("fp16", "fp32"):
        monkeypatch.setattr(machine, "choose_precision", lambda *args, precision=precision, **options: precision)
        lengths.clear()
        list(train(config, tiny_split))
        seen.append(lengths[:])
    assert seen[0] == pytest.approx(seen[1], rel=0.05) and len(seen[0]) >= 4


def at_its_first_step(config, split, scale: float) -> Trainer:
    trainer = Trainer(config, split)
    trainer.epoch = 1
    trainer.begin_epoch()
    trainer.scaler.scale(torch.ones(()))  # which makes the scale
    trainer.scaler.update(scale)
    return trainer


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("twice", [False, True], ids=["plain", "sam"])
def test_a_step_whose_gradients_are_too_large_is_left_out(tiny_split, optimizer, twice):
    techniques = {"weight_decay": {"strength": 10.0}} | ({"sam": {}} if twice else {})
    config = narrow(optimizer=optimizer, lr=0.01, schedule="constant", regularizers=techniques)
    trainer = at_its_first_step(config, tiny_split, 1e38)
    before = {name: p.clone() for name, p in trainer.model.named_parameters()}
    trainer.step()
    assert all(torch.equal(p, before[name]) for name, p in trainer.model.named_parameters())
    assert trainer.scaler.get_scale() <= 0.5e38
    trainer.scaler.update(1.0)
    trainer.step()
    assert all(p.isfinite().all() for p in trainer.model.parameters())
    assert not any(torch.equal(p, before[name]) for name, p in trainer.model.named_parameters())


def test_leaving_steps_out_is_no_divergence(tiny_split):
    """Until the scale has come down from where no gradient is finite."""
    trainer = at_its_first_step(narrow(), tiny_split, 1e38)
    for _ in range(trainer.batches):
        trainer.step()
    assert not any(isinstance(event, Failed) for event in trainer.evaluate())


def test_what_diverges_in_fp16_is_said_to(tiny_split):
    *_, failed = train(narrow(optimizer="sgd", lr=1e6, schedule="constant"), tiny_split)
    assert isinstance(failed, Failed) and "Diverged" in failed.reason


@pytest.mark.parametrize("questions", [2, 9])
def test_stopping_and_resuming_in_fp16_is_exact(tiny_split, monkeypatch, questions):
    """With a scale that grows at every other step, so that it has something to lose."""
    monkeypatch.setattr(torch.amp.GradScaler.__init__, "__defaults__", ("cuda", 2.0**10, 2.0, 0.5, 2, True))
    config = narrow(epochs=2, optimizer="sgd", regularizers=EVERYTHING | {"weight_decay": {"strength": 0.1}})
    resumes_exactly(config, tiny_split, questions)
    scales = [e.tensors["scaler"].tolist() for e in train(config, tiny_split) if isinstance(e, Snapshot)]
    assert len({scale for scale, _ in scales}) == len(scales)


def test_a_replayed_step_scales_as_an_ordinary_one(tiny_split, monkeypatch):
    config = narrow(epochs=2, regularizers=EVERYTHING | {"sam": {}, "gradient_clipping": {}})
    plain = story(train(config, tiny_split))
    [replay] = [tape.replaying(monkeypatch)]
    assert story(train(config, tiny_split)) == plain and not replay[0].why_not
