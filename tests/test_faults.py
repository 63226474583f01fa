"""The short form of `benchmarks/faults.py`: every kind of harm is done a few times, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT, environment

sys.path.insert(0, str(ROOT / "benchmarks"))
import faults

QUICK = ("kills",)  # the others take up to a minute each


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in faults.FAULTS]
)
def test_nothing_is_lost(name, tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "faults.py"), "--short", "--only", name]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=280, cwd=tmp_path)
    if "not done" in done.stdout:
        pytest.skip(done.stdout.strip())
    # What took how long is for a machine that does nothing else; what was lost is indented.
    lost = [line for line in done.stdout.splitlines() if line.startswith("    ")]
    assert done.stdout.startswith(f"{name}: ") and "met" in done.stdout.lower() and not lost, done.stdout + done.stderr


def test_what_was_recorded_says_how_often_and_where():
    for name, figures in json.loads(faults.OUTPUT.read_text()).items():
        assert name in faults.FAULTS and figures["n"] > 0 and figures["met"] in (True, False)
        assert figures["machine"] and figures["date"]
    assert faults.table(json.loads(faults.OUTPUT.read_text())) in faults.OUTPUT.with_name("README.md").read_text(
        "utf-8"
    )
