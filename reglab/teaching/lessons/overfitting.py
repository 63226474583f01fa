"""The lesson on overfitting: the same network learns from few, from more and from many pictures."""

from __future__ import annotations

from reglab.config import RunConfig
from reglab.teaching.lessons.lesson import BASE, Answers, Lesson, Question
from reglab.teaching.lessons.scoring import Mark, Outcomes, chance, guess, percent, pick, points, quoted, right
from reglab.teaching.lessons.sentences import path_of_loss


class Overfitting(Lesson):
    """A network without regularization on a small set, and how its gap opens."""

    key = "overfitting"
    title = "Overfitting a small set"
    background = (
        "A network with half a million weights can learn a few hundred pictures by heart. How much better it is on the "
        "pictures it learned from (training) than on pictures it has never seen (validation) is the **gap**; a wide gap "
        "means it has overfitted. Here the same network learns from few, from more and from many pictures, each time "
        "for as many epochs (passes over its training pictures) and in as many steps."
    )
    look = (
        "Dashed lines are training, solid lines validation. Watch where the two lines of one color part.",
        "In the loss chart, does a validation line turn upwards while its training line keeps falling? The network is then "
        "surer and surer of what it gets wrong.",
        "Compare the gaps in the accuracy chart, and the height of the solid lines: a wide gap matters because the solid line "
        "stays low.",
    )
    paper = "Goodfellow, Bengio and Courville 2016, Deep Learning, section 5.2"
    base = {"epochs": 15}
    # Batches grow with the set, so that all learn in equally many steps: otherwise few images would also mean little
    # training, and the gap would not have opened yet.
    changes = {
        "few images": {"train_size": 320, "batch_size": 8},
        "more images": {"train_size": 1_000, "batch_size": 25},
        "many images": {"train_size": 3_000, "batch_size": 75},
    }
    questions = (
        Question("gap", "Which network will end with the widest gap?", tuple(changes)),
        Question(
            "train", "How accurate will the network with few images be on the images it learned from, in the end?"
        ),
        Question("val", "And how accurate on images it has never seen (validation)?"),
        Question(
            "loss",
            "What will the validation loss of the network with few images do?",
            ("keep falling", "fall, then rise", "never fall"),
        ),
    )

    def arms(self, dataset: str = "cifar10", seed: int = 0) -> dict[str, RunConfig]:
        if dataset == "cifar10":
            return super().arms(dataset, seed)
        base = RunConfig.parse({**BASE["digits"], "dataset": "digits", "seed": seed})
        sizes = dict(zip(self.changes, ((50, 4), (150, 12), (450, 36)), strict=True))
        return {name: base.override({"train_size": n, "batch_size": batch}) for name, (n, batch) in sizes.items()}

    def marks(self, answers: Answers, runs: Outcomes) -> list[Mark]:
        few = runs["few images"]
        return [
            pick(answers["gap"], {name: run.last.gap for name, run in runs.items()}, "gap", "widest", runs),
            guess(answers["train"], few.last.train_accuracy, "training accuracy with few images"),
            guess(answers["val"], few.last.val_accuracy, "validation accuracy with few images"),
            right(answers["loss"], path_of_loss(few), "What the validation loss with few images did:"),
        ]

    def takeaway(self, runs: Outcomes) -> list[str]:
        few, many = runs["few images"], runs["many images"]
        images = {name: run.summary["train_size"] for name, run in runs.items()}
        said = [
            f"From {images['few images']:,} images the network reached {percent(few.last.train_accuracy)} on what it had "
            f"learned from and {percent(few.last.val_accuracy)} on new images: a gap of {points(few.last.gap)}."
        ]
        val = {"few": few.last.val_accuracy, "many": many.last.val_accuracy}
        if val["many"] - val["few"] > chance(val["few"], val["many"], few):
            said.append(
                f"With {images['many images']:,} images validation accuracy was {percent(val['many'])}: more images "
                "helped on new ones."
            )
        else:
            said.append(f"More images did not clearly help here: validation accuracy was {percent(val['many'])}.")
        narrowed = few.last.gap - many.last.gap
        if abs(narrowed) <= chance(val["few"], val["many"], few):
            said.append(f"The gap hardly changed ({points(many.last.gap)} with many images).")
        else:
            how = "narrower" if narrowed > 0 else "wider"
            said.append(f"The gap was {points(abs(narrowed))} {how} with many images than with few.")
        climbed = [name for name, run in runs.items() if path_of_loss(run) == "fall, then rise"]
        if climbed:
            said.append(
                f"The validation loss turned upwards with {quoted(climbed)}: from there on the network gave the right "
                "answers for new images less probability on average."
            )
        return said
