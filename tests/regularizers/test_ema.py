"""EMA against torch's AveragedModel."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import batch, network, pass_over
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from reglab.regularizers import CATALOGUE, Progress
from reglab.training.events import Epoch, Snapshot
from reglab.training.train import train

EMA = CATALOGUE["ema"]


def steps(model: torch.nn.Module, count: int):
    """A training of its own; yields after each step, when the running statistics have moved as well."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(count):
        pass_over(model.train())()
        optimizer.step()
        yield Progress(step, count, count)


@given(decay=st.floats(0, 0.999), seed=st.integers(0, 100), count=st.integers(1, 8))
@settings(max_examples=15, deadline=None)
def test_without_warm_up_it_is_torchs_averaged_model(decay, seed, count):
    model, state, technique = network(seed), {}, EMA(decay=decay, warmup=False)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    for progress in steps(model, count):
        technique.on_step_end(model, state, progress)
        theirs.update_parameters(model)
    judged = technique.evaluation_model(model, state, [])
    for (name, ours), expected in zip(judged.state_dict().items(), theirs.module.state_dict().values(), strict=True):
        if ours.is_floating_point():
            torch.testing.assert_close(ours, expected, msg=name)


def test_the_decay_warms_up_as_tensorflows_does():
    """min(decay, (1 + t) / (10 + t)) at step t, counted from 1; the first step is where the average begins."""
    model, state, technique = network(), {}, EMA(decay=0.5)
    expected = None
    for progress in steps(model, 20):
        technique.on_step_end(model, state, progress)
        t, now = progress.step + 1, model[4].weight.detach().double()
        decay = min(0.5, (1 + t) / (10 + t))
        expected = now if expected is None else decay * expected + (1 - decay) * now
        torch.testing.assert_close(state["4.weight"].double(), expected, rtol=1e-5, atol=1e-6)
    assert 0.5 < (1 + 20) / (10 + 20), "the limit was reached on the way"


def test_training_is_left_alone_and_the_judged_network_is_another():
    model, twin, state = network(), network(), {}
    for progress, _ in zip(steps(model, 3), steps(twin, 3), strict=True):
        EMA().on_step_end(model, state, progress)
    judged = EMA().evaluation_model(model, state, [])
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))
    assert not torch.equal(judged.eval()(batch(4, 8)), model.eval()(batch(4, 8)))
    with torch.no_grad():
        judged[0].weight.zero_()
    assert state["0.weight"].any() and model[0].weight.any(), "nothing is shared"


def test_unit_vectors_of_spectral_norm_stay_unit_vectors():
    """The average of unit vectors is shorter than one, and dividing by what it finds would stretch every layer."""
    model, state = network(), {}
    for i in (0, 4):
        spectral_norm(model[i])
    for progress in steps(model, 20):
        EMA(decay=0.9).on_step_end(model, state, progress)
    judged = EMA().evaluation_model(model, state, []).eval()
    vectors = [value.norm().item() for name, value in judged.named_buffers() if name.endswith(("_u", "_v"))]
    assert vectors == pytest.approx([1] * 4, abs=1e-5)
    for i in (0, 4):
        assert torch.linalg.svdvals(judged[i].weight.detach().flatten(1))[0].item() < 1.05


def test_before_the_first_step_the_network_is_judged_as_it_is():
    model = network()
    assert EMA().evaluation_model(model, {}, []) is model


def test_what_a_run_judges_is_the_average_it_remembers(tiny_split):
    config = tiny_config(width=0.125, epochs=2, lr=0.01, regularizers={"ema": {"decay": 0.9}, "batch_norm": True})
    events = list(train(config, tiny_split))
    snapshot = [e for e in events if isinstance(e, Snapshot)][-1]
    state = {k.removeprefix("memory/ema/"): v for k, v in snapshot.tensors.items() if k.startswith("memory/ema/")}
    assert state.keys() == {k.removeprefix("model/") for k in snapshot.tensors if k.startswith("model/")}
    plain = list(train(config.override({"ema": False}), tiny_split))
    ours, theirs = ([e for e in told if isinstance(e, Epoch)] for told in (events, plain))
    assert [e.running_loss for e in ours] == [e.running_loss for e in theirs], "the training is the same"
    assert ours[-1].val_loss != theirs[-1].val_loss, "what is judged is not"


@pytest.mark.parametrize("warmup", [True, False])
def test_at_decay_zero_it_is_the_plain_run(warmup, tiny_split):
    config = tiny_config(width=0.125, epochs=2, regularizers={"ema": {"decay": 0, "warmup": warmup}})
    ours, theirs = (
        [e.to_json() for e in train(c, tiny_split) if isinstance(e, Epoch)] for c in (config, config.plain())
    )
    assert ours == theirs
