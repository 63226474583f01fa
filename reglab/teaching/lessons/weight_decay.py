"""The lesson on weight decay: four strengths, from none to one that keeps the network from learning."""

from __future__ import annotations

from reglab.teaching.lessons.lesson import Question
from reglab.teaching.lessons.one_dial import OneDial


class WeightDecays(OneDial):
    """How hard weights should be pulled to zero."""

    key = "weight_decay"
    technique, strongest, too_much = "weight decay", "strength 10", "So strong a pull"
    title = "Weight decay values"
    background = (
        "Weight decay pulls every weight a little toward zero at each training step, so that only weights the pictures "
        "insist on stay large; the **strength** says how hard it pulls. What it comes to depends on how many steps there "
        "are and how large they are: over a run like these, of a few hundred small steps, a weight that nothing holds "
        "loses 1 % or less at strength 0.05, which is usual in runs of many thousands of steps, and over half of itself "
        "at 10."
    )
    look = (
        "In the loss chart, watch the dashed lines (training): how close to zero does each of them come?",
        "Do the solid lines of the loss (validation) climb later and less? And does the accuracy follow?",
        "Strength 10 pulls hardest. Which of its lines differs from the others first?",
    )
    paper = "Loshchilov and Hutter 2019, Decoupled weight decay regularization, arXiv:1711.05101"
    changes = {
        f"strength {strength:g}": {"weight_decay.strength": strength} if strength else {}
        for strength in (0, 0.5, 2, 10)
    }
    questions = (
        Question(
            "gap", "Which strength will end with the narrowest gap between training and validation?", tuple(changes)
        ),
        Question("test", "Which strength will be most accurate on the test images?", tuple(changes)),
        Question("train", "How accurate will the network with strength 10 be on its training images, in the end?"),
    )
