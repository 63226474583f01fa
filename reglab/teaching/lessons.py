"""Five short lessons: a prediction first, then a real experiment, then a score and what the runs have shown.

A lesson is a handful of runs (its arms) of one network, a few questions that must be answered before they start, and
two plain functions of what came of them: `marks` scores the answers, `takeaway` says what was seen. Nothing here claims
what the runs did not show: every sentence of a takeaway is chosen by comparing their numbers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any, ClassVar

from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.runs.run import Run
from reglab.training.diagnosis import RISE
from reglab.training.events import Epoch

Answers = Mapping[str, Any]  # question -> the chosen option, or a number; what a browser remembers, so JSON


@dataclass(frozen=True)
class Question:
    """What the learner must predict: one of `options`, or, without any, a percentage."""

    key: str
    text: str
    options: tuple[str, ...] = ()

    def takes(self, answer: Any) -> bool:
        """Whether this is an answer to it."""
        if self.options:
            return answer in self.options
        number = isinstance(answer, (int, float)) and not isinstance(answer, bool)
        return number and 0 <= answer <= 100  # NaN is neither


@dataclass(frozen=True)
class Outcome:
    """What came of one arm: the summary of its run and its epochs. Accuracies and gaps are fractions from 0 to 1."""

    summary: Mapping[str, Any]
    history: tuple[Epoch, ...]

    @property
    def last(self) -> Epoch:
        return self.history[-1]

    @property
    def fit(self) -> float:
        """Accuracy on training images against the labels that were given, right or wrong."""
        return self.last.train_accuracy if self.last.fit_accuracy is None else self.last.fit_accuracy

    @property
    def test(self) -> float:
        return float(self.summary["last"]["test_accuracy"])

    def rose(self) -> float:
        """By how much the validation loss ended above its lowest point."""
        return self.last.val_loss - min(e.val_loss for e in self.history)

    def first(self, reached: Callable[[Epoch], bool]) -> int | None:
        """The first epoch of which something holds."""
        return next((e.epoch for e in self.history if e.epoch and reached(e)), None)


Outcomes = Mapping[str, Outcome]  # by the name of the arm, in the order of the arms


@dataclass(frozen=True)
class Mark:
    """What one answer was worth, and why."""

    points: int
    sentence: str
    of: int = 2


@dataclass(frozen=True)
class Score:
    points: int
    of: int
    sentences: tuple[str, ...]


class Lesson:
    """One lesson. `changes` are the arms as dotted changes of the base run; `small` changes them for the digits."""

    key: ClassVar[str]
    title: ClassVar[str]
    background: ClassVar[str]
    look: ClassVar[tuple[str, ...]]
    paper: ClassVar[str]
    questions: ClassVar[tuple[Question, ...]]
    base: ClassVar[dict[str, Any]] = {}
    changes: ClassVar[dict[str, dict[str, Any]]]
    digits: ClassVar[dict[str, Any]] = {}  # instead of the same entries of `base`, where CIFAR-10 is not at hand

    def arms(self, dataset: str = "cifar10", seed: int = 0) -> dict[str, RunConfig]:
        """The runs by their short names; the first is what the others are compared with."""
        values = {**BASE[dataset], **self.base, **(self.digits if dataset == "digits" else {})}
        base = RunConfig.parse({**values, "dataset": dataset, "seed": seed})
        return {name: base.override(changes) for name, changes in self.changes.items()}

    def checked(self, answers: Any) -> dict[str, Any]:
        """The answers to this lesson's questions. Raises `ConfigError` when one is missing or cannot be."""
        given = answers if isinstance(answers, Mapping) else {}
        for question in self.questions:
            if not question.takes(given.get(question.key)):
                raise ConfigError(f"Predict first: “{question.text}” has no answer yet.")
        return {question.key: given[question.key] for question in self.questions}

    def marks(self, answers: Answers, runs: Outcomes) -> list[Mark]:
        """One for each question. `runs` holds every arm."""
        raise NotImplementedError

    def takeaway(self, runs: Outcomes) -> list[str]:
        """What these runs have shown, as far as they have shown it."""
        raise NotImplementedError


# Small enough for about a minute on two cores: judging counts too, twice 10,000 test images for every arm of CIFAR-10.
BASE: dict[str, dict[str, Any]] = {
    "cifar10": {"train_size": 1_000, "val_size": 1_000, "epochs": 12, "batch_size": 32},
    "digits": {"train_size": 100, "val_size": 300, "epochs": 12, "batch_size": 8},
}


# ---- the lessons -------------------------------------------------------------------------------------------------
class Overfitting(Lesson):
    key = "overfitting"
    title = "Overfitting a small set"
    background = (
        "A network with half a million weights can learn a few hundred pictures by heart. How much better it is on the "
        "pictures it learned from (training) than on pictures it has never seen (validation) is the **gap**; a wide gap "
        "means it has overfitted. Here the same network learns from few, from more and from many pictures, each time "
        "for as many epochs (passes over its training pictures) and in as many steps."
    )
    look = (
        "Dashed lines are training, solid lines validation. Watch where the two lines of one colour part.",
        "In the loss chart, does a validation line turn upwards while its training line keeps falling? The network is then "
        "surer and surer of what it gets wrong.",
        "Compare the bars under *Gap*, and the height of the solid lines: a wide gap matters because the solid line "
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
                f"The validation loss turned upwards with {listed(climbed)}: from there on the network gave the right "
                "answers for new images less probability on average."
            )
        return said


class OneDial(Lesson):
    """The same network at several strengths of one technique, up to far too much."""

    technique: ClassVar[str]
    strongest: ClassVar[str]  # the last of the runs
    too_much: ClassVar[str]  # how a sentence about it begins

    def marks(self, answers: Answers, runs: Outcomes) -> list[Mark]:
        accuracy = runs[self.strongest].last.train_accuracy
        return [
            pick(answers["gap"], {n: r.last.gap for n, r in runs.items()}, "gap", "narrowest", runs, best=min),
            pick(answers["test"], {n: r.test for n, r in runs.items()}, "test accuracy", "highest", runs),
            guess(answers["train"], accuracy, f"training accuracy at {self.strongest}"),
        ]

    def takeaway(self, runs: Outcomes) -> list[str]:
        return [*narrowing(runs, self.technique), *starving(runs, self.strongest, self.too_much)]


class DropoutRates(OneDial):
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


class WeightDecays(OneDial):
    key = "weight_decay"
    technique, strongest, too_much = "weight decay", "strength 10", "So strong a pull"
    title = "Weight decay values"
    background = (
        "Weight decay pulls every weight a little towards zero at each training step, so that only weights the pictures "
        "insist on stay large; the **strength** says how hard it pulls. In runs of many thousands of steps 0.05 is "
        "usual. These runs have a few hundred, so they pull much harder, to show in a minute what otherwise takes hours."
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


class BatchNormOnAndOff(Lesson):
    key = "batch_norm"
    title = "Batch normalization, on and off"
    background = (
        "Batch normalization brings every channel of a layer to the same mean and spread before the next layer sees it, "
        "using the pictures of the batch that is just being learned. It was invented to train faster. Two networks with "
        "it and two without learn the same pictures, at the usual **learning rate** (how large the steps are) of 0.001 "
        "and at ten times that."
    )
    look = (
        "Which loss falls first? Compare the same colour's dashed and solid lines over the first few epochs.",
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
        return runs["on"].first(lambda e: e.val_accuracy >= runs["off"].last.val_accuracy)

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


class Memorising(Lesson):
    key = "memorising"
    title = "Memorising random labels"
    background = (
        "Can a network learn what makes no sense? Zhang and others gave a network pictures with random labels. Here 90 % "
        "of the labels are replaced by one of the nine other classes, drawn at random. A label is then right with a "
        "chance of 10 %, and each other class also has a chance of 10 % (90 % divided by nine): whatever the picture "
        "shows, all ten are equally likely. That is a uniformly random label, and the only way to learn it is by heart."
    )
    look = (
        "Under *Wrong labels learned by heart*: how much of the nonsense is repeated faithfully?",
        "The validation accuracy with random labels has nothing to gain: the chance of a lucky guess is 10 %.",
        "Are true labels learned sooner than random ones? Pictures of one class have something in common.",
        "Does dropout keep the network from memorising? And does that make it any wiser?",
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
            said.append("In so few epochs it memorised little.")
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


LESSONS: dict[str, Lesson] = {
    lesson.key: lesson for lesson in (Overfitting(), DropoutRates(), WeightDecays(), BatchNormOnAndOff(), Memorising())
}


def lesson(key: str) -> Lesson:
    """The lesson of that name. Raises `ConfigError`."""
    if key not in LESSONS:
        near = difflib.get_close_matches(str(key), LESSONS, n=1)
        instead = f"did you mean {near[0]}?" if near else f"choose from {', '.join(LESSONS)}."
        raise ConfigError(f"There is no lesson called {str(key)[:80]!r}: {instead}")
    return LESSONS[key]


# ---- runs and scores ---------------------------------------------------------------------------------------------
@lru_cache(maxsize=64)
def made_arms(key: str, dataset: str, seed: int) -> Mapping[str, RunConfig]:
    """The arms of a lesson, made once: a page that follows runs asks for the same ones at every look."""
    return LESSONS[key].arms(dataset, seed)


def arms_of(lesson: Lesson, runs: Iterable[Run]) -> dict[str, Run]:
    """Which run is which arm, in the order of the arms; recognised by its config, whatever a browser says it is."""
    found: dict[str, Run] = {}
    for run in runs:
        try:
            arms = made_arms(lesson.key, run.config.dataset, run.config.seed)
        except (ConfigError, RunError, KeyError):  # damaged, or of a data set that lessons are not made for
            continue
        found |= {name: run for name, config in arms.items() if config == run.config}
    return {name: found[name] for name in lesson.changes if name in found}


def outcomes(lesson: Lesson, runs: Iterable[Run]) -> dict[str, Outcome]:
    """What came of every arm; empty until all of them are finished."""
    told = {name: Outcome(run.summary(), tuple(run.history())) for name, run in arms_of(lesson, runs).items()}
    whole = list(told) == list(lesson.changes) and all(o.summary["status"] == "finished" for o in told.values())
    return told if whole else {}


def score(lesson: Lesson, prediction: Answers, runs: Outcomes) -> Score:
    """What the prediction was worth, with a sentence on every answer."""
    marks = lesson.marks(lesson.checked(prediction), runs)
    return Score(sum(m.points for m in marks), sum(m.of for m in marks), tuple(m.sentence for m in marks))


CLOSE, NEAR = 0.05, 0.15  # how far a guessed percentage may be off for two points and for one


def guess(said: float, was: float, what: str) -> Mark:
    """A percentage that was guessed: two points when close, one when near."""
    off = abs(said / 100 - was)
    worth = 2 if off <= CLOSE + 1e-9 else 1 if off <= NEAR + 1e-9 else 0
    return Mark(worth, f"You said {said:g} % {what}; it was {percent(was)}. {worth} of 2 points.")


def right(said: str, was: str, what: str) -> Mark:
    """An option that was chosen, and a fact."""
    worth = 2 if said == was else 0
    you = ", as you said" if worth else f"; you said “{said}”"
    return Mark(worth, f"{what} “{was}”{you}. {worth} of 2 points.")


def pick(
    said: str,
    values: Mapping[str, float],
    what: str,
    most: str,
    runs: Outcomes,
    best: Callable[..., str] = max,
) -> Mark:
    """An arm that was chosen. Those that the images cannot tell from the best one are right too."""
    winner = best(values, key=values.__getitem__)
    images = "test_images" if what == "test accuracy" else "val_images"
    apart = abs(values[said] - values[winner])
    shown = percent if what.endswith("accuracy") else points
    fact = f"“{winner}” had the {most} {what} ({shown(values[winner])})"
    if said == winner:
        return Mark(2, f"{fact}, as you said. 2 of 2 points.")
    if apart <= chance(runs[said].last.val_accuracy, runs[winner].last.val_accuracy, runs[said], images):
        n = runs[said].summary[images]
        return Mark(2, f"{fact}, but {n:,} images cannot tell it from “{said}” ({shown(values[said])}). 2 of 2 points.")
    return Mark(0, f"{fact}; you said “{said}” ({shown(values[said])}). 0 of 2 points.")


def chance(one: float, other: float, run: Outcome, images: str = "val_images") -> float:
    """The difference of two accuracies that the choice of the images alone could make: two standard errors.

    Both networks see the same images, so this is on the careful side; that another seed may matter as much is not in it.
    """
    p = (one + other) / 2
    return 2 * sqrt(2 * p * (1 - p) / run.summary[images])


def path_of_loss(run: Outcome) -> str:
    """What the validation loss did; wobbling by less than the diagnosis takes seriously is no rise."""
    lowest = min(run.history, key=lambda e: e.val_loss)
    if lowest.epoch == 0:
        return "never fall"
    return "fall, then rise" if run.rose() > RISE else "keep falling"


# ---- sentences that more than one lesson needs -------------------------------------------------------------------
def narrowing(runs: Outcomes, technique: str) -> list[str]:
    """What a stronger and stronger technique did to the gap and to test accuracy."""
    plain, *_ = runs.values()
    narrow = min(runs, key=lambda name: runs[name].last.gap)
    fell = plain.last.gap - runs[narrow].last.gap
    said = []
    if fell <= chance(plain.last.val_accuracy, runs[narrow].last.val_accuracy, plain):
        said.append(f"Here {technique} did not clearly narrow the gap, which was {points(plain.last.gap)} without it.")
    else:
        said.append(
            f"The gap fell from {points(plain.last.gap)} without {technique} to {points(runs[narrow].last.gap)} at "
            f"{narrow}."
        )
    best, second, *_ = sorted(list(runs)[1:], key=lambda name: runs[name].test, reverse=True)
    if runs[best].test > runs[second].test:
        said.append(f"Of the networks with {technique}, {best} was the most accurate on the test images.")
    said.append(compared(runs[best], plain, "test accuracy", best))
    return said


def starving(runs: Outcomes, name: str, subject: str) -> list[str]:
    """Whether too much of a technique kept the network from learning at all."""
    plain, most = next(iter(runs.values())), runs[name]
    lost = plain.test - most.test
    if lost <= chance(plain.test, most.test, plain, "test_images"):
        return [f"{subject} ({name}) did not cost test accuracy here: {percent(most.test)}."]
    cost = f"{subject} ({name}) cost {points(lost)} of test accuracy"
    fitted, before = most.last.train_accuracy, plain.last.train_accuracy
    if fitted >= before:
        return [f"{cost}."]
    return [
        f"{cost}: on its own training images the network reached {percent(fitted)} instead of {percent(before)}, and what "
        "has not been learned cannot generalise. A narrow gap alone is no success."
    ]


def compared(run: Outcome, plain: Outcome, what: str, name: str) -> str:
    """Two test accuracies, and whether the test images can tell them apart."""
    more = run.test - plain.test
    numbers = f"({percent(run.test)} with, {percent(plain.test)} without)"
    if abs(more) <= chance(run.test, plain.test, run, "test_images"):
        return f"With {name} {what} did not clearly change {numbers}."
    return f"{what[0].upper()}{what[1:]} {'rose' if more > 0 else 'fell'} by {points(abs(more))} with {name} {numbers}."


def percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def points(share: float) -> str:
    return f"{round(share * 100, 1) + 0.0:.1f} points".replace("-", "−")  # + 0.0: there is no minus zero


def listed(names: list[str]) -> str:
    quoted = [f"“{name}”" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
