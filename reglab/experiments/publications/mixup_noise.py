"""Zhang et al. 2018: mixup where labels are wrong."""

from __future__ import annotations

from reglab.experiments.publications.publication import Claim, Publication, Recipe, Row
from reglab.experiments.publications.recipes import COUPLED_1E_4, RESNET


def _noisy_rows(share: int, erm: tuple[float, float], alpha: float, mixup: tuple[float, float]) -> tuple[Row, ...]:
    wrong = {"label_noise": share / 100}
    return tuple(
        Row(f"{share} % wrong, {name}", "resnet18", wrong | changes, {"best_error": best, "error": last})
        for name, changes, (best, last) in (("plain", {}, erm), ("mixup", {"mixup.alpha": alpha}, mixup))
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
        "CIFAR-10 with noisy labels, PreActResNet-18, 200 epochs, mixup with alpha 8 where 20 % of them are wrong and 32"
        " where 50 or 80 % are; the test errors of the best and of the last epoch."
    ),
    here=(
        "The lab's ResNet-18 stands in for the pre-activation one. A wrong label is always another class. The best epoch is"
        " chosen by 1,000 held-out images with true labels, never by the test images, and the rest of the recipe is usual for"
        " such a network."
    ),
    rows=(
        *_noisy_rows(20, (12.7, 16.6), 8, (5.9, 6.4)),
        *_noisy_rows(50, (18.8, 44.6), 32, (11.3, 12.7)),
        *_noisy_rows(80, (36.5, 73.9), 32, (25.3, 30.9)),
    ),
    claims=(*_noisy_claims(20), *_noisy_claims(50), *_noisy_claims(80)),
    full=Recipe(
        {"resnet18": RESNET | COUPLED_1E_4 | {"model": "resnet18", "lr": 0.1, "epochs": 200, "val_size": 1_000}},
        seeds=3,
    ),
    budget=Recipe(
        {
            "resnet18": RESNET
            | COUPLED_1E_4
            | {"model": "resnet18", "width": 0.25, "lr": 0.1, "epochs": 30, "train_size": 3_000, "val_size": 500}
        },
        seeds=3,
        gives_up=(
            "3,000 images instead of 49,000, a quarter of the channels and 30 epochs: too few to learn every wrong label by"
            " heart, so there is less for mixup to prevent."
        ),
    ),
)
