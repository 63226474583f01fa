"""The lesson on batch normalization: with it and without, at the usual learning rate and at ten times that."""

from __future__ import annotations

from reglab.teaching.lessons.lesson import Answers, Lesson, Question
from reglab.teaching.lessons.scoring import Mark, Outcomes, chance, percent, points, right
from reglab.teaching.lessons.sentences import compared


class BatchNormOnAndOff(Lesson):
    """What normalization buys at learning rates that the network can bear, and at one that it cannot."""

    key = "batch_norm"
    title = "Batch normalization, on and off"
    background = (
        "Batch normalization brings every channel of a layer to the same mean and spread before the next layer sees it, "
        "using the pictures of the batch that is just being learned. It was invented to train faster. Two networks with "
        "it and two without learn the same pictures, at the usual **learning rate** (how large the steps are) of 0.001 "
        "and at ten times that."
    )
    look = (
        "Which loss falls first? Compare the same color's dashed and solid lines over the first few epochs.",
        "Faster has two meanings: fewer epochs, and less time for each. The speed in images a second stands beside each "
        "network's progress.",
        "Now the two at ten times the learning rate: does each keep up with its sibling at the usual rate?",
    )
    paper = "Ioffe and Szegedy 2015, Batch normalization, arXiv:1502.03167"
    changes = {
        "off": {},
        "on": {"batch_norm": True},
        "off, 10 x rate": {"lr": 0.01},
        "on, 10 x rate": {"lr": 0.01, "batch_norm": True},
    }
    EARLY, LATE, NEVER = "in half the epochs or fewer", "later than that", "never"
    FASTER, SAME, SLOWER = "more than 10 % faster", "within 10 % of it", "more than 10 % slower"
    BOTH, ONLY_ON, ONLY_OFF, NEITHER = "both", "only the one with it", "only the one without it", "neither"
    questions = (
        Question(
            "reach",
            "When will the network with batch normalization first be as accurate on validation images as the one "
            "without it is in the end?",
            (EARLY, LATE, NEVER),
        ),
        Question(
            "speed",
            "How many images a second will it learn, compared with the one without?",
            (FASTER, SAME, SLOWER),
        ),
        Question(
            "high",
            "Which networks will end as accurate at ten times the learning rate as at the usual one?",
            (BOTH, ONLY_ON, ONLY_OFF, NEITHER),
        ),
    )

    def reached(self, runs: Outcomes) -> int | None:
        """The epoch in which the network with it is as accurate as the one without it in the end."""
        return runs["on"].first(lambda e: e.val_accuracy >= runs["off"].point.val_accuracy)

    def ratio(self, runs: Outcomes) -> float:
        return float(runs["on"].summary["images_per_second"] / runs["off"].summary["images_per_second"])

    def keeps_up(self, runs: Outcomes, which: str) -> bool:
        """Whether it is as accurate at ten times the learning rate, as far as the test images can tell."""
        usual, high = runs[which], runs[f"{which}, 10 x rate"]
        return usual.test - high.test <= chance(usual.test, high.test, usual, "test_images")

    def marks(self, answers: Answers, runs: Outcomes) -> list[Mark]:
        epoch, epochs, ratio = self.reached(runs), runs["off"].last.epoch, self.ratio(runs)
        reach = self.NEVER if epoch is None else self.EARLY if epoch <= epochs / 2 else self.LATE
        speed = self.FASTER if ratio > 1.1 else self.SLOWER if ratio < 0.9 else self.SAME
        named = {(True, True): self.BOTH, (True, False): self.ONLY_ON, (False, True): self.ONLY_OFF}
        high = named.get((self.keeps_up(runs, "on"), self.keeps_up(runs, "off")), self.NEITHER)
        return [
            right(answers["reach"], reach, "The accuracy of the network without it was reached"),
            right(answers["speed"], speed, f"Its speed was {ratio:.2f} times that of the network without it:"),
            right(answers["high"], high, "As accurate at ten times the learning rate:"),
        ]

    def takeaway(self, runs: Outcomes) -> list[str]:
        on, off, epoch = runs["on"], runs["off"], self.reached(runs)
        said = []
        if epoch is None:
            said.append(f"Batch normalization did not reach {percent(off.last.val_accuracy)}, where the other ended.")
        else:
            said.append(
                f"With batch normalization the network reached in epoch {epoch} of {off.last.epoch} the "
                f"{percent(off.last.val_accuracy)} with which the one without it ended."
            )
        ratio = self.ratio(runs)
        longer = round((1 / ratio - 1) * 100)
        how = f"{abs(longer)} % {'more' if longer > 0 else 'less'} time" if longer else "no more time"
        said.append(f"Each image took {how} to learn with it than without.")
        said.append(compared(on, off, "test accuracy", "batch normalization"))
        for which in ("on", "off"):
            usual, high = runs[which].test, runs[f"{which}, 10 x rate"].test
            kept = "kept up" if self.keeps_up(runs, which) else "fell back"
            said.append(
                f"At ten times the learning rate the network {'with' if which == 'on' else 'without'} it {kept}: "
                f"{percent(high)} on test images, {percent(usual)} at the usual rate."
            )
        wider = on.last.gap - off.last.gap
        if abs(wider) <= chance(on.last.val_accuracy, off.last.val_accuracy, on):
            said.append("It did not change the gap by more than chance could.")
        else:
            said.append(f"The gap became {points(abs(wider))} {'wider' if wider > 0 else 'narrower'}.")
        return said
