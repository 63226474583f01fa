"""The digits that come with scikit-learn: a set that needs no network."""

from __future__ import annotations

import numpy as np

from reglab.data.sources import SIDE, SOURCES


def built_in_digits() -> dict[str, np.ndarray]:
    """Scikit-learn's handwritten digits: 8 x 8 pixels of 0..16, enlarged to 32 x 32 of 0..255 with bicubic curves.

    The last 500 of the 1,797 are the test set, for every seed: the original order goes by writer, so that the test
    shows hands that training never saw. The other 1,297 are the pool.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).clip(0, 255).astype(np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in grey]
    images = np.repeat(np.stack(large)[..., None], 3, axis=3)
    labels = digits.target.astype(np.int64)
    test = SOURCES["digits"].test_images
    return {
        "images": images[:-test],
        "labels": labels[:-test],
        "test_images": images[-test:],
        "test_labels": labels[-test:],
    }
