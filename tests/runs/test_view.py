"""What is read on from where the last look ended is what a fresh look at the whole folder says, whatever happens to it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from conftest import tiny_config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reglab.jobs.job import QueueSnapshot
from reglab.runs.index import summaries
from reglab.runs.recording import record
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.view import RunReader, Views
from reglab.training.train import train


def told(view) -> dict:
    """All that a view says but for the stamp."""
    return {
        "summary": view.summary(),
        "history": view.history,
        "status": view.status,
        "last": view.last_event,
        "timing": view.last_timing,
    }


def test_while_nothing_changes_the_same_value_is_handed_out(finished):
    views = Views()
    first = views.of(finished)
    assert views.of(finished) is first and views.of(Run(finished.path)) is first
    assert first.summary() == finished.summary() and first.summary() is not first.summary()


def test_a_view_is_a_value_that_later_events_do_not_change(store, tiny_split):
    run = store.create(tiny_config(epochs=2))
    seen = [store.view(run)]
    for _ in record(run, train(run.config, tiny_split)):
        seen.append(store.view(run))
    assert [len(view.history) for view in seen] == sorted(len(view.history) for view in seen)
    assert len(seen[0].history) == 0 and not seen[0].events and seen[0].status == "interrupted"
    assert told(seen[-1]) == told(RunReader(run).read()) and seen[-1].status == "finished"
    assert len({view.stamp for view in seen}) == len({id(view) for view in seen})


def test_a_look_at_a_run_under_way_reads_what_has_come_since_and_no_more(finished, bytes_read):
    metrics = finished.path / "metrics.jsonl"
    lines = metrics.read_bytes().splitlines(keepends=True)
    (finished.path / "timing.jsonl").write_bytes(b"")
    metrics.write_bytes(b"")
    views = Views()
    views.of(finished)
    for line in lines:
        bytes_read.clear()
        with metrics.open("ab") as out:
            out.write(line)
        assert views.of(finished).last_event == json.loads(line)
        assert set(bytes_read) == {"metrics.jsonl"}
        assert len(line) <= bytes_read["metrics.jsonl"] <= len(line) + 128  # by which the file is known again
    bytes_read.clear()
    views.of(finished).summary()
    assert bytes_read == {}


def test_a_name_or_a_config_that_changes_is_seen(finished):
    views = Views()
    before = views.of(finished)
    finished.rename("another")
    assert views.of(finished).name == views.of(finished).summary()["name"] == "another" != before.name
    (finished.path / "config.json").write_text("{")
    assert views.of(finished).summary()["status"] == "unreadable"
    assert views.of(finished).stamp != before.stamp


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 400)),
        st.tuples(st.just("cut"), st.integers(0, 3_000)),
        st.tuples(st.just("replace"), st.integers(0, 3_000)),
        st.tuples(
            st.just("garbage"), st.sampled_from([b"{]\n", b"\0\n", b'{"event": ["a"]}\n', b"[" * 1000 + b"\n", b"{"])
        ),
        st.tuples(st.just("gone"), st.just(0)),
    ),
    max_size=25,
)


@given(steps=steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_to_the_file_a_view_says_what_a_fresh_look_says(steps, finished, tmp_path):
    """Growing by pieces of lines, cut back as a run that is gone on with, replaced, damaged, gone."""
    run = Run(Path(shutil.copytree(finished.path, tmp_path / "x", dirs_exist_ok=True)))
    metrics = run.path / "metrics.jsonl"
    whole = (finished.path / "metrics.jsonl").read_bytes()
    metrics.write_bytes(b"")
    reader, written = RunReader(run), 0
    for what, value in steps:
        match what:
            case "append":
                with metrics.open("ab") as out:
                    out.write(whole[written : written + value])
                written += value
            case "cut" if metrics.exists():
                with metrics.open("ab") as out:
                    out.truncate(min(value, metrics.stat().st_size))
                written = min(value, written)
            case "replace":
                fresh = run.path / "fresh"
                fresh.write_bytes(whole[:value])
                fresh.replace(metrics)
                written = value
            case "garbage":
                with metrics.open("ab") as out:
                    out.write(value)
            case "gone":
                metrics.unlink(missing_ok=True)
                written = 0
        assert told(reader.read()) == told(RunReader(run).read())


def test_a_run_cut_back_and_gone_on_with_between_two_looks_is_read_anew(finished):
    """As long as before, or longer: neither the size nor the place of the file gives it away."""
    metrics = finished.path / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    reader = RunReader(finished)
    assert len(reader.read().history) == 3
    changed = [line.replace('"epoch": 1,', '"epoch": 7,') for line in lines]
    metrics.write_text("".join([*changed[:-1], lines[-2], lines[-1]]))  # written over in its place
    assert told(reader.read()) == told(RunReader(finished).read())
    assert [e.epoch for e in reader.read().history][1] == 7


def test_views_are_bounded_and_the_ones_asked_for_last_stay(store):
    runs = [store.create(tiny_config(seed=n)) for n in range(4)]
    views = Views(most=3)
    first = views.of(runs[0])
    for run in (runs[1], runs[2], runs[0], runs[3]):
        views.of(run)
    assert len(views) == 3 and views.of(runs[0]) is first


def test_a_queue_adds_what_it_alone_knows(store):
    view = store.view(store.create(tiny_config()))
    waits = QueueSnapshot({view.run.id: 4}, frozenset()).view(view)
    assert (waits.status, waits.place, waits.is_live) == ("queued", 4, True) and waits.stamp != view.stamp
    assert waits.summary() == view.summary() | {"status": "queued"}
    starts = QueueSnapshot({}, frozenset({view.run.id})).view(view)
    assert (starts.status, starts.place) == ("running", None)
    assert QueueSnapshot({}, frozenset()).view(view) is view
    ended = dataclasses.replace(view, status="finished")
    assert QueueSnapshot({}, frozenset({view.run.id})).view(ended).status == "finished"


# ---- damage ------------------------------------------------------------------------------------------------------
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**400), 10**400),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["epoch", "finished", "started", "\ud800"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
KEYS = ["event", "epoch", "step", "val_accuracy", "gap", "best", "last", "reported", "reason", "train_images", "device"]
deep = st.integers(500, 5_000).map(lambda n: b'{"event": ' + b"[" * n + b"]" * n + b"}")


@given(data=st.data(), file=st.sampled_from(["metrics.jsonl", "timing.jsonl"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_line_of_any_shape_never_hides_a_run_or_its_neighbours(data, file, finished, tmp_path):
    store = Store(tmp_path / "listed")
    shutil.rmtree(store.root, ignore_errors=True)
    for name in ("20250101-000000-aaaaaa", "20250101-000000-bbbbbb"):
        shutil.copytree(finished.path, store.root / name)
    path = store.root / "20250101-000000-aaaaaa" / file
    lines = path.read_bytes().splitlines()
    whole = [json.loads(line) for line in lines]
    which = data.draw(st.integers(0, len(lines) - 1))
    damaged = data.draw(
        st.one_of(
            deep,
            st.binary(max_size=40),
            values.map(lambda value: json.dumps(value).encode()),
            st.tuples(st.sampled_from(KEYS + sorted(whole[which])), values).map(
                lambda item: json.dumps(whole[which] | {item[0]: item[1]}).encode()
            ),
        )
    )
    path.write_bytes(b"\n".join([*lines[:which], damaged, *lines[which + 1 :]]) + b"\n")
    listed = {s["run"]: s for s in summaries(store)}
    assert len(listed) == 2 and listed["20250101-000000-bbbbbb"]["status"] == "finished"
    json.dumps(listed, allow_nan=False, ensure_ascii=False).encode("utf-8")  # as it is sent to whoever asked
    assert all(isinstance(s["group"], str) for s in listed.values())


@pytest.mark.parametrize(
    "line", ['{"event": ["a"]}', '{"event": {}}', '{"event": 5}', "[" * 1_000 + "]" * 1_000, "{}", "7"]
)
def test_a_line_that_is_no_event_at_the_end_is_passed_over(finished, line):
    before = finished.summary()
    with (finished.path / "metrics.jsonl").open("a") as out:
        out.write(line + "\n")
    assert finished.summary() == before and before["status"] == "finished"


def test_a_name_that_is_no_text_costs_the_name_only(finished):
    (finished.path / "name").write_bytes(b"\xff\xfe\xfa")
    assert finished.summary()["name"] == finished.what != ""


def test_a_run_that_ends_while_one_looks_is_not_taken_for_broken_off(finished):
    metrics = finished.path / "metrics.jsonl"
    *lines, last = metrics.read_bytes().splitlines(keepends=True)
    metrics.write_bytes(b"".join(lines))

    class Ending(Run):
        """Writes its last line, and frees its lock, just before somebody looks at that."""

        def is_locked(self) -> bool:
            metrics.write_bytes(b"".join([*lines, last]))
            return False

    view = RunReader(Ending(finished.path)).read()
    assert view.status == "finished" and view.last_event == json.loads(last)
