"""The run folder: what is written is what is read back, and damage costs what is damaged and nothing else."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile

import pytest
import torch
from conftest import tiny_config

from reglab.errors import ConfigError, RunError
from reglab.runs.recording import record
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Best, Epoch, Snapshot, Step
from reglab.training.train import train

RUN_STATUS = {"running", "finished", "stopped", "failed", "interrupted", "unreadable"}


# ---- written, read back ------------------------------------------------------------------------------------------
def test_what_was_told_is_what_is_read_back(store, tiny_split):
    run = store.create(tiny_config(epochs=2), name="my run", group="a group")
    told = list(record(run, train(run.config, tiny_split)))
    again = store.open(run.id)
    assert again.config == run.config and again.name == "my run" and again.status() == "finished"
    assert again.history() == [e for e in told if isinstance(e, Epoch)]
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert lines == json.loads(json.dumps([e.to_json() for e in told if not isinstance(e, (Step, Snapshot))]))
    best = [e for e in told if isinstance(e, Best)][-1].weights
    assert all(torch.equal(value, best[name]) for name, value in again.weights().items())
    assert store.group("a group")[0].id == run.id and store.runs()[0].id == run.id


def test_the_summary_is_that_of_the_file_and_says_what_the_events_said(finished):
    summary = json.loads((finished.path / "summary.json").read_text())
    assert summary == finished.summary()
    end = finished.lines()[0][-1]
    assert summary["status"] == "finished" and summary["test_accuracy"] == end["last"]["test_accuracy"]
    assert summary["best"] == end["best"] and summary["last"] == end["last"]


def test_the_manifest_is_right_about_every_file(finished):
    files = json.loads((finished.path / "manifest.json").read_text())["files"]
    assert {
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "last.safetensors",
        "state.json",
        "summary.json",
    } <= set(files)
    for name, said in files.items():
        data = (finished.path / name).read_bytes()
        assert said == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}, name


def test_no_temporary_file_and_no_pickle_is_left(finished):
    assert not list(finished.path.glob("*.tmp")) and not list(finished.path.glob(".*.tmp"))
    for file in finished.path.iterdir():
        data = file.read_bytes()
        if file.suffix == ".safetensors":  # begins with the length of its header, which may be any byte
            assert data[8:9] == b"{", file.name
        else:
            assert not data.startswith((b"\x80", b"PK")), file.name


def test_a_cursor_reads_each_line_once(finished):
    all_lines, end = finished.lines()
    in_parts, cursor = [], 0
    whole = (finished.path / "metrics.jsonl").read_bytes()
    growing = finished.path / "growing.jsonl"
    for size in range(0, len(whole) + 97, 97):
        growing.write_bytes(whole[:size])
        lines, cursor = finished.lines(cursor, "growing.jsonl")
        in_parts += lines
    assert in_parts == all_lines and cursor == end


def test_deleting_renaming_and_packing(finished, tmp_path):
    archive = finished.zip(tmp_path)
    with zipfile.ZipFile(archive) as packed:
        inside = packed.namelist()
        assert f"{finished.id}/model.safetensors" in inside and f"{finished.id}/metrics.jsonl" in inside
        assert f"{finished.id}/last.safetensors" not in inside
        assert packed.testzip() is None
    finished.rename("  a plainer name (2)  ")
    assert Run(finished.path).name == "a plainer name (2)"
    store = Store(finished.path.parent)
    finished.delete()
    assert not finished.path.exists() and store.runs() == [] and list(store.root.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "<img src=x onerror=alert(1)>",
        "../up",
        "a/b",
        "a\\b",
        "a\nb",
        "a\0b",
        "x" * 61,
        "'; DROP",
        "&amp;",
        "=1",
    ],
)
def test_a_name_that_could_mean_something_else_is_refused(name, finished):
    before = finished.name
    with pytest.raises(ConfigError, match="name must be"):
        finished.rename(name)
    assert Run(finished.path).name == before


@pytest.mark.parametrize("name", ["<b>", "../up", "x" * 61])
def test_a_run_that_cannot_get_its_name_is_not_made(name, store):
    with pytest.raises(ConfigError):
        store.create(tiny_config(), name=name)
    assert store.runs() == []


# ---- torn and damaged files --------------------------------------------------------------------------------------
def test_a_last_line_torn_at_any_byte_costs_that_line_only(finished):
    metrics = finished.path / "metrics.jsonl"
    whole = metrics.read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    before = [json.loads(line) for line in whole[:start].splitlines()]
    for size in range(start, len(whole)):
        metrics.write_bytes(whole[:size])
        assert finished.lines() == (before, start)
    assert Run(finished.path).summary()["status"] == "interrupted"


@pytest.mark.parametrize(
    "tail", [b"\0" * 4096, b"\0" * 512 + b"\n", b"\xff\xfe\n", b"{]\n", b"null\n7\n[]\n", b'{"event":\n', b"\r\r\n"]
)
def test_garbage_at_the_end_is_passed_over(finished, tail):
    metrics = finished.path / "metrics.jsonl"
    lines = finished.lines()[0]
    with metrics.open("ab") as out:
        out.write(tail)
    assert finished.lines()[0] == lines and finished.status() == "finished"
    assert finished.summary()["test_accuracy"] == lines[-1]["last"]["test_accuracy"]


@pytest.mark.parametrize("places", [20, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("file", ["metrics.jsonl", "config.json", "timing.jsonl"])
def test_a_bit_flipped_anywhere_in_a_text_never_makes_reading_raise(finished, file, places):
    path = finished.path / file
    whole = path.read_bytes()
    rng = random.Random(0)
    for place in rng.sample(range(len(whole)), min(len(whole), places)):
        for bit in (0, 5):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            summary = Run(finished.path).summary()
            assert summary["status"] in RUN_STATUS, (place, bit)


def test_a_run_of_another_format_is_refused_in_words(finished):
    (finished.path / "config.json").write_text(json.dumps({**finished.described, "format": 99}))
    with pytest.raises(RunError, match="another version"):
        _ = Run(finished.path).config


def test_damaged_weights_are_refused_with_the_file_named(finished):
    path = finished.path / "model.safetensors"
    data = bytearray(path.read_bytes())
    for place in (0, 9, 40, len(data) // 2, len(data) - 1):
        damaged = data.copy()
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=r"model\.safetensors.*damaged"):
            finished.weights()
    for size in (0, 4, 8, 100, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(RunError, match=r"model\.safetensors.*damaged"):
            finished.weights()
    path.write_bytes((2**62).to_bytes(8, "little") + data[8:])
    with pytest.raises(RunError, match=r"damaged \(its header is longer than any of ours\)"):
        finished.weights()
    path.unlink()
    with pytest.raises(RunError, match=r"no model\.safetensors"):
        finished.weights()
