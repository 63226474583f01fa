"""python -m reglab runs and cards: lists of what there is."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from conftest import environment

from reglab.cli import main as cli
from reglab.config import flag
from reglab.regularizers import CATALOGUE


def test_runs_lists_what_there_is(finished, capsys):
    assert cli.main(["runs", "--json"]) == 0
    (summary,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert summary == finished.summary()
    assert cli.main(["runs"]) == 0
    line = capsys.readouterr().out
    assert finished.id in line and "finished" in line and "batch norm" in line


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows cannot change the time zone of a process")
def test_runs_says_when_in_the_time_of_this_machine_and_json_in_utc(finished, capsys, monkeypatch):
    described = {**finished.described, "created": "2026-01-02T23:04:05.123456+00:00"}
    (finished.path / "config.json").write_text(json.dumps(described))
    for zone, said in {"Asia/Kolkata": "2026-01-03 04:34 +05:30", "UTC": "2026-01-02 23:04 +00:00"}.items():
        with monkeypatch.context() as there:
            there.setenv("TZ", zone)
            time.tzset()
            assert cli.main(["runs"]) == 0
            assert f"  {said}  " in capsys.readouterr().out
    time.tzset()
    assert cli.main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["created"] == described["created"]


def test_runs_shows_a_damaged_run_and_goes_on(finished, capsys):
    (finished.path.parent / "damaged").mkdir()
    (finished.path.parent / "damaged" / "config.json").write_bytes(b"\0")
    assert cli.main(["runs"]) == 0
    out = capsys.readouterr().out
    assert "unreadable" in out and finished.id in out


def test_no_runs_yet_says_how_to_begin(capsys):
    assert cli.main(["runs"]) == 0
    assert "Begin with" in capsys.readouterr().out
    assert cli.main(["runs", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_cards_explain_every_technique(capsys):
    assert cli.main(["cards", "--json"]) == 0
    cards = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [card["key"] for card in cards] == list(CATALOGUE)
    assert all(card["title"] and card["idea"] and card["paper"] and card["formula"] for card in cards)
    assert cli.main(["cards"]) == 0
    text = capsys.readouterr().out
    assert all(technique.title in text for technique in CATALOGUE.values())


def test_the_markdown_table_has_a_row_for_every_technique(capsys):
    assert cli.main(["cards", "--markdown"]) == 0
    head, rule, *rows = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert len(rows) == len(CATALOGUE)
    assert len({row.count(" | ") for row in [head, *rows]}) == 1 and set(rule) == {"|", "-"}
    assert all(f"`{flag(key)}`" in row for key, row in zip(CATALOGUE, rows, strict=True))


def test_the_list_can_be_cut_short_by_a_pipe():
    """As `reglab cards | head -1` does."""
    python = [sys.executable, "-m", "reglab", "cards"]
    with subprocess.Popen(
        python, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as cards:
        assert cards.stdout.readline()
        cards.stdout.close()
        assert (cards.wait(30), cards.stderr.read()) == (0, "")
