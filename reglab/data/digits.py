"""The digits that come with scikit-learn: a set that needs no network."""

from __future__ import annotations

import numpy as np

from reglab.data.sources import SIDE, SOURCES


def built_in_digits(pool: int = SOURCES["digits"].images) -> dict[str, np.ndarray]:
    """Scikit-learn's handwritten digits: 8 x 8 pixels of 0..16, enlarged to 32 x 32 of 0..255 with bicubic curves.

    They are the writer-independent test set of UCI's Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998),
    form after form, each filled in by one writer: 0 to 9 three times, and then about a hundred digits in an order that is
    the same on every form. By that order the labels show where a form begins: rows 0, 130, 256, 386, 516, 646, 776, 906,
    1029, 1157, 1287, 1415, 1545 and 1667 (UCI counts 13 writers, the labels show 14 forms). The pictures agree: for 54 %
    of them the nearest other picture of the same digit is on the same form, for at most 13 % of a form on any one other.

    The first `pool` are the pool: 1,287 on ten forms. The test set, for every seed, is the last four forms, so that it
    shows hands that training never saw. Validation is drawn from the pool picture by picture, so that it shows the hands
    of training: its accuracy is higher.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).clip(0, 255).astype(np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in grey]
    images = np.repeat(np.stack(large)[..., None], 3, axis=3)
    labels = digits.target.astype(np.int64)
    return {
        "images": images[:pool],
        "labels": labels[:pool],
        "test_images": images[pool:],
        "test_labels": labels[pool:],
    }
