"""He et al. 2016: ResNet-20 on CIFAR-10."""

from __future__ import annotations

from reglab.experiments.publications.publication import Claim, Publication, Recipe, Row
from reglab.experiments.publications.recipes import COUPLED_1E_4, RESNET

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
        {"resnet20": RESNET | COUPLED_1E_4 | {"model": "resnet20", "lr": 0.1, "epochs": 200, "val_size": 1_000}},
        seeds=3,
    ),
    budget=Recipe(
        {
            "resnet20": RESNET
            | COUPLED_1E_4
            | {"model": "resnet20", "lr": 0.2, "schedule": "one_cycle", "epochs": 20, "val_size": 1_000}
        },
        seeds=3,
        gives_up="A tenth of the epochs, at twice the learning rate, which rises and falls once.",
    ),
)
