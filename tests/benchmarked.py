"""Runs a script of benchmarks/ as somebody would who asks for numbers, and reads the tables that it prints."""

from __future__ import annotations

import subprocess
import sys

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


def cells(printed: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line[:1] == "|"]
