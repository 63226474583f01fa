"""The Learn tab: a card for every technique, and lessons that ask for a prediction before they run the experiment."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from reglab import data
from reglab.config import RunConfig
from reglab.errors import PROBLEMS, ConfigError, RunError
from reglab.regularizers import CATALOGUE, GROUPS
from reglab.runs.run import Run
from reglab.teaching import cards, lessons
from reglab.teaching.cards import Card
from reglab.teaching.lessons import LESSONS, Lesson, Question
from reglab.ui.components.chart import lab_chart
from reglab.ui.components.controls import preset, unchecked
from reglab.ui.components.events import QUIET
from reglab.ui.components.stamps import stamp_box, stamp_of
from reglab.ui.components.visitor import ids_of, name_of, warning
from reglab.ui.page import TICK, Page
from reglab.ui.services.lab import Lab
from reglab.ui.views import curves as view

FORMULAS: list[dict[str, str | bool]] = [{"left": "$$", "right": "$$", "display": True}]
START, AGAIN = "Run the experiment", "Run it again with another seed"

# The list is searched and chosen from without asking the server; `value` is the entry whose page is shown.
CHOOSE = """
const search = element.querySelector("input"), all = element.querySelector("details");
const buttons = [...element.querySelectorAll("button")];
const isNarrow = matchMedia("(max-width: 899px)");   // there the list stands above the page, and folds away
const mark = entry => buttons.forEach(b => b.setAttribute("aria-current", b.dataset.entry === entry));
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(" ");
  buttons.forEach(b => { b.hidden = !words.every(word => b.dataset.words.includes(word)); });
  element.querySelectorAll("section").forEach(s => { s.hidden = !s.querySelector("button:not([hidden])"); });
  element.querySelector(".none").hidden = buttons.some(b => !b.hidden);
  all.open = true;
});
search.addEventListener("keydown", event => {
  if (event.key === "Enter") buttons.find(b => !b.hidden)?.click();
});
element.addEventListener("click", event => {
  const chosen = event.target.closest("button");
  if (!chosen) return;
  mark(chosen.dataset.entry);
  trigger("select", { entry: chosen.dataset.entry });
  all.open = !isNarrow.matches;
  window.scrollTo({ top: 0 });
});
isNarrow.addEventListener("change", () => { all.open = !isNarrow.matches; });
all.open = !isNarrow.matches;
watch("value", () => mark(props.value));
mark(props.value);
"""


# ---- what the browser remembers ----------------------------------------------------------------------------------
def entry_of(entry: Any) -> str:
    """What is on the screen, `dropout` or `lesson:dropout`; the first lesson to begin with, or for what is no entry."""
    return entry if isinstance(entry, str) and entry in ENTRIES else next(iter(ENTRIES))


@dataclass(frozen=True)
class Kept:
    """What was predicted in a lesson, and the runs it was predicted of. A browser's memory may hold anything."""

    prediction: dict[str, Any]
    ids: list[str]
    attempt: int  # from 1; 0 before the first

    @classmethod
    def of(cls, memory: Any, lesson: Lesson) -> Kept:
        """What a browser remembers of a lesson; nothing where that makes no sense."""
        told = memory.get("lessons") if isinstance(memory, dict) else None
        told = told.get(lesson.key) if isinstance(told, dict) else None
        told = told if isinstance(told, dict) else {}
        prediction, attempt = told.get("prediction"), told.get("attempt")
        return cls(
            prediction if isinstance(prediction, dict) else {},
            ids_of(told),
            attempt if isinstance(attempt, int) and 0 <= attempt < 10**6 else 0,
        )

    def into(self, memory: Any, lesson: Lesson) -> dict[str, Any]:
        """The memory with this in it."""
        memory = memory if isinstance(memory, dict) else {}
        others = memory.get("lessons") if isinstance(memory.get("lessons"), dict) else {}
        told = {"prediction": self.prediction, "ids": self.ids, "attempt": self.attempt}
        return {**memory, "lessons": {**others, lesson.key: told}}


# ---- the tab -----------------------------------------------------------------------------------------------------
def learn_tab(lab: Lab, train: Page, tabs: gr.Tabs) -> Any:
    """Returns a function that shows what this browser had open, with its inputs and outputs, for when the tab is opened."""
    # The secret only has to be the same after a restart; predictions are no secret. Each is written by one event alone:
    # two that are under way together would undo each other.
    memory = gr.BrowserState({}, storage_key="reglab-learn", secret="reglab")
    opened_entry = gr.BrowserState("", storage_key="reglab-learn-entry", secret="reglab")
    put_back = gr.State(False)  # answers are put back once; from then on they stand on the page
    with gr.Row(equal_height=False, elem_id="learn"):
        with gr.Column(scale=0, min_width=230, elem_id="learn-list"):
            contents = gr.HTML(
                next(iter(ENTRIES)), html_template=contents_html(), js_on_load=CHOOSE, apply_default_css=False
            )
        with gr.Column(scale=1, min_width=340, elem_id="learn-page"):
            with gr.Column(visible=False, elem_id="card") as card_page:
                card = CardPage(lab, train, tabs, opened_entry)
            with gr.Column(elem_id="lesson") as lesson_page:
                lesson = LessonPage(lab, train, opened_entry, memory)
    shown = [contents, card_page, lesson_page, *card.shown, *lesson.shown]

    def show(entry: str, memory: Any) -> list[Any]:
        on_card = entry in CATALOGUE
        pages = [entry, gr.update(visible=on_card), gr.update(visible=not on_card)]
        if on_card:
            return [*pages, *card.filled(entry), *lesson.left()]
        return [*pages, *[gr.skip() for _ in card.shown], *lesson.filled(entry, memory)]

    def choose(memory: Any, event: gr.EventData) -> list[Any]:
        entry = entry_of((event._data or {}).get("entry"))
        return [entry, *show(entry, memory)]

    # Every click counts, also one that comes before the page of the last is here ("always_last" would send that again).
    contents.select(choose, memory, [opened_entry, *shown], trigger_mode="multiple", **QUIET)

    def opened(entry: Any, memory: Any, was_put_back: bool) -> list[Any]:
        answers = [gr.skip() for _ in lesson.answers] if was_put_back else lesson.remembered(memory)
        return [True, *answers, *show(entry_of(entry), memory)]

    return opened, [opened_entry, memory, put_back], [put_back, *lesson.answers, *shown]


# ---- the list ----------------------------------------------------------------------------------------------------
ENTRIES: dict[str, tuple[str, str, str]] = {  # entry -> group, title, more words to find it by
    **{f"lesson:{key}": ("Lessons", lesson.title, "lesson experiment") for key, lesson in LESSONS.items()},
    **{key: (t.group, t.title, f"{key} {t.hint}") for key, t in CATALOGUE.items()},
}


def contents_html() -> str:
    """A search box, and a button for every page, by group."""
    sections = []
    for group in ("Lessons", *GROUPS):
        buttons = [
            f'<button type="button" data-entry="{entry}" data-words="{_attribute(f"{title} {words} {of}".lower())}">'
            f"{_attribute(title)}</button>"
            for entry, (of, title, words) in ENTRIES.items()
            if of == group
        ]
        if buttons:
            sections.append(f"<section><h4>{group}</h4>{''.join(buttons)}</section>")
    return (
        '<nav id="contents" aria-label="Lessons and techniques">'
        '<input type="search" placeholder="Search" aria-label="Search lessons and techniques" autocomplete="off">'
        f"<details open><summary>All lessons and techniques</summary>{''.join(sections)}"
        '<p class="none" hidden>Nothing by that name.</p></details></nav>'
    )


def _attribute(text: str) -> str:
    """Safe in the page, and in the JavaScript string that Gradio takes a template for."""
    return html.escape(text).replace("`", "&#96;").replace("$", "&#36;").replace("{", "&#123;").replace("\\", "&#92;")


# ---- a card ------------------------------------------------------------------------------------------------------
class CardPage:
    """The page of one technique; a part its card has nothing for is left out."""

    def __init__(self, lab: Lab, train: Page, tabs: gr.Tabs, opened_entry: gr.BrowserState) -> None:
        self.lab = lab
        with gr.Row(elem_classes="head"):
            head = gr.Markdown(elem_classes="title", elem_id="card-title")
            try_it = gr.Button("Try it", variant="primary", scale=0, min_width=110, elem_id="try-it")
        notice = gr.HTML("", elem_id="card-notice")
        formula = gr.Markdown(latex_delimiters=FORMULAS, elem_id="formula")
        with gr.Row(elem_classes="sections"):
            sections = [gr.Markdown(elem_id=f"card-{part}") for part in cards.SECTIONS]
        measured = gr.Markdown(elem_id="card-measured")
        settings = gr.Markdown(elem_id="card-settings")
        with gr.Row(elem_classes="codes"):
            codes = [gr.Markdown(elem_id=f"card-{name.lower()}") for name in ("PyTorch", "Keras")]
        interactions = gr.Markdown(elem_id="card-interactions")
        notes = gr.Markdown(elem_id="card-notes")
        self.parts = [head, formula, *sections, measured, settings, *codes, interactions, notes]
        self.shown = [*self.parts, try_it, notice]

        def set_up(entry: Any) -> list[Any]:
            """The Train tab with this technique alone switched on."""
            try:
                config = cards.alone(entry_of(entry), preset(lab.datasets.first()))
            except PROBLEMS as error:
                return [*[gr.skip() for _ in train.controls.by_name], gr.skip(), warning(str(error))]
            return [*train.controls.filled(config), gr.update(selected="train"), ""]

        try_it.click(set_up, opened_entry, [*train.controls.components(), tabs, notice], **QUIET)

    def filled(self, key: str) -> list[Any]:
        """The parts of a card, as updates."""
        told = cards.card(key)
        parts = [gr.update(value=text, visible=bool(text)) for text in parts_of(told)]
        try:
            cards.alone(key, preset(self.lab.datasets.first()))
        except ConfigError as error:
            return [*parts, gr.update(interactive=False), warning(str(error))]
        return [*parts, gr.update(interactive=True), ""]


def parts_of(card: Card) -> list[str]:
    """The card in Markdown, piece by piece, in the order of the page."""
    headings = {"see": "What you will see", "helps": "When it helps", "not_helps": "When it does not"}
    codes = (("PyTorch", card.pytorch), ("Keras", card.keras))
    notes = "\n\n".join([*card.notes, f"**Paper**: {cards.linked(card.paper)}" if card.paper else ""])
    return [
        f"## {card.title}\n\n{card.idea}",
        f"$$ {card.formula} $$" if card.formula else "",
        *(_headed(headings[part], getattr(card, part)) for part in cards.SECTIONS),
        _headed("Measured here", card.measured_markdown()),
        _headed("Settings", card.settings_markdown()),
        *(_headed(f"In {name}", cards.fenced(code) if code else "") for name, code in codes),
        _headed("Together with others", card.interactions_markdown()),
        _headed("Notes", notes.strip()),
    ]


def _headed(heading: str, text: str) -> str:
    return f"#### {heading}\n\n{text}" if text else ""


# ---- a lesson ----------------------------------------------------------------------------------------------------
class LessonPage:
    """The page of one lesson: what it is about, the questions, the experiment, the score."""

    def __init__(self, lab: Lab, train: Page, opened_entry: gr.BrowserState, memory: gr.BrowserState) -> None:
        self.lab = lab
        stamp = stamp_box()
        clock = gr.Timer(TICK, active=False)
        intro = gr.Markdown(elem_id="lesson-intro")
        with gr.Accordion("The exact set-ups", open=False, elem_id="lesson-setups"):
            arms = gr.Markdown(elem_id="lesson-arms")
        self.answers: list[Any] = []  # every question of every lesson, in order
        self.forms: list[Any] = []
        for lesson in LESSONS.values():
            with gr.Column(visible=lesson is first_lesson(), elem_classes="questions") as form:
                gr.Markdown("#### Predict first")
                self.answers += [answer_to(lesson, question) for question in lesson.questions]
            self.forms.append(form)
        with gr.Row(elem_id="lesson-go"):
            start = gr.Button(START, variant="primary", elem_id="lesson-start")
            stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="lesson-stop")
        notice = gr.HTML("", elem_id="lesson-notice")
        result = gr.Markdown(elem_id="lesson-result")
        look = gr.Markdown(elem_id="lesson-look")
        chart = lab_chart(elem_id="lesson-chart")
        self.live = [stamp, start, stop, arms, chart, result]
        self.shown = [intro, look, *self.forms, notice, *self.live, clock]

        def begin(entry: Any, memory: Any, visitor: Any, *answers: Any) -> list[Any]:
            lesson = lesson_of(entry)
            kept = Kept.of(memory, lesson)
            try:
                if self._is_live(self._runs(lesson, kept)):
                    raise RunError("This experiment is going on: wait for it, or stop it first.")
                prediction = lesson.checked(self._named(answers, lesson))
                started = lab.training.start(lesson.experiment(lab.datasets.first(), kept.attempt), name_of(visitor))
            except PROBLEMS as error:
                return [gr.skip(), warning(str(error)), *[gr.skip() for _ in self.live], gr.skip()]
            kept = Kept(prediction, [run.id for run in started], kept.attempt + 1)
            told = self._told(lesson, kept, self._runs(lesson, kept))
            return [kept.into(memory, lesson), "", *told, gr.update(active=True)]

        begun = [memory, notice, *self.live, clock]
        start.click(begin, [opened_entry, memory, train.visitor, *self.answers], begun, trigger_mode="once", **QUIET)

        def halt(entry: Any, memory: Any) -> list[Any]:
            lesson = lesson_of(entry)
            kept = Kept.of(memory, lesson)
            runs = self._runs(lesson, kept)
            lab.training.stop(runs)
            return self._told(lesson, kept, runs)

        stop.click(halt, [opened_entry, memory], self.live, trigger_mode="once", **QUIET)

        def tick(entry: Any, memory: Any, visitor: Any, before: Any) -> list[Any]:
            """Look again. As on the Train tab, only a look that found nothing new may stop the clock."""
            lesson = lesson_of(entry)
            kept = Kept.of(memory, lesson)
            runs = self._runs(lesson, kept)
            if self._stamp(lesson, runs) != before:
                return [*self._told(lesson, kept, runs), gr.skip()]
            go_on = self._is_live(runs) or lab.training.jobs.is_busy(name_of(visitor))
            return [*[gr.skip() for _ in self.live], gr.skip() if go_on else gr.update(active=False)]

        clock.tick(
            tick, [opened_entry, memory, train.visitor, stamp], [*self.live, clock], trigger_mode="once", **QUIET
        )

    # ---- what to show
    def filled(self, entry: str, memory: Any) -> list[Any]:
        """The page of the lesson that is open."""
        lesson = lesson_of(entry)
        kept = Kept.of(memory, lesson)
        runs = self._runs(lesson, kept)
        forms = [gr.update(visible=other is lesson) for other in LESSONS.values()]
        looked = "\n".join(["#### What to look at", "", *(f"- {line}" for line in lesson.look)])
        intro = introduction(lesson, self._arms(lesson, kept, runs))
        return [intro, looked, *forms, "", *self._told(lesson, kept, runs), gr.update(active=True)]

    def left(self) -> list[Any]:
        """Nobody looks: no need to look for news either."""
        return [*[gr.skip() for _ in self.shown[:-1]], gr.update(active=False)]

    def remembered(self, memory: Any) -> list[Any]:
        """The answers this browser gave last, for all questions."""
        kept = {lesson.key: Kept.of(memory, lesson).prediction for lesson in LESSONS.values()}
        told = []
        for lesson in LESSONS.values():
            for question in lesson.questions:
                answer = kept[lesson.key].get(question.key)
                told.append(answer if question.takes(answer) else gr.skip())
        return told

    def _told(self, lesson: Lesson, kept: Kept, runs: list[Run]) -> list[Any]:
        """Updates for `live`: how far the experiment is, and in the end the score."""
        live = self._is_live(runs)
        return [
            self._stamp(lesson, runs),
            gr.update(interactive=not live, value=AGAIN if kept.attempt else START),
            gr.update(interactive=live),
            setups(self._arms(lesson, kept, runs)),
            self._chart(lesson, runs),
            result_of(lesson, kept, runs, live),
        ]

    def _chart(self, lesson: Lesson, runs: list[Run]) -> dict[str, Any]:
        names = {run.id: name for name, run in lessons.arms_of(lesson, runs).items()}
        chart = view.chart_of(self.lab.training.views(runs), names=names) if runs else {"runs": []}
        return chart | {"title": lesson.title}

    def _runs(self, lesson: Lesson, kept: Kept) -> list[Run]:
        return list(lessons.arms_of(lesson, self.lab.results.open(kept.ids)).values())

    def _arms(self, lesson: Lesson, kept: Kept, runs: list[Run]) -> Mapping[str, RunConfig]:
        """Those of the runs on the screen; before there are any, those of the first attempt."""
        dataset = runs[0].config.dataset if runs else self.lab.datasets.first()
        return lessons.made_arms(lesson, dataset, max(kept.attempt - 1, 0))

    def _is_live(self, runs: list[Run]) -> bool:
        return self.lab.training.is_live(runs)

    def _stamp(self, lesson: Lesson, runs: list[Run]) -> str:
        return stamp_of(lesson.key, view.stamp(self.lab.training.views(runs)))

    def _named(self, answers: Any, lesson: Lesson) -> dict[str, Any]:
        """The answers to one lesson's questions, out of those to all."""
        every = [(other, question) for other in LESSONS.values() for question in other.questions]
        return {q.key: a for (other, q), a in zip(every, answers, strict=True) if other is lesson}


def first_lesson() -> Lesson:
    """The one that is open at first."""
    return next(iter(LESSONS.values()))


def lesson_of(entry: Any) -> Lesson:
    """The lesson that is open; the first while a card is."""
    group, _, key = entry_of(entry).partition(":")
    return LESSONS[key] if group == "lesson" else first_lesson()


def answer_to(lesson: Lesson, question: Question) -> Any:
    """The control for an answer; it is checked with the others when the experiment is started."""
    elem_id = f"answer-{lesson.key}-{question.key}".replace("_", "-")
    if question.options:
        return unchecked(gr.Radio(list(question.options), label=question.text, elem_id=elem_id))
    return unchecked(gr.Slider(0, 100, 50, step=1, label=f"{question.text} (percent)", buttons=[], elem_id=elem_id))


def introduction(lesson: Lesson, arms: Mapping[str, RunConfig]) -> str:
    """What it is about, and what will be trained."""
    first, names = next(iter(arms.values())), ", ".join(f"*{name}*" for name in arms)
    experiment = (
        f"**The experiment**: {len(arms)} networks ({first.model}) learn side by side, {first.epochs} epochs each: {names}. "
        f"The pictures are {data.SOURCES[first.dataset].title}; it takes about a minute on two idle cores."
    )
    return f"## {lesson.title}\n\n{lesson.background}\n\n{experiment}\n\n{cards.linked(lesson.paper)}"


def setups(arms: Mapping[str, RunConfig]) -> str:
    """The runs of a lesson as a table with their commands."""
    rows = [f"| {name} | {c.title()} | {c.recipe()} | `{c.command()}` |" for name, c in arms.items()]
    head = ["| network | learns | regularizers | the same on the command line |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def result_of(lesson: Lesson, kept: Kept, runs: list[Run], live: bool) -> str:
    """The score and the takeaway; while there are none, why."""
    told = lessons.outcomes(lesson, runs)
    if not told:
        if not kept.attempt or live:
            return ""
        return "The experiment did not come to its end, so there is nothing to score: run it again."
    try:
        score = lessons.score(lesson, kept.prediction, told)
    except ConfigError:  # the browser's memory of the prediction is not whole
        scored = []
    else:
        scored = [f"#### Your prediction: {score.points} of {score.of} points", *(f"- {s}" for s in score.sentences)]
    return "\n".join([*scored, "", "#### What these runs have shown", "", *(f"- {s}" for s in lesson.takeaway(told))])
