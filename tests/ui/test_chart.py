"""What the chart shows and how it is read, in a real browser: labels, gap, playback, keyboard, and the table of the points."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browser import Lab, expect
from servers import ROOT, wait_until

from reglab.runs.store import Store

TEXTS = "#chart [data-chart={}] .labels text"
BOXES = """texts => texts.map(text => {
  const box = text.getBoundingClientRect();
  return [text.textContent, box.left, box.top, box.right, box.bottom];
})"""
HALF_A_LINE = 2.0  # pixels by which the boxes of two lines of letters may reach into each other without touching


def example() -> dict[str, Any]:
    """The last epochs of the pair that ships, by plain and regularized."""
    shipped = Store(ROOT / "checkpoints")
    groups = [shipped.group(run.described.get("group", "")) for run in shipped.runs()]
    pair = next((group for group in groups if len(group) == 2), None)
    if pair is None:
        pytest.skip("no pair ships with this copy")
    return {"regularized" if run.config.regularizers else "plain": run.history()[-1] for run in pair}


def overlapping(lab: Lab, chart: str) -> list[str]:
    """Labels that lie over each other, or beyond the edge of the chart."""
    boxes = lab.page.locator(TEXTS.format(chart)).evaluate_all(BOXES)
    assert boxes
    edge = lab.box(f"#chart [data-chart={chart}] .plot")
    found = [text for text, left, _, right, _ in boxes if left < edge["x"] or right > edge["x"] + edge["width"] + 1]
    for place, (text, left, top, right, bottom) in enumerate(boxes):
        for other, l2, t2, r2, b2 in boxes[:place]:
            if left < r2 and l2 < right and top < b2 - HALF_A_LINE and t2 < bottom - HALF_A_LINE:
                found.append(f"{text} over {other}")
    return found


@pytest.mark.parametrize("width", [1440, 1024, 390, 320])
def test_each_curve_is_named_where_it_ends_with_the_gap_and_nothing_overlaps(visitors, server, width):
    ends = example()
    lab = visitors(viewport={"width": width, "height": 900}).open(server)
    expect(lab.page.locator(TEXTS.format("accuracy"))).to_have_count(6)
    said = lab.page.locator(TEXTS.format("accuracy")).all_text_contents()
    named = width > 400  # where there is room for names; else the colors say which run
    for name, last in ends.items():
        who = f"{name} " if named else ""
        assert f"{who}train {last.train_accuracy * 100:.1f} %" in said
        assert f"{who}val {last.val_accuracy * 100:.1f} %" in said
        assert f"gap {last.gap * 100:.1f} points" in said
    expect(lab.page.locator("#chart .brackets path")).to_have_count(2)
    for chart in ("accuracy", "loss"):
        assert overlapping(lab, chart) == []
    assert lab.sideways() <= 0


def test_the_example_is_played_back_once_and_again_when_asked(visitors, server):
    example()
    visitor = visitors(reduced_motion="no-preference")
    page = visitor.context.new_page()
    page.goto(server.url)
    replay, name = page.locator("#chart [data-part=replay]"), page.locator("#chart [data-part=intro] h2")
    expect(replay).to_have_text("Skip")
    expect(name).to_have_text("Watch the same network with and without regularization, side by side")
    lab = Lab(page, visitor)
    early = max(lab.points("accuracy"))
    took = wait_until(lambda: replay.inner_text() == "Replay", "it does not end", 10)
    assert early < max(lab.points("accuracy")) == 21 and took < 4
    page.reload()
    lab.expect_points(21, runs=2)
    expect(replay).to_have_text("Replay")
    replay.click()
    expect(replay).to_have_text("Skip")
    replay.click()
    expect(replay).to_have_text("Replay")
    lab.expect_points(21, runs=2)


def test_whoever_wants_less_motion_sees_the_curves_at_rest(lab):
    example()
    expect(lab.page.locator("#chart [data-part=replay]")).to_have_text("Replay")
    lab.expect_points(21, runs=2)
    assert lab.page.evaluate("localStorage.getItem('reglab.played')") is None


def test_the_points_are_stepped_through_with_the_keyboard_and_stand_in_a_table(lab):
    last = example()["plain"]
    chart = lab.page.locator("#chart").get_by_role("slider", name="Accuracy, epoch by epoch")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(f"^latest, epoch {last.epoch}: plain training "))
    chart.focus()
    chart.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuenow", str(last.epoch))
    chart.press("Home")
    expect(chart).to_have_attribute(
        "aria-valuetext", re.compile("^epoch 0: .*, regularized gap −?[0-9.]+ ± [0-9.]+ points$")
    )
    chart.press("Escape")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("^latest"))

    lab.page.get_by_text("The curves as a table").click()
    table = lab.page.get_by_role("region", name="The curves as a table")
    expect(table.locator("tbody tr")).to_have_count(last.epoch + 1)
    expect(table.locator("thead th").nth(1)).to_have_text("plain, training accuracy")
    expect(table.locator("tbody tr").last.locator("td").nth(1)).to_have_text(f"{last.val_accuracy * 100:.1f} ± 1.1 %")
    expect(table).to_contain_text("plain, training loss")
    expect(lab.page.locator("#chart .points .caption")).to_contain_text(
        "Each point is judged on 2,000 training and 2,000 validation images. ± is one standard error."
    )


def test_a_curve_is_switched_off_in_both_charts(lab):
    example()
    switch = lab.page.get_by_role("button", name="plain, training")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    for chart in ("accuracy", "loss"):
        expect(lab.page.locator(f"#chart [data-chart={chart}] .lines path")).to_have_count(3)
    expect(lab.page.locator("#chart .brackets path")).to_have_count(1)  # no gap without one of its ends
    switch.click()
    expect(lab.page.locator("#chart .brackets path")).to_have_count(2)
