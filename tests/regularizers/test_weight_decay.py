"""Weight decay: L2 as in Keras, decoupled as in AdamW."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import network

from reglab import models
from reglab.regularizers import CATALOGUE
from reglab.training.batches import derived_seed
from reglab.training.events import Epoch, Snapshot
from reglab.training.optimizers import make_optimizer
from reglab.training.train import train

WeightDecay = CATALOGUE["weight_decay"]


@given(strength=st.floats(0, 10), everything=st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_l2_penalty_is_that_of_keras_and_so_is_its_gradient(strength, everything):
    """strength * sum(w^2), without a half; the gradient is 2 * strength * w."""
    technique = WeightDecay(mode="l2", strength=strength, norm_and_bias=everything)
    model = network()
    penalty = technique.penalty(model, torch.zeros(1, 10), {})
    decayed = [p for p in model.parameters() if p.ndim > 1 or everything]
    expected = strength * sum((w.detach().numpy().astype(float) ** 2).sum() for w in decayed)
    assert penalty.item() == pytest.approx(expected, rel=1e-5)
    penalty.backward()
    for p in model.parameters():
        wanted = 2 * strength * p.detach() if p.ndim > 1 or everything else torch.zeros_like(p)
        torch.testing.assert_close(p.grad if p.grad is not None else torch.zeros_like(p), wanted)


def test_the_l2_penalty_is_what_the_run_tells(tiny_split):
    """With a rate of next to nothing the weights stay as they were made, so the penalty is that of the first weights."""
    config = tiny_config(
        epochs=1, lr=1e-12, schedule="constant", regularizers={"weight_decay": {"mode": "l2", "strength": 0.01}}
    )
    torch.manual_seed(derived_seed(0, "weights"))
    model = models.build(config.spec(10))
    expected = 0.01 * sum(p.square().sum().item() for p in model.parameters() if p.ndim > 1)
    told = [e for e in train(config, tiny_split) if isinstance(e, Epoch)][-1]
    assert told.penalty == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("everything", [False, True])
def test_decoupled_decay_is_the_step_without_it_less_lr_times_strength_times_the_weight(optimizer, everything):
    """w - lr * strength * w beside whatever the gradient does, as in torch; the paper of AdamW has the schedule for lr."""
    after = []
    for strength in (0.0, 0.3):
        settings = {"strength": strength, "norm_and_bias": everything}
        config = tiny_config(optimizer=optimizer, lr=0.01, regularizers={"weight_decay": settings})
        model = network()
        steps = make_optimizer(config, model, list(config.regularizers.values()))
        before = [p.detach().clone() for p in model.parameters()]
        for p in model.parameters():
            p.grad = torch.ones_like(p)
        steps.step()
        after.append([p.detach() for p in model.parameters()])
    for start, without, with_decay in zip(before, *after, strict=True):
        shrunk = 0.01 * 0.3 * start if everything or start.ndim > 1 else torch.zeros_like(start)
        torch.testing.assert_close(with_decay, without - shrunk)


def test_decoupled_weight_decay_shrinks_the_weights_and_spares_the_vectors(tiny_split):
    """A huge decay and nothing else to go by: kernels shrink, biases are those of a run without it."""
    norms = []
    for strength in (0.0, 10.0):
        config = tiny_config(epochs=2, regularizers={"weight_decay": {"strength": strength}})
        snapshot = [e for e in train(config, tiny_split) if isinstance(e, Snapshot)][-1]
        norms.append(
            sum(v.square().sum().item() for k, v in snapshot.tensors.items() if k.startswith("model/") and v.ndim > 1)
        )
    assert norms[1] < 0.95 * norms[0]
