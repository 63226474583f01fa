"""Jordan 2024: 94 % on CIFAR-10 in seconds of a GPU, and in minutes of two cores."""

from __future__ import annotations

from reglab.experiments.publications.publication import Claim, Publication, Recipe, Row
from reglab.experiments.publications.recipes import SPEED

SPEEDRUN = Publication(
    key="speed",
    title="94 % in minutes",
    paper="Jordan 2024, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498",
    read="the head of airbench94_muon.py in github.com/KellerJordan/cifar10-airbench",
    status="verified",
    setting=(
        "CIFAR-10, all 50,000 training images for 8 epochs in batches of 2,000: whitening, three blocks, Muon on the filters,"
        " mirror images in turn, shifts by 2 pixels, label smoothing of 0.2, six views of each test image. 94.01 % on average"
        " of 200 runs, 2.6 s each on an A100."
    ),
    here=(
        "49,500 images, since 500 are held out, for 13 epochs in batches of 500, which suit a CPU. What the filters do not"
        " have, AdamW moves; only images below 75 % are seen in six views."
    ),
    rows=(Row("speed_cnn", "speed_cnn", {}, {"test": 94.01}),),
    claims=(Claim("It reaches 94 % on average", "test", "speed_cnn", low=94.0),),
    full=Recipe({"speed_cnn": SPEED}, seeds=5),
    budget=Recipe(
        {"speed_cnn": SPEED | {"width": 0.5, "epochs": 6, "train_size": 10_000}},
        seeds=3,
        gives_up="10,000 images instead of 49,500, half of the channels and less than half of the epochs.",
    ),
)
