"""The Runs tab: what its buttons do, called without a page. `test_app_runs.py` presses them in a real browser."""

from __future__ import annotations

import json
import zipfile

import pytest
from pages import beside_train, changes, clicked

from reglab.errors import RunError
from reglab.ui.tabs.results.runs import COLUMNS, RunsTab, row


@pytest.fixture
def tab(finished, laid_out) -> RunsTab:
    """Over a lab with one finished run."""
    return laid_out(beside_train(RunsTab))


def test_the_list_keeps_what_was_chosen_and_turns_to_the_newest_when_it_is_gone(tab, finished):
    for before in (finished.id, "gone", None):
        table, chosen, ids, *trash = changes(tab.refresh(before))
        assert [len(line) for line in table] == [len(COLUMNS)] and ids == [finished.id]
        assert chosen["value"] == finished.id and "finished" in chosen["choices"][0][0]
        assert trash[0] == "" and [button["visible"] for button in trash[1:]] == [False, False]
    fn, inputs, outputs = tab.on_select
    assert (fn, inputs, outputs) == (tab.refresh, [tab.chosen], tab.listing)


def test_a_click_in_the_table_chooses_its_run(tab):
    assert tab.choose(["a", "b"], clicked([1, 0])) == "b"
    assert changes([tab.choose(["a", "b"], clicked([2, 0]))]) == [None]


def test_buttons_can_be_pressed_where_they_make_sense(tab, finished, here):
    def pressable(run_id):
        name, *buttons = changes(tab.describe(run_id))
        return name, [button.get("interactive") for button in buttons[:3]]

    assert pressable(finished.id) == (finished.name, [True, False, True])
    assert pressable(None) == pressable("gone") == ("", [False, False, False])
    (finished.path / "metrics.jsonl").write_text(
        "".join(json.dumps(line) + "\\n" for line in finished.lines()[0] if line["event"] != "finished")
    )
    assert pressable(finished.id) == (finished.name, [True, True, True])
    finished.path.rename(here.stores.shipped.root.parent / "elsewhere")
    here.stores.shipped.root.mkdir(exist_ok=True)
    (here.stores.shipped.root.parent / "elsewhere").rename(here.stores.shipped.root / finished.id)
    assert pressable(finished.id)[1] == [False, False, False], "one that ships"


def test_a_run_is_renamed_and_a_name_that_cannot_be_is_a_sentence(tab, finished):
    *_, notice = tab.rename(finished.id, "my run")
    assert notice == "" and finished.name == "my run"
    *_, notice = tab.rename(finished.id, "a/b")
    assert 'class="warning"' in notice and finished.name == "my run"
    assert 'class="warning"' in tab.rename("gone", "x")[-1]


def test_a_run_that_is_deleted_leaves_the_list_and_can_be_brought_back(tab, finished):
    finished.rename("mine")
    table, chosen, ids, last, back, empty, notice = changes(tab.delete(finished.id))
    assert (table, ids) == ([], []) and chosen["value"] is None and not finished.path.exists()
    assert "“mine” is deleted" in notice and last == finished.id
    assert back == {"visible": True, "value": "Bring back “mine”"} and empty == {
        "visible": True,
        "value": "Empty the trash",
    }
    assert 'class="warning"' in tab.delete(finished.id)[-1], "pressed twice"
    table, chosen, ids, last, back, _, notice = changes(tab.restore(None, last))
    assert ids == [chosen["value"]] == [finished.id] and finished.view().status == "finished"
    assert (last, notice) == ("", "") and back["visible"] is False
    assert 'class="warning"' in tab.restore(None, finished.id)[-1], "pressed twice"
    tab.delete(finished.id)
    assert changes(tab.empty(None))[3:5] == ["", {"value": "Bring back", "visible": False}]


def test_opening_a_run_puts_it_and_its_settings_on_the_train_tab(tab, finished):
    *updates, notice = changes(tab.open(finished.id, {"tries": [{"run": "a"}]}))
    assert len(updates) == len(tab.filled) and notice == ""
    visitor, values = updates[0], updates[len(tab.page.opening) :]
    assert visitor["ids"] == [finished.id] and visitor["tries"][0]["run"] == "a"
    assert {"selected": "train"} in updates
    assert values == tab.page.controls.filled(finished.config)
    *updates, notice = changes(tab.open("gone", {}))
    assert "Choose a run first." in notice and {"selected": "train"} not in updates


def test_what_cannot_be_opened_or_resumed_changes_nothing(tab, finished):
    *updates, notice = changes(tab.resume("gone", None))
    assert set(updates) == {None} and "gone" in notice
    described = json.loads((finished.path / "config.json").read_text())
    (finished.path / "config.json").write_text(json.dumps(described | {"config": {"model": "nothing"}}))
    *updates, notice = changes(tab.open(finished.id, {}))
    assert set(updates) == {None} and 'class="warning"' in notice


def test_a_run_is_downloaded_as_a_zip_file(tab, finished):
    with zipfile.ZipFile(tab.download(finished.id)) as archive:
        assert f"{finished.id}/model.safetensors" in archive.namelist()
    with pytest.raises(RunError, match="gone"):
        tab.download("gone")


def test_a_row_has_what_is_known_of_a_run():
    assert row({"name": "a", "status": "queued"}) == ["a", "queued", "", "", "", "", "", "", "", "none"]
    known = {"dataset": "digits", "train_size": 1_000, "model": "m", "regularizers": {"dropout": {}, "l1": {}}}
    known |= {
        "train_accuracy": 1.0,
        "val_accuracy": 0.5,
        "test_accuracy": 0.25,
        "gap": 0.5,
        "created": "2026-01-02T03:04:05",
    }
    assert row({"name": "a", "status": "finished", **known}) == [
        "a", "finished", '<time datetime="2026-01-02T03:04:05+00:00">2026-01-02 03:04 UTC</time>',
        "digits · 1,000", "m", "100.0%", "50.0%", "25.0%", "50.0", "dropout l1",
    ]  # fmt: skip
