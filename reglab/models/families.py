"""Which networks there are, and what each has room for. A new family is one file in this folder and one line in MODELS."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields

from reglab.errors import ConfigError, setting
from reglab.models import pretrained
from reglab.models.spec import ModelSpec

# What a network may have room for: fields of ModelSpec, and how to say that there is no such place.
PLACES = {
    "norm": "layers to normalize",
    "dropout": f"units before the classifier for {setting('dropout')} to switch off",
    "spatial_dropout": f"feature maps for {setting('spatial_dropout')} to switch off",
    "dropblock": f"feature maps for {setting('dropblock')} to hide squares of",
    "stochastic_depth": f"residual branches for {setting('stochastic_depth')} to drop",
}
ANYWHERE = frozenset(PLACES)
EVERYWHERE = ANYWHERE - {"stochastic_depth"}
TIMM = frozenset({"dropout"})  # what every network of timm has room for


@dataclass(frozen=True)
class Family:
    """What is known of a network before it is built."""

    title: str
    about: str
    module: str  # the file in this folder, which has `build(spec) -> nn.Module`
    places: frozenset[str] = EVERYWHERE  # which of PLACES this network has
    batch_norm: bool = False  # whether it has batch normalization that nobody asked for
    init: str = "he"  # what its weights usually begin with
    depthwise: bool = False  # whether it has depthwise convolutions, which a CPU computes faster in fp32 than in bf16


MODELS: dict[str, Family] = {
    known.title: known
    for known in (
        Family(
            "basic_cnn", "six convolutions in three blocks and two dense layers, 0.55 M weights", "basic", init="glorot"
        ),
        Family("resnet20", "the CIFAR residual network of He et al. 2016, 0.27 M weights", "resnet", ANYWHERE),
        Family("resnet18", "ResNet-18 with a first layer for small pictures, 11.2 M weights", "resnet", ANYWHERE),
        Family("vgg11", "eight 3x3 convolutions of Simonyan and Zisserman 2015, 9.2 M weights", "vgg"),
        Family("vgg16", "thirteen 3x3 convolutions of Simonyan and Zisserman 2015, 14.7 M weights", "vgg"),
        Family("inception_small", "the small Inception of Zhang et al. 2017, 1.65 M weights", "inception"),
        Family("alexnet_small", "the small AlexNet of Zhang et al. 2017, 1.39 M weights", "alexnet"),
        Family("speed_cnn", "made for the shortest time to 94 %, after Jordan 2024, 1.97 M weights", "speed"),
    )
}


def family(name: str) -> Family:
    """The lab's own network of that name, or the one that timm has for `timm/NAME`.

    Raises `ConfigError` with a suggestion when there is no such network.
    """
    if pretrained.is_timm(name):
        known = pretrained.known(name)
        places = TIMM | {"stochastic_depth"} if known.branches else TIMM
        return Family(name, known.about, "pretrained", places, known.batch_norm, "own", known.depthwise)
    if name not in MODELS:
        near = difflib.get_close_matches(name, [*MODELS, *pretrained.OFFERED], n=1)
        if pretrained.PREFIX + name in pretrained.OFFERED:
            near = [pretrained.PREFIX + name]
        instead = f"did you mean {near[0]}?" if near else f"choose from {', '.join(MODELS)}, or timm/NAME."
        raise ConfigError(f"There is no network called {name[:80]!r}: {instead}", ["model"])
    return MODELS[name]


def is_batch_normalized(spec: ModelSpec) -> bool:
    """Whether layers that are trained are normalised by the batch, on their own or because the spec says so.

    Then a batch needs two images: one alone has no statistics. A frozen backbone keeps those it was trained with.
    """
    return spec.norm == "batch" or (family(spec.name).batch_norm and not spec.head_only)


def check(spec: ModelSpec) -> None:
    """Raises `ConfigError` when the spec asks for something the network cannot do."""
    here = family(spec.name)
    timm = pretrained.is_timm(spec.name)
    if timm:
        check_timm(spec)
    elif spec.pretrained:
        instead = next((n for n in pretrained.OFFERED if n.startswith(pretrained.PREFIX + spec.name)), "timm/resnet18")
        raise ConfigError(
            f"{spec.name} was asked for with pretrained weights, but it is the lab's own network for 32 x 32 pixels,"
            f" which is trained from scratch: choose {instead}, or switch {setting('pretrained')} off."
        )
    elif spec.side is not None:
        raise ConfigError(f"{spec.name} sees pictures as they are, 32 x 32 pixels: leave the side out.", ["side"])
    if spec.init and timm != (spec.init == "own"):
        instead = "leave the initialization out" if timm else f"choose he, glorot or torch; usual is {here.init}"
        raise ConfigError(f"{spec.name} cannot begin with the initialization {spec.init}: {instead}.", ["init"])
    for f in fields(spec):
        if f.name in PLACES and f.name not in here.places and getattr(spec, f.name) != f.default:
            able = [] if timm else [name for name, other in MODELS.items() if f.name in other.places]
            instead = f"choose {' or '.join(able)}, or switch it off." if able else "switch it off."
            asker = f"{spec.norm}_norm" if f.name == "norm" else f.name
            raise ConfigError(f"{spec.name} has no {PLACES[f.name]}: {instead}", [asker])


def check_timm(spec: ModelSpec) -> None:
    """What a network of timm cannot do, beside what it has no place for. Raises `ConfigError`."""
    pretrained.side_of(spec.name, spec.side)
    if spec.width != 1:
        raise ConfigError(f"{spec.name} comes from timm with the width it has: leave the width out.", ["width"])
    if spec.norm != "none":
        raise ConfigError(
            f"{spec.name} comes from timm with the normalization it has: switch {setting(f'{spec.norm}_norm')} off,"
            " or choose a network of the lab."
        )
    if spec.spectral_norm:
        raise ConfigError(f"{setting('spectral_norm')} would undo what {spec.name} has learned: switch it off.")
    if spec.head_only and spec.stochastic_depth:
        raise ConfigError(
            f"{setting('stochastic_depth')} was asked for, but the branches of a frozen backbone always stay:"
            f" use {setting('finetune')} head_then_all or all, or switch it off."
        )
