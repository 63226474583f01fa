"""Ioffe and Szegedy 2015: with batch normalization a network needs fewer steps."""

from __future__ import annotations

from reglab.experiments.publications.publication import Claim, Publication, Recipe, Row

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
