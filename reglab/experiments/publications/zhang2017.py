"""Zhang et al. 2017: a network can learn random labels by heart, and what regularization does beside that."""

from __future__ import annotations

from typing import Any

from reglab.experiments.publications.publication import Claim, Publication, Recipe, Row

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
            f"{name}, which could learn anything by heart, generalizes without crop or weight decay all the same",
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
