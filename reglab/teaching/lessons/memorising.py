"""The lesson on memorising: true labels, random ones, and random ones with dropout."""

from __future__ import annotations

from reglab.experiments.outcome import Outcome
from reglab.teaching.lessons.lesson import Answers, Lesson, Question
from reglab.teaching.lessons.scoring import Mark, Outcomes, chance, guess, percent, right


class Memorising(Lesson):
    """Labels without meaning can be learned, and how much longer that takes."""

    key = "memorising"
    title = "Memorizing random labels"
    background = (
        "Can a network learn what makes no sense? Zhang and others gave a network pictures with random labels. Here 90 % "
        "of the labels are replaced by one of the nine other classes, drawn at random. A label is then right with a "
        "chance of 10 %, and each other class also has a chance of 10 % (90 % divided by nine): whatever the picture "
        "shows, all ten are equally likely. That is a uniformly random label, and the only way to learn it is by heart."
    )
    look = (
        "Under *Wrong labels memorized*: how much of the nonsense is repeated faithfully?",
        "The validation accuracy with random labels has nothing to gain: the chance of a lucky guess is 10 %.",
        "Are true labels learned sooner than random ones? Pictures of one class have something in common.",
        "Does dropout keep the network from memorizing? And does that make it any wiser?",
    )
    paper = "Zhang et al. 2017, Understanding deep learning requires rethinking generalization, arXiv:1611.03530"
    base = {"train_size": 400, "epochs": 30, "batch_size": 20}
    digits = {"train_size": 200, "batch_size": 10}
    changes = {
        "true labels": {},
        "random labels": {"label_noise": 0.9},
        "random, dropout": {"label_noise": 0.9, "dropout.rate": 0.5},
    }
    SOONER, SAME, LATER = "the one with true labels", "both in the same epoch", "the one with random labels"
    questions = (
        Question("fit", "How many of the labels it was given will the network with random labels repeat, in the end?"),
        Question("val", "How accurate will it be on new images, whose labels are right (validation)?"),
        Question("first", "Which network will first repeat half of the labels it was given?", (SOONER, SAME, LATER)),
    )

    def half(self, run: Outcome) -> int | None:
        """The epoch by which half of the given labels are repeated."""
        return run.first(lambda e: (e.train_accuracy if e.fit_accuracy is None else e.fit_accuracy) >= 0.5)

    def marks(self, answers: Answers, runs: Outcomes) -> list[Mark]:
        random, never = runs["random labels"], 10**9
        with_true, with_random = (self.half(runs[name]) or never for name in ("true labels", "random labels"))
        first = self.SOONER if with_true < with_random else self.LATER if with_random < with_true else self.SAME
        if with_true == with_random == never:
            fact = Mark(2, "Neither network came to repeat half of its labels, so every answer counts here.")
        else:
            fact = right(answers["first"], first, "The first to repeat half of its labels:")
        return [
            guess(answers["fit"], random.fit, "share of the random labels repeated"),
            guess(answers["val"], random.last.val_accuracy, "validation accuracy with random labels"),
            fact,
        ]

    def takeaway(self, runs: Outcomes) -> list[str]:
        true, random, dropped = runs.values()
        said = [
            f"With random labels the network came to repeat {percent(random.fit)} of them, and was right on "
            f"{percent(random.last.val_accuracy)} of new images (chance is 10 %)."
        ]
        if random.fit > 0.9 and random.last.val_accuracy < 0.2:
            said.append(
                "So it can learn what has no meaning nearly perfectly: a high training accuracy alone proves nothing."
            )
        elif random.fit > 0.3:
            said.append("So it learned much by heart that has no meaning; more epochs would show how far that goes.")
        else:
            said.append("In so few epochs it memorized little.")
        halves = [self.half(run) for run in (true, random)]
        if halves[0] and (halves[1] is None or halves[0] < halves[1]):
            later = f"in epoch {halves[1]}" if halves[1] else "never"
            said.append(
                f"Half of its labels it repeated {later} with random ones, in epoch {halves[0]} with true ones."
            )
        with_dropout = f"With dropout it repeated {percent(dropped.fit)}"
        new = dropped.last.val_accuracy
        if abs(new - random.last.val_accuracy) <= chance(new, random.last.val_accuracy, dropped):
            said.append(f"{with_dropout}, and was no better on new images ({percent(new)}).")
        else:
            how = "better" if new > random.last.val_accuracy else "worse"
            said.append(f"{with_dropout}, and was {how} on new images ({percent(new)}).")
        return said
