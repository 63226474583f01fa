"""Published results: its page as text, and as a visitor meets it in a real browser."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from browser import expect
from conftest import tiny_config
from pages import changes, pressed
from servers import wait_until
from test_reproduce import GOOD, TOY, told

from reglab.errors import ConfigError
from reglab.experiments import reproduce
from reglab.experiments.publications import PUBLICATIONS, RECIPES, STATUS
from reglab.experiments.reproduce import Standing
from reglab.runs.owner import Visitor
from reglab.runs.store import Store
from reglab.ui.services.lab import Lab
from reglab.ui.services.results import progress_of
from reglab.ui.tabs.experiments.published import PublishedTab, paper_of
from reglab.ui.views import reproduction


def shown(accuracies=GOOD, **told_of) -> dict[str, Standing]:
    """Both recipes, with these accuracies on the budget and nothing in full."""
    return {
        "budget": Standing(reproduce.to_json(told(accuracies, "budget")), **told_of),
        "full": Standing(reproduce.to_json(told({}))),
    }


def words(page: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", page).split()))


def test_the_page_puts_the_published_number_beside_ours_and_says_who_read_it():
    page = reproduction.page(TOY, shown())
    said = words(page)
    assert 'href="https://arxiv.org/abs/0000.00000"' in page and STATUS["verified"] in said
    assert "plain test accuracy 80 % 80.0 ± 0.2 % 3 seeds –" in said
    assert "On a budget: same direction In full: not run yet" in said
    assert "Better is better ✓ on a budget: holds. Test accuracy +5.0 points (+5 published)" in said


@pytest.mark.parametrize("paper", PUBLICATIONS.values(), ids=list(PUBLICATIONS))
def test_every_publication_has_a_page_before_anything_is_trained(paper):
    nothing = {name: Standing(reproduce.to_json(reproduce.look(paper, name, []))) for name in RECIPES}
    said = words(reproduction.page(paper, nothing))
    assert said.count("Nothing trained yet.") == len(paper.claims) and said.count("not run yet") == 4
    assert "Gives up: " in said and said.count("python -m reglab train") == 2 * len(paper.rows)
    for name in RECIPES:
        assert f"python -m reglab reproduce {paper.key} --{name}" in said


def test_a_recipe_tells_its_verdict_its_price_and_how_far_it_is():
    told_of = {"price": "2 runs to train.", "progress": "1 of 4 runs are finished.", "source": "Recorded long ago."}
    said = words(reproduction.page(TOY, shown(**told_of)))
    assert "same direction" in said and "One epoch instead of two." in said
    assert all(sentence in said for sentence in told_of.values())


def test_one_seed_is_called_one_seed():
    said = words(reproduction.page(TOY, shown({"plain": (80,), "better": (85,)})))
    assert "80.0 % one seed" in said and "? on a budget: not known" in said and "unfinished" in said


def test_what_is_written_elsewhere_stays_text():
    hostile = replace(TOY, title="<img src=x onerror=alert(1)>", setting="<script>")
    told_of = Standing(reproduce.to_json(told({})), "<script>", "<script>", "<script>")
    page = reproduction.page(hostile, {"budget": shown()["budget"], "full": told_of})
    assert "<img" not in page and "<script" not in page


@pytest.mark.parametrize("chosen", [None, "nothing", 7, ["cutout"]])
def test_what_is_no_publication_shows_the_first(chosen):
    assert paper_of(chosen) is PUBLICATIONS["zhang2017"] and paper_of("cutout") is PUBLICATIONS["cutout"]


def test_the_lab_tells_of_its_runs_else_of_what_was_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "RECORDED", tmp_path / "reproduce.json")
    paper = PUBLICATIONS["cutout"]
    lab = Lab(Store(tmp_path / "runs"), Store(tmp_path / "none"))
    try:
        nothing = lab.results.reproduction(paper, "budget")
        assert nothing.told["verdict"] == "not run yet" and "6 runs to train" in nothing.price and not nothing.source
        record = reproduce.to_json(reproduce.look(paper, "budget", [])) | {
            "verdict": "same direction",
            "sentence": "So.",
        }
        record |= {"date": "2026-11-23", "machine": "a machine", "took": "53 min"}
        (tmp_path / "reproduce.json").write_text(json.dumps({"cutout, budget": record}))
        recorded = lab.results.reproduction(paper, "budget")
        assert (
            recorded.told["verdict"] == "same direction"
            and "Recorded with this project on 2026-11-23;" in recorded.source
        )
        assert "took 53 min on a machine" in recorded.price
        assert lab.results.reproduction(paper, "full").told["verdict"] == "not run yet"
    finally:
        lab.close()


def test_progress_names_the_run_that_is_trained(store):
    told = {"a": "finished", "b": "running", "c": "queued", "d": "queued"}
    runs = [store.create(tiny_config(epochs=7), name=name) for name in told]
    said = progress_of([run.view().with_status(told[run.name]) for run in runs])
    assert said == "1 of 4 runs are finished, “b” is in epoch 0 of 7, 2 wait."


# ---- the tab, without a page -------------------------------------------------------------------------------------
def test_a_publication_is_shown_begun_and_stopped(here, laid_out):
    tab = laid_out(PublishedTab)

    def parts(updates: list[Any]) -> dict[str, Any]:
        return dict(zip(("page", "stamp", "known", "clock"), changes(updates), strict=True))

    def buttons(page: str) -> list[str]:
        return re.findall(r'data-do="(\w+)"(?: data-recipe="(\w+)")?', page)

    before = parts(tab.show("label_smoothing"))
    assert "86.8 %" in words(before["page"]) and before["known"] == []
    assert buttons(before["page"]) == [("run", "budget"), ("run", "full")] and before["clock"] == {"active": False}
    key, notice, page, *_ = changes(tab.choose(pressed(entry="label_smoothing")))
    assert (key, notice, page) == ("label_smoothing", "", before["page"])
    assert "89.31 %" in words(tab.choose(pressed(entry="nothing"))[2])

    notice, *updates = tab.press("label_smoothing", pressed(do="run", recipe="budget"))
    begun = parts(updates)
    assert notice == "" and "0 of 10 runs are finished" in words(begun["page"])
    assert len(begun["known"]) == len(here.stores.own.runs()) == 10 and begun["stamp"] != before["stamp"]
    assert buttons(begun["page"]) == [("stop", ""), ("run", "full")] and begun["clock"] == {"active": True}
    tab.lab = here.seen_by(Visitor("somebody else's key"))
    assert ("stop", "") not in buttons(parts(tab.show("label_smoothing"))["page"]), "on this page nothing was begun"
    tab.lab = here
    halted = parts(tab.press("label_smoothing", pressed(do="stop"))[1:])
    wait_until(
        lambda: not here.training.is_live(here.results.open(begun["known"])),
        "still live after Stop",
        more=lambda: halted,
    )
    ended = parts(tab.tick("label_smoothing", begun["stamp"], begun["known"]))
    assert buttons(ended["page"]) == [("run", "budget"), ("run", "full")] and ended["clock"] == {"active": False}
    assert set(changes(tab.tick("label_smoothing", ended["stamp"], ended["known"]))) == {None}, "nothing new"


@pytest.mark.parametrize("data", [{}, {"do": "fly"}, {"do": "run", "recipe": "soup"}, {"copy": "#recipe-command-full"}])
def test_a_press_that_means_nothing_changes_nothing(data, here, laid_out):
    assert set(changes(laid_out(PublishedTab).press("cutout", pressed(**data)))) == {None}
    assert here.stores.own.runs() == []


def test_what_cannot_be_begun_is_a_sentence(here, laid_out, monkeypatch):
    def full(*_: Any) -> None:
        raise ConfigError("The queue is full.")

    monkeypatch.setattr(here.training, "start", full)
    notice, page, *_ = changes(laid_out(PublishedTab).begin("budget", "cutout"))
    assert "The queue is full." in notice and 'data-recipe="budget"' in page


# ---- in the browser ----------------------------------------------------------------------------------------------
def test_a_visitor_reads_a_publication_begins_to_train_it_and_stops(lab, server):
    page, shown = lab.page, lab.page.locator("#publication")
    lab.tab("Published results")
    expect(shown).to_contain_text("89.31 %")
    listed = page.locator("#publications button")
    expect(listed).to_have_count(len(PUBLICATIONS))
    listed.first.focus()  # by the keyboard: one stop, arrows in the list
    page.keyboard.press("End")
    expect(listed.last).to_be_focused()
    page.locator("#publications [data-entry=label_smoothing]").click()
    expect(shown).to_contain_text("86.8 %")
    expect(page.locator("#recipe-command-budget textarea")).to_have_value(
        "python -m reglab reproduce label_smoothing --budget"
    )
    budget = page.locator("#recipe-budget")
    budget.get_by_role("button", name="Run it").click()
    expect(budget.locator(".progress")).to_contain_text("0 of 10 runs are finished")
    budget.get_by_role("button", name="Stop").click()
    expect(budget.get_by_role("button", name=re.compile("Run it|Go on"))).to_be_enabled()
    group = PUBLICATIONS["label_smoothing"].group("budget")
    wait_until(lambda: all(r.status() in ("stopped", "finished") for r in server.store.group(group)), "still live")
    page.set_viewport_size({"width": 390, "height": 844})
    assert lab.sideways() == 0
