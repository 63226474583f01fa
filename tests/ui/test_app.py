"""The app as its visitors meet it: a real server, a real browser, real (tiny) training.

`servers.py` holds the servers, `browser.py` the browser and what a visitor does; here stands only what must be true.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from browser import LEFT, Lab, expect, one_page_fixture  # noqa: F401  (a fixture of this file)
from conftest import environment
from pages import SENTENCE, TABS
from servers import ROOT, wait_until

from reglab.config import called
from reglab.runs.run import Run
from reglab.runs.store import Store


# ---- a first visit -----------------------------------------------------------------------------------------------
def test_a_first_visit_shows_a_page_one_can_use(lab):
    page = lab.page
    expect(page.locator("#tabs > .tab-wrapper").get_by_role("tab")).to_have_text(list(TABS))
    expect(page.locator("#machine")).to_contain_text(" · idle", timeout=20_000)
    expect(lab.train).to_be_enabled()
    expect(lab.stop).to_be_disabled()
    expect(lab.chosen("dataset")).to_have_text("CIFAR-10")
    expect(page.locator(".warning").filter(visible=True)).to_have_count(0)
    shipped = Store(ROOT / "checkpoints")
    if any(len(shipped.group(run.described.get("group", ""))) == 2 for run in shipped.runs()):
        lab.expect_statuses("finished", "finished")
        lab.expect_points(2, runs=2)
        assert lab.said("#chart [data-part=verdict]")
    else:
        expect(page.locator("#chart .doing")).to_be_visible()


def test_answers_that_overtake_each_other_leave_the_page_right(visitor, server):
    """The first look at the runs is asked before the page has loaded, and its answer arrives after."""
    page, held = visitor.context.new_page(), {}

    def hold(route: Any) -> None:
        given = len(json.loads(route.request.post_data or "{}").get("data", []))
        kind = {1: "loading", 3: "look"}.get(given, "")
        if kind and kind not in held:
            held[kind] = route
        else:
            route.continue_()

    page.route("**/run/predict*", hold)
    page.goto(server.url)
    wait_until(lambda: page.wait_for_timeout(20) or len(held) == 2, "the page does not look at its runs")
    early = held["look"].fetch()
    held["loading"].continue_()
    runs = page.locator("#chart [data-part=progress] > *")
    expect(runs).to_have_count(2)
    with page.expect_response("**/run/predict*") as late:
        held["look"].fulfill(response=early)
    late.value.finished()
    page.wait_for_timeout(200)  # what the early answer says of runs, it says of a page that had not loaded
    expect(runs).to_have_count(2)
    expect(page.locator("#machine")).to_contain_text(" · idle")  # also for the second visitor of this server


def test_what_is_set_while_an_answer_is_under_way_stays(visitor, server):
    """A data set brings numbers along. What somebody has typed before they arrive counts more."""
    lab, held = visitor.open(server), []
    page = lab.page
    page.route("**/run/predict*", lambda route: held.append(route) if is_choice(route) else route.continue_())
    lab.choose("control-dataset", "Digits")
    wait_until(lambda: page.wait_for_timeout(20) or held, "the page does not ask what goes with the data set")
    lab.number("epochs").fill("7")
    lab.number("epochs").blur()
    lab.toggle("batch_norm").check()
    held[0].continue_()
    expect(lab.number("train_size")).to_have_value("300")
    expect(lab.number("epochs")).to_have_value("7")
    expect(lab.toggle("batch_norm")).to_be_checked()
    expect(lab.command).to_have_value(re.compile("--dataset digits --train-size 300.* --epochs 7.*--batch-norm"))


def test_changes_that_come_while_answers_are_under_way_are_answered_once(visitor, server):
    lab, asked = visitor.open(server), []
    lab.page.on("request", lambda request: asked.append(monotonic()) if request.method == "POST" else None)
    lab.choose("control-dataset", "Digits")
    for name in ("dropout", "batch_norm") * 4:
        lab.toggle(name).click()
    expect(lab.command).to_have_value(re.compile("--dataset digits "))
    wait_until(lambda: lab.page.wait_for_timeout(100) or monotonic() - asked[-1] > 2, "the page goes on asking")
    assert len(asked) < 60


def is_choice(route: Any) -> bool:
    """Whether the page asks what goes with something that was chosen."""
    return "changed" in (json.loads(route.request.post_data or "{}").get("event_data") or {})


# ---- training ----------------------------------------------------------------------------------------------------
IN_SIGHT = """element => {  // a curve may cross what is drawn in the same chart
  const box = element.getBoundingClientRect(), whole = element.ownerSVGElement || element;
  const hit = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
  const inside = box.width > 0 && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
  return inside && hit !== null && (whole.contains(hit) || hit.contains(whole));
}"""


def out_of_sight(lab: Lab) -> list[str]:
    """What matters and cannot be seen on a laptop without scrolling."""
    parts = ("[data-chart=accuracy]", "[data-chart=loss]", ".brackets path", "[data-part=diagnosis]")
    # All the toggles cannot be in sight: the board scrolls by itself, below its search box.
    wanted = [
        "#train",
        "#stop",
        "#search input",
        "#board .technique:visible >> nth=0",
        *(f"#chart {part}" for part in parts),
    ]
    return [what for what in wanted if not lab.page.locator(what).first.evaluate(IN_SIGHT)]


def test_training_draws_both_runs_in_sight_and_ends_with_a_verdict(lab, server, tmp_path):
    lab.digits(train_size=60, epochs=6)
    arguments, before = lab.arguments(), {run.id for run in server.runs()}
    lab.train.click()
    expect(lab.stop).to_be_enabled()
    lab.expect_points(1, runs=2)
    early = lab.points("accuracy")
    assert max(early) < 7, "the curves were not seen growing"
    assert out_of_sight(lab) == []
    lab.expect_statuses("finished", "finished")
    lab.expect_points(7, runs=2)
    assert out_of_sight(lab) == []
    page = lab.page
    assert page.evaluate("scrollY") == 0
    expect(page.locator("#chart tbody tr")).to_have_count(2)
    expect(page.locator("#chart [data-part=verdict]")).to_have_text(SENTENCE)
    expect(page.locator("#chart [data-part=diagnosis] > *")).to_have_count(2)
    expect(page.locator("#chart [data-part=diagnosis]")).to_have_text(SENTENCE)
    expect(lab.train).to_be_enabled()
    expect(lab.stop).to_be_disabled()

    runs = [run for run in server.runs() if run.id not in before]
    assert sorted(bool(run.config.regularizers) for run in runs) == [False, True]
    told = command_line(*arguments, "--epochs", 1, runs=tmp_path / "cli")
    [shown] = [run for run in runs if run.config.regularizers]
    assert told["config"] == shown.config.override({"epochs": 1}).model_dump(mode="json")


def command_line(*arguments: Any, runs: Path) -> dict[str, Any]:
    """The config.json of a run that the command line trained."""
    words = [sys.executable, "-m", "reglab", "train", *map(str, arguments), "--runs", str(runs)]
    subprocess.run(words, cwd=ROOT, env=environment(), check=True, capture_output=True, timeout=120)
    [run] = Store(runs).runs()
    return run.described


def test_a_double_click_on_train_starts_one_job(lab, server):
    lab.digits(train_size=60, epochs=1)
    for compare, expected in ((False, 1), (True, 2)):
        lab.page.locator("#compare input").set_checked(compare)
        before = len(server.runs())
        lab.train.dblclick()
        lab.expect_statuses(*["finished"] * expected)
        assert (
            len(server.runs()) - before == expected
        )  # a second job would have made its folders before the first began
        expect(lab.train).to_be_enabled()


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_reload_and_a_second_tab_find_the_run_again(visitor, server):
    visitor.may_fail = LEFT
    lab = visitor.open(server)
    lab.digits(train_size=60, epochs=90)
    before = len(server.runs())
    lab.train.click()
    lab.expect_points(2, runs=2)

    lab.page.reload()
    lab.expect_points(2, runs=2)
    reached = max(lab.points("loss"))
    lab.expect_points(reached + 1, runs=2)
    expect(lab.train).to_be_disabled()
    expect(lab.number("train_size")).to_have_value("60")

    second = visitor.open(server)
    second.expect_points(reached + 1, runs=2)
    reached = max(second.points("loss"))
    second.expect_points(reached + 1, runs=2)
    assert len(server.runs()) - before == 2

    second.stop.click()
    for tab in (second, lab):
        tab.expect_statuses("stopped", "stopped")
        expect(tab.train).to_be_enabled()


def test_stop_takes_effect_before_the_run_ends_and_the_run_can_be_resumed(lab, server):
    lab.digits(train_size=60, epochs=24)
    before = {run.id for run in server.runs()}
    lab.train.click()

    def begun() -> list[Run]:
        return [run for run in server.runs() if run.id not in before and len(run.history()) > 1]

    wait_until(lambda: len(begun()) == 2, "the runs do not begin", more=lab.text)
    runs = begun()
    lab.stop.click()
    wait_until(lambda: all(last_event(run) == "stopped" for run in runs), "the runs go on", more=lab.text)
    lab.expect_statuses("stopped", "stopped")
    expect(lab.page.locator("#chart [data-part=progress]")).to_contain_text("stopped at epoch")
    assert all(len(run.history()) < 24 for run in runs)

    [regularized] = [run for run in runs if run.config.regularizers]  # the controls then say what it was trained with
    lab.choose_run(regularized.id)
    expect(lab.page.locator("#resume")).to_be_enabled()
    lab.page.locator("#resume").click()
    expect(lab.page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    lab.expect_statuses("finished", "finished")
    lab.expect_points(25, runs=2)
    for run in runs:
        assert [epoch.epoch for epoch in run.history()] == list(range(25))


def last_event(run: Run) -> str:
    lines = run.lines()[0]
    return str(lines[-1]["event"]) if lines else ""


def test_stop_pressed_while_the_worker_still_starts_is_not_forgotten(lab, server):
    lab.digits(train_size=60, epochs=90)
    before = {run.id for run in server.runs()}
    lab.train.click()
    lab.stop.click()
    runs = [run for run in server.runs() if run.id not in before]
    assert len(runs) == 2
    wait_until(lambda: all(last_event(run) == "stopped" for run in runs), "the runs go on", 15, more=lab.text)
    lab.expect_statuses("stopped", "stopped")
    expect(lab.train).to_be_enabled()


# ---- values that cannot be ---------------------------------------------------------------------------------------
def test_a_bad_value_is_answered_in_one_sentence_and_nothing_starts(lab, server):
    lab.digits(train_size=60)
    before = len(server.runs())
    for field, value in (("lr", "-1"), ("batch_size", "0"), ("seed", "1.5"), ("epochs", "0")):
        number = lab.number(field)
        good = number.input_value()
        number.fill(value)
        sentence = re.compile(f"^{called(field)} must be .*, not {value}\\.$")
        expect(lab.refusal(field)).to_have_text(sentence)
        expect(lab.command).to_have_value("")
        expect(number).to_have_attribute("aria-invalid", "true")
        assert f"control-{field}-refused" in number.get_attribute("aria-describedby")
        lab.train.click()
        expect(lab.notice).to_have_text(sentence)
        expect(lab.notice).to_have_text(SENTENCE)
        assert len(server.runs()) == before
        expect(lab.train).to_be_enabled()
        number.fill(good)
        expect(lab.refusal(field)).to_have_text("")
        expect(number).not_to_have_attribute("aria-invalid", "true")


def test_a_number_can_be_typed_digit_by_digit(lab):
    """On the way to 120 images stand 1 and 12, which are too few: no reason for an error."""
    lab.digits(train_size=60)
    lab.number("train_size").select_text()
    lab.number("train_size").press_sequentially("120", delay=400)
    lab.number("train_size").blur()
    expect(lab.command).to_have_value(re.compile("--train-size 120 "))


def test_numbers_are_read_as_people_type_them_and_stay_as_typed(lab):
    lab.digits(train_size=60)
    lr, images, epochs = lab.number("lr"), lab.number("train_size"), lab.number("epochs")
    for typed, flag in (("0,01", "--lr 0.01 "), ("5e-3", "--lr 0.005 "), ("", "--epochs 7 ")):
        epochs.fill("7")
        lr.fill(typed)
        lr.blur()
        expect(lab.command).to_have_value(re.compile(flag))
        expect(lr).to_have_value(typed)
    expect(lab.command).not_to_have_value(re.compile("--lr"))
    assert lr.get_attribute("placeholder") == "0.001"
    lr.fill("1,000")
    expect(lab.refusal("lr")).to_have_text("Learning rate could be 1 or 1000, written as '1,000': write 1 or 1000.")
    lr.fill("")
    epochs.fill("400")  # beyond the end of the slider
    lab.page.locator("#control-epochs input[type=range]").focus()
    expect(epochs).to_have_value("400")
    expect(lab.command).to_have_value(re.compile("--epochs 400 "))
    images.fill("")
    expect(lab.command).to_have_value(re.compile("--dataset digits --label-noise"))
    assert (images.get_attribute("placeholder") or "").startswith("all ")


def test_a_number_can_be_set_with_the_keyboard_alone(lab):
    lab.digits(train_size=60, epochs=7)
    epochs = lab.number("epochs")
    epochs.focus()
    epochs.press("ArrowUp")
    expect(lab.command).to_have_value(re.compile("--epochs 8 "))
    epochs.press("Tab")
    slider = lab.page.get_by_role("slider", name="Epochs, slider", exact=True)
    expect(slider).to_be_focused()
    assert slider.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    slider.press("ArrowRight")
    expect(lab.command).to_have_value(re.compile("--epochs 9 "))
    expect(epochs).to_have_value("9")
    lr = lab.number("lr")
    lr.focus()
    lr.press("ArrowUp")
    expect(lab.command).to_have_value(re.compile("--lr 0.002 "))
    lr.fill("")
