"""The Errors tab: its handlers called without a page, and a run that is evaluated in a real browser.

Whether it can be read on every screen is told by `test_predict_tab.py`, of both tabs.
"""

from __future__ import annotations

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
from reglab.ui.tabs.results.errors import ErrorsTab


def confusions(run) -> np.ndarray:
    """What the digits are (rows) and what the run takes them for (columns)."""
    labels, predicted = data.load("digits").test_labels, answers(run).argmax(1).numpy()
    found = np.zeros((10, 10), dtype=int)
    np.add.at(found, (labels, predicted), 1)
    return found


# ---- without a page ----------------------------------------------------------------------------------------------
def test_a_run_is_evaluated_with_a_press_and_its_cells_show_their_pictures(finished, laid_out):
    tab = laid_out(ErrorsTab)
    for nothing in (None, "", 7, "gone"):
        assert "train one first" in tab.show(nothing)[0]
        assert "train one first" in tab.open_cell(nothing, pressed(true="1", predicted="2"))
    notice, table, cell, rest = tab.show(finished.id)
    assert f"{finished.id} has not been evaluated" in notice and "Evaluate</button>" in notice
    assert table == cell == rest == ""
    before = tab.refresh({}, [], None)[-1]
    with pytest.raises(gr.Error, match="gone"):
        tab.evaluate(pressed(run="gone"))

    tab.evaluate(pressed(run=finished.id))
    assert tab.refresh({}, [], None)[-1] != before, "the page is asked for anew"
    notice, table, cell, rest = tab.show(finished.id)
    assert notice == "" and rest.count('role="img"') >= 2
    expected = confusions(finished)
    true, taken = (int(n[0]) for n in np.nonzero(expected * (1 - np.eye(10, dtype=int))))
    shown = tab.open_cell(finished.id, pressed(true=str(true), predicted=str(taken)))
    assert f"{true} taken for {taken}" in shown and shown.count("<figure") == min(20, expected[true, taken])
    for nothing in ({"true": "x"}, {"true": "77", "predicted": "1"}):
        assert tab.open_cell(finished.id, pressed(**nothing)) == "", nothing
    (finished.path / ANSWERS).write_bytes(b"broken")
    notice, *others = tab.show(finished.id)
    assert 'class="warning"' in notice and "Evaluate" in notice and others == ["", "", ""], "to be had anew"


def test_of_the_networks_of_the_train_tab_the_one_that_was_evaluated_is_shown(finished, laid_out, tmp_path):
    other = shutil.copytree(finished.path, tmp_path / "runs" / "20250101-000000-aaaaaa")
    evaluate(Run(other))
    tab = laid_out(ErrorsTab)
    there = [finished.id, other.name]
    network, followed, _ = changes(tab.refresh({"ids": there}, [], None))
    assert network["value"] == other.name and followed == there
    network, *_ = changes(tab.refresh({"ids": there}, there, finished.id))
    assert network["value"] == finished.id, "what is chosen stays"


# ---- in the browser ----------------------------------------------------------------------------------------------
@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_run_is_evaluated_with_a_press_and_a_cell_of_its_table_shows_its_pictures(lab, a_run):
    run, page = a_run("20250103-000001-bbbbbb"), lab.page
    lab.tab("Errors")
    notice, table, cell = (page.locator(f"#errors-{part}") for part in ("notice", "table", "cell"))
    expect(notice.get_by_role("button", name="Evaluate")).to_be_visible()  # the shipped one knows another CIFAR-10
    lab.choose("errors-network", re.compile(run.id))
    expect(notice).to_contain_text(f"{run.id} has not been evaluated")
    notice.get_by_role("button", name="Evaluate").click()
    expect(table.locator("tbody tr")).to_have_count(10)
    expect(notice.get_by_role("button")).to_have_count(0)
    numbers = [int(number) for number in table.locator("tbody td").all_inner_texts()]
    expected = confusions(run)
    assert numbers == expected.ravel().tolist()
    expect(page.locator("#errors-page svg[role=img]")).to_have_count(2)
    expect(page.locator("#errors-page figure").first).to_be_visible()

    true, taken = (int(n[0]) for n in np.nonzero(expected * (1 - np.eye(10, dtype=int))))
    table.get_by_role("button", name=re.compile(f"of {expected[true].sum()} {true} taken for {taken},")).click()
    expect(cell.locator("h4")).to_have_text(f"{true} taken for {taken}")
    expect(cell.locator("figure")).to_have_count(min(20, expected[true, taken]))
    expect(cell.locator("figcaption").first).to_have_text(
        re.compile(rf"^{true}, taken for {taken}.* % sure; calibrated")
    )
    assert table.locator("[aria-pressed=true]").count() == 1
