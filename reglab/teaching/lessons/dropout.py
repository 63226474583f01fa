"""The lesson on dropout: four rates, from none to one that leaves a unit in ten."""

from __future__ import annotations

from reglab.teaching.lessons.lesson import Question
from reglab.teaching.lessons.one_dial import OneDial


class DropoutRates(OneDial):
    """How much dropout is too much."""

    key = "dropout"
    technique, strongest, too_much = "dropout", "rate 0.9", "That much dropout"
    title = "Dropout rates"
    background = (
        "Dropout switches off a random share of the units before the classifier (the last layer) at every training "
        "step, so that none can rely on another. The **rate** is that share. When the network is judged all units are "
        "on, so the curves below are measured without dropout. Four equal networks learn the same pictures, each at "
        "another rate."
    )
    look = (
        "Watch the dashed lines (training): in which order do they rise?",
        "Then the solid lines (validation): do they differ as much?",
        "Rate 0.9 leaves one unit in ten. Is that regularization, or starvation?",
    )
    paper = "Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting, JMLR 15"
    changes = {f"rate {rate:g}": {"dropout.rate": rate} if rate else {} for rate in (0, 0.25, 0.5, 0.9)}
    questions = (
        Question("gap", "Which rate will end with the narrowest gap between training and validation?", tuple(changes)),
        Question("test", "Which rate will be most accurate on the test images?", tuple(changes)),
        Question("train", "How accurate will the network with rate 0.9 be on its training images, in the end?"),
    )
