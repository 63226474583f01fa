"""The Sweep tab and forks, as the lab does them and as visitors meet them in a real browser."""

from __future__ import annotations

import html
import re
import time

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
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.experiments.sweep import AXES, FACTORIAL, GRID, SweepTab
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
    experiment = plan("dropout.rate=0,0.5", seeds=2)
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
    assert here.training.start(experiment) == runs
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


def boxes(tab, kind=GRID, techniques=(), prune=False, seeds=1, images="60", epochs="1", over=(), **changes):
    """What the tab's boxes hold, and after them the controls of the Train tab."""
    pairs = [text.split("=") for text in over] + [["", ""]] * (AXES - len(over))
    base = tiny_config(**{**SMALL, **changes})
    values = [kind, list(techniques), prune, seeds, images, epochs, *(value for pair in pairs for value in pair)]
    return [*values, *tab.page.controls.filled(base)]


def test_what_would_be_swept_is_told_with_its_price_and_its_command(tab):
    line, price, command, _ = tab.tell(*boxes(tab, over=["dropout.rate=0, 0.5", "weight_decay.strength=0"]))
    assert line.startswith("<p>From the Train tab: ") and "2 runs to train" in price
    assert re.fullmatch(
        r'python -m reglab sweep .*--epochs 1 .*--seeds 1 --over "dropout\.rate=0,0\.5" --over weight_decay\.strength=0',
        command,
    )
    _, price, command, _ = tab.tell(*boxes(tab, kind=FACTORIAL, techniques=["dropout", "l1"], seeds=2.0))
    assert "8 runs to train" in price and command.endswith('--seeds 2 --factorial "dropout,l1"')
    for nonsense, said in (
        ({}, "Choose a setting"),
        ({"kind": FACTORIAL}, "Choose the techniques"),
        ({"over": ["dropout.rate=0"], "seeds": "many"}, "Seeds must be a whole number"),
        ({"over": ["dropout.rate=0"], "seeds": "1,5"}, "Seeds must be a whole number, not 1.5"),
        ({"over": ["dropout.rate=0"], "images": "sixty"}, "Images must be a whole number"),
        ({"over": ["dropout.rate=<b>"]}, "&lt;b&gt;"),
    ):
        line, price, command, remarks = tab.tell(*boxes(tab, **nonsense))
        assert line.startswith("<p>From the Train tab: ") and said in price and command == "", nonsense
        beside = {"seeds": "sweep-seeds", "images": "sweep-images"}
        assert set(remarks) == {place for box, place in beside.items() if box in nonsense}
    impossible = boxes(tab, over=["dropout.rate=0"])
    impossible[-len(tab.page.controls.by_name) + list(tab.page.controls.by_name).index("epochs")] = -1
    line, price, command, _ = tab.tell(*impossible)
    assert 'class="warning"' in line and price == command == ""


def test_a_question_fills_the_boxes_and_a_setting_proposes_its_values(tab):
    for question, _ in tab.questions:
        kind, *rest = tab.ask(question)
        pairs, metric, about = rest[: 2 * AXES], rest[2 * AXES], rest[2 * AXES + 1]
        assert kind == GRID and metric == question.metric and question.title in html.unescape(about)
        assert [f"{name}={values}" for name, values in zip(pairs[::2], pairs[1::2], strict=True) if name] == list(
            question.over
        )
    assert tab.usual("batch_norm") == "off,on" and tab.usual("nothing") == tab.usual(None) == ""
    assert changes(tab.turn(FACTORIAL)) == [{"visible": False}, {"visible": True}]
    assert changes(tab.turn(GRID)) == [{"visible": True}, {"visible": False}]


def test_a_sweep_is_started_drawn_opened_and_stopped(tab, here):
    over = {"over": ["dropout.rate=0,0.5"]}
    notice, group, mine, stamp, page, stop, clock = changes(tab.begin(None, "test_accuracy", None, *boxes(tab, **over)))
    assert notice == "" and mine == {"group": group["value"]} and group["choices"][0][1] == group["value"]
    assert stop == {"interactive": True} and clock == {"active": True} and "of 2 runs finished" in page
    asked = (group["value"], "test_accuracy", None)
    wait_until(lambda: "2 of 2 runs finished" in str(tab.look(*asked, None)[1]))
    after, page, stop, clock = changes(tab.look(*asked, stamp))
    assert after != stamp and stop == {"interactive": False} and clock == {"active": False}
    assert changes(tab.look(*asked, after)) == [None, None, None, {"active": False}], "nothing new"
    assert tab.look(group["value"], "nonsense", None, None)[1] == page

    runs = re.search('data-runs="([^"]*)"', page)
    assert runs
    visitor, *_, front = changes(tab.open({}, pressed(runs=runs[1])))
    assert visitor["ids"] == runs[1].split() and front == {"selected": "train"}
    assert set(changes(tab.open({}, pressed(runs="gone")))) == {None}

    choices, line, price, _, _, again, *_ = changes(tab.refresh(mine, None, *asked[1:], *boxes(tab, **over)))
    assert choices["value"] == group["value"] and again == after and "0 runs to train" in price and line
    assert changes(tab.refresh("nonsense", "gone", *asked[1:], *boxes(tab)))[0]["value"] == group["value"]
    assert tab.halt(*asked)[1] == page, "there is nothing to stop any more"
    assert "Choose a question" in tab.look(None, "test_accuracy", None, None)[1]


def test_what_cannot_be_swept_or_is_not_allowed_is_a_sentence(tab, here):
    for values, assignment, said in (
        (boxes(tab), None, "Choose a setting"),
        (
            boxes(tab, epochs="9", over=["dropout.rate=0,0.5"]),
            Assignment(max_epochs=3, config=tiny_config()),
            "9 epochs",
        ),
        (boxes(tab, over=["dropout.rate=lin:0:0.9:40"], seeds=10), None, "the page takes at most 300"),
    ):
        notice, *updates = changes(tab.begin(assignment, "test_accuracy", None, *values))
        assert 'class="warning"' in notice and said in notice and set(updates) == {None}
    assert here.stores.own.runs() == []


# ---- in the browser ----------------------------------------------------------------------------------------------
def test_a_visitor_sweeps_two_settings_opens_a_cell_and_finds_it_again_after_a_reload(visitor, lab, server):
    page = lab.page
    lab.choose("control-dataset", "Digits")
    lab.tab("Sweep")
    page.locator("#sweep-start").click()
    expect(page.locator("#sweep-notice .warning")).to_contain_text("Choose a setting")
    page.get_by_label("Techniques on and off").check()
    expect(page.locator("#sweep-toggles")).to_be_visible()
    page.locator("#sweep-start").click()
    expect(page.locator("#sweep-notice .warning")).to_contain_text("Choose the techniques")

    page.get_by_role("button", name="Dropout x weight decay").click()
    expect(page.locator("#axis-0 input")).to_have_value("Dropout: rate")
    page.locator("#values-0 textarea, #values-0 input").first.fill("0,0.5")
    page.locator("#values-1 textarea, #values-1 input").first.fill("0")
    page.locator("#sweep-seeds .number-control input").fill("1")
    page.locator("#sweep-images .number-control input").first.fill("60")
    page.locator("#sweep-epochs .number-control input").first.fill("1")
    expect(page.locator("#sweep-price")).to_contain_text("2 runs to train")
    command = re.compile(
        r'python -m reglab sweep .*--epochs 1 .*--seeds 1 --over "dropout\.rate=0,0\.5" --over weight_decay\.strength=0$'
    )
    expect(page.locator("#sweep-command textarea")).to_have_value(command)
    page.locator("#sweep-start").click()
    shown = page.locator("#sweep-page")
    expect(shown).to_contain_text("2 of 2 runs finished", timeout=120_000)
    visitor.may_fail = LEFT
    page.reload()
    lab.tab("Sweep")
    expect(shown).to_contain_text("2 of 2 runs finished")
    page.set_viewport_size({"width": 390, "height": 844})  # on a phone
    expect(shown).to_be_visible()
    assert lab.sideways() == 0
    page.set_viewport_size({"width": 1440, "height": 900})
    opened = shown.locator("button.open").first
    name = opened.inner_text().strip()  # what the run is called, without its seed
    opened.click()
    expect(page.locator("#chart")).to_contain_text(f"{name}, seed 0: finished")
    assert lab.sideways() == 0
