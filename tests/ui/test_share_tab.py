"""Sharing as visitors meet it: a link that is copied and opened, an assignment that is made, opened and handed in."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from browser import expect
from pages import changes
from servers import wait_until

from reglab.config import RunConfig
from reglab.runs.store import Store
from reglab.teaching import sheet
from reglab.teaching.assignments import Assignment
from reglab.teaching.links import Beside, decode, decode_all, encode, text_of
from reglab.teaching.sheet import Prediction
from reglab.ui.components.assigned import admitted, tries_under
from reglab.ui.components.visitor import tries_of
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.share import ShareTab, exceptions
from reglab.ui.tabs.train import TrainTab

CONFIG = RunConfig.parse(
    {
        "dataset": "digits",
        "train_size": 60,
        "val_size": 60,
        "epochs": 2,
        "batch_size": 16,
        "regularizers": {"dropout": {}},
    }
)
RULES = {
    "task": "Try <b>one</b> rate.\nExplain.",
    "predict": "gap",
    "rest": "locked",
    "open": ["dropout.rate", "epochs"],
    "hidden": ["seed", "batch_norm", "width", "optimizer", "schedule", "precision", "init", "val_size", "judged_size"],
    "max_epochs": 3,
    "max_runs": 1,
}
ASSIGNMENT = Assignment.parse({"config": CONFIG, **RULES})
BECAUSE = {"predicted": "10", "why": "because"}


def said(link: str) -> tuple[int, Beside]:
    shared, beside = decode_all(text_of(link))
    return shared.epochs, beside


# ---- in a browser ------------------------------------------------------------------------------------------------
@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_copied_link_opens_the_same_set_up_for_somebody_else(visitors, server):
    visitor = visitors()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab = visitor.open(server)
    lab.digits(train_size=60, epochs=7)
    lab.page.locator("#compare input").uncheck()
    lab.tab("Share")
    box = lab.page.get_by_role("textbox", name="Link to this set-up")
    wait_until(lambda: said(box.input_value()) == (7, Beside(plain=False)), "the link does not follow the controls")
    lab.page.locator("#link button").click()
    expect(lab.page.locator("#link output")).to_have_text("Copied.")
    link = box.input_value()
    assert lab.page.evaluate("navigator.clipboard.readText()") == link
    assert text_of(lab.page.url) == text_of(link) and len(link) < 100

    other = visitors().open(server, f"?cfg={text_of(link)}")
    expect(other.command).to_have_value(lab.command.input_value())
    expect(other.page.locator("#compare input")).not_to_be_checked()
    expect(other.notice).to_have_count(0)


def test_a_pupil_predicts_trains_and_hands_in_within_the_rules(visitor, server, tmp_path):
    lab = visitor.open(server, f"?cfg={encode(ASSIGNMENT)}")
    page, before = lab.page, len(server.runs())
    expect(page.locator("#assignment .task")).to_have_text("Try <b>one</b> rate.\nExplain.")
    expect(page.locator("#assignment .rules")).to_contain_text(
        "You may change: Dropout: rate, Epochs. At most 3 epochs, 1 run."
    )
    for hidden in ("#control-seed", "#control-batch_norm", "#more-settings", "#preset-1", "#reset"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.get_by_role("button", name="More settings")).to_be_hidden()
    expect(lab.number("train_size")).to_be_disabled()
    expect(lab.toggle("dropout")).to_be_disabled()
    expect(lab.number("epochs")).to_be_enabled()

    lab.number("epochs").fill("4")
    lab.number("epochs").blur()
    expect(lab.command).to_have_value(re.compile("--epochs 4 "))
    for words, epochs in (("4 epochs are more than the 3 that", "3"), ("Predict first: what will the gap", "3")):
        lab.train.click()
        expect(lab.notice).to_contain_text(words)
        lab.number("epochs").fill(epochs)
        lab.number("epochs").blur()
        expect(lab.command).to_have_value(re.compile(f"--epochs {epochs} "))
    assert len(server.runs()) == before

    page.locator("#prediction input").fill("12.5")
    page.locator("#why input").fill("little to learn from")
    lab.train.click()
    expect(page.locator("#chart [data-part=title]")).to_contain_text("Digits")  # and no longer the finished example
    lab.expect_statuses("finished", "finished")
    lab.train.click()
    expect(lab.notice).to_contain_text("the assignment allows 1, so hand in")

    lab.tab("Share")
    page.get_by_text("Lesson sheet", exact=True).click()
    page.get_by_label("Your name").fill("Ada")
    handed_in = lab.download("#download-sheet", tmp_path)
    assert re.fullmatch(r"sheet-Ada-[0-9a-f]{6}\.json", handed_in.name)
    found = sheet.read(handed_in.read_bytes())
    assert found.prediction == Prediction(of="gap", value=0.125, reason="little to learn from")
    findings = sheet.check(found, [server.store], ASSIGNMENT)
    assert [f.holds for f in findings] == [True] * 4, findings
    assert server.store.open(found.run).config == CONFIG.override({"epochs": 3})

    page.reload()  # the prediction is still there, and so is the run
    expect(page.locator("#prediction input")).to_have_value("12.5")
    lab.tab("Curves")  # the address has kept the view that was open
    lab.expect_statuses("finished", "finished")


def test_a_teacher_makes_an_assignment(lab):
    lab.digits(train_size=60, epochs=2)
    lab.tab("Share")
    page = lab.page
    page.get_by_text("Make an assignment", exact=True).click()
    page.get_by_label("Task", exact=True).fill("Try.")
    page.get_by_label("Most epochs").fill("1")
    page.locator("#make-link").click()
    expect(page.locator("#assignment-link output")).to_contain_text("2 epochs are more than the 1 that")
    expect(page.locator("#assignment-link output")).to_be_visible()
    page.get_by_label("Most epochs").fill("9")
    page.get_by_label("Every control is").select_option("hidden")
    for control in ("dropout.rate", "lr"):
        page.get_by_label("Except", exact=True).select_option(control)
        page.locator("#except-add").click()
    expect(page.locator("#exceptions li")).to_have_text([re.compile("^Dropout: rate: open"), re.compile("open")])
    page.locator("#exceptions button").last.click()
    page.locator("#make-link").click()
    expect(page.locator("#assignment-link output")).to_contain_text("You may change: Dropout: rate.")
    made = decode(text_of(page.get_by_role("textbox", name="Link of the assignment").input_value()))
    assert made.config.train_size == 60 and "--dataset digits" in made.config.command()
    told = made.model_dump(exclude={"config"}, exclude_defaults=True)
    assert told == {"task": "Try.", "predict": "gap", "rest": "hidden", "open": ("dropout.rate",), "max_epochs": 9}


def test_a_bad_link_is_answered_and_the_page_works(visitor, server):
    lab = visitor.open(server, "?cfg=1<img src=x onerror=alert(1)>")
    expect(lab.page.locator("#assignment .warning")).to_have_text(re.compile("The link is damaged or not whole: .*"))
    expect(lab.train).to_be_enabled()
    expect(lab.command).to_have_value(re.compile("--dataset cifar10 .*--train-size 2000"))


# ---- without one -------------------------------------------------------------------------------------------------
def test_runs_are_counted_for_each_assignment_and_anything_in_the_memory_is_survived():
    told = admitted(ASSIGNMENT, CONFIG, {}, BECAUSE)
    visitor = {"tries": [{"run": "a", **told}, {"run": "b", **told, "link": "1"}]}
    assert [t["run"] for t in tries_under(ASSIGNMENT, visitor)] == ["a"]
    with pytest.raises(ValueError, match="allows 1, so"):
        admitted(ASSIGNMENT, CONFIG, visitor, BECAUSE)
    for anything in (None, [], {"tries": 3}, {"tries": [3, {}]}, {"tries": [{"run": [], "link": {}, "prediction": 7}]}):
        assert admitted(ASSIGNMENT, CONFIG, anything, BECAUSE) == told
    assert len(tries_of({"tries": [{}] * 500})) <= 30


@pytest.mark.parametrize("percent", [None, "twelve", "1,200", True, 101, -101, float("nan"), [], 10**400])
def test_a_prediction_is_a_number_that_can_be(percent):
    with pytest.raises(ValueError, match=r"Predict first|must be a number|could be 1.2 or 1200"):
        admitted(ASSIGNMENT, CONFIG, {}, {"predicted": percent})


def test_no_sheet_without_a_run_of_ones_own(tmp_path, trained):
    shipped = Store(trained["path"].parent)
    lab = Lab(Store(tmp_path / "runs"), shipped)
    try:
        for ids in ([], ["nobody"], [trained["path"].name]):
            with pytest.raises(ValueError, match="no run of yours"):
                lab.files.sheet(lab.results.open(ids), {}, "Ada")
        own = Lab(shipped, Store(tmp_path / "none"))
        told = sheet.read(own.files.sheet(own.results.open([trained["path"].name]), {}, "Ada").read_bytes())
        assert told.name == "Ada" and told.assignment is None and told.prediction is None
    finally:
        lab.close()
        own.close()


def test_a_sheet_is_handed_out_or_it_is_said_why_not(laid_out, here, trained):
    tab = laid_out(ShareTab)
    file, said = changes(tab.hand_out({"ids": ["nobody"]}, {"pupil": "Ada"}))
    assert file is None and "There is no run of yours on the screen" in said["said"]["notice"]
    shutil.copytree(trained["path"], here.stores.own.root / "a-run")
    file, said = changes(tab.hand_out({"ids": ["a-run"]}, {"pupil": "Ada"}))
    assert said == {"said": {}} and sheet.read(Path(file).read_bytes()).name == "Ada"


def test_the_link_of_an_assignment_says_what_was_filled_in_or_what_is_wrong(laid_out):
    _, tab = laid_out(lambda lab, page: (TrainTab(lab, page), ShareTab(lab, page)))
    controls = tab.page.controls.filled(CONFIG)

    def made(**rules):
        return tab.assign(True, False, {"predict": "", **rules}, *controls)

    answer = made(task="Try.", rest="locked", exceptions='{"dropout.rate": "open"}', max_epochs="2", max_runs="")
    assignment, beside = decode_all(answer["text"])
    assert beside == Beside() and assignment.config == CONFIG and assignment.max_runs is None
    assert answer["said"].endswith("2 epochs. You may change: Dropout: rate.")
    assert "2 epochs are more than the 1 that" in made(max_epochs="1")["error"]
    assert "error" in made(max_runs="many") and "error" in made(rest="ajar")


@pytest.mark.parametrize("sent", [None, 7, "", "{", "[]", '["lr"]', '{"lr": "ajar"}', '{"lr": ["open"]}', "[" * 10_000])
def test_exceptions_that_make_no_sense_are_none(sent):
    assert exceptions(sent) == {"open": [], "locked": [], "hidden": []}
    assert exceptions('{"lr": "open", "seed": "hidden"}') == {"open": ["lr"], "locked": [], "hidden": ["seed"]}
