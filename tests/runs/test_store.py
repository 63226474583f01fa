"""A folder of runs: made in it, listed, found by id or name; no id leads out of it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from conftest import tiny_config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watching import touched

from reglab.errors import ConfigError, RunError
from reglab.runs.store import Store, find

# ---- ids are looked up, never joined -----------------------------------------------------------------------------
NASTY = [
    "..", ".", "", "../x", "../../etc/passwd", "a/b", "a\\b", "%2e%2e%2fx", "%252e", "x\0y", "\0", "C:\\x", "~root", "$HOME",
    "x" * 65, "x" * 100_000, "\u2025/x", "\uff0e\uff0e\u2215x", "a;b", "a#b", "-rf", "A", ".lock", "con", "a\n", "/", "/etc",
]  # fmt: skip
ids = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=80),
    st.text(alphabet="./\\%2eEfF\0~:;# abc", max_size=40),
    st.lists(st.sampled_from(["..", ".", "/", "%2e", "%2f", "run", "\0", "~", "\u2215"]), max_size=8).map("".join),
)


@given(run_id=ids)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_id_opens_anything_outside_the_folder(run_id, tmp_path):
    store = Store(tmp_path / "runs")
    (tmp_path / "config.json").write_text("{}")  # what `..` would find
    with touched() as opened:
        with pytest.raises(RunError) as refused:
            store.open(run_id)
        with pytest.raises(RunError):
            find(run_id, store)
    assert [path for path in opened if not path.startswith(str(store.root))] == []
    assert len(str(refused.value)) < 500 and "\n" not in str(refused.value)


@pytest.mark.parametrize("run_id", [7, 2**70, 1.5, None, True, ["a"], {"a": 1}, [[[]]], b"a"])
def test_what_is_no_text_is_no_id(run_id, store, finished):
    for ask in (lambda: Store(finished.path.parent).open(run_id), lambda: find(run_id, store)):
        with pytest.raises(RunError, match="There is no") as refused:
            ask()
        assert len(str(refused.value)) < 500 and "\n" not in str(refused.value)


@pytest.mark.parametrize("cursor", [-1, 2**63, 2**70, "0", None, 1.5, True, [0]])
def test_what_is_no_place_in_a_file_is_no_cursor(cursor, finished):
    with pytest.raises(ConfigError, match=r"cursor must be a whole number"):
        finished.lines(cursor)


def test_a_cursor_after_the_end_finds_nothing_and_stays(finished):
    assert finished.lines(2**63 - 1) == ([], 2**63 - 1) and finished.lines(10**9) == ([], 10**9)


# ---- many runs, some of them damaged ---
def test_damaged_runs_are_listed_among_many_and_hide_nothing(store, finished):
    for i in range(300):
        folder = store.root / f"20200101-000000-{i:06x}"
        folder.mkdir(parents=True)
        for file in ("config.json", "metrics.jsonl", "summary.json"):
            shutil.copy(finished.path / file, folder)
    bad = {
        "empty": {},
        "zero-config": {"config.json": b""},
        "garbage-config": {"config.json": b"\xff\0{"},
        "list-config": {"config.json": b"[1]"},
        "other-format": {"config.json": json.dumps({**finished.described, "format": 99}).encode()},
        "no-such-model": {"config.json": json.dumps({"format": 1, "config": {"model": "nope"}}).encode()},
        "config-a-number": {"config.json": json.dumps({"format": 1, "config": 5}).encode()},
        "config-a-list": {"config.json": json.dumps({"format": 1, "config": {"dataset": []}}).encode()},
        "metrics-garbage": {
            "config.json": (finished.path / "config.json").read_bytes(),
            "metrics.jsonl": os.urandom(5000),
        },
    }
    for name, files in bad.items():
        (store.root / name).mkdir()
        for file, data in files.items():
            (store.root / name / file).write_bytes(data)
    (store.root / "a-file").write_text("not a run")
    (store.root / "metrics-a-folder").mkdir()
    (store.root / "metrics-a-folder" / "metrics.jsonl").mkdir()
    summaries = {run.id: run.summary() for run in store.runs()}
    assert summaries[finished.id]["status"] == "finished"
    assert sum(s["status"] == "finished" for s in summaries.values()) == 301
    for name in bad:
        assert summaries[name]["status"] == ("interrupted" if name == "metrics-garbage" else "unreadable"), name


# ---- a folder that cannot be written ---
@pytest.mark.parametrize("where", ["file", "proc"])
def test_a_folder_that_cannot_be_made_is_refused_before_training(where, tmp_path):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "runs" if where == "file" else Path("/proc/runs")
    with pytest.raises(ConfigError, match=r"cannot be made .*--runs or REGLAB_RUNS") as refusal:
        Store(folder).create(tiny_config())
    assert str(folder) not in str(refusal.value), "visitors see this sentence, too"


def test_a_store_that_is_not_there_has_no_runs():
    assert Store(Path(tempfile.gettempdir()) / "no-such-folder").runs() == []


def test_a_run_made_after_the_clock_was_set_back_is_the_newest(store):
    before = [store.create(tiny_config()) for _ in range(2)]
    (store.root / f"20990101-000000-{'0' * 6}").mkdir()  # of a clock that was wrong
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1), tick=False):
        after = [store.create(tiny_config()) for _ in range(2)]
    assert [run.id for run in store.runs()][1:3] == [after[1].id, after[0].id]
    assert max(run.age for run in before) < after[0].age < after[1].age
