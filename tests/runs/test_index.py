"""The index says what the folders say, whatever happens to them or to itself."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest

from reglab.runs import index
from reglab.runs.index import FILE, summaries
from reglab.runs.run import Run
from reglab.runs.store import Store


@pytest.fixture
def fresh(monkeypatch):
    """As another process would see it."""

    def forget() -> None:
        monkeypatch.setattr(index, "_memory", {})

    forget()
    return forget


def truth(store: Store) -> list[dict]:
    return [run.summary() for run in store.runs()]


def test_it_says_what_the_folders_say(store, finished, fresh):
    store.create(finished.config)  # never begun
    assert summaries(store) == truth(store) and len(summaries(store)) == 2
    fresh()
    assert summaries(store) == truth(store)
    kept = json.loads((store.root / FILE).read_text())["runs"]
    assert kept.keys() == {finished.id}  # whether the other one is alive is asked each time


def test_what_was_read_once_is_not_read_again(store, finished, fresh, monkeypatch):
    summaries(store)
    fresh()
    monkeypatch.setattr(Run, "summary", lambda run: pytest.fail("read again"))
    assert [s["run"] for s in summaries(store)] == [finished.id]


@pytest.mark.parametrize("again", [True, False], ids=["another process", "the same process"])
def test_every_change_is_seen(store, finished, fresh, again):
    def seen() -> list[dict]:
        if again:
            fresh()
        return summaries(store)

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
def test_a_damaged_index_is_made_anew(store, finished, fresh, content):
    summaries(store)
    fresh()
    (store.root / FILE).write_bytes(content)
    assert summaries(store) == truth(store)


def test_lines_of_a_damaged_index_are_not_believed(store, finished, fresh):
    summaries(store)
    found = json.loads((store.root / FILE).read_text())
    for line in (None, {}, {"stamp": 1}, 7):
        found["runs"][finished.id] = line
        (store.root / FILE).write_text(json.dumps(found))
        fresh()
        assert summaries(store) == truth(store)


def test_what_ships_is_listed_and_not_written_to(finished, fresh):
    shipped = Store(finished.path.parent, read_only=True)
    assert summaries(shipped) == truth(shipped) and not (shipped.root / FILE).exists()
    assert summaries(Store(finished.path.parent / "nowhere")) == []


def test_who_gets_a_summary_may_change_it(store, finished, fresh):
    summaries(store)[0]["status"] = "queued"
    assert summaries(store)[0]["status"] == "finished"


def test_a_thousand_runs_are_listed_within_a_second(store, finished, fresh):
    files = ("config.json", "metrics.jsonl", "timing.jsonl")
    for n in range(1_000):
        run = store.root / f"2024{n:04d}-000000-abcdef"
        run.mkdir()
        for name in files:
            os.link(finished.path / name, run / name)
    summaries(store)
    fresh()
    began = time.perf_counter()
    assert len(summaries(store)) == 1_001
    assert time.perf_counter() - began < 1
