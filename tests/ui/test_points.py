"""Drawings made by the server: each has its numbers in a table, and the keyboard steps through its points."""

from __future__ import annotations

import re
from html import unescape

from browser import expect, one_page_fixture  # noqa: F401  one page for the whole file

from reglab.experiments.figures import Curve, Curves, across_axis, up_axis
from reglab.ui.views import plane
from reglab.ui.views.templates import TEMPLATES

STEPPED = """plot => { const rows = [...plot.nextElementSibling.querySelectorAll("tbody tr")].map(row => row.innerText || row.textContent)
  return [plot.getAttribute("aria-valuenow"), plot.getAttribute("aria-valuemax"), rows.length] }"""


def curves() -> Curves:
    long = Curve("plain", "plain", False, 1, (0, 1, 2, 3), (10, 20, 30, 40), (10, 20, 30, 40), (10, 20, 30, 40))
    short = Curve("dropout", "regularized", False, 2, (0, 1.5), (12, 34), (11, 30), (13, 38))
    return Curves((long, short), across_axis(3, "epoch"), up_axis([0, 40], "accuracy", " %"), "%", "accuracy: many")


def test_a_row_stands_for_each_point_with_what_each_curve_has_there_and_how_far_its_band_reaches():
    drawing = plane.drawing(curves(), digits=0)
    assert drawing.points.title == "accuracy by epoch" and drawing.points.head == ("epoch", "plain", "dropout")
    assert [(row.where, *row.values) for row in drawing.points.rows] == [
        ("0", "10 %", "12 % (11 to 13)"),
        ("1", "20 %", ""),
        ("1.5", "", "34 % (30 to 38)"),
        ("2", "30 %", ""),
        ("3", "40 %", ""),
    ]
    assert [row.x for row in drawing.points.rows][::4] == [drawing.left, drawing.right]
    shown = TEMPLATES.from_string('{% import "plane.html" as p %}{{ p.svg(d, d.lines) }}').render(d=drawing)
    cells = [unescape(re.sub("<.*?>", " ", row)).split() for row in re.findall(r"<tr data-x.*?</tr>", shown)]
    assert len(cells) == 5 and cells[1] == ["1", "20", "%"]
    assert 'aria-valuetext="accuracy: many"' in shown and 'aria-valuenow="4"' in shown


def test_the_keyboard_steps_through_the_points_of_every_drawing_of_results(lab):
    page = lab.page
    lab.tab("Results")
    plot = page.locator("#curves-page .reglab-plot")
    expect(plot).to_have_attribute("aria-valuetext", re.compile("^validation accuracy: plain: .* at the end"))
    whole, reading = plot.get_attribute("aria-valuetext"), plot.locator(".reading")
    last = page.locator("#curves-page .reglab-points tbody tr").last.locator("th, td").all_text_contents()
    plot.focus()
    expect(reading).not_to_be_visible()
    said = []
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight", "ArrowRight", "Home", "ArrowDown", "ArrowUp", "End"):
        page.keyboard.press(key)
        said.append(plot.get_attribute("aria-valuetext"))
    assert [re.match(r"epoch (\d+): plain [\d.]+ %, \w.* [\d.]+ %$", words or "")[1] for words in said] == [
        *(last[0], str(int(last[0]) - 1), last[0], last[0], "0", "0", "1", last[0]),
    ]
    assert all(value in said[-1] for value in last[1:])
    assert [line.rpartition(" ")[0].rpartition(" ")[2] for line in reading.inner_text().split("\n")[1:]] == [
        value.removesuffix(" %") for value in last[1:]
    ]
    line, box = plot.locator(".cursor").bounding_box(), plot.bounding_box()
    assert line and box and box["x"] + box["width"] / 2 < line["x"] < box["x"] + box["width"]
    page.keyboard.press("Escape")
    assert plot.get_attribute("aria-valuetext") == whole
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    assert plot.get_attribute("aria-valuetext") == whole
    expect(reading).not_to_be_visible()
    expect(page.locator(":focus")).to_have_text("As a table: validation accuracy by epoch")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="validation accuracy by epoch")).to_be_visible()

    lab.tab("Inside")
    drawings = page.locator("#inside-page .reglab-plot")
    expect(drawings).to_have_count(6)
    for drawing in drawings.all():
        drawing.focus()
        page.keyboard.press("Home")
        now, most, rows = drawing.evaluate(STEPPED)
        assert now == "0" and int(most) == rows - 1
        assert re.match(r"(confidence|logit) \S+ to \S+( %)?: ", drawing.get_attribute("aria-valuetext") or "")
