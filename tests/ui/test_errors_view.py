"""Errors on the Results tab: its handlers called without a page, and a run that is evaluated in a real browser.

Whether it can be read on every screen is told by `test_predict_tab.py`, of both tabs.
"""

from __future__ import annotations

import json
import re
import shutil

import gradio as gr
import numpy as np
import pytest
from browser import expect
from pages import changes, pressed

from reglab import data
from reglab.analysis.evaluate import ANSWERS, answers, evaluate
from reglab.runs.run import Run
from reglab.ui.tabs.results import ResultsTab


def confusions(run) -> np.ndarray:
    """What the digits are (rows) and what the run takes them for (columns)."""
    labels, predicted = data.load("digits").test_labels, answers(run).argmax(1).numpy()
    found = np.zeros((10, 10), dtype=int)
    np.add.at(found, (labels, predicted), 1)
    return found


# ---- without a page ----------------------------------------------------------------------------------------------
@pytest.fixture
def errors(laid_out):
    return laid_out(ResultsTab).views["errors"]


def asked(*ids: str) -> str:
    return json.dumps({"chosen": ids})


def test_a_run_is_evaluated_with_a_press_and_its_cells_show_their_pictures(finished, errors):
    assert "train one first" in errors.show([], "")[1]
    for nothing in (None, "", 7, "gone"):
        assert "train one first" in errors.press(pressed(true="1", predicted="2"), asked(), nothing)[2]
    of, table, cell, rest = errors.show([finished], "")
    assert of == finished.id and f"{finished.name} has not been evaluated" in table and "Evaluate</button>" in table
    assert cell == rest == ""
    with pytest.raises(gr.Error, match="gone"):
        errors.evaluate(pressed(run="gone"))

    assert errors.evaluate(pressed(run=finished.id)) == finished.id
    of, table, cell, rest = errors.again(asked(finished.id), finished.id)
    assert "Evaluate" not in table and rest.count('class="reglab-plot"') == 2
    expected = confusions(finished)
    true, taken = (int(n[0]) for n in np.nonzero(expected * (1 - np.eye(10, dtype=int))))
    *kept, shown, _ = errors.press(pressed(true=str(true), predicted=str(taken)), asked(finished.id), of)
    assert changes(kept) == [None, None]
    assert f"{true} taken for {taken}" in shown and shown.count("<figure") == min(20, expected[true, taken])
    for nothing in ({"true": "x"}, {"true": "77", "predicted": "1"}):
        assert errors.press(pressed(**nothing), asked(finished.id), of)[2] == "", nothing
    (finished.path / ANSWERS).write_bytes(b"broken")
    _, table, *others = errors.show([finished], "")
    assert 'class="warning"' in table and "Evaluate" in table and others == ["", ""], "to be had anew"


def test_of_the_chosen_runs_the_one_that_was_evaluated_is_shown_until_another_is_turned_to(finished, errors, tmp_path):
    other = Run(shutil.copytree(finished.path, tmp_path / "runs" / "20250101-000000-aaaaaa"))
    evaluate(other)
    of, table, *_ = errors.show([finished, other], "")
    assert of == other.id and f'data-turn="{finished.id}" aria-pressed="false"' in table
    of, table, *_ = errors.press(pressed(turn=finished.id), asked(finished.id, other.id), of)
    assert of == finished.id and f'data-turn="{finished.id}" aria-pressed="true"' in table
    assert errors.show([finished, other], of)[0] == finished.id, "what was turned to stays"
    assert errors.show([other], of)[0] == other.id and "data-turn" not in errors.show([other], of)[1]


# ---- in the browser ----------------------------------------------------------------------------------------------
@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_run_is_evaluated_with_a_press_and_a_cell_of_its_table_shows_its_pictures(lab, a_run):
    run, page = a_run("20250103-000001-bbbbbb"), lab.page
    lab.tab("Results")
    lab.tab("Errors")
    table, cell = (page.locator(f"#errors-{part}") for part in ("table", "cell"))
    expect(table.get_by_role("button", name="Evaluate")).to_be_visible()  # the shipped one knows another CIFAR-10
    lab.choose_run(run.id)
    expect(table).to_contain_text(f"{run.name} has not been evaluated")
    table.get_by_role("button", name="Evaluate").click()
    expect(table.locator("tbody tr")).to_have_count(10)
    expect(table.get_by_role("button", name="Evaluate")).to_have_count(0)
    numbers = [int(number) for number in table.locator("tbody td").all_inner_texts()]
    expected = confusions(run)
    assert numbers == expected.ravel().tolist()
    expect(page.locator("#errors-page .reglab-plot svg")).to_have_count(2)
    expect(page.locator("#errors-page figure").first).to_be_visible()

    true, taken = (int(n[0]) for n in np.nonzero(expected * (1 - np.eye(10, dtype=int))))
    table.get_by_role("button", name=re.compile(f"of {expected[true].sum()} {true} taken for {taken},")).click()
    expect(cell.locator("h2")).to_have_text(f"{true} taken for {taken}")
    expect(cell.locator("figure")).to_have_count(min(20, expected[true, taken]))
    expect(cell.locator("figcaption").first).to_have_text(
        re.compile(rf"^{true}, taken for {taken}.*\d\u00a0% sure; calibrated")
    )
    assert table.locator("table [aria-pressed=true]").count() == 1
