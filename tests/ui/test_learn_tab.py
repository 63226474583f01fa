"""The Learn tab: its handlers called without a page, and its cards and a lesson in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from browser import LEFT, Lab, expect
from pages import beside_train, changes, commands, pressed
from servers import Server, wait_until

from reglab import compat, data
from reglab.experiments import stats
from reglab.regularizers import CATALOGUE
from reglab.runs.run import Run
from reglab.teaching import cards
from reglab.teaching.effects import Effect, Figure, Measured
from reglab.teaching.lessons import LESSONS, lesson, made_arms
from reglab.teaching.lessons.lesson import BASE
from reglab.teaching.presets import COURSE
from reglab.ui.tabs.learn import LearnTab
from reglab.ui.tabs.learn.contents import ENTRIES, contents
from reglab.ui.tabs.learn.kept import Kept
from reglab.ui.tabs.learn.lesson import AGAIN
from reglab.ui.views.effects import effects_html

if TYPE_CHECKING:
    from playwright.sync_api import Route  # which may be missing


def learn(lab: Lab, entry: str = "") -> Lab:
    """Open the tab, and a page of it."""
    lab.tab("Learn")
    expect(lab.page.locator("#contents [aria-current=true]")).to_have_count(1)
    if entry:
        lab.page.locator(f"#contents [data-entry='{entry}']").click()
        title = lesson(entry.partition(":")[2]).title if ":" in entry else CATALOGUE[entry].title
        expect(lab.page.locator("#lesson-intro h2, #card-head h2").filter(visible=True)).to_have_text(title)
    return lab


@contextmanager
def held(lab: Lab, text: str) -> Iterator[list[Route]]:
    """Holds back the requests that say this until the end, as a slow line would."""
    requests: list[Route] = []

    def hold(route: Route) -> None:
        if text in (route.request.post_data or ""):
            requests.append(route)
        else:
            route.continue_()

    lab.page.route("**/gradio_api/**", hold)
    yield requests
    for route in requests:
        route.continue_()
    lab.page.unroute("**/gradio_api/**", hold)


# ---- without a page ----------------------------------------------------------------------------------------------
@pytest.fixture
def tab(laid_out, monkeypatch) -> LearnTab:
    """As where CIFAR-10 is not at hand."""
    monkeypatch.setattr(data, "is_local", lambda key: key == "digits")
    return laid_out(beside_train(LearnTab))


def of(tab, updates: list[Any]) -> dict[str, Any]:
    """Updates for `tab.lesson.live`, by name."""
    told = dict(zip(("stamp", "form", "arms", "chart", "result"), changes(updates), strict=True))
    return told | ((told["form"] or {}).get("said") or {})


def answers(key: str) -> dict[str, str]:
    """The first option, or 70 percent, for all questions of one lesson, as the form has them."""
    return {f"{key}.{q.key}": q.options[0] if q.options else "70" for q in lesson(key).questions}


def finished_arms(trained, folder: Path, key: str, seed: int = 0) -> list[str]:
    """Copies of one run that say they are the arms of a lesson. Returns their ids."""
    ids = []
    for i, config in enumerate(lesson(key).arms("digits", seed).values()):
        run = Run(shutil.copytree(trained["path"], folder / f"2025010{i + 1}-000000-abcde{seed}"))
        described = {**run.described, "config": config.model_dump(mode="json"), "group": "abcabcabcabc"}
        (run.path / "config.json").write_text(json.dumps(described))
        ids.append(run.id)
    return ids


def test_every_card_is_filled_and_can_be_tried_where_its_network_is(tab):
    for key, technique in CATALOGUE.items():
        head, sections, measured, codes, _more, try_it, notice = changes(tab.card.filled(key))
        card = cards.card(key)
        assert head.startswith(f"## {technique.title}\n\n") and ("$$" in head) == bool(card.formula)
        assert all(getattr(card, part) in sections for part in cards.SECTIONS)
        assert all(code in codes for code in card.codes().values())
        assert ("<table" in measured) == bool(card.measured)
        assert try_it == {"interactive": notice == ""}
        value, front, notice = changes(tab.card.set_up(key))
        if try_it == {"interactive": True}:
            named = tab.card.page.controls.config_values([value])["regularizers"]
            assert list(named) == [key] and front == {"selected": "train"} and notice == ""
        else:
            assert value is None and front is None and 'class="warning"' in notice


def test_what_was_measured_is_drawn_around_zero():
    judged = stats.Difference(2.0, 1.0, 3.0, 5, 0.001, True)
    effect = Effect(
        "clean", "clean labels", 5, "basic_cnn", Figure(0.02, 0.005), Figure(-0.04, 0.01), None, 1.5, judged
    )
    drawn = effects_html(Measured("On <b>one</b> machine.", (effect,)))
    assert "Test accuracy</b> clean labels" in drawn and "+2.0 ± 0.5 points" in drawn and "−4.0 ± 1.0 points" in drawn
    # The farthest is the gap of -4.0, a tenth further is the edge: 1 and 3 points lie at 61.36 % and 84.09 %.
    assert '<i style="left:61.36%;width:22.73%"' in drawn and drawn.count("<i ") == 1, "without an interval a dot alone"
    assert "&lt;b&gt;" in drawn and effects_html(None) == ""


def test_the_list_opens_cards_and_lessons_and_a_browser_may_remember_anything(tab, monkeypatch):
    def pages(updates: list[Any]) -> tuple[str, bool, bool]:
        entry, card, lesson = changes(updates)[:3]
        return entry, card["visible"], lesson["visible"]

    first = f"lesson:{next(iter(LESSONS))}"
    assert pages(tab.choose({}, pressed(entry="mixup"))[1:]) == ("mixup", True, False)
    assert pages(tab.choose(None, pressed(entry="lesson:dropout"))[1:]) == ("lesson:dropout", False, True)
    for nonsense in ("no such page", 7, ["dropout"], None):
        assert tab.choose({}, pressed(entry=nonsense))[0] == first
        assert pages(tab.refresh(nonsense, nonsense, nonsense)) == (first, False, True)
    fn, inputs, outputs = tab.on_select
    assert len(tab.refresh("cutout", {}, {})) == len(outputs) and len(inputs) == 3 and fn == tab.refresh
    assert len(tab.choose({}, pressed(entry="cutout"))) == 1 + len(tab.shown)


@pytest.mark.parametrize(
    ("entry", "opened"), [("dropout", "dropout"), ("lesson:dropout", "lesson:dropout"), ("<b>", "")]
)
def test_the_address_says_which_page_is_opened(entry, opened, tab, monkeypatch):
    asked_for = SimpleNamespace(query_params={"tab": "learn", "entry": entry})
    monkeypatch.setattr(compat.gradio, "request", lambda: asked_for)
    assert tab.refresh("cutout", {}, {})[0] == (opened or "cutout")


def test_answers_are_put_back_unless_others_stand_on_the_page(tab):
    memory = Kept({"best": "0.5", "nonsense": 7}, [], 1).into({}, lesson("dropout"))
    form = tab.shown.index(tab.lesson.form)
    told = tab.lesson.remembered(memory)
    assert all(answers("dropout").keys() >= {name} for name in told)
    assert changes(tab.refresh("lesson:dropout", memory, {}))[form]["value"] == told
    assert "value" not in changes(tab.refresh("lesson:dropout", memory, answers("dropout")))[form]


def test_the_list_says_nothing_that_gradio_would_take_for_code():
    template = str(contents().html_template)
    assert not set("`$\\{") & set(template)
    for entry in ENTRIES.values():
        assert f'data-entry="{entry.key}"' in template
    assert list(ENTRIES)[:3] == [*COURSE], "those of the course come first"
    assert set(ENTRIES) == {*CATALOGUE, *(f"lesson:{key}" for key in LESSONS)}


def test_a_lesson_asks_for_a_prediction_first_and_runs_only_once_at_a_time(tab, here):
    page = tab.lesson
    for nothing in ({}, None, 7, {"dropout.best": []}):
        memory, *live, _ = page.begin("lesson:dropout", {}, nothing)
        refused = of(tab, live)
        assert "Predict first: " in refused["notice"] and changes([memory]) == [None] and refused["free"]
    assert here.stores.own.runs() == []

    memory, *live, clock = page.begin("lesson:dropout", {}, answers("dropout"))
    begun = of(tab, live)
    arms = list(lesson("dropout").changes)
    assert begun["notice"] == "" and changes([clock]) == [{"active": True}] and begun["live"] and not begun["free"]
    assert begun["start"] == AGAIN and begun["lesson"] == "dropout" and begun["result"] == ""
    assert [run["name"] for run in begun["chart"]["runs"]] == arms
    assert {run.name for run in here.stores.own.runs()} == {f"{lesson('dropout').title}, {arm}" for arm in arms}
    _, *live, _ = page.begin("lesson:dropout", memory, answers("dropout"))
    assert "is going on" in of(tab, live)["notice"] and len(here.stores.own.runs()) == len(arms)

    assert page.remembered(memory) == answers("dropout")
    assert of(tab, page.filled("lesson:weight_decay", memory)[1:-1])["chart"]["runs"] == [], "another lesson has none"
    page.halt("lesson:dropout", memory)
    runs = here.results.open(Kept.of(memory, lesson("dropout")).ids)
    wait_until(lambda: not here.training.is_live(runs), "still live after Stop")
    *live, clock = page.tick("lesson:dropout", memory, begun["stamp"])
    ended = of(tab, live)
    assert changes([clock]) == [None] and "nothing to score" in ended["result"]
    assert ended["free"] and not ended["live"] and ended["start"] == AGAIN
    asked = ("lesson:dropout", memory, ended["stamp"])
    wait_until(lambda: changes(page.tick(*asked))[-1] == {"active": False}, "still looking though nothing is going on")
    assert set(changes(page.tick(*asked))[:-1]) == {None}, "nothing new"


def test_a_finished_lesson_is_scored_and_the_next_attempt_has_another_seed(tab, trained, tmp_path):
    page, overfitting = tab.lesson, lesson("overfitting")
    kept = Kept(
        {q.key: q.options[0] if q.options else 70 for q in overfitting.questions},
        finished_arms(trained, tmp_path / "runs", "overfitting"),
        1,
    )
    memory = kept.into({}, overfitting)
    told = of(tab, page.filled("lesson:overfitting", memory)[1:-1])
    assert "What these runs have shown" in told["result"] and re.search(
        r"Your prediction: \d of 8 points", told["result"]
    )
    assert "You said 70 % training accuracy with few images; it was" in told["result"]
    assert {c.command() for c in overfitting.arms("digits", 0).values()} <= set(commands(told["arms"]))
    forgotten = of(tab, page.filled("lesson:overfitting", Kept({}, kept.ids, 1).into({}, overfitting))[1:-1])
    assert "Your prediction" not in forgotten["result"] and "What these runs have shown" in forgotten["result"]

    again, *live, _ = page.begin("lesson:overfitting", memory, answers("overfitting"))
    assert {c.command() for c in overfitting.arms("digits", 1).values()} <= set(commands(of(tab, live)["arms"]))
    assert Kept.of(again, overfitting).attempt == 2
    page.halt("lesson:overfitting", again)


def test_a_lesson_is_trained_from_the_prediction_to_the_score(tab, here, monkeypatch):
    """For real, by the worker of the lab, on a network and a set as small as they come; in the browser it is slow."""
    small = {"train_size": 40, "val_size": 40, "epochs": 2, "batch_size": 20, "width": 0.125}
    monkeypatch.setitem(BASE, "digits", small)
    made_arms.cache_clear()
    page, dropout = tab.lesson, lesson("dropout")
    memory, *live, _ = page.begin("lesson:dropout", {}, answers("dropout"))
    told, clock = of(tab, live), None
    while clock is None:  # as the page looks again and again, until it is told that nothing more can come
        seen = page.tick("lesson:dropout", memory, told["stamp"])
        told |= {name: value for name, value in of(tab, seen[:-1]).items() if value is not None}
        [clock] = changes(seen[-1:])
        time.sleep(0.05)
    assert clock == {"active": False}
    assert {run.status() for run in here.stores.own.runs()} == {"finished"}
    assert [run["status"] for run in told["chart"]["runs"]] == ["finished"] * len(dropout.changes)
    assert "What these runs have shown" in told["result"]
    assert re.search(r"Your prediction: \d of 6 points", told["result"])
    assert told["start"] == AGAIN and told["free"] and not told["live"]
    made_arms.cache_clear()


@pytest.mark.parametrize("memory", [None, 7, [], {"lessons": 7}, {"lessons": {"dropout": 7}}])
def test_a_memory_that_is_no_memory_is_none(memory):
    dropout = lesson("dropout")
    assert Kept.of(memory, dropout) == Kept({}, [], 0)
    kept = Kept({"a": 1}, ["x"], 3)
    assert Kept.of(kept.into(memory, dropout), dropout) == kept
    odd = {"lessons": {"dropout": {"prediction": 7, "attempt": -1, "ids": [1, "y"]}}}
    assert Kept.of(odd, dropout) == Kept({}, ["y"], 0)


# ---- cards, in the browser ---------------------------------------------------------------------------------------
# What of a card can be seen, asked at once: thirty cards would else take a few hundred questions.
CARD = """() => ({
  title: document.querySelector("#card-head h2")?.textContent,
  formula: document.querySelector("#card-head annotation")?.textContent.trim(),
  drawn: document.querySelectorAll("#card-head .katex-html").length,
  errors: document.querySelectorAll(".katex-error").length,
  codes: [...document.querySelectorAll("#card-codes pre code")].filter(code => code.checkVisibility()).length,
  enabled: document.querySelector("#try-it")?.disabled === false,
})"""


def test_every_card_can_be_opened_and_its_formula_read(lab):
    def seen() -> Any:
        return lab.page.evaluate(CARD)

    learn(lab)
    for key, technique in CATALOGUE.items():
        card = {
            "title": technique.title,
            "formula": technique.formula,
            "drawn": 1,
            "errors": 0,
            "codes": 2,
            "enabled": True,
        }
        lab.page.locator(f"#contents [data-entry='{key}']").click()
        wait_until(lambda card=card: seen() == card, f"not the card of {key}", more=seen)
    assert lab.sideways() == 0


def test_pages_are_found_tried_and_open_again_after_a_reload(visitor, lab):
    learn(lab)
    search, shown = lab.page.locator("#contents input"), lab.page.locator("#contents button").filter(visible=True)
    expect(shown).to_have_count(len(LESSONS) + len(CATALOGUE))
    for words, found in (
        ("label smoothing", "Label smoothing"),
        ("flip_crop", "Flip and crop"),
        ("ridge", "Weight decay"),
        ("half random labels lesson", None),
    ):
        search.fill(words)
        expect(shown).to_have_text([found] if found else [])
        expect(lab.page.locator("#contents .none")).to_be_visible(visible=found is None)
    search.fill("weight decay")
    expect(shown.first).to_have_text("Weight decay")
    search.press("Enter")
    expect(lab.page.locator("#card-head h2")).to_have_text("Weight decay")
    search.press("ArrowDown")  # through the list by the keyboard
    lab.page.keyboard.press("ArrowDown")
    expect(shown.nth(1)).to_be_focused()
    lab.page.keyboard.press("Enter")
    expect(lab.page.locator("#lesson-intro h2")).to_have_text("Weight decay values")
    search.fill("")
    # The list stays in sight beside a long page.
    learn(lab, "dropout")
    lab.page.mouse.move(900, 500)
    lab.page.mouse.wheel(0, 2000)
    expect(lab.page.locator("#contents [data-entry=dropout]")).to_be_in_viewport()
    lab.page.mouse.wheel(0, -2000)

    with held(lab, '"cutout"') as first:  # a second click counts while the first is answered
        lab.page.locator("#contents [data-entry=cutout]").click()
        wait_until(lambda: first, "the first click was not sent")
        learn(lab, "mixup")
    learn(lab, "mixup")
    lab.page.locator("#try-it").click()
    expect(lab.page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    expect(lab.command).to_have_value(re.compile("--mixup"))
    techniques = {key for key in CATALOGUE if f"--{key.replace('_', '-')}" in lab.arguments()}
    assert techniques == {"mixup"}
    learn(lab, "stochastic_depth")
    lab.page.locator("#try-it").click()
    expect(lab.command).to_have_value(re.compile("--stochastic-depth"))
    expect(lab.command).to_have_value(re.compile("--model resnet"))

    learn(lab, "cutout")
    visitor.may_fail = LEFT
    lab.page.set_viewport_size({"width": 390, "height": 844})  # on a phone
    lab.page.reload()
    learn(lab)
    expect(lab.page.locator("#card-head h2")).to_have_text("Cutout")
    expect(lab.page.locator("#contents section").first).to_be_hidden()
    lab.page.locator("#contents summary").click()
    learn(lab, "cutmix")
    expect(lab.page.locator("#contents section").first).to_be_hidden()
    assert lab.sideways() == 0
    assert lab.box("#card-head h2")["y"] < 844 / 2


# ---- lessons, in the browser -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def digits_server(tmp_path_factory) -> Iterator[Server]:
    """Without CIFAR-10 the lessons are of digits, which begin to be trained at once."""
    server = Server(tmp_path_factory.mktemp("digits"), cifar10=False)
    try:
        yield server.start()
    finally:
        server.close()
        print(server.log())


@pytest.fixture
def offline(digits_server) -> Iterator[Server]:
    """That server without runs."""
    yield digits_server
    digits_server.stop_runs()
    for run in digits_server.runs():
        run.delete()


def predict(lab: Lab, percent: int) -> None:
    """The first option everywhere, and this percentage."""
    for question in lab.page.locator("#lesson .questions fieldset").filter(visible=True).all():
        question.locator("label").first.click()
    for number in lab.page.locator("#lesson .questions input[type=text]").filter(visible=True).all():
        number.fill(str(percent))


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_lesson_from_the_prediction_through_a_reload_to_another_attempt(offline, visitor):
    visitor.may_fail = LEFT
    lab = learn(visitor.open(offline), "lesson:overfitting")
    page, start, stop = lab.page, lab.page.locator("#lesson-start"), lab.page.locator("#lesson-stop")
    arms = list(lesson("overfitting").changes)

    def setups(seed: int) -> list[str]:
        return [config.command() for config in lesson("overfitting").arms("digits", seed).values()]

    page.locator("#lesson-setups summary").click()
    commands = page.locator("#lesson-setups td code")
    expect(commands).to_have_text(setups(0))

    start.click()
    expect(page.locator("#lesson-notice")).to_contain_text("Predict first: ")
    assert offline.runs() == []

    predict(lab, 70)
    start.dblclick()
    expect(stop).to_be_enabled()
    expect(start).to_be_disabled()
    expect(page.locator("#lesson-notice")).to_be_hidden()
    names = page.locator("#lesson-chart [data-part=progress] .name")
    expect(names).to_have_text(arms)
    assert len(offline.runs()) == len(arms)

    page.reload()  # the prediction and the runs are still there
    learn(lab)
    expect(page.locator("#lesson-intro h2")).to_have_text(lesson("overfitting").title)
    expect(page.locator("#answer-overfitting-train input[type=text]")).to_have_value("70")
    expect(page.locator("#answer-overfitting-gap input:checked")).to_have_count(1)
    expect(names).to_have_text(arms)
    page.locator("#lesson-setups summary").click()
    expect(commands).to_have_text(setups(0))  # those of the runs on the screen, not of the next
    assert {run.name for run in offline.runs()} == {f"{lesson('overfitting').title}, {arm}" for arm in arms}

    stop.click()
    result = page.locator("#lesson-result")
    expect(result).to_contain_text("nothing to score")
    expect(start).to_be_enabled()
    expect(stop).to_be_disabled()
    start.click()  # again: another seed
    expect(stop).to_be_enabled()
    expect(result).not_to_contain_text("nothing to score")
    expect(commands).to_have_text(setups(1))
    stop.click()
    expect(result).to_contain_text("nothing to score")
    expect(start).to_be_enabled()
    assert sorted(run.config.seed for run in offline.runs()) == [0] * len(arms) + [1] * len(arms)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_lesson_from_the_prediction_to_the_score(offline, visitor):
    lab = learn(visitor.open(offline), "lesson:overfitting")
    page, start, stop = lab.page, lab.page.locator("#lesson-start"), lab.page.locator("#lesson-stop")
    arms = list(lesson("overfitting").changes)
    predict(lab, 70)
    start.click()
    expect(page.locator("#lesson-chart [data-part=progress] .name")).to_have_text(arms)
    result = page.locator("#lesson-result")
    expect(result).to_contain_text("What these runs have shown", timeout=480_000)
    expect(result).to_contain_text(re.compile(r"Your prediction: \d of 8 points"))
    expect(result).to_contain_text("You said 70 % training accuracy with few images; it was")
    expect(start).to_be_enabled()
    expect(stop).to_be_disabled()
    assert {run.name for run in offline.runs()} == {f"{lesson('overfitting').title}, {arm}" for arm in arms}
    assert {run.status() for run in offline.runs()} == {"finished"}

    start.click()  # again: another seed
    expect(stop).to_be_enabled()
    expect(result).not_to_contain_text("points")
    stop.click()
    expect(result).to_contain_text("nothing to score")
    assert sorted(run.config.seed for run in offline.runs()) == [0] * len(arms) + [1] * len(arms)


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_lessons_keep_apart_what_was_predicted_also_when_another_page_is_asked_for_meanwhile(offline, visitor):
    """The answers to a slow click in the list and to a quick start arrive the other way round."""
    lab = learn(visitor.open(offline), "lesson:dropout")
    page, names = lab.page, lab.page.locator("#lesson-chart [data-part=progress] .name")
    predict(lab, 30)
    with held(lab, '"lesson:weight_decay"') as asked:
        page.locator("#contents [data-entry='lesson:weight_decay']").click()
        wait_until(lambda: asked, "the click was not sent")
        page.locator("#lesson-start").click()
        expect(names).to_have_text(list(lesson("dropout").changes))
    expect(page.locator("#lesson-intro h2")).to_have_text(lesson("weight_decay").title)
    expect(page.locator("#lesson-start")).to_be_enabled()
    expect(names).to_have_count(0)
    page.locator("#lesson-start").click()
    expect(page.locator("#lesson-notice")).to_contain_text("Predict first: ")
    learn(lab, "lesson:dropout")
    expect(names).to_have_text(list(lesson("dropout").changes))
    page.locator("#lesson-stop").click()
    expect(page.locator("#lesson-result")).to_contain_text("nothing to score")
    assert len(offline.runs()) == 4
