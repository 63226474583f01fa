"""What Trackio has of a run, read back from its own folder; and that it can fail without harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import QUICK, environment, reglab

from reglab.cli.main import main
from reglab.errors import ConfigError
from reglab.experiments import tracking as track
from reglab.runs.store import Store

pytest.importorskip("trackio")

READ = """
import json, trackio
from trackio.sqlite_storage import SQLiteStorage
print(json.dumps({r.name: {"config": r.config, "logs": SQLiteStorage.get_logs("PROJECT", r.name, run_id=r.id)}
                  for r in trackio.Api().runs("PROJECT")}))
"""


def kept(folder, project):
    """Run name -> config and logs, as Trackio has them."""
    script = READ.replace("PROJECT", project)
    told = subprocess.run(
        [sys.executable, "-c", script], env=environment(TRACKIO_DIR=str(folder)), capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout.splitlines()[-1])


def test_trackio_has_the_epochs_and_the_test_numbers_of_a_sweep(tmp_path):
    runs, folder = tmp_path / "runs", tmp_path / "trackio"
    options = [*QUICK, "--width", "0.125", "--dropout", "--over", "dropout.rate=0.1,0.5", "--track", "trackio"]
    done = reglab("sweep", *options, "--runs", runs, "--json", TRACKIO_DIR=str(folder))
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]  # and nothing that Trackio says
    there = kept(folder, lines[-1]["group"])
    assert set(there) == {run.name for run in Store(runs).runs()}
    for run in Store(runs).runs():
        told, summary = there[run.name], run.summary()
        assert told["config"]["dropout.rate"] == run.config.regularizers["dropout"].rate
        assert told["config"]["run"] == run.id and told["config"]["seed"] == 0
        curve = [log["val_accuracy"] for log in told["logs"] if "val_accuracy" in log]
        assert curve == [epoch.val_accuracy for epoch in run.history()]
        assert [log["step"] for log in told["logs"] if "val_accuracy" in log] == [0, 1, 2]
        assert told["logs"][-1]["test_accuracy"] == summary["test_accuracy"]


def test_a_tracker_that_fails_is_dropped_with_a_sentence(tmp_path):
    wrong = {"TRACKIO_DIR": str(tmp_path / "trackio"), "TRACKIO_SERVER_URL": "nowhere"}
    done = reglab("train", *QUICK, "--width=0.125", "--runs", tmp_path / "runs", "--track", "trackio", **wrong)
    assert done.returncode == 0 and "Trackio failed" in done.stderr and len(done.stderr.splitlines()) == 1
    assert [run.status() for run in Store(tmp_path / "runs").runs()] == ["finished"]


def test_what_cannot_track_is_refused_before_anything_is_made(tmp_path, capsys, monkeypatch):
    for command in (["train"], ["sweep", "--over", "lr=0.1"]):
        assert main([*command, *QUICK, "--track", "wandb", "--runs", str(tmp_path / "runs")]) == 2
        assert "no tracker 'wandb'" in capsys.readouterr().err
    monkeypatch.setattr(track, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "reglab\[track\]"'):
        track.tracker("trackio")
    assert not os.path.exists(tmp_path / "runs")
