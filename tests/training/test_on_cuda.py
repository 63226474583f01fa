"""What only a GPU can show: recorded steps against ordinary ones, runs side by side on it, fp16, and that fp32 is fp32."""

from __future__ import annotations

import warnings

import pytest
import tape
import torch
from conftest import tiny_config
from stories import EVERYTHING, epochs, narrow, resumes_exactly, story, told
from techniques import TRAINABLE, config_with
from test_replay import ORDINARY_ALWAYS, SETUPS, kinds

from reglab import compat
from reglab.regularizers import Regularizer
from reglab.training.events import Finished, Snapshot, Step
from reglab.training.train import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
GPU = torch.device("cuda")


def on_gpu(**changes):
    return narrow(**{"device": "cuda", "precision": "fp32", "epochs": 3, **changes})


def both_ways(config, split):
    """The epochs of a run whose steps are recorded, those of the same run without, and the `Replay` of the first."""
    with pytest.MonkeyPatch.context() as patch:
        made = tape.listed(patch)
        replayed = epochs(train(config, split))
        patch.setenv("REGLAB_GRAPHS", "0")
        ordinary = epochs(train(config, split))
    assert len(made) == 1
    return replayed, ordinary, made[0]


def same(one, other) -> None:
    for a, b in zip(one, other, strict=True):
        for name in ("train_loss", "val_loss", "running_loss"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-3), name


@pytest.mark.parametrize("key", TRAINABLE)
def test_replayed_or_not_every_technique_trains_to_the_same_numbers(key, tiny_split):
    replayed, ordinary, replay = both_ways(config_with(key, epochs=3, device="cuda"), tiny_split)
    same(replayed, ordinary)
    assert bool(replay.why_not) == (key in ORDINARY_ALWAYS), replay.why_not
    assert kinds(replay) == (key not in ORDINARY_ALWAYS)


@pytest.mark.parametrize("precision", ["fp32", "auto"])
@pytest.mark.parametrize("which", SETUPS)
def test_so_does_every_network_and_optimizer(which, precision, tiny_split):
    replayed, ordinary, replay = both_ways(on_gpu(precision=precision, **SETUPS[which]), tiny_split)
    same(replayed, ordinary)
    assert not replay.why_not and kinds(replay) == 1


def test_each_technique_that_mixes_has_a_recording_of_its_own(tiny_split):
    replayed, ordinary, replay = both_ways(on_gpu(epochs=4, regularizers={"mixup": {}, "cutmix": {}}), tiny_split)
    same(replayed, ordinary)
    assert kinds(replay) == 2


def test_a_recorded_run_tells_the_same_story_twice(tiny_split):
    config = on_gpu(precision="auto", regularizers=EVERYTHING | {"mixup": {}, "sam": {}})
    assert story(train(config, tiny_split)) == story(train(config, tiny_split))


@pytest.mark.parametrize("questions", [2, 9, 11])
def test_a_recorded_run_can_be_stopped_anywhere(tiny_split, questions):
    resumes_exactly(on_gpu(regularizers=EVERYTHING | {"cutmix": {}, "ema": {}}), tiny_split, questions)


def test_runs_in_turn_on_streams_of_their_own_are_as_each_alone(tiny_split):
    """Their recordings included, which begin while the other run is busy; and with dropout, whose seeds must not get mixed up."""
    configs = [on_gpu(seed=seed, regularizers=EVERYTHING | {"mixup": {}}) for seed in range(3)]
    alone = [story(train(config, tiny_split)) for config in configs]
    lanes = [torch.cuda.Stream() for _ in configs]
    runs = {number: iter(train(config, tiny_split)) for number, config in enumerate(configs)}
    in_turn: list[list] = [[] for _ in configs]
    while runs:
        for number in list(runs):
            with torch.cuda.stream(lanes[number]):
                if (event := next(runs[number], None)) is None:
                    del runs[number]
                else:
                    in_turn[number].append(told(event))
    assert in_turn == alone


def test_the_global_generator_is_everybodys_again_after_a_step():
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    own = torch.Generator(GPU).manual_seed(1)
    with compat.torch.own_global_generator(GPU):
        compat.torch.draw_globally_from(own, 1)
        drawn, beside = torch.rand(8, device=GPU), torch.rand(8)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert compat.torch.has_drawn(own) and not compat.torch.has_drawn(torch.Generator(GPU).manual_seed(1))
    assert torch.equal(drawn, torch.rand(8, device=GPU, generator=torch.Generator(GPU).manual_seed(1)))
    assert torch.equal(beside, torch.rand(8, generator=torch.Generator().manual_seed(1))), "and the host's"


class Waits(Regularizer):
    """Waits for the GPU in the middle of a step, which no recording allows."""

    def augment(self, images, rng):
        torch.cuda.synchronize()
        return images


def test_a_step_that_cannot_be_recorded_is_an_ordinary_one(tiny_split, technique):
    config = on_gpu(regularizers=EVERYTHING | {technique(Waits): True})
    with pytest.warns(UserWarning, match="could not record a step"):
        replayed, ordinary, replay = both_ways(config, tiny_split)
    same(replayed, ordinary)
    assert replay.why_not and kinds(replay) == 0


def test_recording_warns_of_nothing(tiny_split):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert isinstance(list(train(on_gpu(regularizers=EVERYTHING), tiny_split))[-1], Finished)


# ---- precisions --------------------------------------------------------------------------------------------------
def test_fp32_is_fp32():
    """TF32 has ten bits after the point, so a sum of a thousand products is off by about 1e-3."""
    compat.torch.compute_exactly(GPU)
    rng = torch.Generator(GPU).manual_seed(0)
    images = torch.randn(8, 128, 16, 16, device=GPU, generator=rng).to(memory_format=torch.channels_last)
    kernel = torch.randn(128, 128, 3, 3, device=GPU, generator=rng)
    for one, exact in (
        (torch.conv2d(images, kernel), torch.conv2d(images.double(), kernel.double())),
        (images.flatten(1) @ images.flatten(1).T, images.double().flatten(1) @ images.double().flatten(1).T),
    ):
        assert (one - exact).norm() / exact.norm() < 1e-5


needs_fp16 = pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_capability()[0] < 7, reason="needs a GPU with fp16"
)


@needs_fp16
def test_a_network_learns_in_fp16(tiny_split):
    config = tiny_config(device="cuda", precision="fp16", epochs=5, lr=3e-3, regularizers={"batch_norm": {}})
    events = list(train(config, tiny_split))
    assert events[0].precision == "fp16" and events[-1].last["train_accuracy"] > 0.8
    assert all("scaler" in event.tensors for event in events if isinstance(event, Snapshot))


@needs_fp16
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_fp16_is_replayed_too_and_resumed_exactly(tiny_split, optimizer):
    techniques = EVERYTHING | {"sam": {}, "gradient_clipping": {}, "weight_decay": {"strength": 0.1}}
    config = on_gpu(precision="fp16", optimizer=optimizer, regularizers=techniques)
    replayed, ordinary, replay = both_ways(config, tiny_split)
    same(replayed, ordinary)
    assert not replay.why_not
    resumes_exactly(config, tiny_split, 9)


def test_the_host_is_at_most_a_step_ahead(tiny_split):
    """So that asking a run to stop ends it at once, also where a step costs the host next to nothing."""
    steps = [event for event in train(on_gpu(regularizers=EVERYTHING), tiny_split) if isinstance(event, Step)]
    heard = [event.running_loss is not None for event in steps]
    assert all(heard[i] for i, event in enumerate(steps) if event.batch > 1)
