"""The Sweep tab and forks, as the lab does them and as visitors meet them in a real browser."""

from __future__ import annotations

import time

import pytest
from browser import LEFT, expect
from conftest import tiny_config

from reglab.errors import ConfigError
from reglab.experiments.axes import axis, one_value
from reglab.experiments.experiment import Experiment
from reglab.experiments.sweep import sweep
from reglab.jobs import queue as working
from reglab.runs.store import Store
from reglab.ui.services.lab import Lab
from reglab.ui.views import curves as view

SMALL = {"train_size": 60, "val_size": 60, "epochs": 1, "width": 0.125}


@pytest.fixture
def here(tmp_path):
    lab = Lab(Store(tmp_path / "runs"), Store(tmp_path / "none"))
    yield lab
    for run in lab.stores.own.runs():
        run.ask_to_stop()
    lab.close()


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
    runs = here.training.start(experiment, "ann")
    other = here.training.start(Experiment.run(tiny_config(**SMALL)), "bob")[0]
    assert here.training.jobs.place(other.id) == 1, "bob waits for the run under way, not for the sweep"
    wait_until(lambda: set(statuses(here, [*runs, other])) == {"finished"})
    before = [(run.path / "metrics.jsonl").read_bytes() for run in runs]
    assert here.training.start(experiment, "ann") == runs and statuses(here, runs) == ["finished"] * 4
    assert [(run.path / "metrics.jsonl").read_bytes() for run in runs] == before
    group = experiment.group
    assert [name for _, name in here.results.sweeps()] == [group]
    assert here.training.together(runs[1]) == runs, "few enough to be seen together"
    g = here.results.grid(here.results.in_sweep(group), "epochs_until", 0.0)
    assert [cell.values("epochs_until") for cell in g.cells] == [{0: 0.0, 1: 0.0}] * 2


def test_a_stopped_sweep_goes_on_where_it_was(here):
    experiment = plan("dropout.rate=0,0.5", epochs=300, seeds=3)
    runs = here.training.start(experiment, "ann")
    wait_until(lambda: len(runs[0].history()) > 1)
    here.training.stop_group(experiment.group)
    wait_until(lambda: set(statuses(here, runs)) == {"stopped"})
    assert here.training.together(runs[1]) == [runs[1]], "too many to be seen together"
    epochs = len(runs[0].history())
    assert here.training.start(experiment, "ann") == runs
    wait_until(lambda: len(runs[0].history()) > epochs)


def test_a_sweep_counts_as_one_in_the_queue_and_a_full_queue_makes_no_folder(here, monkeypatch):
    monkeypatch.setattr(working, "WAITING_PER_OWNER", 1)
    here.training.start(plan("dropout.rate=0,0.2,0.5", epochs=300), "ann")
    with pytest.raises(ConfigError, match="waiting already"):
        here.training.start(plan("l1.strength=0,1e-5"), "ann")
    assert len(here.stores.own.runs()) == 3


def test_too_many_runs_for_the_page_are_refused(here):
    with pytest.raises(ConfigError, match="the page takes at most 300"):
        here.training.start(plan("dropout.rate=lin:0:0.9:40", seeds=10), "")
    assert not here.stores.own.runs()


def test_a_fork_is_started_and_shown_beside_its_parent(tmp_path, a_run):
    here = Lab(Store(a_run("20240101-000000-abcdef").path.parent), Store(tmp_path / "none"))
    parent = here.stores.find("20240101-000000-abcdef")

    def fork(epoch, name, value):
        return here.training.start(Experiment.fork(parent, epoch, {name: one_value(name, value)}), "ann")

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


# ---- in the browser ----------------------------------------------------------------------------------------------
def test_a_visitor_sweeps_two_settings_opens_a_cell_and_finds_it_again_after_a_reload(visitor, lab, server):
    page = lab.page
    lab.choose("control-dataset", "Digits")
    lab.tab("Sweep")
    page.get_by_role("button", name="Dropout x weight decay").click()
    expect(page.locator("#axis-0 input")).to_have_value("Dropout: rate")
    page.locator("#values-0 textarea, #values-0 input").first.fill("0,0.5")
    page.locator("#values-1 textarea, #values-1 input").first.fill("0")
    page.locator("#sweep-seeds input").fill("1")
    page.locator("#sweep-images input, #sweep-images textarea").first.fill("60")
    page.locator("#sweep-epochs input, #sweep-epochs textarea").first.fill("1")
    expect(page.locator("#sweep-price")).to_contain_text("2 runs to train")
    expect(page.locator("#sweep-command textarea")).to_have_value(lab_command())
    page.locator("#sweep-start").click()
    shown = page.locator("#sweep-page")
    expect(shown).to_contain_text("2 of 2 runs finished", timeout=120_000)
    visitor.may_fail = LEFT
    page.reload()
    lab.tab("Sweep")
    expect(shown).to_contain_text("2 of 2 runs finished")
    opened = shown.locator("button.open").first
    name = opened.inner_text().strip()  # what the run is called, without its seed
    opened.click()
    expect(page.locator("#chart")).to_contain_text(f"{name}, seed 0: finished")
    assert lab.sideways() == 0


def lab_command():
    import re

    return re.compile(
        r"python -m reglab sweep .*--epochs 1 .*--seeds 1 --over dropout\.rate=0,0\.5 --over weight_decay\.strength=0$"
    )


def test_nonsense_is_one_sentence_and_a_factorial_is_offered(lab):
    page = lab.page
    lab.tab("Sweep")
    page.locator("#sweep-start").click()
    expect(page.locator("#sweep-notice .warning")).to_contain_text("Choose a setting")
    page.get_by_label("Techniques on and off").check()
    expect(page.locator("#sweep-toggles")).to_be_visible()
    page.locator("#sweep-start").click()
    expect(page.locator("#sweep-notice .warning")).to_contain_text("Choose the techniques")


def test_on_a_phone_nothing_runs_off_the_side(visitors, server):
    lab = visitors(viewport={"width": 390, "height": 844}).open(server)
    lab.tab("Sweep")
    expect(lab.page.locator("#sweep-page")).to_contain_text("runs finished")
    assert lab.sideways() == 0
