"""The Compare tab: its page as text, and as visitors meet it in a real browser."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace

import pytest
from browser import expect
from pages import changes, clicked
from PIL import Image

from reglab.experiments import compare
from reglab.experiments.compare import Comparison
from reglab.experiments.figures import nice
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results.compare import KINDS, CompareTab
from reglab.ui.views import comparison


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
    words = re.findall(r'role="img"[^>]*aria-label="([^"]*)"', shown)
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
        rows = lab.results.finished_rows()
        assert {row[-1] for row in rows} == {run.id for run in four}
        assert [(row[3], row[4], row[5]) for row in rows] == [
            ("batch_norm dropout", 0, 60), ("batch_norm dropout", 1, 61.1), ("batch_norm", 0, 50), ("batch_norm", 1, 51),
        ]  # fmt: skip
        by_set_up = lab.results.finished_set_ups()
        assert [(row[3], row[4], row[5]) for row in by_set_up] == [
            ("batch_norm dropout", 2, 60.55),
            ("batch_norm", 2, 50.5),
        ]
        assert [lab.results.alike(run) for row in by_set_up for run in lab.results.open([row[-1]])] == [
            four[2:],
            four[:2],
        ]
        with pytest.raises(Exception, match="too many for the page"):
            lab.results.comparison([four[0]] * 301)
    finally:
        lab.close()


# ---- the tab, without a page -------------------------------------------------------------------------------------
def test_what_is_shown_follows_what_is_picked(four, laid_out):
    tab = laid_out(CompareTab)
    notice, page = tab.show([run.id for run in four], "test_accuracy", "epoch", 70)
    assert notice == "" and "+10.1 points" in page
    assert "points" in tab.show([run.id for run in four], "gap", "step", None)[1]
    assert "Pick runs" in tab.show([], "test_accuracy", "epoch", 70)[0]
    other = json.loads((four[0].path / "config.json").read_text())
    other["config"]["dataset"] = "cifar10"
    (four[0].path / "config.json").write_text(json.dumps(other))
    notice, page = tab.show([run.id for run in four], "test_accuracy", "epoch", 70)
    assert "cannot be compared: choose runs of one data set" in notice and 'class="warning"' in notice and not page


def test_a_page_that_is_shown_again_reads_no_run_again(four, laid_out, bytes_read):
    tab = laid_out(CompareTab)
    asked = ([run.id for run in four], "test_accuracy", "epoch", 70)
    shown = tab.show(*asked)
    assert "metrics.jsonl" in bytes_read
    bytes_read.clear()
    assert tab.show(*asked) == shown and bytes_read == {}


def test_a_group_is_all_its_finished_runs_and_what_is_none_changes_nothing(four, laid_out):
    tab = laid_out(CompareTab)
    assert tab.choose("pair") == [run.id for run in four]
    assert changes([tab.choose(nothing) for nothing in ("nobody", "", None, ["pair"])]) == [None] * 4


def test_a_row_that_is_clicked_adds_its_runs_or_takes_them_out(four, laid_out):
    tab, ids = laid_out(CompareTab), [run.id for run in four]

    def click(chosen, by_set_up, row):
        return tab.toggle(chosen, by_set_up, clicked([0, 0], row))

    assert click(ids, True, ["", ids[0]]) == ids[2:], "both seeds at once"
    assert click(ids[2:], True, ["", ids[0]]) == [*ids[2:], *ids[:2]], (
        "after the others, the first of which is the baseline"
    )
    assert click(ids, False, ["", ids[0]]) == ids[1:] and click([], False, ["", ids[0]]) == [ids[0]]
    for by_set_up in (True, False):
        assert click(["x", 7], by_set_up, []) == ["x"], "what is no id goes, and no row is none"
        assert click(["x"], by_set_up, ["", "gone"]) == ["x"], "and so is the row of a run that was deleted"


def test_the_table_has_a_row_a_set_up_or_a_row_a_run(four, laid_out):
    tab = laid_out(CompareTab)
    by_set_up, by_run = tab.rows(True), tab.rows(False)
    assert by_set_up["headers"][4] == "seeds" and len(by_set_up["data"]) == 2
    assert by_run["headers"][4] == "seed" and len(by_run["data"]) == 4


def test_opening_the_tab_keeps_what_was_picked_and_is_still_there(four, laid_out):
    tab, ids = laid_out(CompareTab), [run.id for run in four]
    groups, runs, table, to_fork = changes(tab.refresh([ids[0], "gone"], ids[1], True))
    assert [name for _, name in groups["choices"]] == ["pair"]
    assert runs["value"] == [ids[0]] and to_fork["value"] == ids[1] and len(table["data"]) == 2
    assert {run_id for _, run_id in runs["choices"]} == set(ids)
    _, runs, _, to_fork = changes(tab.refresh(None, None, False))
    assert runs["value"] == [] and to_fork["value"] == ids[2], "the first of the table"
    fn, inputs, outputs = tab.on_select
    assert fn == tab.refresh and len(inputs) == 3 and len(outputs) == 4


def test_a_comparison_is_taken_along_as_every_kind_of_file(four, laid_out):
    tab, ids = laid_out(CompareTab), [run.id for run in four]
    files = {kind: tab.file(kind, ids, "test_accuracy", "epoch", 70) for kind in KINDS}
    assert four[3].config.command() in files["html"].read_text()
    assert Image.open(files["png"]).format == "PNG"
    assert len(list(csv.DictReader(files["csv"].open()))) == 4
    assert len(json.loads(files["json"].read_text())["groups"]) == 2


def test_what_cannot_be_forked_is_a_sentence_and_nothing_else_changes(here, laid_out):
    fork = laid_out(CompareTab).fork
    first = "train one first"
    for run_id, words in ((None, first), ("", first), (["x"], first), ("gone", "no checkpoint or run called")):
        *shown, notice = changes(fork.begin(run_id, 1, "dropout.rate", "0.5", {}))
        assert set(shown) == {None} and words in notice, notice
    assert here.stores.own.runs() == []
    assert fork.usual("dropout.rate") and fork.usual("nothing") == ""


# ---- in the browser ----------------------------------------------------------------------------------------------
def test_a_visitor_compares_a_group_and_takes_it_along(lab, server, a_run, tmp_path):
    runs = [told(a_run(f"2024010{n + 1}-000000-abcdef"), n % 2, bool(n // 2), "abcabcabcabc") for n in range(4)]
    page = lab.page
    lab.tab("Compare")
    shown = page.locator("#compare-page")
    expect(shown).to_contain_text("Is it real?")  # the pair that ships is there without a press
    lab.choose("compare-group", re.compile("4 runs, 2 seeds"))
    expect(shown).to_contain_text("+10.1 points, 95 %")
    expect(shown.locator(".verdict.real")).to_have_count(1)

    page.locator("#compare-all button").first.click()
    both = page.locator("#compare-table [role=gridcell]", has_text=re.compile(r"^\s*50\.5\s*$")).first
    both.click()  # takes both seeds out
    expect(shown).to_contain_text("nothing to compare them with")
    both.click()  # and back in, after the other, which is the baseline now
    expect(shown).to_contain_text("-10.1 points, 95 %")
    page.get_by_label("One row for each set-up").uncheck()
    row = page.locator("#compare-table [role=gridcell]", has_text=re.compile(r"^\s*50\s*$")).first
    row.click()  # takes it out
    expect(shown).to_contain_text("The groups have different seeds")
    row.click()
    expect(shown).to_contain_text("-10.1 points, 95 %")

    lab.choose("compare-metric", "gap")
    expect(shown.locator("table").first).to_contain_text("points")
    lab.choose("compare-axis", "steps")
    expect(shown.locator("svg")).to_contain_text("step")
    files = {kind: lab.download(f"#take-{kind}", tmp_path) for kind in KINDS}
    assert runs[3].config.command() in files["html"].read_text()
    assert Image.open(files["png"]).format == "PNG"
    assert len(list(csv.DictReader(files["csv"].open()))) == 4
    assert len(json.loads(files["json"].read_text())["groups"]) == 2

    page.locator("#compare-runs").get_by_role("button", name=re.compile("clear", re.I)).first.click()
    expect(page.locator("#compare-notice .warning")).to_contain_text("Pick runs")
    page.set_viewport_size({"width": 390, "height": 844})  # on a phone
    lab.choose("compare-group", re.compile("4 runs, 2 seeds"))
    expect(shown).to_contain_text("In numbers")
    assert lab.sideways() == 0
