"""The page of one lesson: what it is about, the questions, the experiment, the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from reglab import data
from reglab.config import RunConfig, on_screen
from reglab.config.numbers import read
from reglab.errors import PROBLEMS, ConfigError, RunError
from reglab.experiments.outcome import Outcome
from reglab.runs.run import Run
from reglab.teaching import cards, lessons
from reglab.teaching.lessons import LESSONS, Lesson, Question
from reglab.ui.components.chart import lab_chart
from reglab.ui.components.drawings import drawing
from reglab.ui.components.events import QUIET, skipped
from reglab.ui.components.form import form, text_of, typed_in
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.page import TICK
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.learn.contents import lesson_of
from reglab.ui.tabs.learn.kept import Kept
from reglab.ui.views import curves
from reglab.ui.views.templates import render

EVEN = 50  # percent, where a question is left as it is
START, AGAIN = "Run the experiment", "Run it again with another seed"
# Where the page is one column, the curves of what was started are brought into sight.
IN_SIGHT = """() => matchMedia('(max-width: 899px)').matches && document.querySelector('#lesson-notice[hidden]')
  && document.querySelector('#lesson-chart').scrollIntoView()"""


class LessonPage:
    """The questions of all lessons lie on the page, and those of one are shown: so answers stay while one looks around."""

    def __init__(self, lab: Lab, opened: gr.HTML, memory: gr.BrowserState) -> None:
        """`opened` holds the entry whose page is open."""
        self.lab = lab
        self.stamp = stamp_box()
        self.clock = gr.Timer(TICK, active=False)
        self.intro = gr.Markdown(elem_id="lesson-intro")
        self.arms = drawing("lesson-setups")
        self.form = form("lesson-form", "lesson.html", {}, lessons=LESSONS.values(), even=EVEN)
        self.result = gr.Markdown(elem_id="lesson-result")
        self.chart = lab_chart(elem_id="lesson-chart")
        self.live = [self.stamp, self.form, self.arms, self.chart, self.result]
        self.shown = [self.intro, *self.live, self.clock]
        self._wire(opened, memory)

    def _wire(self, opened: gr.HTML, memory: gr.BrowserState) -> None:
        asked = [opened, memory]
        begun = self.form.submit(
            self.begin, [*asked, self.form], [memory, *self.live, self.clock], trigger_mode="once", **QUIET
        )
        begun.then(None, js=IN_SIGHT)
        self.form.select(self.halt, asked, self.live, trigger_mode="once", **QUIET)
        self.clock.tick(self.tick, [*asked, self.stamp], [*self.live, self.clock], trigger_mode="once", **QUIET)

    # ---- what happens
    def begin(self, entry: Any, memory: Any, answers: Any) -> list[Any]:
        """Start was pressed: take the answers and train the arms."""
        lesson = lesson_of(entry)
        kept = Kept.of(memory, lesson)
        try:
            if self.lab.training.is_live(self._runs(lesson, kept)):
                raise RunError("This experiment is going on: wait for it, or stop it first.")
            prediction = lesson.checked(answers_of(lesson, answers))
            experiment = lesson.experiment(self.lab.datasets.first(), kept.attempt)
            ids = [run.id for run in self.lab.training.start(experiment)]
        except PROBLEMS as error:
            return [gr.skip(), *self._told(lesson, kept, self._runs(lesson, kept), on_screen(error)), gr.skip()]
        kept = Kept(prediction, ids, kept.attempt + 1)
        told = self._told(lesson, kept, self._runs(lesson, kept))
        return [kept.into(memory, lesson), *told, gr.update(active=True)]

    def halt(self, entry: Any, memory: Any) -> list[Any]:
        """Stop was pressed."""
        lesson = lesson_of(entry)
        kept = Kept.of(memory, lesson)
        runs, problem = self._runs(lesson, kept), ""
        try:
            self.lab.training.stop(runs)
        except PROBLEMS as error:
            problem = on_screen(error)
        return self._told(lesson, kept, runs, problem)

    def tick(self, entry: Any, memory: Any, before: Any) -> list[Any]:
        """Look again. As on the Train tab, only a look that found nothing new may stop the clock."""
        lesson = lesson_of(entry)
        kept = Kept.of(memory, lesson)
        runs = self._runs(lesson, kept)
        if self._stamped(lesson, runs) != before:
            return [*self._told(lesson, kept, runs), gr.skip()]
        go_on = self.lab.training.is_live(runs) or self.lab.training.is_busy()
        return [*skipped(self.live), gr.skip() if go_on else gr.update(active=False)]

    # ---- what to show
    def filled(self, entry: str, memory: Any) -> list[Any]:
        """Updates for `shown`: the page of the lesson that is open."""
        lesson = lesson_of(entry)
        kept = Kept.of(memory, lesson)
        runs = self._runs(lesson, kept)
        intro = introduction(lesson, self._arms(lesson, kept, runs))
        return [intro, *self._told(lesson, kept, runs), gr.update(active=True)]

    def left(self) -> list[Any]:
        """Updates for `shown`: nobody looks, so no need to look for news either."""
        return [*skipped(self.shown[:-1]), gr.update(active=False)]

    def remembered(self, memory: Any) -> dict[str, str]:
        """The answers this browser gave last, to all questions, as the form has them."""
        told = {}
        for lesson in LESSONS.values():
            prediction = Kept.of(memory, lesson).prediction
            for question in lesson.questions:
                answer = prediction.get(question.key)
                if question.takes(answer):
                    told[field_of(lesson, question)] = str(answer) if question.options else text_of(answer)
        return told

    def _told(self, lesson: Lesson, kept: Kept, runs: Sequence[Run], notice: str = "") -> list[Any]:
        """Updates for `live`: how far the experiment is, and in the end the score."""
        live = self.lab.training.is_live(runs)
        said = {"lesson": lesson.key, "live": live, "free": not live, "start": AGAIN if kept.attempt else START}
        return [
            self._stamped(lesson, runs),
            gr.update(said=said | {"notice": notice}),
            setups(self._arms(lesson, kept, runs)),
            self._chart(lesson, runs),
            result_of(lesson, kept, lessons.outcomes(lesson, runs, self.lab.stores.view), live),
        ]

    def _chart(self, lesson: Lesson, runs: Sequence[Run]) -> dict[str, Any]:
        names = {run.id: name for name, run in lessons.arms_of(lesson, runs).items()}
        chart = curves.chart_of(self.lab.training.views(runs), names=names) if runs else {"runs": []}
        return chart | {"title": lesson.title}

    def _runs(self, lesson: Lesson, kept: Kept) -> list[Run]:
        return list(lessons.arms_of(lesson, self.lab.results.open(kept.ids)).values())

    def _arms(self, lesson: Lesson, kept: Kept, runs: Sequence[Run]) -> Mapping[str, RunConfig]:
        """Those of the runs on the screen; before there are any, those of the first attempt."""
        dataset = runs[0].config.dataset if runs else self.lab.datasets.first()
        return lessons.made_arms(lesson, dataset, max(kept.attempt - 1, 0))

    def _stamped(self, lesson: Lesson, runs: Sequence[Run]) -> str:
        return stamp_of(lesson.key, curves.stamp(self.lab.training.views(runs)))


# ---- answers -----------------------------------------------------------------------------------------------------
def field_of(lesson: Lesson, question: Question) -> str:
    """The field of the form in which a question is answered."""
    return f"{lesson.key}.{question.key}"


def answers_of(lesson: Lesson, form: Any) -> dict[str, Any]:
    """The answers to one lesson's questions, out of the form with all. Raises `ConfigError`."""
    given = {question: typed_in(form).get(field_of(lesson, question)) for question in lesson.questions}
    return {q.key: answer if q.options else _percent(q, answer) for q, answer in given.items()}


def _percent(question: Question, answer: Any) -> Any:
    """The number that was typed, or the one in the middle where none was. Raises `ConfigError`."""
    value = read(answer, f"The answer to “{question.text}”")
    return EVEN if value is None else value


# ---- its texts, in Markdown --------------------------------------------------------------------------------------
def introduction(lesson: Lesson, arms: Mapping[str, RunConfig]) -> str:
    """What it is about, and what will be trained."""
    first, names = next(iter(arms.values())), ", ".join(f"*{name}*" for name in arms)
    experiment = (
        f"**The experiment**: {len(arms)} networks ({first.model}) learn side by side, {first.epochs} epochs each: {names}. "
        f"The pictures are {data.SOURCES[first.dataset].title}; it takes about a minute on two idle cores."
    )
    look = "\n".join(f"- {line}" for line in lesson.look)
    about = f"## {lesson.title}\n\n{lesson.background}\n\n{experiment}\n\n{cards.linked(lesson.paper)}"
    return f"{about}\n\n### What to look at\n\n{look}"


def setups(arms: Mapping[str, RunConfig]) -> str:
    """A table of the networks, with their commands."""
    return render("setups.html", arms=arms)


def result_of(lesson: Lesson, kept: Kept, told: Mapping[str, Outcome], live: bool) -> str:
    """The score and the takeaway of what came of the arms; while there are none, why."""
    if not told:
        if not kept.attempt or live:
            return ""
        return "The experiment did not come to its end, so there is nothing to score: run it again."
    try:
        score = lessons.score(lesson, kept.prediction, told)
    except ConfigError:  # the browser's memory of the prediction is not whole
        scored = []
    else:
        scored = [f"### Your prediction: {score.points} of {score.of} points", *(f"- {s}" for s in score.sentences)]
    return "\n".join([*scored, "", "### What these runs have shown", "", *(f"- {s}" for s in lesson.takeaway(told))])
