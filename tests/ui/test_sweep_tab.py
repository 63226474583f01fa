"""The Sweep tab and forks, as the lab does them and as visitors meet them in a real browser."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from browser import LEFT, expect
from conftest import tiny_config
from pages import beside_train, changes, pressed

from reglab.deployment import Limits
from reglab.errors import ConfigError
from reglab.experiments.axes import axis, one_value
from reglab.experiments.experiment import Experiment
from reglab.experiments.sweep import sweep
from reglab.runs.owner import Visitor
from reglab.runs.store import Store
from reglab.teaching.assignments import Assignment
from reglab.teaching.presets import QUESTIONS
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.experiments.sweep import AXES, EMPTY, FACTORIAL, SweepTab, filled_by
from reglab.ui.views import curves as view

SMALL = {"train_size": 60, "val_size": 60, "epochs": 1, "width": 0.125}


def plan(*over, seeds=1, **changes):
    return sweep(tiny_config(**{**SMALL, **changes}), list(map(axis, over)), seeds)


def wait_until(true, seconds=90.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def statuses(lab, runs):
    return [lab.training.jobs.status(run) for run in runs]


# ---- what the lab does -------------------------------------------------------------------------------------------
def test_a_sweep_runs_one_by_one_with_turns_for_others_and_skips_what_is_done(here):
    experiment = plan("dropout.rate=0,0.5", epochs=40, seeds=2)  # of which none has ended by the time that bob asks
    runs = here.training.start(experiment)
    other = here.seen_by(Visitor("the key that bob has")).training.start(Experiment.run(tiny_config(**SMALL)))[0]
    assert here.training.jobs.place(other) == 1, "bob waits for the run under way, not for the sweep"
    wait_until(lambda: set(statuses(here, [*runs, other])) == {"finished"})
    before = [(run.path / "metrics.jsonl").read_bytes() for run in runs]
    assert here.training.start(experiment) == runs and statuses(here, runs) == ["finished"] * 4
    assert [(run.path / "metrics.jsonl").read_bytes() for run in runs] == before
    group = experiment.group
    assert [name for _, name in here.results.sweeps()] == [group]
    assert here.training.together(runs[1]) == runs, "few enough to be seen together"
    g = here.results.grid(here.results.in_sweep(group), "epochs_until", 0.0)
    assert [cell.values("epochs_until") for cell in g.cells] == [{0: 0.0, 1: 0.0}] * 2


def test_a_stopped_sweep_goes_on_where_it_was(here):
    experiment = plan("dropout.rate=0,0.5", epochs=300, seeds=3)
    runs = here.training.start(experiment)
    wait_until(lambda: len(runs[0].history()) > 1)
    here.training.stop_group(experiment.group)
    wait_until(lambda: set(statuses(here, runs)) == {"stopped"})
    assert here.training.together(runs[1]) == [runs[1]], "too many to be seen together"
    epochs = len(runs[0].history())
    assert here.training.resume_group(experiment.group) == runs
    wait_until(lambda: len(runs[0].history()) > epochs)


def test_a_sweep_counts_as_one_in_the_queue_and_a_full_queue_makes_no_folder(here, monkeypatch):
    monkeypatch.setattr(here.training.jobs, "limits", Limits(waiting_each=1))
    ann = here.seen_by(Visitor("the key that ann has"))
    ann.training.start(plan("dropout.rate=0,0.2,0.5", epochs=300))
    with pytest.raises(ConfigError, match="waiting already"):
        ann.training.start(plan("l1.strength=0,1e-5"))
    assert len(here.stores.own.runs()) == 3


def test_too_many_runs_for_the_page_are_refused(here):
    with pytest.raises(ConfigError, match="the page takes at most 300"):
        here.training.start(plan("dropout.rate=lin:0:0.9:40", seeds=10))
    assert not here.stores.own.runs()


def test_a_fork_is_started_and_shown_beside_its_parent(tmp_path, a_run):
    here = Lab(Store(a_run("20240101-000000-abcdef").path.parent), Store(tmp_path / "none"))
    parent = here.stores.find("20240101-000000-abcdef")

    def fork(epoch, name, value):
        return here.training.start(Experiment.fork(parent, epoch, {name: one_value(name, value)}))

    [child] = fork(1, "dropout.rate", "0.5")
    wait_until(lambda: statuses(here, [child]) == ["finished"])
    assert here.training.together(child) == [parent, child]
    views = here.training.views([parent, child])
    chart = view.chart_of(views, names=view.names_of(views))
    assert [r["role"] for r in chart["runs"]] == ["a", "b"]
    for epoch, name, value, words in (
        (1.5, "dropout.rate", "0.5", "whole number"),
        (1, "batch_norm", "off", "other weights"),
    ):
        with pytest.raises(ConfigError, match=words):
            fork(epoch, name, value)


# ---- the tab, without a page -------------------------------------------------------------------------------------
@pytest.fixture
def tab(laid_out) -> SweepTab:
    return laid_out(beside_train(SweepTab))


def plan_of(*over, **changes) -> dict[str, Any]:
    """What is typed into the plan."""
    typed = {"seeds": "1", "images": "60", "epochs": "1", **changes}
    for i, text in enumerate(over):
        typed |= dict(zip((f"axis-{i}", f"values-{i}"), text.split("="), strict=True))
    return EMPTY | typed


def controls(tab, **changes) -> list[Any]:
    """The controls of the Train tab."""
    return tab.page.controls.filled(tiny_config(**{**SMALL, **changes}))


def looked(group="", metric="test_accuracy", target="") -> dict[str, str]:
    return {"group": group, "metric": metric, "target": target}


def test_what_would_be_swept_is_told_with_its_price_and_its_command(tab):
    said = tab.said(plan_of("dropout.rate=0, 0.5", "weight_decay.strength=0"), controls(tab))
    assert said["base"].startswith("As set up on the Train tab: ") and "2 runs to train" in said["price"]
    assert re.fullmatch(
        r'python -m reglab sweep .*--epochs 1 .*--seeds 1 --over "dropout\.rate=0,0\.5" --over weight_decay\.strength=0',
        said["command"],
    )
    said = tab.said(plan_of(kind=FACTORIAL, techniques=["dropout", "l1"], seeds="2"), controls(tab))
    assert "8 runs to train" in said["price"] and said["command"].endswith('--seeds 2 --factorial "dropout,l1"')
    for nonsense, words, beside in (
        (plan_of(), "Choose a setting", ""),
        (plan_of(kind=FACTORIAL), "Choose the techniques", ""),
        (plan_of("dropout.rate=0", seeds="many"), "Seeds must be a whole number", "seeds"),
        (plan_of("dropout.rate=0", seeds="1,5"), "Seeds must be a whole number, not 1.5", "seeds"),
        (plan_of("dropout.rate=0", images="sixty"), "Images must be a whole number", "images"),
        (plan_of("dropout.rate=<b>"), "<b>", ""),
    ):
        said = tab.said(nonsense, controls(tab))
        assert "base" in said and words in said["price"] and "command" not in said, nonsense
        assert set(said["refused"]) == {beside} - {""}
    impossible = tab.page.controls.config_values(controls(tab)) | {"epochs": -1}
    tab.page.controls.config_values = lambda values: impossible
    assert set(tab.said(plan_of("dropout.rate=0"), [])) == {"notice"}


@pytest.mark.parametrize("sent", [None, 7, [], {"techniques": 7}, {"axis-0": ["x"], "values-0": {}}, {"kind": []}])
def test_whatever_a_page_sends_for_a_plan_is_answered_in_words(sent, tab):
    said = tab.said(sent, controls(tab))
    assert said["price"].endswith(".") and "command" not in said


def test_a_question_fills_the_plan_and_what_else_it_needs(tab):
    for question in QUESTIONS:
        filled = filled_by(question)
        pairs = [(filled[f"axis-{i}"], filled[f"values-{i}"]) for i in range(AXES)]
        assert tuple(f"{name}={values}" for name, values in pairs if name) == question.over
        said = tab.said(EMPTY | filled, controls(tab))
        assert said["about"].lower() == question.about.lower()
        which, value = changes(tab.ask(pressed(question=question.title), looked("g"), *controls(tab)))
        assert which == looked("g", question.metric) and (value is None) == (not question.changes)
        assert json.dumps(filled).translate(str.maketrans("", "", "`$\\")) == json.dumps(filled)
    assert set(changes(tab.ask(pressed(question="nonsense"), {}, *controls(tab)))) == {None}


def test_a_sweep_is_started_drawn_opened_stopped_and_gone_on_with(tab, here):
    plan = plan_of("dropout.rate=0,0.5")
    said, which, mine, stamp, page, clock = changes(tab.begin(None, looked(), plan, *controls(tab)))
    group = which["value"]["group"]
    assert "notice" not in said["said"] and mine == {"group": group} and which["options"]["group"][0][1] == group
    assert clock == {"active": True} and "of 2 runs finished" in page and 'data-do="stop"' in page
    wait_until(lambda: "2 of 2 runs finished" in str(tab.look(which["value"], None)[1]))
    after, page, clock = changes(tab.look(which["value"], stamp))
    assert after != stamp and "data-do" not in page and clock == {"active": False}
    assert changes(tab.look(which["value"], after)) == [None, None, {"active": False}], "nothing new"
    assert tab.look(looked(group, "nonsense"), None)[1] == page

    runs = re.search('data-runs="([^"]*)"', page)
    assert runs
    *unchanged, visitor = changes(tab.press(which["value"], {}, pressed(runs=runs[1])))[:4]
    assert set(unchanged) == {None} and visitor["ids"] == runs[1].split()
    assert changes(tab.press(which["value"], {}, pressed(runs=runs[1])))[-1] == {"selected": "train"}
    assert set(changes(tab.press(which["value"], {}, pressed(runs="gone")))) == {None}

    again, said, stamp, *_ = changes(tab.refresh(mine, looked(), plan, *controls(tab)))
    assert again["value"]["group"] == group and stamp == after and "0 runs to train" in said["said"]["price"]
    assert changes(tab.refresh("nonsense", looked("gone"), plan, *controls(tab)))[0]["value"]["group"] == group
    assert tab.do(which["value"], "stop")[1] == page, "there is nothing to stop any more"
    assert "Choose a question" in tab.look(looked(), None)[1]

    long = plan_of("dropout.rate=0,0.5", epochs="300")
    which = changes(tab.begin(None, looked(), long, *controls(tab)))[1]["value"]
    tab.do(which, "stop")
    wait_until(lambda: 'data-do="resume"' in str(tab.look(which, None)[1]))
    assert 'data-do="stop"' in tab.do(which, "resume")[1]
    tab.do(which, "stop")


def test_what_cannot_be_swept_or_is_not_allowed_is_a_sentence(tab, here):
    for plan, assignment, words in (
        (plan_of(), None, "Choose a setting"),
        (plan_of("dropout.rate=0,0.5", epochs="9"), Assignment(max_epochs=3, config=tiny_config()), "9 epochs"),
        (plan_of("dropout.rate=lin:0:0.9:40", seeds="10"), None, "the page takes at most 300"),
    ):
        said, *updates = changes(tab.begin(assignment, looked(), plan, *controls(tab)))
        assert words in said["said"]["notice"] and set(updates) == {None}
    assert here.stores.own.runs() == []


# ---- in the browser ----------------------------------------------------------------------------------------------
def test_a_visitor_sweeps_two_settings_opens_a_cell_and_finds_it_again_after_a_reload(visitor, lab, server):
    page = lab.page
    lab.choose("control-dataset", "Digits")
    lab.tab("Sweep")
    expect(page.locator("#sweep-base")).to_contain_text("Digits")
    page.locator("#sweep-start").click()
    expect(page.locator("#sweep-notice")).to_contain_text("Choose a setting")
    page.get_by_label("Techniques on and off").check()
    expect(page.locator("#sweep-toggles")).to_be_visible()
    page.locator("#sweep-start").click()
    expect(page.locator("#sweep-notice")).to_contain_text("Choose the techniques")

    page.get_by_role("button", name="Dropout x weight decay").click()
    expect(page.locator("#axis-0")).to_have_value("dropout.rate")
    expect(page.locator("#questions")).to_contain_text("Do two regularizers help more than one?")
    page.locator("#axis-2").select_option("lr")
    expect(page.locator("#values-2")).not_to_have_value("")
    page.locator("#axis-2").select_option("")
    page.locator("#values-0").fill("0,0.5")
    page.locator("#values-1").fill("0")
    page.get_by_label("Seeds").fill("many")
    expect(page.locator("#sweep-seeds .refused")).to_contain_text("must be a whole number")
    page.get_by_label("Seeds").fill("1")
    page.locator("#sweep-images input").fill("60")
    page.locator("#sweep-epochs input").fill("1")
    expect(page.locator("#sweep-seeds .refused")).to_be_empty()
    expect(page.locator("#sweep-price")).to_contain_text("2 runs to train")
    command = re.compile(
        r'python -m reglab sweep .*--epochs 1 .*--seeds 1 --over "dropout\.rate=0,0\.5" --over weight_decay\.strength=0$'
    )
    expect(page.locator("#sweep-command textarea")).to_have_value(command)
    page.set_viewport_size({"width": 390, "height": 844})  # on a phone, what was pressed comes into sight
    page.locator("#sweep-start").click()
    shown = page.locator("#sweep-page")
    expect(shown).to_contain_text("of 2 runs finished")
    expect(page.locator("#sweep-page .so-far")).to_be_in_viewport()
    expect(shown).to_contain_text("2 of 2 runs finished", timeout=120_000)
    visitor.may_fail = LEFT
    page.reload()
    lab.tab("Sweep")
    expect(shown).to_contain_text("2 of 2 runs finished")
    expect(shown).to_be_visible()
    assert lab.sideways() == 0
    page.set_viewport_size({"width": 1440, "height": 900})
    opened = shown.locator("button.open").first
    name = opened.inner_text().strip()  # what the run is called, without its seed
    opened.click()
    expect(page.locator("#chart")).to_contain_text(f"{name}, seed 0")
    lab.expect_statuses("finished")
    assert lab.sideways() == 0


def test_a_sweep_that_goes_on_leaves_its_reader_where_they_were(lab):
    page = lab.page
    lab.choose("control-dataset", "Digits")
    lab.tab("Sweep")
    page.locator("#axis-0").select_option("dropout.rate")
    page.locator("#values-0").fill("lin:0:0.8:5")
    for field, number in (("seeds", "1"), ("images", "60"), ("epochs", "8")):
        page.locator(f"#sweep-{field} input").fill(number)
    expect(page.locator("#sweep-price")).to_contain_text("5 runs to train")
    page.locator("#sweep-start").click()
    shown = page.locator("#sweep-page")
    expect(shown).to_contain_text(re.compile("[12] of 5 runs finished"), timeout=60_000)
    page.set_viewport_size({"width": 390, "height": 844})
    shown.get_by_text("As a table").click()
    numbers = page.get_by_role("region", name="The sweep in numbers")
    numbers.evaluate("table => table.scrollTo(40, 0)")
    row = shown.locator("button.open").first
    row.focus()
    was = row.evaluate("row => { window.row = row; return row.textContent }")
    expect(shown).to_contain_text("5 of 5 runs finished", timeout=120_000)
    assert not page.evaluate("window.row.isConnected"), "it was drawn anew"
    expect(page.locator(":focus")).to_have_text(was)
    expect(shown.locator("details.reglab-points")).to_have_attribute("open", "")
    assert numbers.evaluate("table => table.scrollLeft") == 40
    page.locator("h1").click()
    page.locator("#sweep-look select").last.select_option(index=1)
    expect(page.locator("#sweep-page :focus")).to_have_count(0)
