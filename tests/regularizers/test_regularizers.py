"""The techniques: laws that hold for every one in the catalogue, alone; together they are in test_together.py.

A technique that is added to the folder is here at once; what only it promises is in tests/regularizers/test_<key>.py.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache

import pytest
import torch
from conftest import ROOT, make_split
from hypothesis import given, settings
from hypothesis import strategies as st
from small import START, network, pass_over
from techniques import TRAINABLE, batch, config_with, logits, rng, story, targets

from reglab import models
from reglab.cli.main import build_parser
from reglab.cli.options import config_values
from reglab.config import RunConfig, flag
from reglab.errors import ConfigError
from reglab.models import ModelSpec
from reglab.models.views import single_view
from reglab.regularizers import CATALOGUE, GROUPS, Regularizer, overriding, regularizer, technique_in
from reglab.training.events import Best, Epoch, Finished, Snapshot, Step
from reglab.training.train import Resume, train
from reglab.ui.components.controls import Controls

every = pytest.mark.parametrize("key", CATALOGUE)
every_trainable = pytest.mark.parametrize("key", TRAINABLE)


# ---- laws over all of them ---------------------------------------------------------------------------------------
@every
def test_the_file_name_is_the_name_everywhere(key):
    technique = CATALOGUE[key]
    assert technique.key == key and technique.__module__ == f"reglab.regularizers.{key}"
    assert technique.__name__.lower() == key.replace("_", "")


@pytest.mark.parametrize(
    ("group", "copies", "words"), [("Data", 0, "0 subclasses"), ("Data", 2, "2 subclasses"), ("Dat", 1, "'Dat'")]
)
def test_a_file_that_is_no_technique_is_told_what_it_lacks(group, copies, words):
    made = [type("Own", (Regularizer,), {"group": group, "__module__": "somewhere.own"}) for _ in range(copies)]
    with pytest.raises(ImportError, match=rf"regularizers/own\.py .*{words}.*\.$"):
        technique_in("own", [*made, Regularizer, "else"])


@every
def test_the_card_is_complete(key):
    technique = CATALOGUE[key]
    assert technique.group in GROUPS
    assert technique.title and technique.hint and technique.paper and technique.formula
    assert technique.pytorch and technique.keras and len(technique.hint) <= 48
    idea, *sections = technique.__doc__.split("\n\n")
    assert idea.count(". ") == 0 and len(idea.splitlines()[0]) <= 120, "the idea is one sentence"
    for section in ("What you will see:", "When it helps:", "When it does not:"):
        assert sum(part.strip().startswith(section) for part in sections) == 1, section
    assert any(character.isdigit() for character in technique.paper), "a year or an arXiv number"
    assert set(technique.advice) | set(technique.excludes) <= set(CATALOGUE) - {key}
    assert not set(technique.advice) & set(technique.excludes)
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
def test_a_step_takes_as_many_passes_as_it_says(key):
    """What a run is taken to cost follows from it."""
    model, called = network(), []

    def closure() -> None:
        called.append(key)
        pass_over(model)()

    regularizer(key).compute_gradients(model, closure, rng(), START)
    assert len(called) == CATALOGUE[key].passes


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
    softened = technique.soft_targets(mixed, logits(n))
    assert images.shape == (n, 3, 32, 32) and softened.shape == (n, 10)
    assert (softened >= 0).all() and torch.allclose(softened.sum(1), torch.ones(n), atol=1e-6)


@every
@given(seed=st.integers(0, 2**31), layers=st.integers(0, 4))
@settings(max_examples=10, deadline=None)
def test_hidden_activations_keep_their_shape_and_their_targets_still_are_distributions(key, seed, layers):
    technique = CATALOGUE[key]()
    for layer in range(layers + 1):
        activations, wanted = torch.randn(8, 4, 4, 4, generator=rng(seed)), targets(8)
        (seen, soft), again = (technique.hidden(activations, wanted, layer, layers, rng(seed)) for _ in range(2))
        assert seen.shape == activations.shape and seen.dtype == activations.dtype and seen.isfinite().all()
        assert soft.shape == (8, 10) and (soft >= 0).all() and soft.sum(1).allclose(torch.ones(8))
        assert torch.equal(seen, again[0]) and torch.equal(soft, again[1]), "the same draws give the same"


@every
@given(share=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_softening_is_affine_so_that_it_commutes_with_mixing(key, share):
    soften, said = CATALOGUE[key]().soft_targets, logits()
    one, other = targets(), targets().flip(0)
    mixed = share * one + (1 - share) * other
    torch.testing.assert_close(soften(mixed, said), share * soften(one, said) + (1 - share) * soften(other, said))


@every
def test_a_penalty_is_a_finite_number_with_a_finite_gradient(key):
    technique, state = CATALOGUE[key](), {}
    network = models.build(config_with(key).spec(10) if key in TRAINABLE else ModelSpec(width=0.125))
    technique.on_train_begin(network, state)
    penalty = technique.penalty(network, network(batch(4)), state)
    if penalty is None:
        return
    assert penalty.shape == () and penalty.isfinite() and penalty >= 0
    penalty.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@every
def test_the_optimizer_gets_every_parameter_once(key):
    network = models.build(ModelSpec(width=0.125))
    weights = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    kinds = {"weight": weights, "norm_and_bias": vectors}
    groups = [{"params": params, "kind": kind, "weight_decay": 0.0} for kind, params in kinds.items()]
    after = CATALOGUE[key]().configure_optimizer(groups)
    assert sorted(id(p) for g in after for p in g["params"]) == sorted(id(p) for p in network.parameters())
    assert all(g["weight_decay"] == 0 for g in groups), "the groups that came in stay as they were"


@every
@pytest.mark.parametrize("name", models.MODELS)
def test_what_a_network_has_no_place_for_is_refused_and_all_else_is_built(key, name):
    asked = CATALOGUE[key]().configure_model(
        ModelSpec(name, pretrained=True, width=0.125)
    )  # l2_sp wants weights to stay near
    spec = replace(asked, pretrained=False)
    changed = {f.name for f in fields(spec) if f.name in models.PLACES and getattr(spec, f.name) != f.default}
    if changed <= models.MODELS[name].places:
        assert models.build(spec)(batch(2)).shape == (2, 10)
    else:
        with pytest.raises(ConfigError, match=rf"{name} has no .*: choose .*, or switch it off\."):
            models.build(spec)


@every_trainable
@pytest.mark.parametrize(
    ("optimizer", "lr", "width"),
    [
        (
            "adamw",
            3e-3,
            0.25,
        ),  # at half of it each group of group normalization is one channel, and hardly anything is learned
        pytest.param("sgd", 0.05, 0.25, marks=pytest.mark.slow),
        pytest.param("muon", 0.01, 0.125, marks=pytest.mark.slow),
    ],
)
def test_a_network_still_learns_with_it(key, optimizer, lr, width, tiny_split):
    config = config_with(key, epochs=5, optimizer=optimizer, lr=lr, width=width)
    *events, end = train(config, tiny_split)
    untrained = next(e for e in events if isinstance(e, Epoch))
    assert isinstance(end, Finished) and end.last["train_loss"] < untrained.train_loss - 0.01


@every_trainable
def test_the_same_seed_gives_the_same_bytes(key, tiny_split):
    config = config_with(key, epochs=1)
    assert story(config, tiny_split) == story(config, tiny_split)


@pytest.mark.parametrize("key", [key for key, technique in CATALOGUE.items() if technique.off is not None])
def test_with_the_settings_that_mean_off_it_is_the_plain_run(key, tiny_split):
    config = config_with(key, epochs=2, regularizers={key: CATALOGUE[key].off})
    assert trained_the_same(story(config, tiny_split), story(config.plain(), tiny_split))


# What means off is part of what a technique is: it is not lost, nor is the law above with it.
OFF = {
    "dropout": {"rate": 0},
    "spatial_dropout": {"rate": 0},
    "dropblock": {"rate": 0},
    "stochastic_depth": {"rate": 0},
    "weight_decay": {"strength": 0},
    "l1": {"strength": 0},
    "orthogonality": {"strength": 0},
    "confidence_penalty": {"beta": 0},
    "max_norm": {"max_value": 100},
    "gradient_clipping": {"max_norm": 1e6},
    "gradient_noise": {"eta": 0},
    "flip_crop": {"padding": 0, "flip": False},
    "cutout": {"length": 0},
    "random_erasing": {"p": 0},
    "mixup": {"alpha": 0},
    "manifold_mixup": {"alpha": 0},
    "cutmix": {"prob": 0},
    "gaussian_noise": {"sigma": 0},
    "label_smoothing": {"smoothing": 0},
    "bootstrapping": {"beta": 1},
    "sam": {"rho": 0},
    "test_time_augmentation": {"below": 0},
}


def test_the_techniques_that_can_be_off_by_their_settings_are_these():
    assert {key: CATALOGUE[key].off for key in OFF} == OFF


@every
def test_it_has_a_file_and_once_it_is_listed_a_test_file_of_its_own(key):
    """The file alone makes a technique; whoever adds it to the documents has tested it."""
    assert (ROOT / "reglab" / "regularizers" / f"{key}.py").is_file()
    listed = f"| `{flag(key)}` |" in (ROOT / "docs" / "regularizers.md").read_text("utf-8")
    assert (ROOT / "tests" / "regularizers" / f"test_{key}.py").is_file() or not listed


def trained_the_same(one: list, other: list) -> bool:
    """The same events but for a penalty of zero, and the same weights."""
    weights = [{k: v for k, v in bytes_.items() if not k.startswith("memory/")} for _, bytes_ in (one, other)]
    return one[0] == other[0] and weights[0] == weights[1]


@every_trainable
def test_in_eval_mode_nothing_random_is_left(key):
    network = models.build(config_with(key).spec(10)).eval()
    torch.manual_seed(1)
    first = network(batch(4))
    torch.manual_seed(2)
    assert torch.equal(first, network(batch(4)))
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in network.state_dict().items())


@every_trainable
def test_what_only_drops_is_the_plain_network_in_eval_mode(key):
    """Where a technique adds layers without weights, and the weights are the same, so is every answer to the image itself."""
    config = config_with(key)
    specs = [c.spec(10) for c in (config, config.plain())]
    networks = []
    for spec in specs:
        torch.manual_seed(0)
        networks.append(models.build(spec).eval())
    shapes, plain_shapes = ([v.shape for v in network.state_dict().values()] for network in networks)
    assert (shapes == plain_shapes) == specs[0].has_weights_of(specs[1])
    if shapes == plain_shapes:
        with single_view(networks[0]):
            assert torch.equal(networks[0](batch(4)), networks[1](batch(4)))


# ---- stopping and resuming ---------------------------------------------------------------------------------------
@cache
def whole_story(key: str) -> list:
    """What a run says that nobody stops; trained once for all places to stop at."""
    return story(config_with(key, epochs=3), make_split())


@every_trainable
@pytest.mark.parametrize("steps", [pytest.param(2, marks=pytest.mark.slow), 7])
def test_stopped_after_some_steps_and_resumed_it_comes_to_the_same_bytes(key, steps, tiny_split):
    config = config_with(key, epochs=3)
    whole, taken = whole_story(key), []
    history, best, state = [], {}, None
    for event in train(config, tiny_split, stop=lambda: len(taken) >= steps):
        if isinstance(event, Step):
            taken.append(event)
        elif isinstance(event, Epoch):
            history.append(event)
        elif isinstance(event, Best):
            best = {k: v.clone() for k, v in event.weights.items()}
        elif isinstance(event, Snapshot):
            state = event.state, {k: v.detach().clone() for k, v in event.tensors.items()}
    told, tensors = story(config, tiny_split, Resume(*state, history, best))
    assert tensors == whole[1]
    assert [e.to_json() for e in history] + [e for e in told if e["event"] == "epoch"] == [
        e for e in whole[0] if e["event"] == "epoch"
    ]
    assert told[-1] == whole[0][-1]


# ---- said on the screen, on the command line and in JSON ---------------------------------------------------------
@st.composite
def any_settings(draw) -> dict:
    """One technique with settings of which some are not the usual ones."""
    key = draw(st.sampled_from(TRAINABLE))
    chosen = {}
    for name, info in CATALOGUE[key].model_fields.items():
        extra = info.json_schema_extra or {}
        if "slider" in extra and draw(st.booleans()):
            low, high, *step = extra["slider"]
            if step:
                value = low + step[0] * draw(st.integers(0, round((high - low) / step[0])))
            else:  # by ratios
                value = low * (high / low) ** draw(st.floats(0, 1))
            chosen[name] = round(value) if info.annotation is int else float(f"{value:.6g}")
        elif info.annotation is bool:
            chosen[name] = draw(st.booleans())
    return {key: chosen}


@cache
def controls() -> Controls:
    return Controls(RunConfig())


@given(chosen=any_settings())
@settings(max_examples=100, deadline=None)
def test_settings_make_the_round_trip_through_json_the_command_line_and_the_screen(chosen):
    key = next(iter(chosen))
    config = RunConfig.parse({"model": config_with(key).model, "train_size": 1000, "regularizers": chosen})
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    args = build_parser().parse_args(["train", *config.flags()])
    assert RunConfig().override(config_values(args)) == config
    assert RunConfig.parse(controls().config_values(controls().filled(config))) == config


@every
def test_who_changes_or_mixes_images_is_refused_where_there_are_only_features(key):
    """By what it overrides; of those that mix, mixup says that features will do as well."""
    technique = CATALOGUE[key]
    acts = bool(overriding([technique()], "augment"))
    assert technique.needs_images or not acts
    frozen = {"model": "timm/tf_efficientnet_lite0", "pretrained": True, "regularizers": {key: True}}
    if technique.needs_images:
        with pytest.raises(
            ConfigError, match=rf"^{key} changes pictures, but .*: use finetune .*, or switch it off\.$"
        ):
            RunConfig.parse(frozen)
        assert RunConfig.parse({**frozen, "finetune": "all"}).regularizers


def test_who_overrides_mix_needs_images_unless_it_says_otherwise():
    class Mixes(Regularizer):
        def mix(self, images, targets, rng):
            return images, targets

    class MixesAnything(Mixes):
        needs_images = False

    assert Mixes.needs_images and not MixesAnything.needs_images and not Regularizer.needs_images


@pytest.mark.parametrize("key", sorted(set(CATALOGUE) - set(TRAINABLE)))
def test_what_needs_a_pretrained_network_is_refused_with_the_way_out(key):
    with pytest.raises(ConfigError, match=rf"^{key} .* basic_cnn .*: .*switch it off\.$"):
        RunConfig.parse({"regularizers": {key: True}})
