"""Every PyTorch line on a card is run as it stands, and does what the lab does: a test for each, by its name.

What changes pictures is in test_card_lines_data.py. `lines.py` says which names the lines may use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_card_lines_data
import torch
from lines import CLASSES, NORMALIZERS, SOFTENERS, Lines, N, after, epochs, keys_of, run, runner, torch_context, usual
from small import START, rng
from torch import Tensor, nn
from torch.nn import functional as F

from reglab import models
from reglab.config import flag
from reglab.models import ModelSpec
from reglab.models.layers import DropBlock2d, StochasticDepth, conv, map_dropout, normalize_spectrum
from reglab.regularizers import CATALOGUE
from reglab.regularizers.weight_decay import USUAL_L2
from reglab.training.optimizers import make_optimizer

same = torch.testing.assert_close


@pytest.fixture
def lines(request, tmp_path) -> Lines:
    return runner(request, tmp_path, "pytorch", torch_context)


def test_no_card_is_left_out():
    """Of those in the documents: a technique that somebody has just written is reported there, and nothing is red."""
    listed = (Path(__file__).parents[2] / "docs/regularizers.md").read_text(encoding="utf-8")
    known = {key for key in CATALOGUE if f"`{flag(key)}`" in listed}
    assert keys_of(globals(), vars(test_card_lines_data)) | {*SOFTENERS, *NORMALIZERS} == known and len(known) >= 30


def maps(n: int = N) -> Tensor:
    return torch.rand(n, 8, 12, 12, generator=rng()) + 1


# ---- Structure ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", NORMALIZERS)
def test_normalization(key, tmp_path):
    """In training and in judging the same, with the same statistics remembered; without biases, as in the lab."""
    theirs = run(CATALOGUE[key].pytorch, torch_context(), tmp_path)["block"]
    ours = nn.Sequential(*conv(usual(key).configure_model(ModelSpec()), 3, 32), nn.ReLU())
    ours.load_state_dict(theirs.state_dict())
    images = torch_context()["images"]
    same(theirs(images), ours(images))
    for a, b in zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True):
        same(a, b)
    same(theirs.eval()(images), ours.eval()(images))


def test_dropblock(lines):
    """Both hide as much of every place, here and with the largest blocks of the slider, and scale up what is left."""
    for size in (3, 7):
        text = CATALOGUE["dropblock"].pytorch.replace("block_size=3", f"block_size={size}")
        x = torch.ones(2_000, 8, 12, 12)
        theirs = after(0, lambda text=text, x=x: lines(torch_context(x=x), text)["x"])
        ours = after(1, lambda size=size, x=x: DropBlock2d(usual("dropblock").rate, size).train()(x))
        hidden, ours_hidden = ((out == 0).float().mean((0, 1)) for out in (theirs, ours))
        assert (hidden - ours_hidden).abs().max() < 0.02 and abs(hidden.mean() - ours_hidden.mean()) < 0.005
        assert hidden.mean() < 0.12, "10 % at most, less what overlaps"
        same(theirs.max(), ours.max(), rtol=0.01, atol=0)
    with pytest.raises(ValueError):  # torchvision's, which the line warns of
        lines(torch_context(x=maps()), CATALOGUE["dropblock"].pytorch.replace("block_size=3", "block_size=4"))


def test_dropout(lines):
    """It is what stands at the end of the lab's network, to the draw."""
    theirs = lines()["classifier"]
    ours = models.build(usual("dropout").configure_model(ModelSpec())).head[-2:]
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        a.data = b.data
    x = torch.rand(N, 128, generator=rng())
    same(after(0, lambda: theirs(x)), after(0, lambda: ours(x)))
    same(theirs.eval()(x), ours.eval()(x))


def test_spatial_dropout(lines):
    [ours] = map_dropout(usual("spatial_dropout").configure_model(ModelSpec()))
    same(
        after(0, lambda: lines(torch_context(x=maps()))["x"]),
        after(0, lambda: ours(maps())),
    )


def test_stochastic_depth(lines):
    """The last of the lab's branches has this rate, the others as the comment says."""
    network = models.build(usual("stochastic_depth").configure_model(ModelSpec("resnet20", norm="batch")))
    paths = [m for m in network.modules() if isinstance(m, StochasticDepth)]
    assert [p.drop_prob for p in paths] == pytest.approx([0.2 * n / len(paths) for n in range(1, len(paths) + 1)])
    names = torch_context(x=maps(200), branch=torch.square)
    theirs = after(0, lambda: lines(names)["x"])
    ours = after(0, lambda: F.relu(maps(200) + paths[-1].train()(maps(200).square())))
    same(theirs, ours)


# ---- Penalties ---------------------------------------------------------------------------------------------------
def charged(key: str, names: dict[str, Any], **settings: Any) -> Tensor:
    """What the lab would add to the loss."""
    return usual(key, **settings).penalty(names["model"], names["logits"], {})


def test_confidence_penalty(lines):
    """But for a constant, which no gradient feels."""
    names = torch_context()
    names["logits"] = names["logits"].detach().requires_grad_()
    told = lines(names)
    ours = charged("confidence_penalty", names)
    same(told["loss"] - names["loss"] + 0.1 * np.log(CLASSES), ours)
    same(
        *(torch.autograd.grad(of, names["logits"], retain_graph=True)[0] for of in (told["loss"] - names["loss"], ours))
    )


def test_l1(lines):
    names = torch_context()
    same(lines(names)["loss"] - names["loss"], charged("l1", names), rtol=1e-4, atol=1e-7)


def test_orthogonality(lines):
    names = torch_context()
    same(lines(names)["loss"] - names["loss"], charged("orthogonality", names), rtol=1e-4, atol=1e-7)


def test_max_norm(lines):
    theirs, ours = torch_context()["model"], torch_context()["model"]
    for model in (theirs, ours):
        model[0].weight.data *= 5
    lines(torch_context() | {"model": theirs})
    usual("max_norm").on_step_end(ours, {}, START)
    for a, b, before in zip(*(m.parameters() for m in (theirs, ours, torch_context()["model"])), strict=True):
        same(a, b)
        assert a.ndim < 2 or a.flatten(1).norm(dim=1).max() < usual("max_norm").max_value + 1e-5
        assert a.ndim > 1 or torch.equal(a, before)


def test_spectral_norm(lines):
    theirs, ours = torch_context()["model"], torch_context()["model"]
    after(0, lambda: run_on(theirs, lines))
    after(0, lambda: normalize_spectrum(ours, usual("spectral_norm").n_power_iterations))
    images = torch_context()["images"]
    same(theirs(images), ours(images))


def run_on(model: nn.Module, lines: Lines) -> dict[str, Any]:
    return lines({**torch_context(), "model": model})


def test_weight_decay(lines):
    """One step where nothing pulls: kernels shrink, biases and normalization do not. And the L2 of the comment."""
    told = lines()
    strength = told["optimizer"].param_groups[0]["weight_decay"]
    config = type("config", (), {"optimizer": "adamw", "lr": 1e-3})
    ours = torch_context()["model"]
    steps = make_optimizer(config, ours, [usual("weight_decay", strength=strength)])
    for model, optimizer in ((told["model"], told["optimizer"]), (ours, steps)):
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
    for a, b, before in zip(*(m.parameters() for m in (told["model"], ours, torch_context()["model"])), strict=True):
        same(a, b)
        same(a, before * (1 - 1e-3 * strength * (before.ndim > 1)))
    names = torch_context()
    told = lines(names, CATALOGUE["weight_decay"].pytorch.replace("# or l2: ", ""))
    same(
        told["loss"] - names["loss"], charged("weight_decay", names, mode="l2", strength=USUAL_L2), rtol=1e-4, atol=1e-7
    )


def stepped(key: str, lines: Lines, scale: float = 1.0, **more: Any) -> tuple[nn.Module, nn.Module]:
    """The network after one step by the lines, and by the lab's technique."""
    names = torch_context(**more)
    names["loss"] = names["loss"] * scale
    told = lines(names)
    ours = torch_context()
    optimizer = torch.optim.SGD(ours["model"].parameters(), lr=0.1)

    def closure() -> None:
        ours["model"].zero_grad()
        (F.cross_entropy(ours["model"](ours["images"]), ours["labels"]) * scale).backward()

    usual(key).compute_gradients(ours["model"], closure, rng(), START)
    optimizer.step()
    return told["model"], ours["model"]


@pytest.mark.parametrize("scale", [0.01, 1, 100])
def test_gradient_clipping(lines, scale):
    for a, b in zip(*(m.parameters() for m in stepped("gradient_clipping", lines, scale)), strict=True):
        same(a, b)


def test_gradient_noise(lines):
    """Both move every weight by as much noise: the same deviation in this step and in the hundredth."""
    still = torch_context()
    still["loss"].backward()
    for step in (0, 100):
        theirs = lines(torch_context(step=step))["model"]
        ours = torch_context()["model"]

        def closure(model: nn.Module = ours) -> None:
            names = torch_context()
            model.zero_grad()
            F.cross_entropy(model(names["images"]), names["labels"]).backward()

        usual("gradient_noise").compute_gradients(ours, closure, rng(), type(START)(step, 1_000, 10))
        noises = [
            torch.cat(
                [(p.grad - q.grad).flatten() for p, q in zip(m.parameters(), still["model"].parameters(), strict=True)]
            )
            for m in (theirs, ours)
        ]
        assert noises[0].std() == pytest.approx(noises[1].std().item(), rel=0.1)
        assert noises[0].std() == pytest.approx((1e-5 / (1 + step) ** 0.55) ** 0.5, rel=0.1)


# ---- Labels ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", SOFTENERS)
def test_softened(key, tmp_path):
    """The loss, and its gradient."""
    names = torch_context()
    names["logits"] = (5 * names["logits"]).detach().requires_grad_()
    theirs = run(CATALOGUE[key].pytorch, names, tmp_path)["loss"]
    ours = F.cross_entropy(names["logits"], usual(key).soft_targets(names["targets"], names["logits"]))
    same(theirs, ours)
    same(*(torch.autograd.grad(loss, names["logits"])[0] for loss in (theirs, ours)))


# ---- Optimization ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "losses",
    [
        [0.9, 0.5, 0.6, 0.7, 0.55, 0.5, 0.8, 0.3],
        [0.9, 0.8, 0.7],
        [0.5, 0.4, *[0.45] * 9],
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4],
    ],
)
def test_early_stopping(lines, losses):
    """It ends in the same epoch, with the weights of the highest accuracy before that."""
    model, gone = nn.Linear(1, 1), []

    def train_and_judge(model: nn.Module) -> tuple[float, float]:
        gone.append(losses[len(gone)])
        model.weight.data.fill_(gone[-1])
        return gone[-1], 1 - gone[-1]

    lines(torch_context(model=model, epochs=len(losses), train_and_judge=train_and_judge))
    technique = usual("early_stopping")
    ends = next((n for n in range(1, len(losses)) if technique.stop_reason(epochs(losses[:n]))), len(losses))
    assert len(gone) == ends and model.weight.item() == pytest.approx(min(losses[:ends]))


def moved(model: nn.Module, seed: int) -> None:
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=rng(seed)))


def test_ema(lines):
    """Over five steps with a forward pass each, the running statistics along with the weights."""
    names = torch_context()
    told, model, technique, state = lines(names), names["model"], usual("ema"), {}
    technique.on_step_end(model, state, START)
    for step in range(1, 6):
        moved(model, step)
        model(names["images"])
        told["averaged"].update_parameters(model)
        technique.on_step_end(model, state, type(START)(step, 100, 10))
    ours = technique.evaluation_model(model, state, []).state_dict()
    for name, value in told["averaged"].module.state_dict().items():
        same(value, ours[name])


def test_sam(lines):
    """Algorithm 1 of its paper as the lab has it: one gradient, that of the point uphill."""
    theirs, ours = stepped("sam", lines)
    for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
        same(a, b)


def test_swa(lines):
    """Three networks averaged, their statistics measured anew, the learning rate kept up."""
    names = torch_context()
    names["loader"] = [names["images"]]
    told, model, technique, state = lines(names), names["model"], usual("swa"), {}
    for epoch in (8, 9, 10):
        if epoch > 8:
            moved(model, epoch)
            told["averaged"].update_parameters(model)
        technique.on_step_end(model, state, type(START)(epoch * 10 - 1, 100, 10))
    torch.optim.swa_utils.update_bn(names["loader"], told["averaged"])
    ours = technique.evaluation_model(model, state, names["loader"]).state_dict()
    for name, value in told["averaged"].module.state_dict().items():
        same(value, ours[name])
    late = type(START)(80, 100, 10)
    assert told["optimizer"].param_groups[0]["lr"] == pytest.approx(technique.learning_rate(0.0, 1e-3, late))


# ---- Transfer ----------------------------------------------------------------------------------------------------
def test_l2_sp(lines):
    """At the start, where only the head costs, and once the weights have moved."""
    model = torch_context()["model"]
    names = torch_context(model=model, backbone=model[:-1], head=model[-1])
    technique, state = usual("l2_sp"), {}
    technique.on_train_begin(model, state)
    told = lines(names)
    same(told["loss"] - names["loss"], technique.penalty(model, names["logits"], state), rtol=1e-4, atol=1e-6)
    moved(model, 1)
    again = CATALOGUE["l2_sp"].pytorch.replace("start = ", "_ = ")
    charge = lines({**names, "start": told["start"]}, again)["loss"] - names["loss"]
    same(charge, technique.penalty(model, names["logits"], state), rtol=1e-4, atol=1e-4)


def test_layer_freezing(lines):
    """The early layers neither learn nor count, the others do both."""
    theirs, ours = torch_context()["model"].train(), torch_context()["model"].train()
    lines(torch_context(model=theirs, early_layers=theirs[:2]))
    technique = usual("layer_freezing")
    technique.on_train_begin(ours, {})
    for model, step in (
        (theirs, lambda act: act()),
        (ours, lambda act: technique.compute_gradients(ours, act, rng(), START)),
    ):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        images = torch_context()["images"]
        step(lambda model=model, images=images: F.cross_entropy(model(images), torch.arange(N) % CLASSES).backward())
        optimizer.step()
    for name, value in theirs.state_dict().items():
        same(value, ours.state_dict()[name])
        assert torch.equal(value, torch_context()["model"].state_dict()[name]) or name.startswith("4.") or "num" in name
