"""The index says what the folders say, whatever happens to them or to itself."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from watching import touched

from reglab.runs.index import FILE, summaries
from reglab.runs.store import Store


def another(store: Store) -> Store:
    """The same folder as another process sees it."""
    return Store(store.root)


def truth(store: Store) -> list[dict]:
    return [run.summary() for run in store.runs()]


def test_it_says_what_the_folders_say(store, finished):
    store.create(finished.config)  # never begun
    assert summaries(store) == truth(store) and len(summaries(store)) == 2
    assert summaries(another(store)) == truth(store)
    kept = json.loads((store.root / FILE).read_text())["runs"]
    assert kept.keys() == {finished.id}  # whether the other one is alive is asked each time


def test_what_was_read_once_is_not_read_again(store, finished):
    summaries(store)
    for again in (store, another(store)):
        with touched() as opened:
            assert [s["run"] for s in summaries(again)] == [finished.id]
        assert [path for path in opened if path.startswith(str(finished.path))] == []


@pytest.mark.parametrize("again", [True, False], ids=["another process", "the same process"])
def test_every_change_is_seen(store, finished, again):
    def seen() -> list[dict]:
        return summaries(another(store) if again else store)

    seen()
    finished.rename("another name")
    assert seen()[0]["name"] == "another name"
    lines = finished.lines()[0]
    lines[-1]["last"]["test_accuracy"] = 0.123
    (finished.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert seen()[0]["test_accuracy"] == 0.123
    shutil.copytree(finished.path, store.root / "20250101-000000-abcdef")
    assert len(seen()) == 2
    finished.delete()
    assert [s["run"] for s in seen()] == ["20250101-000000-abcdef"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": "other", "runs": {}}', b'{"runs": 7}', b"\0\1"])
def test_a_damaged_index_is_made_anew(store, finished, content):
    summaries(store)
    (store.root / FILE).write_bytes(content)
    assert summaries(another(store)) == truth(store)


def test_lines_of_a_damaged_index_are_not_believed(store, finished):
    summaries(store)
    found = json.loads((store.root / FILE).read_text())
    for line in (None, {}, {"stamp": 1}, 7):
        found["runs"][finished.id] = line
        (store.root / FILE).write_text(json.dumps(found))
        assert summaries(another(store)) == truth(store)


def test_what_ships_is_listed_and_not_written_to(finished):
    shipped = Store(finished.path.parent, read_only=True)
    assert summaries(shipped) == truth(shipped) and not (shipped.root / FILE).exists()
    assert summaries(Store(finished.path.parent / "nowhere")) == []


def test_who_gets_a_summary_may_change_it(store, finished):
    summaries(store)[0]["status"] = "queued"
    assert summaries(store)[0]["status"] == "finished"


def test_of_a_thousand_runs_only_those_that_changed_are_read(store, finished):
    for n in range(1_000):
        run = store.root / f"2024{n:04d}-000000-abcdef"
        run.mkdir()
        for name in ("config.json", "metrics.jsonl", "timing.jsonl"):
            os.link(finished.path / name, run / name)
    summaries(store)
    changed = store.root / "20240007-000000-abcdef"
    (changed / "name").write_text("changed")
    with touched() as opened:
        assert len(summaries(another(store))) == 1_001
    read = {path for path in opened if path.startswith(str(store.root)) and path != str(store.root)}
    assert {path for path in read if ".index" not in path} == {
        str(changed / name) for name in ("config.json", "metrics.jsonl", "timing.jsonl", "name")
    }


def test_runs_under_way_are_read_on_not_anew(store, finished):
    """What they said before is not opened again, and of what waits nothing is."""
    waiting = store.create(finished.config)
    (finished.path / "metrics.jsonl").write_text("")
    summaries(store)
    with touched() as opened:
        summaries(store)
    inside = {path for path in opened if path.startswith((str(waiting.path), str(finished.path)))}
    assert inside <= {str(finished.path / ".lock"), str(waiting.path / ".lock")}  # whether they are alive
