"""DeVries and Taylor 2017: cutout on ResNet-18."""

from __future__ import annotations

from typing import Any

from reglab.experiments.publications.publication import Claim, Publication, Recipe, Row
from reglab.experiments.publications.recipes import RESNET

# torch's coupled weight decay of 5e-4, on every parameter, is half of that as an L2 penalty.
COUPLED: dict[str, Any] = {
    "weight_decay.mode": "l2",
    "weight_decay.strength": 2.5e-4,
    "weight_decay.norm_and_bias": True,
}

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
