"""How many images a point of the curves is judged on, and how far it may be off for that.

Answering 2,000 training and 2,000 validation images after every epoch takes as long as learning from 2,000 does. So a point is
judged on slices of both: the same in every epoch and with every class in its share, so that the curve does not jump. What a
run reports at its end is judged on everything (`training/train.py`), whatever its points were.
"""

from __future__ import annotations

from math import sqrt

EVERYTHING = 10_000
"""With so many images each, a point is judged on all validation images, as those of all runs were before it could be said."""
MOST_TRAIN = 2_000  # training images that are ever judged: of those of a run the first, in the order of the data set
# A sixteenth of the training images: all judging is then under 15 % of the default run (docs/numbers.md).
LEAST, MOST, SHARE = 100, 2_000, 16
TEST = 5  # times as many test images judge an epoch that the run does not stand by


def usual_judged_size(train_images: int) -> int:
    """How many training and how many validation images a point is judged on where nobody chose."""
    return max(LEAST, min(MOST, train_images // SHARE))


def standard_error(share: float, images: float, of: float | None = None) -> float:
    """How far the accuracy on so many images is off for the luck of their draw: one standard error, from 0 to 1.

    Off the accuracy on all pictures of the kind; with `of`, off that on the `of` images which they were drawn from. A right
    and a wrong answer more are counted in, so that it is not nothing at 0 and 100 %.
    """
    p = (min(1.0, max(0.0, share)) * images + 1) / (images + 2)
    return sqrt(p * (1 - p) / images * (1 if of is None else 1 - images / of))
