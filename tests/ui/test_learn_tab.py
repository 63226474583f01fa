"""The Learn tab as its visitors meet it: cards of all techniques, and a lesson from the prediction to the score."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from browser import LEFT, Lab, Server, expect, wait_until

from reglab.regularizers import CATALOGUE
from reglab.teaching.lessons import LESSONS, lesson

if TYPE_CHECKING:
    from playwright.sync_api import Route  # which may be missing


def learn(lab: Lab, entry: str = "") -> Lab:
    """Open the tab, and a page of it."""
    lab.tab("Learn")
    expect(lab.page.locator("#contents [aria-current=true]")).to_have_count(1)
    if entry:
        lab.page.locator(f"#contents [data-entry='{entry}']").click()
        title = lesson(entry.partition(":")[2]).title if ":" in entry else CATALOGUE[entry].title
        expect(lab.page.locator("#lesson-intro h2, #card-title h2").filter(visible=True)).to_have_text(title)
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


# ---- cards -------------------------------------------------------------------------------------------------------
def test_every_card_can_be_opened_and_its_formula_read(lab):
    learn(lab)
    page = lab.page
    for key, technique in CATALOGUE.items():
        learn(lab, key)
        expect(page.locator("#formula .katex-html")).to_have_count(1)
        wait_until(
            lambda tex=technique.formula: written(lab) == tex, f"not the formula of {key}", more=lambda: written(lab)
        )
        expect(page.locator(".katex-error")).to_have_count(0)
        for code in ("pytorch", "keras"):
            expect(page.locator(f"#card-{code} pre code")).to_be_visible()
        expect(page.locator("#try-it")).to_be_enabled()
    assert lab.sideways() == 0


def written(lab: Lab) -> str:
    """The formula on the screen, as KaTeX was given it."""
    return lab.page.locator("#formula annotation").first.text_content().strip()


def test_search_finds_by_title_key_and_hint(lab):
    learn(lab)
    search, shown = lab.page.locator("#contents input"), lab.page.locator("#contents button").filter(visible=True)
    expect(shown).to_have_count(len(LESSONS) + len(CATALOGUE))
    for words, found in (
        ("label smoothing", "Label smoothing"),
        ("flip_crop", "Flip and crop"),
        ("half random labels lesson", None),
    ):
        search.fill(words)
        expect(shown).to_have_text([found] if found else [])
        expect(lab.page.locator("#contents .none")).to_be_visible(visible=found is None)
    search.fill("weight decay")
    expect(shown.first).to_have_text("Weight decay values")
    search.press("Enter")
    expect(lab.page.locator("#lesson-intro h2")).to_have_text("Weight decay values")


def test_try_it_sets_up_the_train_tab_with_that_technique_alone(lab):
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


def test_what_was_open_is_open_again_after_a_reload(lab):
    learn(lab, "cutout")
    lab.page.reload()
    learn(lab)
    expect(lab.page.locator("#card-title h2")).to_have_text("Cutout")


def test_a_second_click_in_the_list_counts_while_the_first_is_answered(lab):
    learn(lab)
    with held(lab, '"cutout"') as first:
        lab.page.locator("#contents [data-entry=cutout]").click()
        wait_until(lambda: first, "the first click was not sent")
        learn(lab, "mixup")


def test_on_a_phone_the_list_folds_away(visitors, server):
    lab = visitors(viewport={"width": 390, "height": 844}).open(server)
    learn(lab)
    expect(lab.page.locator("#contents section").first).to_be_hidden()
    lab.page.locator("#contents summary").click()
    learn(lab, "cutmix")
    expect(lab.page.locator("#contents section").first).to_be_hidden()
    assert lab.sideways() == 0
    assert lab.box("#card-title h2")["y"] < 844 / 2


# ---- lessons -----------------------------------------------------------------------------------------------------
@pytest.fixture
def offline(another_server) -> Server:
    """Without CIFAR-10 the lessons are of digits, which takes seconds."""
    return another_server(cifar10=False).start()


def predict(lab: Lab, percent: int) -> None:
    """The first option everywhere, and this percentage."""
    for question in lab.page.locator("#lesson .questions fieldset").filter(visible=True).all():
        question.locator("label").first.click()
    for number in lab.page.locator("#lesson .questions input[type=number]").filter(visible=True).all():
        number.fill(str(percent))
        number.blur()


def test_a_lesson_from_the_prediction_to_the_score(offline, visitor):
    visitor.may_fail = LEFT
    lab = learn(visitor.open(offline), "lesson:overfitting")
    page, start, stop = lab.page, lab.page.locator("#lesson-start"), lab.page.locator("#lesson-stop")
    arms = list(lesson("overfitting").changes)

    def setups(seed: int) -> list[str]:
        return [config.command() for config in lesson("overfitting").arms("digits", seed).values()]

    page.locator("#lesson-setups button").first.click()
    commands = page.locator("#lesson-arms td code")
    expect(commands).to_have_text(setups(0))

    start.click()
    expect(page.locator("#lesson-notice .warning")).to_contain_text("Predict first: ")
    assert offline.runs() == []

    predict(lab, 70)
    start.dblclick()
    expect(stop).to_be_enabled()
    expect(start).to_be_disabled()
    expect(page.locator("#lesson-notice .warning")).to_have_count(0)
    names = page.locator("#lesson-chart [data-part=progress] .name")
    expect(names).to_have_text(arms)
    assert len(offline.runs()) == len(arms)

    page.reload()  # the prediction and the runs are still there
    learn(lab)
    expect(page.locator("#lesson-intro h2")).to_have_text(lesson("overfitting").title)
    expect(page.locator("#answer-overfitting-train input[type=number]")).to_have_value("70")
    expect(page.locator("#answer-overfitting-gap input:checked")).to_have_count(1)
    expect(names).to_have_text(arms)
    page.locator("#lesson-setups button").first.click()
    expect(commands).to_have_text(setups(0))  # those of the runs on the screen, not of the next

    result = page.locator("#lesson-result")
    expect(result).to_contain_text("What these runs have shown", timeout=240_000)
    expect(result).to_contain_text(re.compile(r"Your prediction: \d of 8 points"))
    expect(result).to_contain_text("You said 70 % training accuracy with few images; it was")
    expect(start).to_be_enabled()
    expect(stop).to_be_disabled()
    assert {run.name for run in offline.runs()} == {f"{lesson('overfitting').title}, {arm}" for arm in arms}

    start.click()  # again: another seed
    expect(stop).to_be_enabled()
    expect(result).not_to_contain_text("points")
    expect(commands).to_have_text(setups(1))
    stop.click()
    expect(result).to_contain_text("nothing to score")
    expect(start).to_be_enabled()
    assert sorted(run.config.seed for run in offline.runs()) == [0] * len(arms) + [1] * len(arms)


def test_lessons_keep_apart_what_was_predicted(offline, visitor):
    lab = learn(visitor.open(offline), "lesson:dropout")
    page = lab.page
    predict(lab, 30)
    page.locator("#lesson-start").click()
    expect(page.locator("#lesson-stop")).to_be_enabled()
    learn(lab, "lesson:weight_decay")
    expect(page.locator("#lesson-start")).to_be_enabled()
    expect(page.locator("#lesson-chart [data-part=progress] .name")).to_have_count(0)
    page.locator("#lesson-start").click()
    expect(page.locator("#lesson-notice .warning")).to_contain_text("Predict first: ")
    learn(lab, "lesson:dropout")
    expect(page.locator("#lesson-chart [data-part=progress] .name")).to_have_text(list(lesson("dropout").changes))
    page.locator("#lesson-stop").click()
    expect(page.locator("#lesson-result")).to_contain_text("nothing to score")
    assert len(offline.runs()) == 4


def test_a_prediction_is_kept_when_another_page_is_asked_for_meanwhile(offline, visitor):
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
    learn(lab, "lesson:dropout")
    expect(names).to_have_text(list(lesson("dropout").changes))
    page.locator("#lesson-stop").click()
    expect(page.locator("#lesson-result")).to_contain_text("nothing to score")
