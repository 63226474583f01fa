"""The techniques: laws that hold for every one in the catalogue, then each against a slow or a trusted version.

A technique that is added to the folder is in the first half at once; its own comparisons belong in the second half.
"""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, one_hot

from reglab import data, models
from reglab.batches import derived_seed
from reglab.events import Epoch, Finished, Snapshot
from reglab.models import ModelSpec
from reglab.regularizers import CATALOGUE, GROUPS, Regularizer, overriding, regularizer
from reglab.train import train

every = pytest.mark.parametrize("key", CATALOGUE)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 16, side: int = 32) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=rng(n)).to(memory_format=torch.channels_last)


def targets(n: int = 16, classes: int = 10) -> torch.Tensor:
    return one_hot(torch.arange(n) % classes, classes).float()


def story(config, split) -> list:
    """What a run says, snapshots left out, weights of the last snapshot to the byte."""
    told, last = [], {}
    for event in train(config, split):
        if isinstance(event, Snapshot):
            last = {k: v.clone() for k, v in event.tensors.items() if k.startswith("model/")}
        else:
            told.append(event.to_json())
    return [told, {k: v.numpy().tobytes() for k, v in last.items()}]


# ---- laws over all of them ---------------------------------------------------------------------------------------
@every
def test_the_file_name_is_the_name_everywhere(key):
    technique = CATALOGUE[key]
    assert technique.key == key and technique.__module__ == f"reglab.regularizers.{key}"
    assert technique.__name__.lower() == key.replace("_", "")


@every
def test_the_card_is_complete(key):
    technique = CATALOGUE[key]
    assert technique.group in GROUPS
    assert technique.title and technique.hint and technique.paper and technique.formula
    assert "What you will see" in technique.__doc__ and len(technique.__doc__.splitlines()[0]) <= 120
    assert any(character.isdigit() for character in technique.paper), "a year or an arXiv number"
    assert set(technique.advice) <= set(CATALOGUE) - {key}
    for name, info in technique.model_fields.items():
        assert info.title, name


@every
def test_its_settings_are_frozen_bounded_and_go_through_json(key):
    technique = CATALOGUE[key]
    usual = technique()
    assert technique.model_validate_json(usual.model_dump_json()) == usual == regularizer(key) == regularizer(key, True)
    assert regularizer(key, usual) == usual
    assert hash(usual) == hash(technique())
    for name, info in technique.model_fields.items():
        if info.annotation in (int, float):
            assert len(info.metadata) >= 2, f"{key}.{name} needs a lower and an upper bound"


@every
def test_every_technique_does_something(key):
    hooks = [
        name
        for name in vars(Regularizer)
        if callable(getattr(Regularizer, name)) and not name.startswith(("_", "model_"))
    ]
    technique = CATALOGUE[key]()
    assert any(overriding([technique], hook) for hook in hooks)


@every
def test_augmented_images_keep_their_shape_and_range(key):
    images = batch()
    kept = images.clone()
    seen = CATALOGUE[key]().augment(images, rng())
    assert seen.shape == images.shape and seen.dtype == torch.float32
    assert seen.isfinite().all() and seen.min() >= 0 and seen.max() <= 1
    assert torch.equal(seen, CATALOGUE[key]().augment(kept, rng())), "the same draws give the same images"


@every
@given(seed=st.integers(0, 2**31), n=st.integers(2, 20))
@settings(max_examples=20, deadline=None)
def test_mixed_and_softened_targets_still_are_distributions(key, seed, n):
    technique = CATALOGUE[key]()
    images, mixed = technique.mix(batch(n), targets(n), rng(seed))
    softened = technique.soften(mixed)
    assert images.shape == (n, 3, 32, 32) and softened.shape == (n, 10)
    assert (softened >= 0).all() and torch.allclose(softened.sum(1), torch.ones(n), atol=1e-6)


@every
@given(share=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_softening_is_affine_so_that_it_commutes_with_mixing(key, share):
    soften = CATALOGUE[key]().soften
    one, other = targets(), targets().flip(0)
    mixed = share * one + (1 - share) * other
    torch.testing.assert_close(soften(mixed), share * soften(one) + (1 - share) * soften(other))


@every
def test_a_penalty_is_a_finite_number_with_a_finite_gradient(key):
    technique = CATALOGUE[key]()
    network = models.build(tiny_config(regularizers={key: True}).spec(10))
    penalty = technique.penalty(network, network(batch(4)))
    if penalty is None:
        return
    assert penalty.shape == () and penalty.isfinite() and penalty >= 0
    penalty.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@every
def test_the_optimizer_gets_every_parameter_once(key):
    network = models.build(ModelSpec())
    weights = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    kinds = {"weight": weights, "norm_and_bias": vectors}
    groups = [{"params": params, "kind": kind, "weight_decay": 0.0} for kind, params in kinds.items()]
    after = CATALOGUE[key]().optimize(groups)
    assert sorted(id(p) for g in after for p in g["params"]) == sorted(id(p) for p in network.parameters())
    assert all(g["weight_decay"] == 0 for g in groups), "the groups that came in stay as they were"


@every
@pytest.mark.parametrize("name", models.MODELS)
def test_what_a_network_has_no_place_for_is_refused_and_all_else_is_built(key, name):
    spec = CATALOGUE[key]().shape(ModelSpec(name))
    changed = {f.name for f in fields(spec) if getattr(spec, f.name) != f.default} - {"name"}
    if changed <= models.MODELS[name].places:
        assert models.build(spec)(batch(2)).shape == (2, 10)


@every
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_network_still_learns_with_it(key, optimizer, tiny_split):
    config = tiny_config(
        epochs=5, optimizer=optimizer, lr={"adamw": 3e-3, "sgd": 0.05}[optimizer], regularizers={key: {}}
    )
    *events, end = train(config, tiny_split)
    untrained = next(e for e in events if isinstance(e, Epoch))
    assert isinstance(end, Finished) and end.last["train_loss"] < untrained.train_loss - 0.01


@every
def test_the_same_seed_gives_the_same_bytes(key, tiny_split):
    config = tiny_config(epochs=1, regularizers={key: True})
    assert story(config, tiny_split) == story(config, tiny_split)


# A setting with which a technique is no technique at all: the plain run to the byte.
NOTHING = {
    "dropout": {"rate": 0},
    "weight_decay": {"strength": 0},
    "flip_crop": {"padding": 0, "flip": False},
    "label_smoothing": {"smoothing": 0},
    "early_stopping": {"patience": 1000},
}


@pytest.mark.parametrize("key", NOTHING)
def test_at_zero_strength_it_is_the_plain_run(key, tiny_split):
    config = tiny_config(epochs=2, regularizers={key: NOTHING[key]})
    assert story(config, tiny_split) == story(config.plain(), tiny_split)


# ---- dropout -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", models.MODELS)
def test_dropout_is_one_layer_before_the_classifier(name):
    config = tiny_config(model=name, regularizers={"dropout": {"rate": 0.4}})
    layers = [m for m in models.build(config.spec(10)).modules() if not list(m.children())]
    assert [m.p for m in layers if isinstance(m, torch.nn.Dropout)] == [0.4]
    assert isinstance(layers[-1], torch.nn.Linear) and isinstance(layers[-2], torch.nn.Dropout)


def test_dropout_changes_nothing_in_the_network_that_is_judged():
    torch.manual_seed(0)
    plain = models.build(ModelSpec())
    dropped = models.build(ModelSpec(dropout=0.5))
    dropped.load_state_dict(dict(zip(dropped.state_dict(), plain.state_dict().values(), strict=True)))
    assert torch.equal(plain.eval()(batch(4)), dropped.eval()(batch(4)))
    assert not torch.equal(plain(batch(4)), dropped.train()(batch(4)))


# ---- batch normalization -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", models.MODELS)
def test_batch_norm_follows_every_convolution_and_leaves_it_without_a_bias(name):
    network = models.build(tiny_config(model=name, regularizers={"batch_norm": True}).spec(10))
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert [c.out_channels for c in convolutions] == [n.num_features for n in norms]
    assert all(c.bias is None for c in convolutions)


# ---- flip and crop -----------------------------------------------------------------------------------------------
def flipped_and_cropped_slowly(images: np.ndarray, padding: int, flip: bool, draws: torch.Generator) -> np.ndarray:
    """One image at a time: put into a black frame, cut out at the place that was drawn, and mirror the outcome."""
    n, _, height, width = images.shape
    down, right = (torch.randint(0, 2 * padding + 1, (n, 1), generator=draws) for _ in range(2))
    mirrored = torch.randint(0, 2, (n, 1), generator=draws) if flip else torch.zeros(n, 1)
    out = np.empty_like(images)
    for i, image in enumerate(images):
        frame = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        cut = frame[:, down[i] : down[i] + height, right[i] : right[i] + width]
        out[i] = cut[:, :, ::-1] if mirrored[i] else cut
    return out


@given(padding=st.integers(0, 8), flip=st.booleans(), seed=st.integers(0, 2**31), n=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_flip_crop_is_the_slow_version_of_one_image_at_a_time(padding, flip, seed, n):
    images = torch.rand(n, 3, 12, 10, generator=rng(1))
    technique = CATALOGUE["flip_crop"](padding=padding, flip=flip)
    ours = technique.augment(images.to(memory_format=torch.channels_last), rng(seed)).numpy()
    assert np.array_equal(ours, flipped_and_cropped_slowly(images.numpy(), padding, flip, rng(seed)))


def all_cuts(image: np.ndarray, padding: int, flip: bool):
    _, height, width = image.shape
    for picture in (image, image[:, :, ::-1]) if flip else (image,):
        frame = np.pad(picture, ((0, 0), (padding, padding), (padding, padding)))
        for y in range(2 * padding + 1):
            for x in range(2 * padding + 1):
                yield np.ascontiguousarray(frame[:, y : y + height, x : x + width])


def test_flip_crop_mirrors_half_of_the_images_and_uses_every_shift():
    image = torch.arange(3 * 32 * 32.0).view(1, 3, 32, 32) / 4000
    technique = CATALOGUE["flip_crop"](padding=2)
    seen = technique.augment(image.expand(4_000, -1, -1, -1), rng()).numpy()
    upright = {cut.tobytes() for cut in all_cuts(image[0].numpy(), 2, False)}
    share = np.mean([picture.tobytes() in upright for picture in seen])
    assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(4_000)
    assert len({picture.tobytes() for picture in seen}) == 2 * 5 * 5


@pytest.mark.parametrize("source", [s for s in data.SOURCES.values() if not s.mirror], ids=lambda s: s.key)
def test_flip_crop_never_mirrors_what_means_something_else_in_a_mirror(source):
    suited = CATALOGUE["flip_crop"]().suited(source)
    image = torch.rand(3, 32, 32, generator=rng())
    cuts = {cut.tobytes() for cut in all_cuts(image.numpy(), 4, False)}
    seen = suited.augment(image.expand(500, -1, -1, -1), rng())
    assert all(picture.numpy().tobytes() in cuts for picture in seen)


# ---- label smoothing ---------------------------------------------------------------------------------------------
@given(smoothing=st.floats(0, 0.9), classes=st.integers(2, 100), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_label_smoothing_is_torchs(smoothing, classes, seed):
    logits = torch.randn(8, classes, generator=rng(seed))
    labels = torch.randint(classes, (8,), generator=rng(seed))
    ours = cross_entropy(
        logits, CATALOGUE["label_smoothing"](smoothing=smoothing).soften(one_hot(labels, classes).float())
    )
    torch.testing.assert_close(ours, torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, labels))


# ---- weight decay ------------------------------------------------------------------------------------------------
@given(strength=st.floats(0, 10), everything=st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_l2_penalty_is_that_of_keras_and_so_is_its_gradient(strength, everything):
    """strength * sum(w^2), without a half; the gradient is 2 * strength * w."""
    technique = CATALOGUE["weight_decay"](mode="l2", strength=strength, norm_and_bias=everything)
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 2)
    )
    penalty = technique.penalty(network, torch.zeros(1, 2))
    decayed = [p for p in network.parameters() if p.ndim > 1 or everything]
    expected = strength * sum((w.detach().numpy().astype(float) ** 2).sum() for w in decayed)
    assert penalty.item() == pytest.approx(expected, rel=1e-5)
    penalty.backward()
    for p in network.parameters():
        wanted = 2 * strength * p.detach() if p.ndim > 1 or everything else torch.zeros_like(p)
        torch.testing.assert_close(p.grad if p.grad is not None else torch.zeros_like(p), wanted)


def test_the_l2_penalty_is_what_the_run_tells(tiny_split):
    """With a rate of next to nothing the weights stay as they were made, so the penalty is that of the first weights."""
    config = tiny_config(
        epochs=1, lr=1e-12, schedule="constant", regularizers={"weight_decay": {"mode": "l2", "strength": 0.01}}
    )
    torch.manual_seed(derived_seed(0, "weights"))
    network = models.build(config.spec(10))
    expected = 0.01 * sum(p.square().sum().item() for p in network.parameters() if p.ndim > 1)
    told = [e for e in train(config, tiny_split) if isinstance(e, Epoch)][-1]
    assert told.penalty == pytest.approx(expected, rel=1e-4)


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


# ---- early stopping ----------------------------------------------------------------------------------------------
def history(losses, accuracies=None) -> list[Epoch]:
    accuracies = accuracies or [0.5] * len(losses)
    return [
        Epoch(
            epoch=i,
            step=i,
            lr=0.1,
            train_loss=1,
            train_accuracy=0.5,
            val_loss=loss,
            val_accuracy=accuracy,
            ece=0,
            gap=0,
        )
        for i, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True))
    ]


def stopped_at(technique, epochs: list[Epoch]) -> int | None:
    return next((n for n in range(1, len(epochs) + 1) if technique.stop(epochs[:n])), None)


def stopped_at_slowly(losses, patience: int, min_delta: float) -> int | None:
    """As Keras' callback counts: one more epoch without improvement, or one that improves and starts anew."""
    best, waited = losses[0], 0
    for n, loss in enumerate(losses[1:], 2):
        if loss < best - min_delta:
            best, waited = loss, 0
        else:
            waited += 1
        if waited >= patience:
            return n
    return None


@given(
    losses=st.lists(st.floats(0, 3), min_size=1, max_size=30),
    patience=st.integers(1, 6),
    least=st.sampled_from([0.0, 0.05]),
)
@settings(max_examples=100, deadline=None)
def test_early_stopping_ends_when_the_slow_count_does(losses, patience, least):
    technique = CATALOGUE["early_stopping"](patience=patience, min_delta=least)
    assert stopped_at(technique, history(losses)) == stopped_at_slowly(losses, patience, least)


def test_early_stopping_waits_for_its_patience_and_says_why():
    losses = [2.3, 1.5, 1.0, 1.2, 1.1, 1.0, 1.3, 0.1]
    technique = CATALOGUE["early_stopping"](patience=3)
    assert stopped_at(technique, history(losses)) == 6
    reason = technique.stop(history(losses)[:6])
    assert "loss has not improved on epoch 2 for 3 epochs" in reason


def test_early_stopping_can_watch_the_accuracy():
    accuracies = [0.1, 0.5, 0.4, 0.5, 0.9]
    technique = CATALOGUE["early_stopping"](patience=2, monitor="accuracy")
    assert stopped_at(technique, history([1.0] * 5, accuracies)) == 4


def test_a_run_that_early_stopping_ends_reports_its_best_epoch(tiny_split):
    config = tiny_config(
        epochs=40, lr=3e-3, schedule="constant", regularizers={"early_stopping": {"patience": 2, "min_delta": 0.2}}
    )
    *events, end = train(config, tiny_split)
    epochs = [e for e in events if isinstance(e, Epoch)]
    assert isinstance(end, Finished) and end.reported == "best" and end.epochs == epochs[-1].epoch < 40
    assert stopped_at_slowly([e.val_loss for e in epochs], 2, 0.2) == len(epochs)
    assert end.best["epoch"] == max(epochs, key=lambda e: (e.val_accuracy, -e.epoch)).epoch
    assert "early stopping" in end.reason
