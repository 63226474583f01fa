"""The Compare tab: its page as text, and as visitors meet it in a real browser."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace

import pytest
from browser import expect
from PIL import Image

from reglab.experiments import compare
from reglab.experiments.compare import Comparison
from reglab.runs.store import Run, Store
from reglab.ui.services.lab import Lab
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
    assert comparison.nice(least) == pytest.approx(expected)


def test_one_run_is_a_curve_and_a_note(four):
    shown = comparison.page(compare.compare(four[:1]))
    assert "nothing to compare them with" in shown and "Is it real?" not in shown and 'class="band"' not in shown


def test_the_lab_lists_groups_and_finished_runs(four, tmp_path):
    lab = Lab(Store(four[0].path.parent), Store(tmp_path / "none"))
    try:
        assert [name for _, name in lab.groups()] == ["pair"] and "4 runs, 2 seeds" in lab.groups()[0][0]
        assert lab.finished_in("pair") == [run.id for run in four]
        rows = lab.finished_rows()
        assert {row[-1] for row in rows} == {run.id for run in four}
        assert [(row[3], row[4], row[5]) for row in rows] == [
            ("batch_norm dropout", 0, 60), ("batch_norm dropout", 1, 61.1), ("batch_norm", 0, 50), ("batch_norm", 1, 51),
        ]  # fmt: skip
        by_set_up = lab.finished_set_ups()
        assert [(row[3], row[4], row[5]) for row in by_set_up] == [
            ("batch_norm dropout", 2, 60.55),
            ("batch_norm", 2, 50.5),
        ]
        assert [lab.alike(row[-1]) for row in by_set_up] == [[run.id for run in two] for two in (four[2:], four[:2])]
        assert lab.alike("nothing") == []
        with pytest.raises(Exception, match="too many for the page"):
            lab.comparison_page([four[0].id] * 301, "gap", "epoch", None)
    finally:
        lab.close()


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

    files = {kind: lab.download(f"#take-{kind}", tmp_path) for kind in ("html", "png", "csv", "json")}
    assert runs[3].config.command() in files["html"].read_text()
    assert Image.open(files["png"]).format == "PNG"
    assert len(list(csv.DictReader(files["csv"].open()))) == 4
    assert len(json.loads(files["json"].read_text())["groups"]) == 2


def test_runs_that_cannot_be_compared_are_one_sentence_and_none_is_a_hint(lab, a_run):
    told(a_run("20240201-000000-abcdef"), 0, False, "")
    page = lab.page
    lab.tab("Compare")
    expect(page.locator("#compare-page")).to_contain_text("Is it real?")
    page.locator("#compare-all button").first.click()
    page.locator("#compare-table [role=gridcell]", has_text=re.compile(r"^\s*basic_cnn\s*$")).first.click()
    expect(page.locator("#compare-notice .warning")).to_contain_text("cannot be compared: choose runs of one data set")
    page.locator("#compare-runs").get_by_role("button", name=re.compile("clear", re.I)).first.click()
    expect(page.locator("#compare-notice .warning")).to_contain_text("Pick runs")


def test_on_a_phone_the_comparison_does_not_run_off_the_side(visitors, server):
    lab = visitors(viewport={"width": 390, "height": 844}).open(server)
    lab.tab("Compare")
    expect(lab.page.locator("#compare-page")).to_contain_text("In numbers")
    assert lab.sideways() == 0
