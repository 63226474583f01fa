"""Parts of recipes that more than one publication trains by."""

from __future__ import annotations

from typing import Any

RESNET: dict[str, Any] = {
    "optimizer": "sgd",
    "schedule": "cosine",
    "batch_size": 128,
    "batch_norm": True,
    "flip_crop": True,
}
# torch's coupled weight decay of 1e-4, on every parameter, is half of that as an L2 penalty.
COUPLED_1E_4: dict[str, Any] = {
    "weight_decay.mode": "l2",
    "weight_decay.strength": 5e-5,
    "weight_decay.norm_and_bias": True,
}
# For 94 % on CIFAR-10 in 16 minutes of two cores; how near it comes, and what each part is worth, benchmarks/speed.py measures.
# Every image held out is one less to learn from: as few as the curves need, since nothing is chosen by them.
SPEED: dict[str, Any] = {
    "model": "speed_cnn",
    "val_size": 500,
    "judged_size": 500,
    "epochs": 13,
    "batch_size": 500,
    "optimizer": "muon",
    "lr": 0.02,
    "schedule": "cosine",
    "batch_norm": True,
    "weight_decay.strength": 1.0,
    "flip_crop.padding": 2,
    "flip_crop.alternate": True,
    "flip_crop.reflect": True,
    "label_smoothing.smoothing": 0.2,
    "test_time_augmentation.below": 0.75,
}
