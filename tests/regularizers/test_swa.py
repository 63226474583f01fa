"""SWA against torch's AveragedModel and update_bn, epoch by epoch."""

from __future__ import annotations

import torch
from conftest import make_split, tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from small import batch, network, pass_over
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel, update_bn

from reglab.regularizers import CATALOGUE, Progress
from reglab.training.events import Epoch, Finished
from reglab.training.train import train

SWA = CATALOGUE["swa"]
PER_EPOCH = 3


def progresses(epochs: int) -> list[Progress]:
    return [Progress(step, epochs * PER_EPOCH, PER_EPOCH) for step in range(epochs * PER_EPOCH)]


def averaging_epochs(epochs: int, start: float) -> list[int]:
    """The epochs, counted from 1, after which weights are averaged: those that end beyond the start."""
    return [e for e in range(1, epochs + 1) if e * PER_EPOCH > start * epochs * PER_EPOCH]


@given(epochs=st.integers(1, 8), start=st.sampled_from([0, 0.25, 0.5, 0.75, 0.9]), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_it_is_torchs_averaged_model_with_its_statistics_measured_anew(epochs, start, seed):
    model, state, technique = network(seed), {}, SWA(start=start)
    theirs = AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for progress in progresses(epochs):
        pass_over(model.train())()
        optimizer.step()
        technique.on_step_end(model, state, progress)
        epoch, rest = divmod(progress.step + 1, PER_EPOCH)
        if not rest and epoch in averaging_epochs(epochs, start):
            theirs.update_parameters(model)
    assert averaging_epochs(epochs, start), "the last epoch is always averaged"
    images = [batch(5, 8), batch(7, 8)]
    update_bn(images, theirs)
    judged = technique.evaluation_model(model, state, images)
    for (name, ours), expected in zip(judged.state_dict().items(), theirs.module.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, expected, msg=name)


def test_averaging_begins_behind_the_start_and_counts():
    state, technique, counts = {}, SWA(start=0.5), []
    for progress in progresses(6):
        technique.on_step_end(network(), state, progress)
        counts.append(int(state["networks"]) if state else 0)
    assert counts[PER_EPOCH - 1 :: PER_EPOCH] == [0, 0, 0, 1, 2, 3]


def test_until_then_the_network_is_judged_as_it_is():
    model = network()
    assert SWA().evaluation_model(model, {}, [batch(4, 8)]) is model


def test_judging_leaves_the_network_in_training_alone():
    model, state = network().train(), {}
    pass_over(model)()
    SWA(start=0).on_step_end(model, state, Progress(0, 1, 1))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    judged = SWA(start=0).evaluation_model(model, state, [batch(8, 8)])
    assert model.training and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not torch.equal(judged[1].running_mean, model[1].running_mean)


def test_spectral_norm_is_fitted_to_the_average():
    """Its vectors were found with other weights than their average, which would then be divided by too little."""
    model, state = network(), {}
    for i in (0, 4):
        spectral_norm(model[i])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for progress in progresses(6):
        pass_over(model.train())()
        optimizer.step()
        SWA(start=0).on_step_end(model, state, progress)
    judged = SWA(start=0).evaluation_model(model, state, [batch(8, 8)]).eval()
    for i in (0, 4):
        assert abs(torch.linalg.svdvals(judged[i].weight.detach().flatten(1))[0].item() - 1) < 0.02


def test_the_learning_rate_stays_up_while_weights_are_averaged():
    """Constant from the start on, and the run's own schedule before it."""
    technique = SWA(start=0.75, lr_share=0.2)
    rates = [technique.learning_rate(lr=0.123, peak=0.5, progress=m) for m in progresses(8)]
    assert rates == [0.123] * 18 + [0.1] * 6


def test_a_run_trains_as_before_until_the_start_and_judges_the_average_after_it(tiny_split):
    config = tiny_config(
        width=0.125, epochs=4, lr=0.01, regularizers={"swa": {"start": 0.5, "lr_share": 0.5}, "batch_norm": True}
    )
    ours, theirs = (
        [e for e in train(c, tiny_split) if isinstance(e, Epoch)] for c in (config, config.override({"swa": False}))
    )
    assert [e.to_json() for e in ours[:3]] == [e.to_json() for e in theirs[:3]]
    assert [e.lr for e in ours[3:]] == [0.005, 0.005]
    assert ours[-1].val_loss != theirs[-1].val_loss


def test_any_number_of_training_images_leaves_no_batch_of_one():
    """501 images judged in batches of 500 would leave one alone, which batch normalization refuses."""
    split = make_split(train=501, val=16, test=16)
    config = tiny_config(
        width=0.125, epochs=1, batch_size=167, regularizers={"batch_norm": True, "swa": {"start": 0.0}}
    )
    assert isinstance(list(train(config, split))[-1], Finished)
