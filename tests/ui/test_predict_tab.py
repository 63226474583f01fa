"""The Predict and the Errors tab as visitors meet them in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Lab, expect
from PIL import Image

from reglab import data
from reglab.analysis.evaluate import answers, evaluate, known
from reglab.runs.run import Run

# Whatever is wider than the room it has.
CUT_OFF = """([root]) => [...root.querySelectorAll("*")].filter(e => {
  if (e.closest("svg") || !e.clientWidth || getComputedStyle(e).display === "inline" || e.closest(".wide, .name")) return false;
  return e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > root.getBoundingClientRect().right + 1;
}).map(e => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`)"""


def a_picture(folder: Path) -> Path:
    """A digit that the test images hold, as a file."""
    Image.fromarray(np.array(data.load("digits").test_images[0])).save(folder / "digit.png")
    return folder / "digit.png"


def open_predict(lab: Lab, run: Run | None = None) -> Any:
    """The tab with the shipped pair, or with one run alone."""
    lab.tab("Predict")
    examples = lab.page.locator("#examples img")
    expect(examples).to_have_count(1)  # all pictures of the pretended CIFAR-10 are of one class
    if run:
        lab.choose("beside", "none")
        lab.choose("network", re.compile(run.id))
        expect(examples).to_have_count(10)
    return lab.page.locator("#answers")


def fact(answers: Any, name: str) -> Any:
    return answers.locator("dl div").filter(has_text=re.compile(f"^{name}")).locator("dd")


def test_an_example_is_answered_by_the_plain_and_the_regularized_network_side_by_side(lab):
    shown = open_predict(lab)
    expect(shown).to_contain_text("Click an example")
    before = shown.bounding_box()
    lab.page.locator("#examples button").first.click()
    panels = shown.locator("section")
    expect(panels).to_have_count(2)
    expect(panels.locator(".name")).to_have_text(["plain", "regularized"])
    assert shown.bounding_box()["y"] == before["y"], "nothing jumps"
    boxes = [panel.bounding_box() for panel in panels.all()]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    colours = [p.locator(".bars b").first.evaluate("e => getComputedStyle(e).backgroundColor") for p in panels.all()]
    assert colours == ["rgb(194, 78, 0)", "rgb(0, 114, 178)"]
    assert len({i.bounding_box()["width"] for i in shown.locator(".bars i").all()}) == 1, "one scale"
    for panel in panels.all():
        expect(panel.locator(".bars li")).to_have_count(5)
        expect(fact(panel, "Temperature")).to_contain_text("its logits are divided by this")
        expect(panel.locator("figcaption").last).to_contain_text(re.compile(r"speaks for \w+, at \S+ \(\w+\)"))
    lab.choose("beside", "none")
    expect(panels).to_have_count(1)
    lab.page.locator("#spread input").check()
    expect(fact(shown, "Dropout")).to_contain_text("this network has no dropout")


def test_a_network_is_calibrated_with_a_press_and_then_answers_calibrated(lab, a_run, tmp_path):
    run = a_run("20250103-000000-aaaaaa")
    shown = open_predict(lab, run)
    lab.upload(a_picture(tmp_path))
    expect(fact(shown, "Temperature")).to_contain_text("not calibrated")
    lab.page.locator("#tta input").check()
    lab.page.locator("#how").get_by_text("all of it").click()
    shown.get_by_role("button", name="Calibrate").click()
    expect(shown.locator(".bars s")).to_have_count(5)
    evaluation = known(run)
    assert evaluation
    expect(fact(shown, "Temperature")).to_contain_text(f"{evaluation.temperature:.2f}")
    expect(shown.get_by_role("button")).to_have_count(0)


def test_weights_of_imagenet_that_cannot_be_had_are_a_sentence(lab):
    open_predict(lab)
    lab.page.get_by_role("button", name="ImageNet classes").click()
    lab.choose("imagenet-network", re.compile("resnet18 · a download of 47 MB"))
    lab.page.locator("#imagenet-go").click()
    expect(lab.page.locator("#imagenet-notice .warning")).to_contain_text(
        re.compile(r"timm/resnet18 \(47 MB\) could not")
    )


# ---- errors ------------------------------------------------------------------------------------------------------
def test_a_run_is_evaluated_with_a_press_and_a_cell_of_its_table_shows_its_pictures(lab, a_run):
    run, page = a_run("20250103-000001-bbbbbb"), lab.page
    lab.tab("Errors")
    notice, table, cell = (page.locator(f"#errors-{part}") for part in ("notice", "table", "cell"))
    expect(notice.get_by_role("button", name="Evaluate")).to_be_visible()  # the shipped one knows another CIFAR-10
    lab.choose("errors-network", re.compile(run.id))
    expect(notice).to_contain_text(f"{run.id} has not been evaluated")
    notice.get_by_role("button", name="Evaluate").click()
    expect(table.locator("tbody tr")).to_have_count(10)
    expect(notice.get_by_role("button")).to_have_count(0)
    numbers = [int(number) for number in table.locator("tbody td").all_inner_texts()]
    labels, predicted = data.load("digits").test_labels, answers(run).argmax(1).numpy()
    expected = np.zeros((10, 10), dtype=int)
    np.add.at(expected, (labels, predicted), 1)
    assert numbers == expected.ravel().tolist()
    expect(page.locator("#errors-page svg[role=img]")).to_have_count(2)
    expect(page.locator("#errors-page figure").first).to_be_visible()

    true, taken = (int(n[0]) for n in np.nonzero(expected * (1 - np.eye(10, dtype=int))))
    table.get_by_role("button", name=re.compile(f"of {expected[true].sum()} {true} taken for {taken},")).click()
    expect(cell.locator("h4")).to_have_text(f"{true} taken for {taken}")
    expect(cell.locator("figure")).to_have_count(min(20, expected[true, taken]))
    expect(cell.locator("figcaption").first).to_have_text(
        re.compile(rf"^{true}, taken for {taken}.* % sure; calibrated")
    )
    assert table.locator("[aria-pressed=true]").count() == 1


@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_both_tabs_can_be_read_on_every_screen(visitors, server, a_run, tmp_path, width, theme):
    run = a_run("20250103-000002-cccccc")
    evaluate(run)
    lab = visitors(viewport={"width": width, "height": 844}).open(server, f"?__theme={theme}")
    shown = open_predict(lab, run)
    lab.choose("beside", re.compile("^plain"))
    lab.page.locator("#spread input").check()
    lab.upload(a_picture(tmp_path))
    expect(shown.locator("section")).to_have_count(2)
    columns = {round(panel.bounding_box()["x"]) for panel in shown.locator("section").all()}
    assert len(columns) == (2 if width > 1000 else 1)
    assert shown.locator(".reglab-answers").evaluate_all(CUT_OFF) == [] and lab.sideways() <= 0
    lab.tab("Errors")
    lab.choose("errors-network", re.compile(run.id))
    expect(lab.page.locator("#errors-table tbody tr")).to_have_count(10)
    for part in ("table", "cell", "page"):
        assert lab.page.locator(f"#errors-{part} .reglab-errors").evaluate_all(CUT_OFF) == [], part
    assert lab.sideways() <= 0
    light = "e => { const [r, g, b] = getComputedStyle(e).color.match(/[\\d.]+/g).map(Number); return (r + g + b) / 3 }"
    for words in ("#errors-table h4", "#errors-table td button", "#errors-page .bars em"):
        brightness = lab.page.locator(words).first.evaluate(light)
        assert brightness > 140 if theme == "dark" else brightness < 110, words
