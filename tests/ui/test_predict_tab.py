"""The Predict tab: its handlers called without a page, and as visitors meet it in a real browser, with the errors of a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from browser import Lab, expect
from pages import changes, pressed
from PIL import Image
from servers import wait_until

from reglab import data
from reglab.analysis.evaluate import evaluate, known
from reglab.models import pretrained
from reglab.runs.run import Run
from reglab.ui.tabs.predict import PredictTab
from reglab.ui.views.answers import examples_html, page

# Whatever is wider than the room it has.
CUT_OFF = """([root]) => [...root.querySelectorAll("*")].filter(e => {
  if (e.closest("svg") || !e.clientWidth || getComputedStyle(e).display === "inline" || e.closest(".wide, .name, .spoken")) return false;
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
        lab.page.locator("#network select").select_option(run.id)
        expect(examples).to_have_count(10)
    return lab.page.locator("#answers")


def fact(answers: Any, name: str) -> Any:
    return answers.locator("dl div").filter(has_text=re.compile(f"^{name}")).locator("dd")


# ---- without a page ----------------------------------------------------------------------------------------------
def test_a_picture_is_answered_by_the_networks_that_are_chosen_and_calibrated_with_a_press(
    finished, laid_out, tmp_path
):
    tab, picture = laid_out(PredictTab), str(a_picture(tmp_path))

    def ask(network=finished.id, beside="", **typed):
        return tab.show(picture, {"network": network, "beside": beside, **typed})

    assert tab.show(None, {"network": finished.id}) == page([])
    for nothing in (None, 7, [], {"network": ["a"], "beside": 7}):
        assert "train one first" in tab.show(picture, nothing)
    answered = ask(beside=finished.id, how="upside down")
    assert answered.count("<section") == 1 and finished.name in answered and "not calibrated" in answered
    assert "this network has no dropout" in ask(spread=True)

    assert tab.calibrate(pressed(run=finished.id)) == ""
    evaluation = known(finished)
    assert evaluation
    calibrated = ask(how="fit", tta=True)
    assert f"{evaluation.temperature:.2f}" in calibrated and "data-run" not in calibrated
    assert "gone" in tab.calibrate(pressed(run="gone")) and 'class="warning"' in tab.calibrate(pressed())

    for pixels, name in tab.pictures(finished.id):  # an example is known again by its pixels
        Image.fromarray(pixels).save(tmp_path / "example.png")
        shown = tab.show(str(tmp_path / "example.png"), {"network": finished.id, "tta": True})
        assert ("right</span>" in shown) != (f"true class: {name}</span>" in shown)

    classes = tab.classify(picture, finished.id)
    assert set(classes) == set(data.source("digits").classes) and sum(classes.values()) == pytest.approx(1, abs=1e-4)
    for nothing, words in (((None, finished.id), "no picture yet"), ((picture, None), "no trained network yet")):
        with pytest.raises(gr.Error, match=words):
            tab.classify(*nothing)

    assert len(tab.pictures(finished.id)) == len(tab.pictures(None)) == 10
    asked, followed, shown, imagenet = changes(tab.refresh({}, [], {}))
    assert asked["value"]["network"] == finished.id and asked["value"]["beside"] == "" and shown.count("<img") == 10
    assert followed == [] and len(imagenet["options"]["network"]) == len(pretrained.OFFERED)
    typed = asked["value"] | {"how": "fit"}
    again, followed, *_ = changes(tab.refresh({"ids": [finished.id]}, [], typed))
    assert again["value"] == typed and followed == [finished.id], "what is chosen stays, and so does the way to look"
    (finished.path / "model.safetensors").write_bytes(b"broken")
    assert "is damaged" in ask()


def huge(file: Path) -> None:
    """A hundred megapixels in a few kilobytes."""
    Image.new("1", (10_000, 10_000)).save(file)


RUBBISH = {
    "rubbish.png": (lambda file: file.write_text("I only look like a picture."), "is not a picture"),
    "empty.png": (Path.touch, "is empty"),
    "huge.png": (huge, "10,000 x 10,000 pixels"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_what_is_no_picture_is_refused_in_words_and_the_next_one_is_answered(name, finished, laid_out, tmp_path):
    tab, file = laid_out(PredictTab), tmp_path / name
    make, words = RUBBISH[name]
    make(file)
    refused = tab.show(str(file), {"network": finished.id})
    assert re.search(rf'class="warning".*{name} .*{words}.*\.', refused, re.DOTALL) and "%" not in refused
    answered = tab.show(str(a_picture(tmp_path)), {"network": finished.id})
    assert 'class="warning"' not in answered and "%" in answered


@pytest.mark.parametrize("sent", [None, 7, [], {}, {"path": 7}, {"path": ""}])
def test_what_is_no_upload_is_no_picture(sent, laid_out):
    assert laid_out(PredictTab).picture.preprocess(sent) is None


def test_only_what_was_uploaded_is_opened(laid_out, tmp_path):
    box, picture = laid_out(PredictTab).picture, a_picture(tmp_path)
    with pytest.raises(gr.Error, match="upload it first"):
        box.preprocess({"path": str(picture), "url": "/file"})
    there = Path(box.GRADIO_CACHE) / "one" / picture.name
    there.parent.mkdir(parents=True, exist_ok=True)
    picture.rename(there)
    assert box.preprocess({"path": str(there)}) == str(there)
    there.unlink()


def test_examples_show_their_true_class_and_where_there_are_none_it_is_said():
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    shown = examples_html([(pixels, "<b>"), (pixels, "cat")])
    assert shown.count("<img") == 2 and "<span>&lt;b&gt;</span>" in shown and "<span>cat</span>" in shown
    assert "There are none" in examples_html([])


def test_a_network_of_imagenet_that_is_not_offered_or_not_here_is_not_asked(here, laid_out):
    part = laid_out(PredictTab).imagenet
    assert changes(part.look("nothing", "picture.png")) == [{"said": {}}, "", {"active": False}]
    asked, *_ = changes(part.ask({"network": "timm/resnet18"}, None))
    assert asked == "timm/resnet18"
    going = here.datasets.fetches["timm/resnet18"]
    wait_until(lambda: going.state == "failed", "it was fetched without a network")
    form, answer, clock = changes(part.look("timm/resnet18", None))
    assert "timm/resnet18 (47 MB) could not" in form["said"]["notice"] and not answer and clock == {"active": False}


# ---- in the browser ----------------------------------------------------------------------------------------------
def test_a_visitor_asks_two_networks_calibrates_one_and_asks_one_of_imagenet(lab, a_run, tmp_path):
    run = a_run("20250103-000000-aaaaaa")
    shown = open_predict(lab)
    expect(shown).to_contain_text("Choose an example")
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
        expect(panel.locator("figcaption").last).to_contain_text(re.compile(r"vidence for \w+, at \S+ \(\w+\)"))
    lab.choose("beside", "none")
    expect(panels).to_have_count(1)
    lab.page.locator("#spread input").check()
    expect(fact(shown, "Dropout")).to_contain_text("this network has no dropout")
    lab.page.locator("#spread input").uncheck()

    lab.page.locator("#network select").select_option(run.id)
    expect(lab.page.locator("#examples img")).to_have_count(10)
    lab.upload(a_picture(tmp_path))
    expect(fact(shown, "Temperature")).to_contain_text("not calibrated")
    lab.page.locator("#tta input").check()
    lab.page.locator("#how").get_by_text("Whole picture").click()
    shown.get_by_role("button", name="Calibrate").click()
    expect(shown.locator(".bars s")).to_have_count(5)
    evaluation = known(run)
    assert evaluation
    expect(fact(shown, "Temperature")).to_contain_text(f"{evaluation.temperature:.2f}")
    expect(shown.get_by_role("button", name="Calibrate")).to_have_count(0)

    lab.page.get_by_text("ImageNet classes (timm)").click()
    lab.choose("imagenet-network", re.compile("resnet18 · a download of 47 MB"))
    lab.page.locator("#imagenet-go").click()
    expect(lab.page.locator("#imagenet-notice")).to_contain_text(re.compile(r"timm/resnet18 \(47 MB\) could not"))


# Puts a picture of one color into the clipboard and presses Ctrl+V where the focus is: a browser without a screen has no
# clipboard of its own.
PASTE = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 40 });
  canvas.getContext("2d").fillRect(0, 0, 40, 40);
  const data = new DataTransfer();
  data.items.add(new File([await new Promise(done => canvas.toBlob(done))], "pasted.png", { type: "image/png" }));
  document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def test_on_a_phone_the_answer_comes_into_sight_below_the_picture(visitors, server):
    phone = visitors(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    lab = phone.open(server)
    shown, picture, answer = open_predict(lab), lab.page.locator("#picture img"), lab.page.locator("#answers header")
    lab.page.locator("#examples button").tap()
    expect(shown.locator("section")).to_have_count(2)
    wait_until(lambda: 0 <= lab.box("#answers header")["y"] < 844 / 2, "the answer is not in sight")
    assert answer.first.locator(".verdict").is_visible(), "whether it is right"
    tops = [lab.box(part)["y"] for part in ("#picture", "#answers", "#examples", "#how")]
    assert tops == sorted(tops)
    lab.page.locator("#tta input").tap()  # another way to look at the same picture moves nothing
    assert lab.sideways() <= 0 and picture.is_visible()


def test_a_picture_is_pasted_anywhere_and_one_that_cannot_be_read_leaves_no_broken_icon(lab, tmp_path):
    shown, picture, box = open_predict(lab), lab.page.locator("#picture img"), lab.page.locator("#picture")
    lab.page.evaluate(PASTE)
    expect(shown.locator("section")).to_have_count(2)
    expect(picture).to_be_visible()
    expect(picture).to_have_attribute("alt", re.compile("pasted.png"))
    (tmp_path / "rubbish.png").write_text("I only look like a picture.")
    lab.upload(tmp_path / "rubbish.png")
    expect(shown.locator(".warning[role=alert]")).to_have_text(
        re.compile("rubbish.png is not a picture that can be read: .*")
    )
    expect(picture).to_be_hidden()
    expect(box.get_by_text("Choose a picture")).to_be_visible()
    box.get_by_role("button", name="Clear").click()
    expect(shown.locator(".empty")).to_be_visible()
    lab.tab("Learn")
    lab.page.evaluate(PASTE)  # elsewhere a paste is no picture for this tab
    lab.tab("Predict")
    expect(shown.locator(".empty")).to_be_visible()


CAMERA = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 32 }), shown = canvas.getContext("2d");
  setInterval(() => { shown.fillStyle = shown.fillStyle === "#ff0000" ? "#0000ff" : "#ff0000"; shown.fillRect(0, 0, 32, 32); }, 30);
  navigator.mediaDevices.getUserMedia = async () => window.camera = canvas.captureStream(20);
}"""


def test_the_camera_is_on_only_while_its_picture_is_in_sight(lab):
    shown, box = open_predict(lab), lab.page.locator("#picture")
    button = lambda name: box.get_by_role("button", name=name)  # noqa: E731
    is_on = "() => window.camera.getTracks().some(track => track.readyState === 'live')"
    lab.page.evaluate(CAMERA)
    expect(button("Cancel")).to_be_hidden()
    button("Use the camera").click()
    expect(box.locator("video")).to_be_visible()
    button("Cancel").click()
    expect(button("Use the camera")).to_be_focused()
    assert not lab.page.evaluate(is_on) and box.locator("video").is_hidden()
    button("Use the camera").click()
    expect(button("Take the photo")).to_be_visible()
    lab.tab("Learn")
    wait_until(lambda: not lab.page.evaluate(is_on), "the camera is still on")
    lab.tab("Predict")
    button("Use the camera").click()
    lab.page.wait_for_function("document.querySelector('#picture video').videoWidth > 0")
    button("Take the photo").click()
    expect(shown.locator("section")).to_have_count(2)
    assert not lab.page.evaluate(is_on)


@pytest.mark.slow  # no tab runs off the side of a phone: that is asked of all of them in test_app_looks.py
@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_both_tabs_can_be_read_on_every_screen(visitors, server, a_run, tmp_path, width, theme):
    run = a_run("20250103-000002-cccccc")
    evaluate(run)
    lab = visitors(viewport={"width": width, "height": 844}).open(server, f"?__theme={theme}")
    shown = open_predict(lab, run)
    lab.choose("beside", re.compile("plain"))
    lab.page.locator("#spread input").check()
    lab.upload(a_picture(tmp_path))
    expect(shown.locator("section")).to_have_count(2)
    columns = {round(panel.bounding_box()["x"]) for panel in shown.locator("section").all()}
    assert len(columns) == (2 if width > 1000 else 1)
    assert shown.locator(".reglab-answers").evaluate_all(CUT_OFF) == [] and lab.sideways() <= 0
    lab.choose_run(run.id)
    lab.tab("Errors")
    expect(lab.page.locator("#errors-table tbody tr")).to_have_count(10)
    for part in ("table", "cell", "page"):
        assert lab.page.locator(f"#errors-{part} .reglab-errors").evaluate_all(CUT_OFF) == [], part
    assert lab.sideways() <= 0
    light = "e => { const [r, g, b] = getComputedStyle(e).color.match(/[\\d.]+/g).map(Number); return (r + g + b) / 3 }"
    for words in ("#errors-table h2", "#errors-table td button", "#errors-page .bars em"):
        brightness = lab.page.locator(words).first.evaluate(light)
        assert brightness > 140 if theme == "dark" else brightness < 110, words
