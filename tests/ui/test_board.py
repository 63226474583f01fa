"""The toggle board in a real browser: search, recipes, advice, and what the network sees while one toggles."""

from __future__ import annotations

import re

import pytest
from browser import expect, one_page_fixture  # noqa: F401  (a fixture of this file)

from reglab.regularizers import CATALOGUE
from reglab.teaching.presets import PRESETS


def recipe(lab, title: str) -> None:
    """Returns when the recipe has arrived; what was toggled sooner would be taken back by it."""
    lab.page.locator("#presets").get_by_role("button", name=title, exact=True).click()
    expect(lab.page.locator("#about")).to_contain_text(f"{title}:")


def shown(lab) -> list[str]:
    return lab.page.locator("#board .technique:visible").evaluate_all(
        "all => all.map(t => t.id.replace('technique-', ''))"
    )


def toggle(lab, key: str) -> None:
    """Switch a technique on, unfolding its group as one would."""
    if not lab.toggle(key).is_visible():
        group(lab, CATALOGUE[key].group).click()
    lab.toggle(key).check()


def group(lab, title: str):
    """The button that unfolds a group of techniques."""
    return lab.page.locator("#board").get_by_role("button", name=re.compile(f"^{title}, "))


def folded(lab) -> None:
    unfolded = lab.page.locator("#board button[aria-expanded=true]")
    while unfolded.count():
        unfolded.first.click()


def test_the_course_and_what_is_on_are_in_sight_and_every_group_unfolds(lab):
    on = {key for key, t in CATALOGUE.items() if t.default_on}
    assert {*shown(lab)} == {"dropout", "weight_decay", "batch_norm", *on}
    for title in dict.fromkeys(t.group for t in CATALOGUE.values()):
        inside = [key for key, t in CATALOGUE.items() if t.group == title]
        expect(group(lab, title)).to_have_accessible_name(f"{title}, {len(inside)} techniques")
        expect(group(lab, title)).to_have_attribute("aria-expanded", "false")
        group(lab, title).press("Enter")
        expect(group(lab, title)).to_have_attribute("aria-expanded", "true")
        assert {*inside} <= {*shown(lab)}
    assert shown(lab) == list(CATALOGUE)
    folded(lab)
    toggle(lab, "sam")
    folded(lab)
    assert "sam" in shown(lab), "what is on stays in sight"
    lab.toggle("sam").uncheck()
    assert "sam" in shown(lab), "and where it was switched off"


def test_the_search_finds_by_name_hint_group_and_synonym_and_forgets_with_escape(lab):
    box, before = lab.page.get_by_role("searchbox", name="Search techniques", exact=True), shown(lab)
    for words, found in (
        ("stochastic", {"stochastic_depth"}),
        ("LABELS", {"label_smoothing", "bootstrapping", "mixup", "cutmix"}),
        ("batch norm", {"batch_norm"}),
        ("overfit", {"dropout", "weight_decay", "flip_crop", "early_stopping"}),
        ("L2", {"weight_decay", "l2_sp"}),
        ("augment", {key for key, t in CATALOGUE.items() if t.group == "Data"}),
    ):
        box.fill(words)
        assert found <= set(shown(lab)) < set(CATALOGUE), words
    box.fill("no such thing")
    assert shown(lab) == [] and lab.said("#search output") == "No technique matches “no such thing”."
    box.press("Escape")
    assert shown(lab) == before and lab.said("#search output") == ""


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_recipe_sets_the_toggles_and_nothing_else(lab):
    lab.number("epochs").fill("7")
    lab.number("epochs").blur()
    expect(lab.command).to_have_value(re.compile("--epochs 7"))
    for preset in PRESETS:
        recipe(lab, "None")
        expect(lab.command).to_have_value(
            "python -m reglab train --dataset cifar10 --train-size 2000 --width 0.5 --epochs 7 --batch-size 64"
        )
        recipe(lab, preset.title)
        for key, settings in preset.regularizers.items():
            flag = f"--{key.replace('_', '-')}"
            expect(lab.command).to_have_value(re.compile(rf"{flag}( |$)"))
            for name, value in settings.items():
                expect(lab.command).to_have_value(re.compile(rf"{flag}\.{name} {value}( |$)"))
        on = [w for w in lab.arguments() if w.startswith("--") and w[2:].replace("-", "_") in CATALOGUE]
        assert len(on) == len(preset.regularizers) and "--epochs 7" in lab.command.input_value()
    lab.number("epochs").fill("20")
    lab.number("epochs").blur()


def test_a_reset_proposes_again_what_the_page_opened_with(lab):
    opened_with = lab.chosen("dataset").inner_text(), [key for key, t in CATALOGUE.items() if t.default_on]
    recipe(lab, "None")
    lab.number("lr").fill("0,5")
    expect(lab.command).to_have_value(re.compile("--lr 0.5"))
    lab.page.get_by_role("button", name="Reset to defaults").click()
    expect(lab.number("lr")).to_have_value("")
    expect(lab.page.locator("#about")).to_be_hidden()
    dataset, on = opened_with
    expect(lab.chosen("dataset")).to_have_text(dataset)
    assert [key for key in CATALOGUE if lab.toggle(key).is_checked()] == on


def test_a_value_that_arrives_leaves_focus_and_caret_where_they_are(lab):
    epochs = lab.number("epochs")
    epochs.fill("123")
    recipe(lab, "Classic")
    epochs.focus()
    epochs.evaluate("field => field.setSelectionRange(1, 1)")
    lab.page.evaluate("document.querySelector('#preset-0').click()")
    expect(lab.page.locator("#about")).to_contain_text("None:")
    expect(epochs).to_be_focused()
    assert epochs.evaluate("field => [field.value, field.selectionStart]") == ["123", 1]
    epochs.fill("20")


def test_a_recipe_says_what_it_is(lab):
    recipe(lab, "Modern")
    expect(lab.page.locator("#about")).to_contain_text("Modern: what recipes of today share")


def test_two_that_meet_get_a_word_of_advice(lab):
    recipe(lab, "None")
    toggle(lab, "mixup")
    expect(lab.page.locator("#control-mixup .note")).to_have_text("")
    toggle(lab, "cutmix")
    expect(lab.page.locator("#control-mixup .note")).to_have_text(CATALOGUE["mixup"].advice["cutmix"])
    lab.toggle("cutmix").uncheck()
    expect(lab.page.locator("#control-mixup .note")).to_have_text("")


def test_what_cannot_be_is_said_before_anything_is_trained(lab, server):
    before = len(server.runs())
    for keys, words in (
        (("batch_norm", "group_norm"), "Group normalization and batch normalization cannot both be on"),
        (("stochastic_depth",), "residual branches for stochastic depth to drop: choose resnet20 or resnet18"),
        (("l2_sp",), "L2-SP pulls weights back to pretrained ones"),
    ):
        recipe(lab, "None")
        for key in keys:
            toggle(lab, key)
        for key in keys:
            expect(lab.refusal(key)).to_contain_text(words)
        expect(lab.command).to_have_value("")
        lab.tab("What the network sees")
        expect(lab.page.locator("#sees .warning")).to_contain_text(words)
        lab.train.click()
        expect(lab.notice).to_contain_text(words)
        assert len(server.runs()) == before


def test_a_network_of_timm_says_what_it_takes_and_switches_off_what_it_cannot_use(lab, server):
    panel = lab.page.locator("#transfer")
    expect(panel).to_be_hidden()
    recipe(lab, "None")
    for key in ("dropout", "weight_decay", "batch_norm", "flip_crop"):
        toggle(lab, key)
    lab.choose("control-model", re.compile("^resnet18 · timm"))
    expect(lab.page.locator("#transfer-note")).to_contain_text("a download of 47 MB")
    expect(lab.page.locator("#transfer-note")).to_contain_text("96 × 96, mean 0.485 0.456 0.406")
    expect(lab.notice).to_contain_text(
        "Switched off, since this network cannot use them here: batch normalization, flip"
    )
    expect(lab.command).to_have_value(
        re.compile(r"--model timm/resnet18 --pretrained --batch-size 64 --dropout --weight-decay$")
    )
    before = len(server.runs())
    lab.train.click()
    expect(lab.notice).to_contain_text("timm/resnet18 (47 MB)")
    assert len(server.runs()) == before  # nothing is started before the weights are here
    lab.choose("control-finetune", "head then all")
    expect(lab.command).to_have_value(re.compile("--finetune head_then_all"))
    toggle(lab, "l2_sp")
    expect(lab.command).to_have_value(re.compile("--l2-sp"))
    lab.number("side").fill("20")
    lab.number("side").blur()
    expect(lab.refusal("side")).to_have_text("Side must be at least 32, not 20.")
    lab.choose("control-model", "basic_cnn")
    expect(panel).to_be_hidden()
    expect(lab.command).to_have_value(
        re.compile(r"train --dataset cifar10 --train-size 2000 --width 0.5 --batch-size 64 --dropout --weight-decay")
    )


def test_a_toggle_clicked_while_the_first_look_is_under_way_is_seen(lab):
    lab.digits(train_size=60, epochs=1)
    recipe(lab, "None")
    lab.tab("What the network sees")
    toggle(lab, "dropblock")
    expect(lab.page.locator(".sees .inside img")).to_have_count(2)


def test_what_the_network_sees_follows_the_toggles_and_makes_way_for_the_curves(lab):
    page = lab.page
    lab.digits(train_size=60, epochs=1)
    recipe(lab, "None")
    lab.tab("What the network sees")
    expect(page.locator(".sees .batch img")).to_have_count(24)
    expect(page.locator(".sees .inside")).to_have_count(0)
    first = page.locator(".sees img").first.get_attribute("src")
    toggle(lab, "dropblock")
    expect(page.locator(".sees .inside img")).to_have_count(2)
    toggle(lab, "cutout")
    expect(page.locator(".sees img").first).not_to_have_attribute("src", first)
    toggle(lab, "mixup")
    expect(page.locator(".sees .batch")).to_contain_text(re.compile(r"\d+\s%, "))
    assert lab.sideways() <= 0
    lab.train.click()
    expect(page.locator("#chart")).to_be_visible()
    lab.expect_statuses("finished", "finished")


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_random_weights_of_a_timm_network_are_trained_without_any_download(lab):
    lab.digits(train_size=60, epochs=1)
    recipe(lab, "None")
    lab.choose("control-model", re.compile("^resnet18 · timm"))
    expect(lab.toggle("pretrained")).to_be_checked()  # else there is nothing to take back yet
    lab.toggle("pretrained").uncheck()
    lab.number("side").fill("32")
    lab.number("side").blur()
    expect(lab.command).to_have_value(re.compile(r"--model timm/resnet18 --side 32( |$)"))
    lab.train.click()
    lab.expect_statuses("finished")
