"""Every Keras line on a card is run as it stands, and does what the lab does, or says that Keras has no such thing.

`pip install keras`, or `.[keras]`, makes these run; here Keras computes with torch. `lines.py` says which names the lines
may use. Keras draws from its own generators, so what is drawn is compared in its distribution.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")  # which is there anyway; Keras asks when it is imported

import numpy as np
import pytest
import torch
from lines import (
    CLASSES,
    NORMALIZERS,
    SIDE,
    SOFTENERS,
    Lines,
    N,
    epochs,
    keys_of,
    run,
    runner,
    torch_context,
    usual,
    variants,
)
from scipy.stats import chisquare, ks_2samp, kstest
from small import START, rng
from torch import Tensor, nn
from torch.nn import functional as F

from reglab import models
from reglab.models import ModelSpec
from reglab.models.layers import DropBlock2d, StochasticDepth, conv
from reglab.models.views import views_of
from reglab.regularizers import CATALOGUE
from reglab.regularizers.weight_decay import USUAL_L2

keras = pytest.importorskip("keras", minversion="3.8", reason="pip install keras runs the Keras lines of the cards")

MISSING = {"gradient_noise", "manifold_mixup", "sam"}  # nothing to run: their lines are comments that say so
NEAREST = {"trivial_augment", "random_erasing"}  # something else, and the line says that it is only near

same = torch.testing.assert_close


@pytest.fixture
def lines(request, tmp_path) -> Lines:
    return runner(request, tmp_path, "keras", keras_context)


def keras_context(**more: Any) -> dict[str, Any]:
    """The names that every Keras line may use, and `more`; `x` is symbolic, `model` a compiled network."""
    keras.utils.set_random_seed(0)
    told = torch_context()
    x = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, strides=4)(x)))
    model = keras.Model(x, keras.layers.Dense(CLASSES)(keras.layers.Flatten()(maps)))
    model.compile(keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True))
    names = {"keras": keras, "model": model, "x": x, "images": told["images"].permute(0, 2, 3, 1)}
    names |= {"optimizer": model.optimizer, "loss": told["loss"].detach(), "logits": told["logits"].detach()}
    return names | {"labels": told["labels"], "targets": told["targets"]} | more


def layered(lines: Lines, *side: int, out: str = "x", **more: Any) -> Any:
    """The network that the lines make of an input."""
    x = keras.Input(side or (SIDE, SIDE, 3))
    return keras.Model(x, lines(keras_context(x=x, **more))[out])


def plain(tensor: Any) -> Tensor:
    return torch.as_tensor(keras.ops.convert_to_numpy(tensor))


def test_no_card_is_left_out():
    assert keys_of(globals()) | {*SOFTENERS, *NORMALIZERS, *NEAREST, *MISSING} == set(CATALOGUE)


@pytest.mark.parametrize("key", CATALOGUE)
def test_a_card_says_what_keras_does_not_have(key):
    told = CATALOGUE[key].keras.strip().splitlines()
    assert (key in MISSING) == all(line.strip().startswith("#") for line in told)
    assert (key in NEAREST) == ("nearest there is" in told[0])
    if key in MISSING:
        assert told[0].startswith("# not in Keras: ")


# ---- Structure ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", NORMALIZERS)
def test_normalization(key, tmp_path):
    """As in the lab in training and in judging; of the variance Keras remembers the biased one."""
    theirs = layered(lambda names: run(CATALOGUE[key].keras, names, tmp_path))
    ours = nn.Sequential(*conv(usual(key).configure_model(ModelSpec()), 3, 32), nn.ReLU())
    kernel, _, _, *statistics = theirs.get_weights()
    ours[0].weight.data = torch.tensor(kernel).permute(3, 2, 0, 1)
    images = torch_context()["images"]
    channels_last = images.permute(0, 2, 3, 1)
    same(plain(theirs(channels_last, training=True)), ours(images).permute(0, 2, 3, 1), rtol=1e-3, atol=1e-4)
    if statistics:
        mean, variance = (torch.tensor(w) for w in theirs.get_weights()[3:])
        count = N * SIDE * SIDE
        same(mean, ours[1].running_mean, rtol=1e-3, atol=1e-5)
        same((variance - 0.9) * count / (count - 1) + 0.9, ours[1].running_var, rtol=1e-3, atol=1e-5)
    same(plain(theirs(channels_last)), ours.eval()(images).permute(0, 2, 3, 1), rtol=1e-3, atol=1e-4)


def test_dropblock(lines):
    x = torch.ones(2_000, 12, 12, 8)
    told = plain(lines(keras_context(x=x))["x"])
    torch.manual_seed(0)
    ours = DropBlock2d(*usual("dropblock").model_dump().values()).train()(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert ((told == 0).float().mean((0, 3)) - (ours == 0).float().mean((0, 3))).abs().max() < 0.02
    same(told.max(), ours.max(), rtol=0.01, atol=0)
    same(told.mean(), torch.tensor(1.0))


def test_dropout(lines):
    """As many units off, the others larger by as much; nothing where the network is judged."""
    model = layered(lines, 4_000, out="logits")
    weights = np.zeros((4_000, 10), np.float32)
    weights[:10] = np.eye(10)
    model.set_weights([weights, np.zeros(10, np.float32)])
    seen = plain(model(torch.ones(400, 4_000), training=True))
    ours = nn.Dropout(usual("dropout").rate)(torch.ones(400, 10))
    same(seen.unique(), ours.unique())
    assert (seen == 0).float().mean() == pytest.approx(usual("dropout").rate, abs=0.03)
    assert (plain(model(torch.ones(4, 4_000))) == 1).all()


def test_spatial_dropout(lines):
    """Whole maps, as many, and the others larger by as much."""
    seen = plain(layered(lines, 4, 4, 2_000)(torch.ones(N, 4, 4, 2_000), training=True))
    assert torch.equal(seen.amax((1, 2)), seen.amin((1, 2)))
    same(seen.unique(), nn.Dropout2d(usual("spatial_dropout").rate)(torch.ones(N, 200, 2, 2)).unique())
    assert (seen == 0).float().mean() == pytest.approx(usual("spatial_dropout").rate, abs=0.01)


def test_stochastic_depth(lines):
    """Each image with the branch larger by as much, or without it; as many as the lab leaves out of its last branch."""
    model = layered(lines, 4, 4, 2, branch=lambda x: x * 2)
    seen = plain(model(torch.ones(2_000, 4, 4, 2), training=True))
    ours = 1 + StochasticDepth(usual("stochastic_depth").rate)(torch.full((200, 2, 4, 4), 2.0))
    assert torch.equal(seen.amax((1, 2, 3)), seen.amin((1, 2, 3)))
    same(seen.unique(), ours.unique())
    assert (seen == 1).float().mean() == pytest.approx(usual("stochastic_depth").rate, abs=0.03)
    assert (plain(model(torch.ones(4, 4, 4, 2))) == 3).all()


# ---- Penalties ---------------------------------------------------------------------------------------------------
def twin(kernel: Any) -> nn.Module:
    """The lab's side of a convolution in Keras."""
    layer = nn.Conv2d(3, 32, 3)
    layer.weight.data = torch.tensor(np.asarray(kernel)).permute(3, 2, 0, 1)
    return layer


def charged(model: Any, key: str, **settings: Any) -> None:
    """What Keras adds to the loss for this network, and what the lab does for the same weights."""
    logits = torch_context()["logits"]
    ours = usual(key, **settings).penalty(twin(model.get_weights()[0]), logits, {})
    same(plain(sum(model.losses)).double(), ours.detach().double(), rtol=1e-4, atol=1e-8)


def test_l1(lines):
    charged(layered(lines), "l1")


def test_orthogonality(lines):
    """For more outputs than inputs, too: 32 of 27 each."""
    charged(layered(lines), "orthogonality")


def test_confidence_penalty(lines):
    names = keras_context()
    charge = plain(lines(names)["loss"]) - names["loss"]
    same(charge + 0.1 * np.log(CLASSES), usual("confidence_penalty").penalty(nn.Identity(), names["logits"], {}))


def test_max_norm(lines):
    """The constraint is applied after a step; one with a gradient of zero shows it alone."""
    model = layered(lines)
    model.set_weights([w * 5 for w in model.get_weights()])
    ours = [torch.tensor(w).flatten(0, -2).T.clone() for w in model.get_weights()[::2]]
    for w in ours:
        w.renorm_(2, 0, usual("max_norm").max_value)
    before = model.get_weights()[1::2]
    keras.optimizers.SGD(0.1).apply(
        [keras.ops.zeros_like(v) for v in model.trainable_variables], model.trainable_variables
    )
    for a, b in zip(model.get_weights()[::2], ours, strict=True):
        same(torch.tensor(a).flatten(0, -2).T, b, rtol=1e-4, atol=1e-6)
    assert all((a == b).all() for a, b in zip(model.get_weights()[1::2], before, strict=True))


def test_spectral_norm(lines):
    """Keras divides the kernel itself, once a step: in the end by its largest singular value, as the lab does."""
    model = layered(lines)
    kernel = plain(model.layers[-1].layer.kernel).clone().permute(3, 2, 0, 1)
    for _ in range(200):
        model(torch.rand(1, SIDE, SIDE, 3), training=True)
    now = plain(model.layers[-1].layer.kernel).clone().permute(3, 2, 0, 1)
    ours = nn.Sequential(nn.Conv2d(3, 32, 3))
    ours[0].weight.data = kernel
    models.layers.normalize_spectrum(ours, usual("spectral_norm").n_power_iterations)
    models.layers.settle_spectrum(ours, 200)
    same(now, ours.eval()[0].weight.detach(), rtol=1e-3, atol=1e-4)


def test_weight_decay(lines):
    """One step where nothing pulls: kernels shrink, biases and normalization do not. And the L2 of the comment."""
    names = keras_context()
    optimizer, model = lines(names)["optimizer"], names["model"]
    before = [v + 0 for v in model.trainable_variables]
    optimizer.apply([keras.ops.zeros_like(v) for v in model.trainable_variables], model.trainable_variables)
    strength = optimizer.weight_decay
    assert f"weight_decay={strength}" in CATALOGUE["weight_decay"].pytorch.replace('": ', "=").replace('"', "")
    for old, v in zip(before, model.trainable_variables, strict=True):
        same(plain(v), plain(old) * (1 - 1e-3 * strength * (len(v.shape) > 1)))
    l2 = CATALOGUE["weight_decay"].keras.splitlines()
    [text] = [line.partition("# or l2: ")[2] for line in l2 if "# or l2: " in line]
    charged(layered(lambda names: lines(names, f"x = {text}(x)")), "weight_decay", mode="l2", strength=USUAL_L2)


@pytest.mark.parametrize("scale", [0.01, 1, 100])
def test_gradient_clipping(lines, scale):
    names = keras_context()
    optimizer = lines(names)["optimizer"]
    weights = [keras.Variable(np.ones((3, 4), np.float32)), keras.Variable(np.ones(4, np.float32))]
    gradients = [torch.randn(v.shape, generator=rng(i)) * scale for i, v in enumerate(weights)]
    optimizer.apply([g.clone() for g in gradients], weights)
    ours = nn.ParameterList([torch.ones(3, 4), torch.ones(4)])

    def closure() -> None:
        for p, g in zip(ours, gradients, strict=True):
            p.grad = g.clone()

    usual("gradient_clipping").compute_gradients(ours, closure, rng(), START)
    for v, p in zip(weights, ours, strict=True):
        same(plain(v), p.detach() - 0.1 * p.grad, rtol=1e-4, atol=1e-6)


# ---- Data --------------------------------------------------------------------------------------------------------
def test_mixup(lines):
    """Pictures and labels by the same share, and shares that are spread as the lab's are."""
    names, shares = keras_context(), []
    for _ in range(30):
        batch = lines(names)["batch"]
        kept = (plain(batch["labels"]) * names["targets"]).sum(1)
        shares += kept[kept < 1].tolist()
    ours = [np.random.default_rng(seed).beta(*[usual("mixup").alpha] * 2) for seed in range(400)]
    assert ks_2samp(shares, ours).pvalue > 0.01
    images = names["images"].reshape(N, -1)
    for mixed, label in zip(plain(batch["images"]).reshape(N, -1), plain(batch["labels"]), strict=True):
        blends = [label[label > 0].max() * a + (1 - label[label > 0].max()) * b for a in images for b in images]
        assert min((mixed - blend).abs().max() for blend in blends) < 1e-5


def test_cutmix(lines):
    """Half of the batches; areas as before the lab's are cut at the border, labels by the area to a row of pixels."""
    names, pasted, batches = keras_context(), [], 0
    for _ in range(60):
        batch = lines(names)["batch"]
        own = (plain(batch["labels"]) * names["targets"]).sum(1)
        there = (plain(batch["images"]) == names["images"]).float().mean((1, 2, 3))
        batches += bool((own < 1).any())
        assert ((own - there).abs()[own < 1] < 2.5 / SIDE).all()
        pasted += (1 - own[own < 1]).tolist()
    assert 15 < batches < 45
    assert kstest(pasted, "uniform").pvalue > 0.01, "of Beta(1, 1)"


def test_flip_crop(lines):
    """All 162 variants, each as often as the others."""
    image = torch_context()["images"][0]
    known = variants(image)
    many = image.permute(1, 2, 0).expand(1_620, -1, -1, -1)
    seen = plain(lines(keras_context(images=many))["images"]).permute(0, 3, 1, 2)
    counts = np.bincount([known[i.contiguous().numpy().tobytes()] for i in seen], minlength=len(known))
    assert chisquare(counts).pvalue > 0.01


def test_cutout(lines):
    """The mean colour in a square of 16 pixels, whose middle is anywhere, as in the lab."""
    before = torch.rand(1_000, SIDE, SIDE, 3, generator=rng())
    seen = plain(lines(keras_context(images=before))["images"])
    ours = usual("cutout").augment(before.permute(0, 3, 1, 2), rng()).permute(0, 2, 3, 1)
    areas = []
    for out in (seen, ours):
        covered = (out != before).any(3)
        same(out, torch.where(covered[..., None], before.mean((0, 1, 2)), before))
        rows, columns = covered.any(2).sum(1), covered.any(1).sum(1)
        assert torch.equal(rows * columns, covered.sum((1, 2))) and rows.max() == columns.max() == 16
        areas.append((rows * columns).numpy())
    assert ks_2samp(*areas).pvalue > 0.01


@pytest.mark.parametrize("key", sorted(NEAREST))
def test_nearest(key, tmp_path):
    """It runs, changes pictures that stay pictures, and half of them where the lab changes half."""
    names = keras_context(images=torch.rand(400, SIDE, SIDE, 3, generator=rng()))
    seen = plain(run(CATALOGUE[key].keras, names, tmp_path)["images"])
    assert seen.shape == names["images"].shape and seen.min() >= 0 and seen.max() <= 1 + 1e-6
    changed = (seen != names["images"]).any(3).any(2).any(1).float().mean()
    assert changed > 0.5 if key == "trivial_augment" else changed == pytest.approx(usual(key).p, abs=0.1)


def test_gaussian_noise(lines):
    seen = plain(layered(lines)(torch.full((N, SIDE, SIDE, 3), 0.9), training=True))
    ours = usual("gaussian_noise").augment(torch.full((N, 3, SIDE, SIDE), 0.9), rng())
    assert ks_2samp(seen.flatten()[:5_000].numpy(), ours.flatten()[:5_000].numpy()).pvalue > 0.01
    assert seen.max() == ours.max() == 1, "cut off at white"


def test_test_time_augmentation(lines):
    """The mean of what the model says to each view, and the views are the lab's."""
    names = keras_context()
    told = lines(names)
    images = plain(names["images"]).permute(0, 3, 1, 2)
    views = views_of(images, usual("test_time_augmentation").shift, mirror=True)
    for theirs, ours in zip(told["views"], views, strict=True):
        same(plain(theirs), ours.permute(0, 2, 3, 1))
    each = [plain(names["model"](view.permute(0, 2, 3, 1), training=False)) for view in views]
    same(plain(told["logits"]), torch.stack(each).mean(0))


# ---- Labels ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", SOFTENERS)
def test_softened(key, tmp_path):
    """The loss, and its gradient."""
    names = keras_context()
    names["logits"] = (5 * names["logits"]).requires_grad_()
    theirs = run(CATALOGUE[key].keras, names, tmp_path)["loss"]
    ours = F.cross_entropy(names["logits"], usual(key).soft_targets(names["targets"], names["logits"]))
    same(theirs, ours)
    same(*(torch.autograd.grad(loss, names["logits"])[0] for loss in (theirs, ours)))


# ---- Optimization ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "losses",
    [[0.9, 0.5, 0.6, 0.7, 0.55, 0.5, 0.8, 0.3], [0.9, 0.8, 0.7], [0.5, 0.4, *[0.45] * 9], [*[0.5] * 6, 0.4]],
)
def test_early_stopping(lines, losses):
    """It ends in the same epoch as in the lab; the weights are those of the lowest loss."""
    names = keras_context()
    stop, model = lines(names)["stop"], names["model"]
    stop.set_model(model)
    stop.on_train_begin()
    gone = 0
    for loss in losses:
        model.set_weights([np.full_like(w, loss) for w in model.get_weights()])
        stop.on_epoch_end(gone, {"val_loss": loss})
        gone += 1
        if model.stop_training:
            break
    stop.on_train_end()
    technique = usual("early_stopping")
    assert gone == next((n for n in range(1, len(losses)) if technique.stop_reason(epochs(losses[:n]))), len(losses))
    assert model.get_weights()[0].max() == pytest.approx(min(losses[:gone]))


def test_ema(lines):
    """As the lab without warm-up, over three steps; swapped in when the network is judged."""
    told, names = lines(), keras_context()
    optimizer, model = told["optimizer"], names["model"]
    model.compile(optimizer)
    technique, state = usual("ema", warmup=False), {}
    ours = nn.ParameterList([plain(v).clone() for v in model.trainable_variables])
    for step in range(3):
        gradients = [torch.randn(tuple(v.shape), generator=rng(step)) for v in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
        for p, v in zip(ours, model.trainable_variables, strict=True):
            p.data = plain(v).clone()
        technique.on_step_end(ours, state, type(START)(step, 100, 10))
    judge = told["judge"]
    judge.set_model(model)
    judge.on_test_begin()
    for v, average in zip(model.trainable_variables, state.values(), strict=True):
        same(plain(v), average, rtol=1e-4, atol=1e-6)


def test_swa(lines):
    """The mean of the weights after each of the last five of twenty epochs."""
    names, seen = keras_context(), []
    names["model"].fit = lambda *args, fit=names["model"].fit, callbacks, **more: fit(
        *args,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(names["model"].get_weights())),
            *callbacks,
        ],
        **more,
    )
    lines(names)
    assert len(seen) == 20 and usual("swa").start == 0.75
    for w, told in zip(names["model"].get_weights(), zip(*seen[15:], strict=True), strict=True):
        np.testing.assert_allclose(w, np.mean(told, 0), rtol=1e-4, atol=1e-6)


# ---- Transfer ----------------------------------------------------------------------------------------------------
def test_l2_sp(lines):
    """At the start, where only the head costs, and once the weights have moved."""
    x = keras.Input((6,))
    backbone, head = keras.Sequential([x, keras.layers.Dense(5)]), keras.layers.Dense(3)
    model = keras.Sequential([backbone, head])
    model.build((None, 6))
    lines(keras_context(model=model, backbone=backbone, head=head))
    technique, ours, state = usual("l2_sp"), nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)), {}

    def copy() -> None:
        for p, w in zip(ours.parameters(), model.get_weights(), strict=True):
            p.data = torch.tensor(w.T)

    copy()
    technique.on_train_begin(ours, state)
    for _ in range(2):
        charge = technique.penalty(ours, torch.zeros(1), state)
        same(plain(sum(model.losses)), charge.detach(), rtol=1e-4, atol=1e-6)
        model.set_weights([w + 0.3 for w in model.get_weights()])
        copy()


def test_layer_freezing(lines):
    """In a step of training the early layers neither learn nor count."""
    names = keras_context()
    model = names["model"]
    names["early_layers"] = model.layers[:3]
    lines(names)
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True))
    model.fit(names["images"], names["targets"], epochs=1, verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False] * 6 + [True] * 2, "convolution and normalization stay, the classifier learns"
