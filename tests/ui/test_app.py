"""The app as its visitors meet it: a real server, a real browser, real (tiny) training.

`browser.py` holds the servers, the browser and what a visitor does; here stands only what must be true.
"""

from __future__ import annotations

import json
import re
import statistics
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from browser import LEFT, ROOT, Lab, Server, expect, wait_until
from conftest import environment

from reglab.config import RunConfig
from reglab.runs.run import Run
from reglab.runs.store import Store

SENTENCE = re.compile(r"[A-Za-z'\"/].{10,400}[.?]", re.DOTALL)
TABS = ("Train", "Compare", "Sweep", "Reproduce", "Inside", "Errors", "Predict", "Learn", "Runs")


@pytest.fixture(name="lab")
def lab_fixture(open_lab: Lab) -> Lab:
    """One page for the whole file, opened by the first visit."""
    return open_lab


# ---- a first visit -----------------------------------------------------------------------------------------------
def test_a_first_visit_shows_a_page_one_can_use(lab):
    page = lab.page
    expect(page.locator("#tabs > .tab-wrapper").get_by_role("tab")).to_have_text(list(TABS))
    expect(page.locator("#machine")).to_contain_text(" · idle", timeout=20_000)
    expect(lab.train).to_be_enabled()
    expect(lab.stop).to_be_disabled()
    expect(page.locator("#control-dataset input")).to_have_value("CIFAR-10")
    expect(page.locator(".warning")).to_have_count(0)
    shipped = Store(ROOT / "checkpoints")
    if any(len(shipped.group(run.described.get("group", ""))) == 2 for run in shipped.runs()):
        lab.expect_statuses("finished", "finished")
        lab.expect_points(2, runs=2)
        assert lab.said("#chart [data-part=verdict]")
    else:
        expect(page.locator("#chart .invitation")).to_be_visible()


def test_answers_that_overtake_each_other_leave_the_page_right(visitor, server):
    """The first look at the runs is asked before the page has loaded, and its answer arrives after."""
    page, held = visitor.context.new_page(), {}

    def hold(route: Any) -> None:
        given = len(json.loads(route.request.post_data or "{}").get("data", []))
        kind = {1: "loading", 4: "look"}.get(given, "")
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
    for _ in range(2):  # the early answer has emptied the chart; a look or two later it is right
        with page.expect_response(is_look) as looked:
            pass
        looked.value.finished()
    expect(runs).to_have_count(2)
    expect(page.locator("#machine")).to_contain_text(" · idle")  # also for the second visitor of this server


def is_look(response: Any) -> bool:
    """Of all that the page sends on its own, its looks at the runs have four values."""
    if "/run/predict" not in response.url:
        return False
    return len(json.loads(response.request.post_data or "{}").get("data", [])) == 4


# ---- training ----------------------------------------------------------------------------------------------------
IN_SIGHT = """element => {
  const box = element.getBoundingClientRect();
  const hit = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
  const inside = box.width > 0 && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
  return inside && hit !== null && (element.contains(hit) || hit.contains(element));
}"""


def out_of_sight(lab: Lab) -> list[str]:
    """What matters and cannot be seen on a laptop without scrolling."""
    parts = ("[data-chart=accuracy]", "[data-chart=loss]", "[data-part=gaps]", "[data-part=diagnosis]")
    # All the toggles cannot be in sight: the board scrolls by itself, below its search box.
    wanted = ["#train", "#stop", "#search input", "#board .toggle >> nth=0", *(f"#chart {part}" for part in parts)]
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
    assert told["config"] == shown.described["config"] | {"epochs": 1}


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

    lab.tab("Runs")
    [regularized] = [run for run in runs if run.config.regularizers]  # the controls then say what it was trained with
    lab.choose("run", re.compile(regularized.id))
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
        if field != "epochs":  # the slider puts its number right when it is left
            number.blur()
        expect(lab.command).to_have_value(re.compile(f"{field} is {value}, but must be "))
        lab.page.evaluate("document.querySelector('#train').click()")  # a click would leave the slider first
        expect(lab.notice).to_have_text(re.compile(f"{field} is {value}, but must be "))
        expect(lab.notice).to_have_text(SENTENCE)
        said = lab.notice.inner_text().strip()
        assert said.startswith(f"{field} is {value}, but must be ") and ". " not in said, said
        assert len(server.runs()) == before
        expect(lab.train).to_be_enabled()
        number.fill(good)
        number.blur()


def test_a_number_can_be_typed_digit_by_digit(lab):
    """On the way to 120 images stand 1 and 12, which are too few: no reason for an error."""
    lab.digits(train_size=60)
    lab.number("train_size").select_text()
    lab.number("train_size").press_sequentially("120", delay=400)
    lab.number("train_size").blur()
    expect(lab.command).to_have_value(re.compile("--train-size 120 "))


# ---- predicting --------------------------------------------------------------------------------------------------
@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_picture_is_classified_and_rubbish_is_refused_in_words(lab, a_run, tmp_path):
    run = a_run("20250101-000000-aaaaaa")
    page, answer, notice = lab.page, lab.page.locator("#answers"), lab.page.locator("#answers .warning")
    lab.tab("Predict")
    lab.choose("network", re.compile(run.id))
    lab.choose("beside", "none")
    expect(page.locator("#examples img")).to_have_count(10)

    lab.upload(a_one(tmp_path))
    expect_prediction(lab)
    for file, about in (rubbish(tmp_path), empty(tmp_path), hundred_megapixels(tmp_path)):
        lab.upload(file)
        expect(notice).to_have_text(re.compile(rf"{file.name} .*{about}.*\."))
        expect(answer).not_to_contain_text("%")
        lab.upload(a_one(tmp_path))
        expect_prediction(lab)


def expect_prediction(lab: Lab) -> None:
    bars = lab.page.locator("#answers .bars b")
    expect(bars).to_have_count(5)
    shares = [float(width.rstrip("%")) for width in bars.evaluate_all("bars => bars.map(b => b.style.width)")]
    assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 100.1, shares
    expect(lab.page.locator("#answers .warning")).to_have_count(0)
    seen = lab.page.locator("#answers .seen img").first
    expect(seen).to_be_visible()
    wait_until(lambda: seen.evaluate("i => [i.naturalWidth, i.naturalHeight].join()") == "32,32", "not 32 x 32")


def a_one(folder: Path) -> Path:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (80, 120), "black")
    ImageDraw.Draw(picture).line((40, 15, 40, 105), fill="white", width=14)
    picture.save(folder / "one.png")
    return folder / "one.png"


def rubbish(folder: Path) -> tuple[Path, str]:
    (folder / "rubbish.png").write_text("I only look like a picture.")
    return folder / "rubbish.png", "is not a picture"


def empty(folder: Path) -> tuple[Path, str]:
    (folder / "empty.png").touch()
    return folder / "empty.png", "is empty"


def hundred_megapixels(folder: Path) -> tuple[Path, str]:
    """10,000 x 10,000 black pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes((1 + 10_000 // 8) * 10_000), 9)
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return folder / "huge.png", "pixels"


# ---- the Runs tab ------------------------------------------------------------------------------------------------
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_runs_can_be_renamed_opened_and_deleted(lab, a_run):
    run, page = a_run("20250101-000001-bbbbbb"), lab.page
    table, notice = page.locator("#runs-table"), page.locator("#runs-notice .warning")
    lab.tab("Runs")
    expect(table).to_contain_text(run.id)
    lab.choose("run", re.compile(run.id))
    expect(page.locator("#run-name textarea")).to_have_value(run.id)

    page.locator("#run-name textarea").fill("My best run")
    page.locator("#rename").click()
    expect(table).to_contain_text("My best run")
    expect(page.locator("#run input")).to_have_value(re.compile("My best run"))
    page.locator("#run-name textarea").fill(HOSTILE)
    page.locator("#rename").click()
    expect(notice).to_have_text(SENTENCE)
    assert run.name == "My best run"

    page.locator("#open-run").click()
    expect(page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    lab.expect_statuses("finished")
    lab.expect_points(3)
    expect(lab.number("train_size")).to_have_value("60")
    expect(lab.command).to_have_value(re.compile("--train-size 60 "))

    lab.tab("Runs")
    lab.choose("run", re.compile("My best run"))
    page.locator("#delete").click()
    expect(page.locator("#sure")).to_be_visible()
    assert run.path.exists()
    page.locator("#sure").click()
    expect(table).not_to_contain_text("My best run")
    assert not run.path.exists()
    lab.visitor.may_fail = LEFT
    page.reload()  # it was on the screen; the page must live with it being gone
    expect(lab.train).to_be_enabled()


def test_a_hostile_name_in_a_run_folder_stays_text_and_the_run_is_deleted_when_one_is_sure(lab, a_run):
    run = a_run("20250101-000002-cccccc")
    (run.path / "name").write_text(HOSTILE)
    for tab, dropdown in (("Runs", "run"), ("Predict", "network")):
        lab.tab(tab)
        lab.choose(dropdown, re.compile(re.escape(HOSTILE)))
    lab.tab("Runs")
    lab.page.locator("#open-run").click()
    lab.expect_statuses("finished")
    assert lab.page.locator("img[src=x]").count() == 0  # and no dialog came up, which the visitor would report

    lab.tab("Runs")
    lab.choose("run", re.compile(re.escape(HOSTILE)))
    lab.page.locator("#delete").click()
    expect(lab.page.locator("#sure")).to_be_visible()
    assert run.path.exists(), "asked first"
    lab.page.locator("#sure").click()
    expect(lab.page.locator("#runs-table")).not_to_contain_text(HOSTILE)
    assert not run.path.exists()


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_run_is_downloaded_with_one_click(lab, a_run, tmp_path):
    first, second = a_run("20250101-000003-dddddd"), a_run("20250101-000004-eeeeee")
    lab.tab("Runs")
    for run in (first, second):  # the second click must not hand out the first run
        lab.choose("run", re.compile(run.id))
        expect(lab.page.locator("#run-name textarea")).to_have_value(run.id)
        with zipfile.ZipFile(lab.download("#download", tmp_path)) as archive:
            assert archive.testzip() is None
            files = {Path(name).name for name in archive.namelist()}
            assert {Path(name).parts[0] for name in archive.namelist()} == {run.id}
        assert {"config.json", "metrics.jsonl", "model.safetensors", "README.md"} <= files


# ---- without network, and after a crash --------------------------------------------------------------------------
@pytest.mark.parametrize("network", ["switched off", pytest.param("unreachable", marks=pytest.mark.slow)])
def test_without_data_and_network_the_digits_are_there(another_server, visitor, network):
    offline = {"HF_HUB_OFFLINE": "1"} if network == "switched off" else {"HF_HUB_OFFLINE": "0"}
    server = another_server(cifar10=False, HF_ENDPOINT="http://127.0.0.1:9", **offline).start()
    lab = visitor.open(server)
    expect(lab.page.locator("#control-dataset input")).to_have_value("Digits")
    expect(lab.page.locator("#data-notice .warning")).to_contain_text(
        re.compile("CIFAR-10 could not be fetched .*digits are selected"), timeout=120_000
    )
    again = lab.page.locator("#try-again")
    expect(again).to_be_visible()
    again.click()
    expect(lab.page.locator("#data-notice .warning")).to_contain_text("CIFAR-10")
    if network == "switched off":
        expect(again).to_be_visible()
        lab.digits(train_size=60, epochs=1)
        lab.train.click()
        lab.expect_statuses("finished", "finished")
    assert "Traceback" not in server.log()


@pytest.mark.slow
def test_a_run_outlives_the_server_or_is_marked_and_can_be_resumed(another_server, visitor):
    server = another_server(cifar10=True).start()
    lab = visitor.open(server)
    lab.digits(train_size=60, epochs=400)  # more than are trained while the server is away
    lab.page.locator("#compare input").set_checked(False)
    lab.train.click()
    lab.expect_points(2)
    [run] = server.runs()

    visitor.may_fail = "Failed to load resource|ERR_|fetch|Connection|network"  # what a dead server brings about
    server.kill()
    server.start()
    lab.page.goto("about:blank")
    visitor.may_fail = ""
    lab.page.goto(server.url)
    wait_until(lambda: lab.statuses() in (["running"], ["interrupted"]), "the run is not shown", more=lab.text)
    assert lab.statuses() == [run.status()]
    if lab.statuses() == ["running"]:
        reached = max(lab.points("loss"))
        lab.expect_points(reached + 1)
        lab.stop.click()
        lab.expect_statuses("stopped")
    reached = run.history()[-1].epoch

    lab.tab("Runs")
    lab.choose("run", re.compile(run.id))
    expect(lab.page.locator("#resume")).to_be_enabled()
    lab.page.locator("#resume").click()
    lab.expect_points(reached + 2)
    lab.stop.click()
    lab.expect_statuses("stopped")
    epochs = [epoch.epoch for epoch in run.history()]
    assert epochs == list(range(len(epochs)))
    assert "Traceback" not in server.log()


# ---- looks -------------------------------------------------------------------------------------------------------
def test_on_a_phone_nothing_runs_off_the_side_and_one_can_train(visitors, server, a_run):
    a_run("20250101-000005-ffffff")
    phone = visitors(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    lab = phone.open(server)
    lab.digits(train_size=60, epochs=1)
    lab.train.tap()
    lab.expect_statuses("finished", "finished")
    accuracy, loss = lab.box("#chart [data-chart=accuracy]"), lab.box("#chart [data-chart=loss]")
    assert accuracy["y"] + accuracy["height"] <= loss["y"] and accuracy["x"] == loss["x"], "not one above the other"
    for tab in TABS:
        lab.tab(tab)
        expect(lab.page.locator("#tabs > .tab-wrapper").get_by_role("tab", selected=True)).to_have_text(tab)
        lab.at_rest()
        assert lab.sideways() <= 0, tab


NAMED = {
    "button",
    "checkbox",
    "combobox",
    "link",
    "listbox",
    "option",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
    "switch",
    "tab",
    "textbox",
}


def test_the_dark_page_is_dark_and_says_to_everybody_what_is_on_it(visitor, server, a_run):
    run = a_run("20250101-000007-fedcba")
    lab = visitor.open(server, "?__theme=dark")
    page = lab.page
    lab.tab("Runs")
    lab.choose("run", re.compile(run.id))
    page.locator("#open-run").click()
    lab.expect_statuses("finished")
    light = "e => { const [r, g, b] = getComputedStyle(e).%s.match(/[\\d.]+/g).map(Number); return (r + g + b) / 3 }"
    assert page.locator("gradio-app").evaluate(light % "backgroundColor") < 60
    for words in ("h1", "#chart [data-part=title]", "#chart [data-part=diagnosis] p"):
        assert page.locator(words).first.evaluate(light % "color") > 140, words

    page.get_by_role("button", name="More settings").click()
    devtools = page.context.new_cdp_session(page)
    for tab in TABS:
        # Inside and Errors have a choice or two, all else there is drawn.
        least = 7 if tab in ("Inside", "Errors") else 10
        lab.tab(tab)
        wait_until(lambda least=least: len(controls_of(devtools)) > least, f"no controls on {tab}")
        nameless = [n for n in controls_of(devtools) if not n.get("name", {}).get("value", "").strip()]
        where = [devtools.send("DOM.describeNode", {"backendNodeId": n["backendDOMNodeId"]})["node"] for n in nameless]
        assert not where, [(tab, n["nodeName"], n.get("attributes")) for n in where]
        assert page.locator("h1").count() == 1
    lab.tab("Train")
    charts = page.locator("#chart svg[role=img]")
    assert charts.count() == 2
    for chart, title in zip(charts.all(), ("Accuracy", "Loss"), strict=True):
        label = chart.get_attribute("aria-label") or ""
        assert label.startswith(f"{title}: ") and "validation" in label, label


def controls_of(devtools: Any) -> list[dict[str, Any]]:
    """What can be operated on the page, as those hear of it who cannot see it."""
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    return [n for n in nodes if not n.get("ignored") and n["role"]["value"] in NAMED]


# ---- cost --------------------------------------------------------------------------------------------------------
CHART_ALONE = '''
"""The chart alone, redrawn at every press: four curves of 300 points in both charts."""
import math
import gradio as gr
from reglab.ui.components.chart import lab_chart

def value(n):
    x = list(range(300))
    curves = [dict(run=run, split=split, x=x, y=[round(0.5 + 0.4 * math.sin((i + n) / 20 + run), 4) for i in x])
              for run in (0, 1) for split in ("train", "val")]
    runs = [dict(role=role, name=role, status="running", epoch=299 + n, epochs=999) for role in ("plain", "regularized")]
    return dict(title=f"update {n}", runs=runs, accuracy=curves, loss=curves, x=dict(label="epoch", max=300))

with gr.Blocks() as page:
    n, chart, other = gr.State(0), lab_chart(value=value(0), elem_id="chart"), gr.HTML("update 0", elem_id="other")
    quiet = dict(show_progress="hidden", queue=False, api_visibility="private")
    gr.Button("draw", elem_id="draw").click(lambda n: (n + 1, value(n + 1)), n, [n, chart], **quiet)
    gr.Button("idle", elem_id="idle").click(lambda n: (n + 1, f"update {n + 1}"), n, [n, other], **quiet)
    gr.HTML('<p id="machine">chart · alone</p>')
page.launch(run_history=False)  # as the lab does
'''
ONE_UPDATE = """([button, shown]) => new Promise(done => {
  new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
  }).observe(document.querySelector(shown), { childList: true, characterData: true, subtree: true });
  document.querySelector(button).click();
})"""


@pytest.mark.slow
def test_drawing_an_update_takes_the_page_at_most_40_milliseconds(another_server, visitor):
    """From the press to the paint, Gradio's part included, with 300 points in each of the eight curves."""
    server = another_server(cifar10=False).start(("-c", CHART_ALONE))
    page = visitor.context.new_page()
    page.goto(server.url)
    expect(page.locator("#chart [data-part=title]")).to_have_text("update 0")
    expect(page.locator("#chart .lines path")).to_have_count(8)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})  # its own time, whatever else the machine does

    def busy() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return next(1000 * m["value"] for m in metrics if m["name"] == "TaskDuration")

    def cost(button: str, shown: str) -> float:
        before = busy()
        page.evaluate(ONE_UPDATE, [button, shown])
        return busy() - before

    drawing, idling = [], []
    for _ in range(14):
        drawing.append(cost("#draw", "#chart [data-part=title]"))
        idling.append(cost("#idle", "#other"))
    whole, gradio = statistics.median(drawing[3:]), statistics.median(idling[3:])
    print(f"{whole:.1f} ms of the page's main thread for an update; {gradio:.1f} ms where no chart is drawn")
    assert whole <= 40


# ---- other programs ----------------------------------------------------------------------------------------------
@pytest.fixture
def client(server: Server) -> Any:
    from gradio_client import Client

    return Client(server.url, verbose=False)


def test_programs_can_train_follow_stop_and_predict(client, server, a_run, tmp_path):
    from gradio_client import handle_file

    names = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(names) == {"/train", "/status", "/stop", "/runs", "/predict"}

    config = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 400, "regularizers": {"batch_norm": {}}}
    run_id = client.predict(config, api_name="/train")
    told, cursor = [], 0

    def epochs() -> int:
        nonlocal cursor
        answer = client.predict(run_id, cursor, api_name="/status")
        assert answer["cursor"] >= cursor and answer["summary"]["run"] == run_id
        told.extend(answer["events"])
        cursor = answer["cursor"]
        return sum(event["event"] == "epoch" for event in told)

    wait_until(lambda: epochs() >= 2, "no epochs")
    client.predict(run_id, api_name="/stop")
    wait_until(lambda: client.predict(run_id, api_name="/status")["summary"]["status"] == "stopped", "not stopped")
    epochs()
    run = server.store.open(run_id)
    assert told == run.lines()[0], "each event once, none left out"
    assert told[-1]["event"] == "stopped"
    assert run.config == RunConfig.parse(config)
    assert client.predict(run_id, cursor, api_name="/status")["events"] == []
    assert run_id in [summary["run"] for summary in client.predict(api_name="/runs")]

    finished = a_run("20250101-000008-123456")
    answer = client.predict(handle_file(a_one(tmp_path)), finished.id, api_name="/predict")
    shares = {each["label"]: each["confidence"] for each in answer["confidences"]}
    assert answer["label"] == max(shares, key=shares.get) and 0 < sum(shares.values()) <= 1 + 1e-6
    assert set(shares) <= set("0123456789")


@pytest.mark.parametrize(
    ("endpoint", "values"),
    [
        ("/train", [{"epochs": 0}]),
        ("/train", [{"epochz": 3}]),
        ("/train", [{"dataset": "digitz"}]),
        ("/train", [{"dataset": ["digits"]}]),
        ("/train", [{"dataset": "digits", "lr": "fast"}]),
        ("/train", [{"dataset": "digits", "regularizers": {"dropout": {"rate": 2}}}]),
        ("/train", [["digits"]]),
        ("/train", ["digits"]),
        ("/train", [None]),
        ("/status", ["nobody", 0]),
        ("/status", ["../..", 0]),
        ("/status", [None, 0]),
        ("/status", [7, 0]),
        ("/status", [["basic_cnn-plain"], 0]),
        ("/status", ["basic_cnn-plain", 2**70]),
        ("/stop", [{"run": "nobody"}]),
        ("/stop", ["nobody"]),
        ("/predict", [None, "nobody"]),
        ("/predict", [7, "basic_cnn-plain"]),
    ],
    ids=str,
)
def test_programs_are_told_what_is_wrong_in_a_sentence(client, server, endpoint, values):
    before = len(server.runs())
    with pytest.raises(Exception) as problem:
        client.predict(*values, api_name=endpoint)
    sentence = str(problem.value)
    assert SENTENCE.fullmatch(sentence) and "show_error" not in sentence, sentence
    assert len(server.runs()) == before


def test_a_program_cannot_have_files_of_the_server_opened(client, a_run):
    """A path that nobody uploaded is refused, also that of a picture; nothing of the file comes back."""
    run = a_run("20250101-000009-654321")
    config, picture = str(run.path / "config.json"), str(ROOT / "docs" / "train.png")
    # What is called a file, this client uploads by itself.
    for stolen in ({"path": config, "meta": {"_type": "gradio.FileData"}}, {"path": config}, {"path": picture}):
        with pytest.raises(Exception) as problem:
            client.predict(stolen, run.id, api_name="/predict")
        assert SENTENCE.fullmatch(str(problem.value)) and "train_size" not in str(problem.value), problem.value
