"""The benchmarks run and tell what they measured; how fast this machine is, is no matter for a test."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT, environment


def benchmark(script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_throughput_tells_of_every_side_and_every_target(tmp_path):
    printed = benchmark("throughput.py", "--quick", "--json", tmp_path / "measured.json")
    told = json.loads((tmp_path / "measured.json").read_text())

    assert all(len(values) == 1 and values[0] > 0 for values in told["images_per_second"].values())
    speeds, [ratio] = told["medians"], told["by_round"]["A / B"]
    assert ratio == pytest.approx(speeds["A"] / max(speeds["B 0w"], speeds["B 2w"]))
    assert told["medians"]["overhead"] == pytest.approx(1 - speeds["A"] / speeds["bare"])
    for target, verdict in told["verdicts"].items():
        assert verdict.startswith(("met", "NOT MET", "not measured"))
        assert any(line.startswith(target) and line.endswith(verdict) for line in printed.splitlines())


def test_startup_prints_a_table_of_what_it_measured():
    printed = benchmark("startup.py", "--quick", "--no-browser")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line[:1] == "|"]

    assert {len(row) for row in rows} == {5}
    figures = {what: float(median.split()[0]) for what, _, median, _, _ in rows[2:] if median}
    assert figures["`python -m reglab --help`"] > 0
    first, trained = (
        figures[f"digits: Train pressed until the first {line}"] for line in ("`epoch` line", "trained epoch")
    )
    assert 0 < first <= trained
    assert all(verdict in ("met", "**not met**", "") for what, _, _, _, verdict in rows[2:] if what in figures)
