"""Files are never half written."""

from __future__ import annotations

import os

import pytest

from reglab.runs.files import keep_beside, read_json, write_bytes


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(tmp_path / "file", b"data")
    assert not list(tmp_path.iterdir())


def test_what_is_kept_beside_stays_when_the_first_name_comes_to_mean_another_file(tmp_path):
    path, kept = tmp_path / "best", tmp_path / "kept"
    write_bytes(path, b"first")
    for _ in range(2):  # again: of two names of one file a rename would remove neither
        keep_beside(path, kept)
    write_bytes(path, b"second")
    assert (path.read_bytes(), kept.read_bytes()) == (b"second", b"first")
    keep_beside(path, kept)
    assert kept.read_bytes() == b"second" and {file.name for file in tmp_path.iterdir()} == {"best", "kept"}


def test_a_file_system_without_links_gets_a_copy(tmp_path, monkeypatch):
    def refused(source, target):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    write_bytes(tmp_path / "best", b"first")
    keep_beside(tmp_path / "best", tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"first" and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 5_000, b'{"a": ' * 5_000])
def test_what_is_no_object_reads_as_an_empty_one(content, tmp_path):
    (tmp_path / "x.json").write_bytes(content)
    assert read_json(tmp_path / "x.json") == read_json(tmp_path / "nothing.json") == {}
