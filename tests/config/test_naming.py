"""What a run is called that nobody has named, and titles inside a sentence."""

from __future__ import annotations

import pytest

from reglab.config import RunConfig, described
from reglab.regularizers import CATALOGUE, lowered


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (
            {"train_size": 5000, "regularizers": {"dropout": {"rate": 0.3}, "batch_norm": True}},
            "basic_cnn, batch norm + dropout 0.3, 5,000 images",
        ),
        (
            {"dataset": "digits", "train_size": 300, "label_noise": 0.3, "seed": 2},
            "basic_cnn, plain, 300 images of Digits, 30 % wrong labels, seed 2",
        ),
        (
            {"regularizers": {"mixup": {"alpha": 0.4}, "l1": True}},
            "basic_cnn, L1 penalty 1e-05 + mixup 0.4, all images",
        ),
        (
            {
                "train_size": 500,
                "regularizers": dict.fromkeys(("dropout", "sam", "cutmix", "ema", "weight_decay"), True),
            },
            "basic_cnn, dropout 0.3 + weight decay + CutMix 1 + 2 more, 500 images",
        ),
        (
            {"regularizers": {"flip_crop": {"padding": 2, "flip": False, "alternate": True, "reflect": True}}},
            "basic_cnn, flip and crop 2 no flip alternate reflect, all images",
        ),
    ],
)
def test_a_run_is_called_by_what_it_is(asked, name):
    assert described(RunConfig.parse(asked)) == name


def test_a_fork_says_from_which_epoch_on():
    fork = RunConfig.parse({"dataset": "digits", "epochs": 8}).forked(3, {"dropout": True})
    assert described(fork) == "basic_cnn, dropout 0.3 from epoch 4 on, all images of Digits"


def test_titles_keep_the_capitals_that_belong_to_them():
    told = {lowered(technique.title) for technique in CATALOGUE.values()}
    assert {"batch normalization", "CutMix", "SAM", "L1 penalty", "Gaussian noise", "flip and crop"} <= told
