"""Consoles with few letters, shells that leave things to the program, and files as other programs write them."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import environment
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from refusals import refused_here

from reglab import compat
from reglab.cli import main as cli
from reglab.cli.commands import NAMES
from reglab.cli.options import base_config, matching
from reglab.config import RunConfig, quoted
from reglab.errors import ConfigError

HORSE = "horse \N{HORSE} \u5f20\u4f1f.png"


class Console:
    """What a command prints where only these letters can be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, letters: str) -> None:
        self._monkeypatch, self._letters = monkeypatch, letters

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        streams = [io.TextIOWrapper(io.BytesIO(), self._letters) for _ in range(2)]
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            try:
                status = cli.main([str(argument) for argument in arguments])
            except SystemExit as end:
                status = int(end.code or 0)
            for stream in streams:
                stream.flush()
        out, err = (stream.buffer.getvalue().decode(self._letters) for stream in streams)
        return status, out, err


@pytest.fixture(params=["cp1252", "ascii", "cp932"])
def console(request, monkeypatch) -> Console:
    return Console(monkeypatch, request.param)


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """A folder with three pictures, in which the command is given."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in (HORSE, "b.png", "a.png"):
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("")
    monkeypatch.chdir(folder)
    return folder


# ---- few letters -------------------------------------------------------------------------------------------------
def test_cards_and_the_help_of_every_command_are_printed_on_any_console(console):
    status, out, err = console("cards")
    assert (status, err) == (0, "") and "Dropout" in out and len(out) > 10_000
    for command in NAMES:
        status, out, err = console(command, "--help")
        assert (status, err) == (0, "") and "python -m reglab" in out


def test_a_picture_and_a_run_with_any_name_are_told_on_any_console(console, finished, pictures):
    finished.rename("\u5b9f\u9a13 \u0e01\u0e32\u0e23")
    status, out, err = console("predict", HORSE, "--checkpoint", finished.id, "--dropout-passes", 2)
    assert (status, err) == (0, "") and out.startswith("horse ") and ".png: " in out
    assert console("runs")[0] == console("compare", finished.id)[0] == 0
    status, out, err = console("predict", "\N{HORSE}.png", "--checkpoint", finished.id)
    assert (status, out) == (2, "") and len(err.splitlines()) == 1
    assert console("train", "--\N{HORSE}")[0] == 2


def test_a_process_of_its_own_prints_into_a_file_of_windows():
    command = [sys.executable, "-m", "reglab", "cards"]
    changes = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, env=environment(**changes), capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"") and "Dropout" in done.stdout.decode("cp1252")


# ---- patterns that cmd.exe leaves as they are ---------------------------------------------------------------------
def test_patterns_are_files_and_files_are_files(pictures):
    assert matching(["*.png"]) == ["a.png", "b.png", HORSE]
    assert matching(["b.png", "[a]*", "gone.png"]) == ["b.png", "a.png", "gone.png"]
    (pictures / "[a]*").write_text("")
    assert matching(["[a]*"]) == ["[a]*"], "a file that is called so"
    with pytest.raises(ConfigError, match=r"No file matches \*\.jpg"):
        matching(["*.jpg"])


def test_all_pictures_of_a_folder_are_answered(finished, pictures, capsys):
    assert cli.main(["predict", "*.png", "--checkpoint", finished.id, "--json"]) == 0
    told = [json.loads(line)["image"] for line in capsys.readouterr().out.splitlines()]
    assert told == ["a.png", "b.png", HORSE]
    assert "No file matches" in refused_here(f"predict *.jpg --checkpoint {finished.id}", capsys)
    assert "No file matches" in refused_here("check *.json", capsys)


# ---- commands for every shell --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("word", "typed"),
    [
        ("timm/resnet18", "timm/resnet18"),
        ("--dropout.rate", "--dropout.rate"),
        ("1e-05", "1e-05"),
        ("dropout.rate=0,0.25", '"dropout.rate=0,0.25"'),
        ("two words", '"two words"'),
        ("", '""'),
        ("Ada's", '"Ada\'s"'),
        ("{'epoch': 5}", "\"{'epoch': 5}\""),
        ("$HOME", "'$HOME'"),
        ('a "b"', "'a \"b\"'"),
    ],
)
def test_words_are_in_double_quotes_where_they_need_any(word, typed):
    assert quoted(word) == typed


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_sh_reads_every_word_as_it_was(word):
    assert shlex.split(quoted(word)) == [word]


def test_the_command_of_a_fork_is_quoted_for_every_shell_and_makes_it_again():
    fork = {"epoch": 5, "regularizers": {"weight_decay": {"mode": "l2"}, "flip_crop": {"flip": False}}}
    config = RunConfig.parse({"dataset": "digits", "fork": fork, "regularizers": {"dropout": True}})
    typed = config.command().partition("--fork ")[2]
    assert typed[0] == typed[-1] == '"' and not set(typed[1:-1]) & set('"$`%!\\')
    words = shlex.split(config.command())
    assert RunConfig().override({"dataset": "digits", "dropout": True, "fork": words[-1]}) == config
    assert RunConfig().override({"dataset": "digits", "dropout": True, "fork": json.dumps(fork)}) == config


# ---- files as other programs write and read them ------------------------------------------------------------------
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])  # the last is what PowerShell 5 writes
def test_a_config_is_read_in_the_encodings_of_editors(tmp_path, encoding):
    (tmp_path / "config.json").write_text('{"dataset": "digits", "epochs": 3}', encoding)
    assert base_config(str(tmp_path / "config.json")) == RunConfig.parse({"dataset": "digits", "epochs": 3})


def test_a_spreadsheet_shows_the_names_of_compared_runs(finished, tmp_path, capsys):
    other = type(finished)(shutil.copytree(finished.path, finished.path.parent / "other"))
    other.rename("M\u00fcller")
    assert cli.main(["compare", finished.id, "other", "--csv", str(tmp_path / "told.csv")]) == 0
    raw = (tmp_path / "told.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    assert "M\u00fcller" in [row["name"] for row in rows] and rows[0]["group"]


def test_a_sign_that_the_console_lacks_becomes_a_plain_one_and_a_minus_stays_a_minus(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "cp437")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        compat.python.print_anything()
        print("Run “a”: \u22120.4 \u2013 \u5f20")
    stream.flush()
    assert stream.buffer.getvalue().decode("cp437").strip() == 'Run "a": -0.4 - ?'
