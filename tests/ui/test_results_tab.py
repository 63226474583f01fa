"""The Results tab: what its list and its buttons do, called without a page. `test_app_runs.py` presses them in a real browser."""

from __future__ import annotations

import json
import shutil
from typing import Any

import gradio as gr
import pytest
from pages import beside_train, changes, pressed

from reglab.runs.run import Run
from reglab.ui.tabs.results import ResultsTab
from reglab.ui.tabs.results.choice import Choice


@pytest.fixture
def tab(finished, laid_out) -> ResultsTab:
    """Over a lab with one finished run."""
    return laid_out(beside_train(ResultsTab))


def asked(*ids: str, followed: tuple[str, ...] = ()) -> str:
    """What the list sends where these runs are chosen."""
    return json.dumps({"chosen": ids, "followed": followed})


def others(tab: ResultsTab) -> list[Any]:
    """What the boxes of the views send before anybody has touched them."""
    return [getattr(box, "value", "") for view in tab.views.values() for box in view.inputs]


def opened(tab: ResultsTab, sent: str = "{}", visitor: Any = None) -> dict[str, Any]:
    """What the list gets when the tab is opened."""
    return json.loads(tab.refresh(sent, visitor)[0])


def act(tab: ResultsTab, chosen: str, **told: str) -> tuple[list[Any], dict[str, Any] | None, str | None]:
    """What a button does: updates for the Train tab, for the list, and what stands above the views."""
    updates = tab.act(pressed(**told), chosen, {"tries": [{"run": "a"}]})
    n = len(tab.acts.filled)
    listed, bar = changes(updates[n : n + 2])
    return changes(updates[:n]), listed and json.loads(listed), bar


def another(run: Run, run_id: str) -> Run:
    return Run(shutil.copytree(run.path, run.path.parent / run_id))


# ---- the list ----------------------------------------------------------------------------------------------------
def test_what_the_list_sends_may_be_anything():
    for nothing in (None, 7, "", "[", "[]", "{}", '{"chosen": 7}', '{"chosen": [1, {}]}'):
        assert Choice.read(nothing).chosen == []
    assert Choice.read(asked("a", "a", "b")).chosen == ["a", "b"]
    assert len(Choice.read(asked(*map(str, range(999)))).chosen) == 301, "so that it is said that they are too many"


def test_a_row_has_what_is_known_of_a_run(tab, finished, here):
    [row] = here.results.listed()
    assert row["id"] == finished.id and row["status"] == "finished" and row["seed"] == finished.config.seed
    assert row["val"] == finished.summary()["val_accuracy"] and row["gap"] == finished.summary()["gap"]
    assert row["name"] != finished.id and row["whose"] == "" and row["when"] == finished.described["created"]
    finished.rename("mine")
    assert here.results.listed()[0]["name"] == "mine"
    damaged = another(finished, "20990101-000000-aaaaaa")
    (damaged.path / "config.json").write_text("{")
    row, whole = here.results.listed()
    assert (row["id"], row["status"], row["val"]) == (damaged.id, "unreadable", None) and whole["set_up"] != row[
        "set_up"
    ]


def test_runs_that_differ_in_nothing_but_their_seed_are_of_one_set_up(finished, here):
    same, other = another(finished, "20250101-000000-aaaaaa"), another(finished, "20250101-000000-bbbbbb")
    for run, change in ((same, {"seed": 7}), (other, {"lr": 0.5})):
        described = {**run.described, "config": {**run.described["config"], **change}}
        (run.path / "config.json").write_text(json.dumps(described))
    places = {row["id"]: row["set_up"] for row in here.results.listed()}
    assert places[finished.id] == places[same.id] != places[other.id]


def test_the_tab_opens_with_what_the_visitor_trained_last_until_others_are_chosen(tab, finished):
    mine, other = finished.id, another(finished, "20250101-000000-aaaaaa").id
    told = opened(tab, visitor={"ids": [other]})
    assert {row["id"] for row in told["rows"]} == {mine, other}
    assert (told["chosen"], told["followed"], told["trash"]) == ([other], [other], None)
    assert opened(tab, asked(mine, followed=(other,)), {"ids": [other]})["chosen"] == [mine], "chosen since"
    assert opened(tab, asked(mine, followed=(other,)), {"ids": [mine, other]})["chosen"] == [mine, other], (
        "trained since"
    )
    assert opened(tab, asked("gone", followed=(other,)), {"ids": [other]})["chosen"] == [other]
    assert opened(tab, asked(mine), {"ids": ["gone"]})["chosen"] == [mine]
    assert opened(tab)["chosen"] == [], "there is no shipped pair here"
    fn, inputs, outputs = tab.on_select
    assert fn == tab.refresh and len(tab.refresh(*(getattr(box, "value", None) for box in inputs))) == len(outputs)


def test_only_the_view_that_is_open_is_filled_and_none_before_the_list_is(tab, finished):
    report = pressed(view="report")
    assert set(changes(tab.turn("curves", "{}", *others(tab)))) == {None}
    bar, *views = changes(tab.show(report, asked(finished.id), *others(tab)))
    assert finished.name in bar and [view for view in views if view is not None] == [views[-1]], "the open one alone"
    assert changes(tab.fill(report, asked(finished.id), *others(tab))) == views
    assert changes(tab.turn("report", asked(finished.id), *others(tab))) == views
    assert set(changes(tab.fill(pressed(view="nothing"), asked(finished.id), *others(tab)))) == {None}


def test_the_tab_takes_few_components(laid_out, here):
    with gr.Blocks() as blocks:
        from reglab.ui.page import Page

        page = Page(here)
        before = len(blocks.blocks)
        ResultsTab(here, page)
    assert len(blocks.blocks) - before < 25


# ---- what can be done --------------------------------------------------------------------------------------------
def buttons(bar: str) -> set[str]:
    return {name for name in ("open-run", "resume", "rename", "download", "delete") if f'id="{name}"' in bar}


def test_buttons_are_there_where_they_make_sense(tab, finished, here):
    def shown(*ids: str) -> set[str]:
        return buttons(tab.show(pressed(view="report"), asked(*ids), *others(tab))[0])

    assert shown(finished.id) == {"open-run", "rename", "download", "delete"}
    assert shown() == shown("gone") == set()
    second = another(finished, "20250101-000000-aaaaaa")
    assert shown(finished.id, second.id) == {"open-run", "delete"}
    (finished.path / "metrics.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in finished.lines()[0] if line["event"] != "finished")
    )
    assert shown(finished.id) == {"open-run", "resume", "rename", "download", "delete"}
    here.stores.shipped.root.mkdir(exist_ok=True)
    shutil.move(second.path, here.stores.shipped.root / second.id)
    assert shown(second.id) == {"open-run", "download"}, "one that ships"


def test_a_run_is_renamed_and_a_name_that_cannot_be_is_a_sentence(tab, finished):
    _, listed, bar = act(tab, asked(finished.id), do="rename", name="my run")
    assert listed["rows"][0]["name"] == "my run" == finished.name and "warning" not in bar
    *_, bar = act(tab, asked(finished.id), do="rename", name="a/b")
    assert 'class="warning"' in bar and finished.name == "my run"
    assert '<details class="renaming" open>' in bar and 'value="a/b"' in bar, "to be mended"
    assert 'class="warning"' in act(tab, asked("gone"), do="rename", name="x")[-1]


def test_runs_that_are_deleted_leave_the_list_and_can_be_brought_back(tab, finished):
    finished.rename("mine")
    _, listed, bar = act(tab, asked(finished.id), do="delete")
    assert listed["rows"] == listed["chosen"] == [] and not finished.path.exists()
    assert listed["trash"] == {"id": finished.id, "name": "mine", "runs": 1}
    assert "“mine” is deleted. It can be brought back for a day." in bar and f'data-run="{finished.id}"' in bar
    assert 'class="warning"' in act(tab, asked(finished.id), do="delete")[-1], "pressed twice"
    _, listed, bar = act(tab, asked(), do="restore", run=finished.id)
    assert listed["chosen"] == [finished.id] and listed["trash"] is None and finished.view().status == "finished"
    assert 'class="warning"' in act(tab, asked(), do="restore", run=finished.id)[-1], "pressed twice"

    second = another(finished, "20250101-000000-aaaaaa")
    *_, bar = act(tab, asked(finished.id, second.id), do="delete")
    assert "2 runs are deleted. They can be brought back for a day." in bar
    _, listed, _ = act(tab, asked(), do="restore", run=f"{finished.id} {second.id}")
    assert listed["chosen"] == [finished.id, second.id]
    act(tab, asked(finished.id), do="delete")
    _, listed, _ = act(tab, asked(second.id), do="empty")
    assert listed["trash"] is None and listed["chosen"] == [second.id]


def test_opening_a_run_puts_it_and_its_settings_on_the_train_tab(tab, finished):
    train, listed, bar = act(tab, asked(finished.id), do="open")
    assert listed is bar is None and train[0]["ids"] == [finished.id] and train[0]["tries"][0]["run"] == "a"
    assert {"selected": "train"} in train
    assert train[len(tab.page.opening) :] == tab.page.controls.filled(finished.config)
    second = another(finished, "20250101-000000-aaaaaa")
    train, *_ = act(tab, asked(finished.id, second.id), do="open")
    assert train[0]["ids"] == [finished.id, second.id], "side by side"
    train, _, bar = act(tab, asked("gone"), do="open")
    assert set(train) == {None} and "Choose a run first." in bar


def test_what_cannot_be_opened_or_resumed_changes_nothing(tab, finished):
    for chosen, words in ((asked("gone"), "Choose a run first."), (asked(finished.id), finished.name)):
        train, _, bar = act(tab, chosen, do="resume")
        assert set(train) == {None} and words in bar and 'class="warning"' in bar
    described = json.loads((finished.path / "config.json").read_text())
    (finished.path / "config.json").write_text(json.dumps(described | {"config": {"model": "nothing"}}))
    train, _, bar = act(tab, asked(finished.id), do="open")
    assert set(train) == {None} and 'class="warning"' in bar


def test_what_nothing_of_ours_asks_for_is_not_done(tab, finished):
    for told in ({}, {"do": "explode"}, {"do": "__init__"}, {"do": "group", "group": "none"}):
        _, listed, bar = act(tab, asked(finished.id), **told)
        assert listed["chosen"] == [finished.id] and "warning" not in bar
