"""Inside on the Results tab: its page as text, its handlers, and, with the chart of more than two runs, in a real browser."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest
from browser import Lab, expect
from conftest import ROOT, tiny_config

from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.ui.components.networks import dressed
from reglab.ui.tabs.results import ResultsTab
from reglab.ui.views.histograms import Shown
from reglab.ui.views.inside import page

HOSTILE = "<img src=x onerror=alert(1)>"


# ---- the page as text --------------------------------------------------------------------------------------------
def a_look(layers: int = 2, **more: Any) -> dict[str, Any]:
    each = {"weights": 10, "norm": 2.0, "rms": 0.5, "near_zero": 0.25, "relatively_zero": 0.5, "finite": True}
    answers = {
        "images": 4,
        "accuracy": 0.5,
        "confidence": 0.75,
        "ece": 0.123,
        "sure_and_wrong": 0.25,
        "confidences": {"right": [0] * 18 + [1, 1], "wrong": [0] * 18 + [1, 1]},
        "logits": {"start": -2.0, "width": 1.0, "all": [30, 5, 5], "largest": [0, 0, 4]},
        "reliability": [{"count": 0, "confidence": None, "accuracy": None}] * 14
        + [{"count": 4, "confidence": 0.95, "accuracy": 0.5}],
    }
    named = [each | {"name": f"conv {n + 1} (1x2x5)"} for n in range(layers)]
    return {"run": "one", "layers": named} | answers | more


def test_every_drawing_tells_its_numbers_to_those_who_cannot_see_it():
    told = re.findall(r'aria-valuetext="([^"]*)"', page([Shown("plain", "plain", a_look())]))
    assert len(told) == 3 and all(words.startswith("plain: ") for words in told)
    for number in ("mean confidence 75.0 %", "calibration error 0.123", "logits from −2 to 1"):
        assert sum(number in words for words in told) == 1, number


def test_layers_are_tables_that_say_whose_each_number_is():
    shown = page([Shown("plain", "plain", a_look()), Shown("regularized", "other", a_look(run="two"))])
    assert shown.count('<th scope="row">conv 2 (1x2x5)</th>') == 2
    assert shown.count('<span class="spoken">other: </span>2.00') == 2


def test_two_runs_share_the_bars_of_a_layer_only_where_they_have_the_same_layers():
    same = page([Shown("a", "one", a_look()), Shown("b", "two", a_look(run="two"))])
    assert same.count('class="layers"') == 2 and same.count(">conv ") == 4 and same.count('class="bar"') == 8
    apart = page([Shown("a", "one", a_look()), Shown("b", "two", a_look(layers=3, run="two"))])
    assert apart.count('class="layers"') == 4 and apart.count(">conv ") == 10 and apart.count('class="bar"') == 10


def test_without_answers_the_weights_are_shown_and_a_sentence():
    look = {key: value for key, value in a_look().items() if key in ("run", "layers")} | {"problem": "No <images>."}
    text = page([Shown("plain", "plain", look)])
    assert "No &lt;images&gt;." in text and text.count('class="layers"') == 2 and "<svg" not in text


def test_a_hostile_name_stays_text():
    assert HOSTILE not in page([Shown("plain", HOSTILE, a_look())])


def test_runs_are_called_plain_and_regularized_only_where_nothing_else_differs(store):
    plain, regularized = (store.create(tiny_config(regularizers=on)) for on in ({}, {"dropout": {}}))
    assert [(role, name) for _, role, name in dressed([regularized])] == [("regularized", regularized.name)]
    assert [role for _, role, _ in dressed([regularized, regularized])] == ["a", "b"]
    assert dressed([regularized, plain]) == [(plain, "plain", "plain"), (regularized, "regularized", "regularized")]
    for other in ({"model": "resnet20"}, {"lr": 0.01}, {"seed": 7}, {"epochs": 30}, {"train_size": 50}):
        run = store.create(tiny_config(regularizers={"dropout": {}}, **other))
        assert dressed([plain, run]) == [(plain, "a", plain.name), (run, "b", run.name)], other
    nobody = Run(store.root / "nobody")  # nothing is known of what it differs in
    assert [name for *_, name in dressed([regularized, nobody])] == [regularized.name, nobody.name]


def test_shipped_networks_are_called_plain_and_regularized_only_as_the_pairs_that_they_are():
    shipped = {run.id: run for run in Store(ROOT / "checkpoints").runs()}
    plain = shipped["basic_cnn-plain"]
    for name, run in shipped.items():
        if name != "basic_cnn-regularized":
            assert "regularized" not in [called for *_, called in dressed([plain, run])], name


# ---- the view, without a page ------------------------------------------------------------------------------------
def test_the_first_two_networks_are_looked_into_once_each_and_what_cannot_be_is_a_sentence(
    finished, laid_out, tmp_path
):
    view = laid_out(ResultsTab).views["inside"]
    [nothing] = view.show([])
    assert "train one first" in nothing
    [shown] = view.show([finished])
    assert shown.count("<svg") == 3 and finished.name in shown and "60 validation images" in shown
    others = [Run(shutil.copytree(finished.path, tmp_path / "runs" / f"2025010{n}-000000-aaaaaa")) for n in (1, 2)]
    [shown] = view.show([finished, *others])
    assert shown.count("<svg") == 6 and "The first two of the 3 runs" in shown
    (finished.path / "model.safetensors").write_bytes(b"broken")
    assert "is damaged" in view.show([finished])[0] and 'class="warning"' in view.show([finished])[0]
    (finished.path / "model.safetensors").unlink()
    assert "has no weights yet" in view.show([finished])[0]


# ---- in the browser ----------------------------------------------------------------------------------------------
def open_inside(lab: Lab) -> Any:
    lab.tab("Results")
    lab.tab("Inside")
    return lab.page.locator("#inside-page")


def test_the_view_shows_the_networks_of_the_train_tab_until_others_are_chosen(lab, a_run):
    run, broken = a_run("20250102-000000-aaaaaa"), a_run("20250102-000002-cccccc")
    run.rename("a whole one")
    broken.rename("a broken one")
    (broken.path / "model.safetensors").write_bytes(b"broken")
    inside = open_inside(lab)  # without a press
    expect(inside.locator(".reglab-plot svg")).to_have_count(6)
    expect(inside.locator(".warning")).to_have_count(0)
    assert inside.locator(".reglab-plot svg").first.evaluate("e => getComputedStyle(e.querySelector('rect')).fill") == (
        "rgb(194, 78, 0)"
    )

    lab.choose_run(broken.id)
    expect(inside.locator(".warning")).to_contain_text("is damaged")
    expect(inside.locator(".reglab-plot svg")).to_have_count(0)
    lab.choose_run(run.id)
    expect(inside.locator("thead").first).to_have_text("a whole one")
    expect(inside.locator(".reglab-plot svg")).to_have_count(3)
    expect(inside.locator(".reglab-caption")).to_contain_text("60 validation images")
    lab.tab("Train")
    lab.tab("Results")
    expect(lab.page.locator("#chosen b")).to_have_text("a whole one")
    expect(inside.locator("thead").first).to_have_text("a whole one")

    new = a_run("20250102-000001-bbbbbb")
    new.rename("a new one")
    lab.open_run(new.id)
    lab.expect_statuses("finished")
    lab.tab("Results")
    expect(inside.locator("thead").first).to_have_text("a new one")
    expect(inside.locator(".reglab-plot svg")).to_have_count(3)


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_the_tab_can_be_read_on_every_screen(visitors, server, theme):
    lab = visitors(viewport={"width": 1440, "height": 844}).open(server, f"?__theme={theme}")
    inside = open_inside(lab)
    expect(inside.locator(".reglab-plot svg")).to_have_count(6)
    light = "e => { const [r, g, b] = getComputedStyle(e).color.match(/[\\d.]+/g).map(Number); return (r + g + b) / 3 }"
    for words in ("h2", "tbody th", "em"):
        brightness = inside.locator(words).first.evaluate(light)
        assert brightness > 140 if theme == "dark" else brightness < 110, words
    for width in (1440, 390):
        lab.page.set_viewport_size({"width": width, "height": 844})
        assert lab.sideways() <= 0
        assert inside.locator(".reglab-inside").evaluate_all(CUT_OFF) == []
        sizes = inside.locator("svg text").evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
        assert min(sizes) >= 9
        boxes = [section.bounding_box() for section in inside.locator("section").all()]
        columns = {round(box["x"]) for box in boxes if box}
        assert len(columns) == (2 if width > 1000 else 1)


# ---- five runs in the chart --------------------------------------------------------------------------------------
# Whatever is wider than the room it has, or lies outside of it.
CUT_OFF = """([root]) => [...root.querySelectorAll("*")].filter(e => {
  if (e.closest("svg") || !e.clientWidth || getComputedStyle(e).display === "inline") return false;
  if (e.closest(".spoken") || e.closest("[hidden]")) return false;
  return e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > root.getBoundingClientRect().right + 1;
}).map(e => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`)"""
FIVE = '''
"""The chart of five finished runs with wrong labels."""
import gradio as gr
from reglab.ui.components.chart import lab_chart
from reglab.ui.views.assets import scripts, sheet

x = list(range(21))
names = ["no dropout", "rate 0.1", "rate 0.25", "rate 0.5", "weight decay 0.0005"]
runs = [dict(role="abcde"[i], name=name, status="finished", epoch=20, epochs=20, images_per_second=12345,
             detail="batch normalization + dropout") for i, name in enumerate(names)]
curves = [dict(run=run, split=split, label=label, hint="what it means", x=x, y=[e / 20 - run / 10 for e in x])
          for run in range(5) for split, label in (("train", "true labels"), ("corrupted", "wrong labels"), ("val", "val"))]
value = dict(title="five runs", runs=runs, accuracy=curves, loss=[c for c in curves if c["split"] != "corrupted"],
             gaps=[dict(run=i, value=0.1 * i, text=f"{10.5 * i:.1f} points") for i in range(5)],
             memorised=[dict(run=i, value=1, text="100%") for i in range(5)],
             diagnosis=[dict(run=i, kind="fine", text="Looks fine: the gap is 1.0 points.") for i in range(5)],
             table=dict(columns=["", "train", "val", "test", "gap", "calibration error", "wrong labels memorized"],
                        rows=[dict(run=i, cells=[names[i], *["100.0%"] * 3, "45.8 points", "0.123", "100%"]) for i in range(5)],
                        caption="After the last epoch."))
with gr.Blocks(fill_width=True) as page:
    lab_chart(value=value, elem_id="chart")
page.launch(run_history=False, head=f"<style>{sheet()}</style><script>{scripts()}</script>")
'''


@pytest.mark.slow  # a server of its own
def test_five_runs_fit_where_the_chart_stands(another_server, visitor):
    server = another_server(cifar10=False).start(("-c", FIVE))
    page = visitor.context.new_page()
    page.goto(server.url)
    chart = page.locator("#chart .reglab-chart")
    expect(page.locator("#chart .lines path")).to_have_count(25)
    names = page.locator("#chart tbody td:first-child")
    assert len({names.nth(i).evaluate("e => getComputedStyle(e).color") for i in range(5)}) == 5
    drawings = [page.locator(f"#chart [data-chart={name}] .plot") for name in ("accuracy", "loss")]
    for room in (720, 360):
        chart.evaluate(
            """(e, room) => new Promise(drawn => {
              e.style.width = `${room}px`;
              requestAnimationFrame(() => requestAnimationFrame(drawn));
            })""",
            room,
        )
        expect(drawings[1].locator(".lines path").first).to_be_visible()
        assert chart.evaluate_all(CUT_OFF) == [], room
        accuracy, loss = (drawing.bounding_box()["y"] for drawing in drawings)
        assert (accuracy == loss) == (room == 720), "side by side where there is room"


def test_wrong_labels_are_dotted_and_have_a_switch_with_words_of_their_own(lab, a_run):
    run = a_run("20250102-000003-dddddd")
    lab.open_run(run.id)
    lab.expect_statuses("finished")
    chart = lab.page.locator("#chart [data-chart=accuracy]")
    dotted = chart.locator(".lines [data-split=corrupted]")
    expect(dotted).to_have_count(1)
    assert dotted.evaluate("e => getComputedStyle(e).strokeDasharray").startswith("0.1")
    switches = lab.page.locator("#chart [data-part=switches] button")
    expect(switches).to_have_text(["true labels", "wrong labels", "validation"])
    switch = lab.page.locator("#chart").get_by_role("button", name="wrong labels")
    assert "is memorized" in (switch.get_attribute("title") or "")
    expect(chart.locator(".labels [data-split=corrupted]")).to_have_text(
        f"wrong labels {run.history()[-1].memorised * 100:.1f} %"
    )
    switch.click()
    expect(dotted).to_have_count(0)
    expect(chart.locator(".lines path")).to_have_count(2)
