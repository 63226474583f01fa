"""Curves and verdict, fork and report on the Results tab: as text, their handlers, and as visitors meet them in a real browser."""

from __future__ import annotations

import csv
import json
import re
import shutil
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from browser import expect
from pages import changes, commands
from PIL import Image

from reglab.errors import ConfigError, RunError
from reglab.experiments import compare
from reglab.experiments.compare import Comparison
from reglab.experiments.figures import nice
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.teaching.assignments import Assignment
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results import ResultsTab
from reglab.ui.tabs.results.fork import usual
from reglab.ui.views import comparison
from reglab.ui.views.report import KINDS


@pytest.fixture
def four(trained, tmp_path) -> list[Run]:
    """Two configs with two seeds each: copies of one run that say they are others."""
    return [told(a_copy(trained, tmp_path, n), n % 2, bool(n // 2)) for n in range(4)]


def a_copy(trained, tmp_path, n: int) -> Run:
    return Run(shutil.copytree(trained["path"], tmp_path / "runs" / f"2025010{n + 1}-000000-abcdef"))


def told(run: Run, seed: int, dropout: bool, group: str = "pair") -> Run:
    """As if the run had been trained with this seed, and had ended 10 points and a bit by chance higher with dropout."""
    config = {**run.described["config"], "seed": seed}
    if dropout:
        config["regularizers"] = {**config["regularizers"], "dropout": {"rate": 0.5}}
    described = {**run.described, "config": config, "group": group}
    (run.path / "config.json").write_text(json.dumps(described))
    lines = run.lines()[0]
    for which in ("best", "last"):
        lines[-1][which]["test_accuracy"] = 0.5 + 0.1 * dropout + 0.01 * seed + 0.001 * seed * dropout
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Run(run.path)


# ---- the page as text --------------------------------------------------------------------------------------------
def test_the_page_says_what_the_comparison_says(four):
    compared = compare.compare(four)
    shown = comparison.page(compared, target=0.01)
    assert compared.verdict(compared.groups[1], "test_accuracy") in shown
    assert "+10.1 points" in shown and "real." in shown and "How soon?" in shown
    words = re.findall(r'aria-valuetext="([^"]*)"', shown)
    assert len(words) == 1 and words[0].startswith("validation accuracy: without dropout: ")
    assert shown.count('class="band"') == 2


def test_what_strangers_wrote_stays_text(four):
    hostile = "<img src=x onerror=alert(1)>"
    groups = tuple(replace(g, label=hostile) for g in compare.compare(four).groups)
    assert hostile not in comparison.page(Comparison(groups, (), (hostile,)), target=0.5)


@pytest.mark.parametrize(("least", "expected"), [(0.013, 0.02), (0.2, 0.2), (3, 5), (70, 100), (1_100, 2_000)])
def test_steps_of_an_axis_are_round(least, expected):
    assert nice(least) == pytest.approx(expected)


def test_one_run_is_a_curve_and_a_note(four):
    shown = comparison.page(compare.compare(four[:1]))
    assert "nothing to compare them with" in shown and "Is it real?" not in shown and 'class="band"' not in shown


def test_the_lab_lists_groups_and_finished_runs(four, tmp_path):
    lab = Lab(Store(four[0].path.parent), Store(tmp_path / "none"))
    try:
        assert [name for _, name in lab.results.groups()] == ["pair"] and "4 runs, 2 seeds" in lab.results.groups()[0][
            0
        ]
        assert lab.results.finished_in("pair") == four
        rows = {row["id"]: row for row in lab.results.listed()}
        assert [rows[run.id]["seed"] for run in four] == [0, 1, 0, 1]
        places = [rows[run.id]["set_up"] for run in four]
        assert places[0] == places[1] != places[2] == places[3]
        with pytest.raises(Exception, match="too many for the page"):
            lab.results.comparison([four[0]] * 301)
    finally:
        lab.close()


# ---- the views, without a page -----------------------------------------------------------------------------------
@pytest.fixture
def view(laid_out) -> Any:
    """Makes a view of the Results tab, by its key."""
    tab = laid_out(ResultsTab)
    return lambda key: tab.views[key]


def asked(metric: str = "test_accuracy", axis: str = "epoch", target: str = "70") -> str:
    """What the boxes above the curves send."""
    return json.dumps({"metric": metric, "axis": axis, "target": target})


def test_what_is_shown_follows_what_is_chosen(four, view):
    curves = view("curves")
    assert "+10.1 points" in curves.show(four, asked())[0]
    assert "points" in curves.show(four, asked("gap", "step", ""))[0]
    assert "Choose runs in the list" in curves.show([], asked())[0]
    for nothing in (None, "{", "[]", '{"metric": 7}'):
        assert curves.show(four, nothing) == curves.show(four, asked())
    for wrong, words in (
        (asked("speed"), "no metric"), (asked(axis="year"), "no axis"), (asked(target="101"), "less than 100"),
        (asked(target="soon"), "target"),
    ):  # fmt: skip
        assert words in curves.show(four, wrong)[0] and 'class="warning"' in curves.show(four, wrong)[0]
    other = json.loads((four[0].path / "config.json").read_text())
    other["config"]["dataset"] = "cifar10"
    (four[0].path / "config.json").write_text(json.dumps(other))
    [page] = curves.show(view("curves").lab.results.open([run.id for run in four]), asked())
    assert "cannot be compared: choose runs of one data set" in page and 'class="warning"' in page


def test_a_page_that_is_shown_again_reads_no_run_again(four, view, bytes_read):
    curves = view("curves")
    runs = curves.lab.results.open([run.id for run in four])
    shown = curves.show(runs, asked())
    assert "metrics.jsonl" in bytes_read
    bytes_read.clear()
    assert curves.show(runs, asked()) == shown and bytes_read == {}


def test_a_group_is_all_its_finished_runs(four, here):
    assert here.results.finished_in("pair") == four and here.results.finished_in("nobody") == []


def test_a_comparison_is_taken_along_as_every_kind_of_file(four, view):
    report, chosen = view("report"), json.dumps({"chosen": [run.id for run in four]})
    files = {kind: report.file({"kind": kind}, chosen, asked()) for kind in KINDS}
    assert four[3].config.command() in commands(files["html"].read_text())
    assert Image.open(files["png"]).format == "PNG"
    assert len(list(csv.DictReader(files["csv"].open()))) == 4
    assert len(json.loads(files["json"].read_text())["groups"]) == 2
    with pytest.raises(ConfigError, match="choose html, png, csv or json"):
        report.file({"kind": "exe"}, chosen, asked())


def test_a_run_is_downloaded_as_a_zip_file_and_the_page_says_how_to_train_it_again(four, view):
    report = view("report")
    with zipfile.ZipFile(report.file({"run": four[0].id}, "{}", "{}")) as archive:
        assert f"{four[0].id}/model.safetensors" in archive.namelist()
    with pytest.raises(RunError, match="gone"):
        report.file({"run": "gone"}, "{}", "{}")
    [page] = report.show(four[:1])
    assert four[0].config.command() in commands(page) and all(f'data-kind="{kind}"' in page for kind in KINDS)


def test_what_cannot_be_forked_is_a_sentence_and_nothing_else_changes(here, view):
    fork = view("fork")
    told = {"epoch": "1", "change": "dropout.rate", "to": "0.5"}
    for run, words in (("", "train one first"), ("gone", "no checkpoint or run called")):
        *shown, form = changes(fork.begin({"run": run, **told}, {}, None, None))
        assert set(shown) == {None} and words in form["said"]["notice"] and "value" not in form, form
    assert here.stores.own.runs() == []
    assert usual("dropout.rate") and usual("nothing") == ""


def test_a_fork_that_an_assignment_forbids_is_refused_and_the_form_keeps_what_was_asked(four, here, view):
    before = len(here.stores.own.runs())
    assignment = Assignment(config=four[1].config, rest="locked")
    told = {"run": four[1].id, "epoch": "1", "change": "weight_decay.strength", "to": "0.123"}
    *shown, form = changes(view("fork").begin(told, {}, assignment, None))
    assert set(shown) == {None} and form["said"]["notice"] and len(here.stores.own.runs()) == before
    [form] = view("fork").show(four, told)
    assert form["value"] == told and not form["said"], "what was typed stays, also where other runs are chosen"


def test_the_form_of_a_fork_offers_the_chosen_runs_and_every_setting_of_a_technique(four, view):
    fork = view("fork")
    [form] = fork.show(four[:2], {"run": four[3].id, "odd": 1})
    assert [run for _, run in form["options"]["run"]] == [run.id for run in four[:2]]
    assert form["value"]["run"] == four[0].id and "odd" not in form["value"]
    template = fork.form.html_template
    assert 'value="dropout.rate" data-usual="' in template and 'value="dropout.rate" data-usual=""' not in template


# ---- in the browser ----------------------------------------------------------------------------------------------
def test_a_visitor_compares_a_group_and_takes_it_along(lab, server, a_run, tmp_path):
    runs = [told(a_run(f"2024010{n + 1}-000000-abcdef"), n % 2, bool(n // 2), "abcabcabcabc") for n in range(4)]
    page = lab.page
    lab.tab("Results")
    shown = page.locator("#curves-page")
    expect(shown).to_contain_text("Is it real?")  # the pair that ships is there without a press
    page.locator("#runs-group").select_option("abcabcabcabc")
    expect(shown).to_contain_text("+10.1 points, 95 %")
    expect(shown.locator(".verdict.real")).to_have_count(1)

    page.get_by_label("One row for each set-up").check()
    both = lab.row(f"{runs[3].id} {runs[2].id}").locator("input")  # with dropout
    both.uncheck()  # takes both seeds out
    expect(shown).to_contain_text("nothing to compare them with")
    both.check()  # and back in, after the other
    expect(shown).to_contain_text("+10.1 points, 95 %")
    page.get_by_label("One row for each set-up").uncheck()
    row = lab.row(runs[3].id).locator("input")
    row.uncheck()  # takes one seed out
    expect(shown).to_contain_text("The groups have different seeds")
    row.check()
    expect(shown).to_contain_text("+10.1 points, 95 %")

    page.locator("#asked-metric").select_option("gap")
    expect(shown.get_by_role("region", name="The groups in numbers")).to_contain_text("points")
    page.locator("#asked-axis").select_option("step")
    expect(shown.locator("svg")).to_contain_text("step")
    lab.tab("Report")
    files = {kind: lab.download(f"#take-{kind}", tmp_path) for kind in KINDS}
    assert runs[3].config.command() in commands(files["html"].read_text())
    assert Image.open(files["png"]).format == "PNG"
    assert len(list(csv.DictReader(files["csv"].open()))) == 4
    assert len(json.loads(files["json"].read_text())["groups"]) == 2

    lab.tab("Curves and verdict")
    for run in runs:
        lab.row(run.id).locator("input").uncheck()
    expect(shown.locator(".warning")).to_contain_text("Choose runs")


def test_groups_are_gone_through_with_the_arrow_keys(lab, a_run):
    """Each press chooses one; that one stays in the box, or the next press would begin anew."""
    runs = [told(a_run(f"2024020{n + 1}-000000-abcdef"), 0, bool(n % 2), f"abcabcabcab{n // 2}") for n in range(4)]
    lab.tab("Train")
    lab.tab("Results")
    lab.row(runs[-1].id).wait_for(state="attached")  # the list of this moment, with its groups
    box, chosen = lab.page.locator("#runs-group"), lab.page.locator("#chosen .reglab-chosen")
    box.focus()
    seen = {}
    for _ in range(2):
        box.press("ArrowDown")
        name = box.input_value()
        of_it = [run.id for run in runs if run.described["group"] == name]
        expect(chosen).to_have_attribute("data-runs", re.compile(f"^({' '.join(of_it)}|{' '.join(reversed(of_it))})$"))
        expect(box).to_have_value(name)
        seen[name] = of_it
    assert len(seen) == 2
    lab.row(runs[0].id).locator("input").click()
    expect(box).to_have_value("")  # other runs than those of a group


def test_on_a_phone_the_list_folds_into_a_line_that_names_what_is_chosen(visitors, server, a_run):
    run = a_run("20240105-000000-abcdef")
    run.rename("my phone's run")
    lab = visitors(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True).open(server)
    lab.tab("Results")
    line = lab.page.locator("#runs summary").first
    expect(line).to_contain_text("plain, 5,000 images")
    expect(lab.page.locator("#runs-search")).not_to_be_visible()
    line.tap()
    lab.page.locator("#runs-search").fill("phone")
    lab.page.get_by_role("button", name="my phone's run").tap()
    expect(line).to_contain_text("my phone's run")
    expect(lab.page.locator("#runs-search")).not_to_be_visible()
    expect(lab.page.locator("#curves-page")).to_contain_text("In numbers")
    expect(lab.page.locator("#results-views")).to_be_in_viewport()
    assert lab.sideways() == 0

    lab.tab("Report")
    command = lab.page.locator("#of-runs .reglab-command")
    expect(command).to_have_text(run.config.command())
    words = command.locator("span").evaluate_all("all => all.map(word => word.getClientRects().length)")
    assert len(words) > 5 and set(words) == {1}, "a word of the command is on two lines"
    assert command.bounding_box()["width"] > 300, "the command has a column beside others"
    assert lab.sideways() == 0


def test_runs_are_searched_sorted_and_chosen_by_keyboard(lab, a_run):
    for n, name in enumerate(("one of them", "another", "a third")):
        a_run(f"2024010{n + 1}-000001-abcdef").rename(name)
    page = lab.page
    lab.tab("Train")
    lab.tab("Results")
    table = page.locator("#runs-table")
    page.locator("#runs-search").fill("third")
    expect(table.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Tab")
    while not page.evaluate("document.activeElement.matches('#runs-table tbody button')"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#chosen")).to_contain_text("a third")
    assert re.search("run=20240103", page.url) or not page.evaluate("Boolean(window.reglabAddress)")
    page.locator("#runs-search").fill("")
    table.get_by_role("button", name="Gap").press("Enter")
    expect(table.locator("th[aria-sort=ascending]")).to_have_text("Gap")
    gaps = [float(cell.replace("−", "-")) for cell in table.locator("tbody td:nth-child(4)").all_inner_texts()]
    assert gaps == sorted(gaps)
    page.locator("#runs-search").fill("no such run")
    expect(page.locator("#runs .none")).to_have_text("No run matches.")
    page.locator("#runs-search").fill("")


def test_an_address_opens_the_runs_that_it_names(visitor, server, a_run):
    run = a_run("20240106-000000-abcdef")
    run.rename("asked for")
    page = visitor.context.new_page()
    page.goto(f"{server.url}?tab=results&view=report&run={run.id},gone")
    expect(page.locator("#chosen b")).to_have_text("asked for")
    expect(page.locator("#report #take-html")).to_be_visible()
