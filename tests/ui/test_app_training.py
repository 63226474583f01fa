"""While it trains, and after, in a real browser: what a phone shows, the title and the notification, Stop and Resume, what next."""

from __future__ import annotations

import re

import pytest
from browser import expect
from servers import wait_until

from reglab.config import RunConfig
from reglab.teaching.links import Beside, encode

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
IN_REACH = """element => {
  const box = element.getBoundingClientRect();
  const hit = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
  return box.height >= 24 && box.top >= 0 && box.bottom <= innerHeight && element.contains(hit);
}"""
# What a browser has that can notify, and says so to the test instead.
NOTIFIES = """
window.told = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static async requestPermission() { return (this.permission = "granted"); }
  constructor(title, options) { super(); window.told.push([title, options.body]); }
};
"""


def test_on_a_phone_train_goes_to_the_chart_and_stop_stays_in_reach(visitors, server):
    lab = visitors(**PHONE).open(server)
    page = lab.page
    assert lab.train.evaluate(IN_REACH) and page.locator("#chart [data-chart=accuracy] .plot").evaluate(IN_REACH)
    page.locator("#jump").tap()
    expect(page.locator("#jump")).to_have_text("Curves")
    lab.digits(train_size=60, epochs=90)
    assert lab.train.evaluate(IN_REACH), "however far one has scrolled"
    lab.train.tap()
    wait_until(lambda: page.locator("#chart [data-chart=accuracy]").evaluate(IN_REACH), "the chart is not in sight")
    lab.expect_points(1, runs=2)
    for what in ("#chart [data-chart=accuracy] .dots circle", "#stop"):
        assert page.locator(what).first.evaluate(
            IN_REACH.replace("box.height >= 24 &&", "").replace("element.contains(hit)", "hit")
        )
    assert page.evaluate("document.activeElement.id") in ("stop", "train"), "the focus is lost"
    lab.stop.tap()
    lab.expect_statuses("stopped", "stopped")
    expect(lab.stop).to_have_text("Resume")
    assert lab.stop.evaluate(IN_REACH) and lab.sideways() <= 0


def test_on_a_phone_nothing_that_has_the_focus_is_covered(visitors, server):
    lab = visitors(**PHONE).open(server)
    covered = []
    for _ in range(40):
        lab.page.keyboard.press("Tab")
        told = lab.page.evaluate(
            """() => {
              const element = document.activeElement, box = element.getBoundingClientRect();
              const bar = document.querySelector("#bar").getBoundingClientRect();
              const under = box.bottom > bar.top + 1 && !element.closest("#bar");
              return [element.id || element.className || element.tagName, under && box.height < innerHeight / 2];
            }"""
        )
        covered += [told[0]] if told[1] else []
    assert covered == []


def test_the_title_tells_how_far_it_is_and_the_end_is_notified_where_that_was_asked_for(visitors, server):
    visitor = visitors()
    visitor.context.add_init_script(NOTIFIES)
    lab = visitor.open(server)
    lab.digits(train_size=60, epochs=5)
    lab.train.click()
    expect(lab.page).to_have_title(re.compile(r"^\d+ % · CNN Regularization Lab$"))
    assert lab.page.evaluate("Notification.permission") == "default", "nobody is asked before a press"
    lab.page.get_by_label("Notify me when it has ended").check()
    lab.expect_statuses("finished", "finished")
    expect(lab.page).to_have_title("Finished · CNN Regularization Lab")
    [(title, body)] = lab.page.evaluate("told")
    assert title.startswith("Training has ended: Digits") and body == lab.said("#chart [data-part=verdict]")


def test_stop_becomes_resume_which_goes_on_to_the_end(lab, server):
    lab.digits(train_size=60, epochs=9)
    before = {run.id for run in server.runs()}
    lab.train.click()
    lab.expect_points(2, runs=2)
    lab.stop.click()
    lab.expect_statuses("stopped", "stopped")
    expect(lab.stop).to_have_text("Resume")
    expect(lab.train).to_be_enabled()
    lab.stop.click()
    expect(lab.stop).to_have_text("Stop")
    lab.expect_statuses("finished", "finished")
    lab.expect_points(10, runs=2)
    expect(lab.stop).to_be_disabled()
    assert len({run.id for run in server.runs()} - before) == 2


@pytest.mark.slow  # its handlers are tested without a browser
def test_what_to_try_next_is_seen_where_it_leads(visitors, server):
    lab = visitors().open(server)
    lab.digits(train_size=60, epochs=6)
    lab.train.click()
    lab.expect_statuses("finished", "finished")
    buttons = lab.page.get_by_role("group", name="What to try next").get_by_role("button")
    expect(buttons).to_have_count(3)
    buttons.nth(0).click()
    expect(lab.page.locator("#notice [role=status]")).to_be_visible()
    buttons.nth(1).click()
    expect(lab.page.locator("#chart [data-part=progress] > *")).to_have_count(5)
    lab.stop.click()
    wait_until(lambda: not {"running", "queued"} & {*lab.statuses()}, "they go on", more=lab.text)


def test_a_picture_of_yours_is_asked_for_on_predict(lab, a_run):
    a_run("20250101-000009-abcdef")
    lab.digits(train_size=60, epochs=1)
    lab.train.click()
    lab.expect_statuses("finished", "finished")
    lab.page.get_by_role("button", name="Try your own picture").click()
    expect(lab.page.locator("#tabs > .tab-wrapper").get_by_role("tab", selected=True)).to_have_text("Predict")


def test_a_change_that_was_made_while_it_waited_is_offered_once_it_trains(visitors, server):
    told = {"dataset": "digits", "train_size": 60, "epochs": 1_000, "regularizers": {"dropout": {}}}
    link = f"?cfg={encode(RunConfig.parse(told), Beside(False, False))}"
    first, lab = (visitors().open(server, link) for _ in range(2))
    first.train.click()
    first.expect_points(1)
    lab.train.click()
    lab.expect_statuses("queued")
    lab.toggle("batch_norm").check()
    lab.at_rest()
    offer = lab.page.locator("#change")
    expect(offer).to_be_hidden()
    first.stop.click()
    lab.expect_points(1)
    expect(offer).to_be_visible()
    lab.stop.click()
    lab.expect_statuses("stopped")
