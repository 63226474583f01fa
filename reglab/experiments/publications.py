"""Published results that this lab can try to repeat: what was measured, where we read it, what it claims, and two recipes.

A publication is a table of rows. Each row says what is trained and what its authors measured; a claim says what the table
is cited for, as bounds that a number, or the difference of two rows, must keep to. The full recipe comes as near to the
authors' as this lab can; the budget recipe shrinks it until two cores do it in an hour or two, and says what that gives up.
Only numbers that were read in the authors' own repository or text ("verified"), or in transcriptions of it ("secondary"),
stand here. `reproduce.py` judges runs by them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.teaching.lessons import Outcome

STATUS = {
    "verified": "The numbers were read in the authors' own text or repository.",
    "secondary": "The numbers were read in somebody's transcription of the paper, not in the paper itself.",
}
RECIPES = {"budget": "on a budget", "full": "in full"}


# ---- what is measured --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Measure:
    """A number of one run, in percent; a relative one compares it with the run of the first row with the same seed."""

    title: str
    of: Callable[[Outcome, Outcome], float]
    relative: bool = False


def steps(own: Outcome, first: Outcome) -> float:
    """Steps until validation is where the first row's network has its best, as a share of those which that one took.

    A run that never gets there counts with all its steps, so this is a lower bound then.
    """
    target = max(e.val_accuracy for e in first.history)

    def took(run: Outcome) -> int:
        return next((e.step for e in run.history if e.val_accuracy >= target), run.last.step)

    return 100 * took(own) / max(took(first), 1)


MEASURES = {
    "test": Measure("test accuracy", lambda own, _: 100 * own.test),
    "error": Measure("test error", lambda own, _: 100 - 100 * own.test),
    "best_error": Measure(
        "test error at the best epoch", lambda own, _: 100 - 100 * float(own.summary["best"]["test_accuracy"])
    ),
    "fit": Measure("training accuracy", lambda own, _: 100 * own.fit),
    "ece": Measure("calibration error", lambda own, _: 100 * float(own.summary["last"]["ece"])),
    "steps": Measure("steps it takes", steps, relative=True),
}


# ---- a publication -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """One line of the table: a network of the recipe, what is changed for this line, and measure -> published percent."""

    name: str
    network: str
    changes: Mapping[str, Any]
    published: Mapping[str, float]


@dataclass(frozen=True)
class Claim:
    """What the table is cited for: a measure of `row`, or by how much it exceeds `against`, lies between two bounds."""

    sentence: str
    measure: str
    row: str
    against: str = ""
    low: float = -inf
    high: float = inf


@dataclass(frozen=True)
class Recipe:
    """How to train: for each network the dotted changes of the usual run, the seeds, and what it gives up."""

    networks: Mapping[str, Mapping[str, Any]]
    seeds: int
    gives_up: str = ""


@dataclass(frozen=True)
class Publication:
    key: str
    title: str
    paper: str
    read: str  # where the numbers were read
    status: str  # of STATUS
    setting: str  # what the authors did, as far as that was read
    here: str  # what this lab does otherwise
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    full: Recipe
    budget: Recipe
    elsewhere: str = ""  # why even the full recipe cannot be compared by the number; "": it can
    measures: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        named = [measure for row in self.rows for measure in row.published] + [claim.measure for claim in self.claims]
        object.__setattr__(self, "measures", tuple(dict.fromkeys(named)))

    def recipe(self, name: str) -> Recipe:
        return {"full": self.full, "budget": self.budget}[name]

    def cells(self, recipe: str) -> dict[str, RunConfig]:
        """Row -> its config with seed 0. Raises `ConfigError`."""
        networks = self.recipe(recipe).networks
        return {row.name: RunConfig().override({**networks[row.network], **row.changes}) for row in self.rows}

    def configs(self, recipe: str, seeds: int | None = None) -> list[RunConfig]:
        """Every row with the first seed before any with the second. Raises `ConfigError`."""
        seeds = self.recipe(recipe).seeds if seeds is None else seeds
        if seeds < 1:
            raise ConfigError(f"{seeds} seeds were asked for: a run needs one, an interval at least two.")
        cells = self.cells(recipe).values()
        return [cell.model_copy(update={"seed": seed}) for seed in range(seeds) for cell in cells]

    def commands(self, recipe: str) -> dict[str, str]:
        """Row -> the command that trains it with seed 0."""
        return {row: cell.command() for row, cell in self.cells(recipe).items()}

    def group(self, recipe: str) -> str:
        """The group of its runs: more seeds go into the same one, and runs of an older recipe are told by their config."""
        return f"{self.key}-{recipe}"


def publication(key: str) -> Publication:
    """The publication of that name. Raises `ConfigError`."""
    if key not in PUBLICATIONS:
        near = difflib.get_close_matches(str(key), PUBLICATIONS, n=1)
        instead = f"did you mean {near[0]}?" if near else f"choose from {', '.join(PUBLICATIONS)}."
        raise ConfigError(f"There is no publication called {str(key)[:80]!r}: {instead}")
    return PUBLICATIONS[key]


# ---- Zhang et al. 2017 -------------------------------------------------------------------------------------------
# The networks crop the middle 28 x 28 pixels, so that a shift by up to 2 is a random crop of 28 x 28 without any border.
CROP: dict[str, Any] = {"flip_crop.padding": 2, "flip_crop.flip": False}
DECAY: dict[str, Any] = {"weight_decay.mode": "l2", "weight_decay.strength": 5e-4}
RANDOM: dict[str, Any] = {
    "label_noise": 0.9
}  # replaced by one of the nine others: then all ten classes are equally likely
SGD: dict[str, Any] = {"optimizer": "sgd", "schedule": "cosine", "batch_size": 128}


def _zhang_rows(name: str, network: str, accuracies: tuple[float, ...], fit: float) -> tuple[Row, ...]:
    changes: dict[str, dict[str, Any]] = {
        "crop and weight decay": CROP | DECAY,
        "crop": CROP,
        "weight decay": DECAY,
        "neither": {},
    }
    told = [
        Row(f"{name}, {what}", network, changed, {"test": accuracy})
        for (what, changed), accuracy in zip(changes.items(), accuracies, strict=False)
    ]
    return (*told, Row(f"{name}, random labels", network, RANDOM, {"test": accuracies[-1], "fit": fit}))


def _zhang_claims(name: str) -> tuple[Claim, ...]:
    """Differences of less than two points are published without a spread, so nothing is claimed of them."""
    return (
        Claim(f"{name} can learn random labels by heart", "fit", f"{name}, random labels", low=99),
        Claim(
            f"{name}, which could learn anything by heart, generalises without crop or weight decay all the same",
            "test",
            f"{name}, neither",
            f"{name}, random labels",
            low=0,
        ),
        Claim(f"Random crops help {name}", "test", f"{name}, crop", f"{name}, neither", low=0),
        Claim(
            f"Random crops help {name} more than weight decay does",
            "test",
            f"{name}, crop",
            f"{name}, weight decay",
            low=0,
        ),
    )


ZHANG = Publication(
    key="zhang2017",
    title="Random labels, and what regularization is needed for",
    paper="Zhang et al. 2017, Understanding deep learning requires rethinking generalization, arXiv:1611.03530",
    read="table 1, in two transcriptions that agree",
    status="secondary",
    setting=(
        "CIFAR-10 with a small Inception (1,649,402 weights, batch normalization) and a small AlexNet (1,387,786), trained"
        " with SGD and momentum 0.9: with random crops and weight decay, with either, with neither, and on random labels."
    ),
    here=(
        "The learning rate falls along half a cosine instead of exponentially, the momentum is Nesterov's, and weight decay"
        " is an L2 penalty of 0.0005, since what we read does not give the paper's. 90 % of the labels are replaced by one"
        " of the nine other classes, which makes all ten equally likely."
    ),
    rows=(
        *_zhang_rows("Inception", "inception", (89.05, 89.31, 86.03, 85.75, 9.78), 100.0),
        *_zhang_rows("AlexNet", "alexnet", (81.22, 79.66, 77.36, 76.07, 9.86), 99.82),
    ),
    claims=(*_zhang_claims("Inception"), *_zhang_claims("AlexNet")),
    full=Recipe(
        {
            "inception": SGD
            | {"model": "inception_small", "batch_norm": True, "lr": 0.1, "epochs": 100, "val_size": 1_000},
            "alexnet": SGD | {"model": "alexnet_small", "lr": 0.01, "epochs": 100, "val_size": 1_000},
        },
        seeds=3,
    ),
    budget=Recipe(
        {
            "inception": SGD
            | {"model": "inception_small", "batch_norm": True, "lr": 0.1, "width": 0.25, "batch_size": 64}
            | {"epochs": 34, "train_size": 2_000, "val_size": 100},
            "alexnet": SGD
            | {"model": "alexnet_small", "lr": 0.01, "width": 0.5, "batch_size": 32}
            | {"epochs": 30, "train_size": 2_000, "val_size": 100},
        },
        seeds=4,
        gives_up=(
            "2,000 images instead of 49,000, a quarter of Inception's and half of AlexNet's channels, about 30 epochs: accuracies"
            " end far below the published ones, so only what helps and what does not can be compared."
        ),
    ),
)


# ---- DeVries and Taylor 2017 -------------------------------------------------------------------------------------
# torch's coupled weight decay of 5e-4, on every parameter, is half of that as an L2 penalty.
RESNET = {"optimizer": "sgd", "schedule": "cosine", "batch_size": 128, "batch_norm": True, "flip_crop": True}
COUPLED = {"weight_decay.mode": "l2", "weight_decay.strength": 2.5e-4, "weight_decay.norm_and_bias": True}

CUTOUT = Publication(
    key="cutout",
    title="Cutout on ResNet-18",
    paper="DeVries and Taylor 2017, Improved regularization of CNNs with cutout, arXiv:1708.04552",
    read="the authors' repository, uoguelph-mlrg/Cutout",
    status="verified",
    setting=(
        "CIFAR-10, ResNet-18, flipped and shifted images, squares of 16 pixels, 200 epochs in batches of 128 from a learning"
        " rate of 0.1 with weight decay 0.0005; the mean of 5 runs."
    ),
    here=(
        "The learning rate falls along half a cosine instead of in three steps, and 1,000 training images are held out."
    ),
    rows=(
        Row("flip and crop", "resnet18", {}, {"error": 4.72}),
        Row("flip, crop and cutout", "resnet18", {"cutout.length": 16}, {"error": 3.99}),
    ),
    claims=(Claim("Cutout lowers the test error", "error", "flip, crop and cutout", "flip and crop", high=0),),
    full=Recipe(
        {"resnet18": RESNET | COUPLED | {"model": "resnet18", "lr": 0.1, "epochs": 200, "val_size": 1_000}}, seeds=5
    ),
    budget=Recipe(
        {
            "resnet18": RESNET
            | COUPLED
            | {"model": "resnet18", "width": 0.25, "lr": 0.1, "epochs": 40, "train_size": 5_000, "val_size": 500}
        },
        seeds=3,
        gives_up=(
            "5,000 images instead of 49,000, a quarter of the channels, a fifth of the epochs and two of the seeds: errors end"
            " far higher, and covering part of the image may cost more than it teaches in so short a time."
        ),
    ),
)


# ---- Zhang et al. 2018 -------------------------------------------------------------------------------------------
def _noisy_rows(share: int, erm: tuple[float, float], mixup: tuple[float, float]) -> tuple[Row, ...]:
    wrong = {"label_noise": share / 100}
    return tuple(
        Row(f"{share} % wrong, {name}", "resnet18", wrong | changes, {"best_error": best, "error": last})
        for name, changes, (best, last) in (("plain", {}, erm), ("mixup", {"mixup.alpha": 8}, mixup))
    )


def _noisy_claims(share: int) -> tuple[Claim, ...]:
    plain, mixup = f"{share} % wrong, plain", f"{share} % wrong, mixup"
    words = f"With {share} % of the labels wrong mixup lowers the test error"
    return (
        Claim(f"{words} of the last epoch", "error", mixup, plain, high=0),
        Claim(f"{words} of the best epoch", "best_error", mixup, plain, high=0),
    )


MIXUP = Publication(
    key="mixup_noise",
    title="Mixup under label noise",
    paper="Zhang et al. 2018, mixup: beyond empirical risk minimization, arXiv:1710.09412",
    read="table 2, in a transcription",
    status="secondary",
    setting=(
        "CIFAR-10 with noisy labels, PreActResNet-18, 200 epochs, mixup with alpha 8; the test errors of the best and of the"
        " last epoch."
    ),
    here=(
        "The lab's ResNet-18 stands in for the pre-activation one. A wrong label is always another class. The best epoch is"
        " chosen by 1,000 held-out images with true labels, never by the test images, and the rest of the recipe is usual for"
        " such a network."
    ),
    rows=(
        *_noisy_rows(20, (12.7, 16.6), (5.9, 6.4)),
        *_noisy_rows(50, (18.8, 44.6), (11.3, 12.7)),
        *_noisy_rows(80, (36.5, 73.9), (25.3, 30.9)),
    ),
    claims=(*_noisy_claims(20), *_noisy_claims(50), *_noisy_claims(80)),
    full=Recipe(
        {
            "resnet18": RESNET
            | {"weight_decay.mode": "l2", "weight_decay.strength": 5e-5, "weight_decay.norm_and_bias": True}
            | {"model": "resnet18", "lr": 0.1, "epochs": 200, "val_size": 1_000}
        },
        seeds=3,
    ),
    budget=Recipe(
        {
            "resnet18": RESNET
            | {"weight_decay.mode": "l2", "weight_decay.strength": 5e-5, "weight_decay.norm_and_bias": True}
            | {"model": "resnet18", "width": 0.25, "lr": 0.1, "epochs": 30, "train_size": 3_000, "val_size": 500}
        },
        seeds=3,
        gives_up=(
            "3,000 images instead of 49,000, a quarter of the channels and 30 epochs: too few to learn every wrong label by"
            " heart, so there is less for mixup to prevent."
        ),
    ),
)


# ---- Müller et al. 2019 ------------------------------------------------------------------------------------------
SMOOTHING = Publication(
    key="label_smoothing",
    title="Label smoothing: no more accuracy, better calibration",
    paper="Müller et al. 2019, When does label smoothing help?, arXiv:1906.02629",
    read="tables 2 and 3, in the text of the paper",
    status="verified",
    setting=(
        "CIFAR-10 with an AlexNet: 86.8 ± 0.2 % of the test images right with hard labels, 86.7 ± 0.3 % with smoothing of 0.1."
        " On CIFAR-100 smoothing of 0.05 lowered a ResNet-56's calibration error from 15.0 to 2.4 %."
    ),
    here=(
        "The small AlexNet of Zhang et al. 2017 stands in for theirs, on flipped and shifted images. Calibration is measured"
        " on the same networks, not on CIFAR-100."
    ),
    rows=(
        Row("hard labels", "alexnet", {}, {"test": 86.8}),
        Row("smoothing 0.1", "alexnet", {"label_smoothing.smoothing": 0.1}, {"test": 86.7}),
    ),
    claims=(
        Claim(
            "Label smoothing changes the accuracy by less than a point",
            "test",
            "smoothing 0.1",
            "hard labels",
            low=-1,
            high=1,
        ),
        Claim("Label smoothing lowers the calibration error", "ece", "smoothing 0.1", "hard labels", high=0),
    ),
    full=Recipe(
        {
            "alexnet": {"model": "alexnet_small", "optimizer": "sgd", "schedule": "cosine", "lr": 0.01}
            | {"flip_crop": True, "weight_decay.mode": "l2", "epochs": 200, "val_size": 1_000}
        },
        seeds=5,
    ),
    budget=Recipe(
        {
            "alexnet": {"model": "alexnet_small", "optimizer": "sgd", "schedule": "cosine", "lr": 0.01, "width": 0.5}
            | {"weight_decay.mode": "l2", "epochs": 30, "train_size": 5_000, "val_size": 500, "batch_size": 32}
        },
        seeds=5,
        gives_up=(
            "5,000 images instead of 49,000, neither flipped nor shifted, half of the channels, 30 epochs: the accuracy ends"
            " far lower."
        ),
    ),
    elsewhere="it is not known to be the same network",
)


# ---- Ioffe and Szegedy 2015 --------------------------------------------------------------------------------------
STEPS = {"without": 31.0, "batch normalization": 13.3, "5 x rate": 2.1, "30 x rate": 2.7}  # millions of steps

BATCH_NORM = Publication(
    key="batch_norm_speed",
    title="Batch normalization needs fewer steps",
    paper=(
        "Ioffe and Szegedy 2015, Batch normalization: accelerating deep network training by reducing internal covariate"
        " shift, arXiv:1502.03167"
    ),
    read="figure 3, in two transcriptions that agree",
    status="secondary",
    setting=(
        "ImageNet with Inception: steps until its best accuracy without batch normalization, 72.2 %: 31.0 million without it,"
        " 13.3 million with it, 2.1 and 2.7 million at 5 and 30 times the learning rate. Told here as shares of the first."
    ),
    here=(
        "CIFAR-10 with a small Inception, at a constant learning rate of 0.01. The steps are those until validation accuracy"
        " is where the network without batch normalization has its best; a run that never gets there counts with all of its own."
    ),
    rows=tuple(
        Row(name, "inception", changes, {"steps": round(100 * STEPS[name] / STEPS["without"], 1)})
        for name, changes in (
            ("without", {}),
            ("batch normalization", {"batch_norm": True}),
            ("5 x rate", {"batch_norm": True, "lr": 0.05}),
            ("30 x rate", {"batch_norm": True, "lr": 0.3}),
        )
    ),
    claims=(
        Claim("With batch normalization it takes fewer steps", "steps", "batch normalization", "without", high=0),
        Claim(
            "With batch normalization and 5 times the rate it takes fewer still",
            "steps",
            "5 x rate",
            "batch normalization",
            high=0,
        ),
    ),
    full=Recipe(
        {
            "inception": {"model": "inception_small", "optimizer": "sgd", "schedule": "constant", "lr": 0.01}
            | {"epochs": 60, "val_size": 2_000}
        },
        seeds=3,
    ),
    budget=Recipe(
        {
            "inception": {"model": "inception_small", "optimizer": "sgd", "schedule": "constant", "lr": 0.01}
            | {"width": 0.25, "epochs": 20, "train_size": 5_000, "val_size": 2_000, "batch_size": 64}
        },
        seeds=3,
        gives_up="5,000 images instead of 48,000, a quarter of the channels, and a third of the epochs.",
    ),
    elsewhere="they are of ImageNet",
)


# ---- He et al. 2016 ----------------------------------------------------------------------------------------------
RESNET20 = Publication(
    key="resnet20",
    title="ResNet-20 on CIFAR-10",
    paper="He et al. 2016, Deep residual learning for image recognition, arXiv:1512.03385",
    read="the README of akamaster/pytorch_resnet_cifar10, beside that repository's own 8.27 %",
    status="verified",
    setting=(
        "CIFAR-10, 20 layers and 0.27 million weights, flipped and shifted images; that repository trains 200 epochs in"
        " batches of 128 from a learning rate of 0.1, with weight decay 0.0001."
    ),
    here="The learning rate falls along half a cosine instead of in two steps, and 1,000 training images are held out.",
    rows=(Row("ResNet-20", "resnet20", {}, {"error": 8.75}),),
    claims=(Claim("With 0.27 million weights fewer than one image in ten is wrong", "error", "ResNet-20", high=10),),
    full=Recipe(
        {
            "resnet20": RESNET
            | {"weight_decay.mode": "l2", "weight_decay.strength": 5e-5, "weight_decay.norm_and_bias": True}
            | {"model": "resnet20", "lr": 0.1, "epochs": 200, "val_size": 1_000}
        },
        seeds=3,
    ),
    budget=Recipe(
        {
            "resnet20": RESNET
            | {"weight_decay.mode": "l2", "weight_decay.strength": 5e-5, "weight_decay.norm_and_bias": True}
            | {"model": "resnet20", "lr": 0.2, "schedule": "one_cycle", "epochs": 20, "val_size": 1_000}
        },
        seeds=3,
        gives_up="A tenth of the epochs, at twice the learning rate, which rises and falls once.",
    ),
)

PUBLICATIONS: dict[str, Publication] = {p.key: p for p in (ZHANG, CUTOUT, MIXUP, SMOOTHING, BATCH_NORM, RESNET20)}
