"""Every example of docs/api.md, run as it stands there against a server; only the address is another one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, environment
from pages import a_one
from servers import Server

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:7860"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where a reader tries the examples: with a picture."""
    (tmp_path / "tried").mkdir()
    shutil.copyfile(a_one(tmp_path), tmp_path / "tried" / "picture.png")
    return tmp_path / "tried"


def tried(command: list[str], script: str, server: Server, folder: Path) -> str:
    done = subprocess.run(
        [*command, script.replace(ADDRESS, server.url)],
        cwd=folder, env=environment(NO_PROXY="127.0.0.1"), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_examples_for_python_run_one_after_the_other(server, folder):
    told = tried([sys.executable, "-c"], "\n".join(blocks("python")), server, folder).splitlines()
    _, *epochs, finished, stopped = told[:6]
    assert [line.split()[0] for line in epochs] == ["0", "1", "2"], "before the first epoch, and after each"
    assert re.fullmatch(r"finished 0\.\d+", finished) and stopped in ("running", "stopped", "interrupted")
    assert any(line.startswith("basic_cnn-plain finished") for line in told)
    assert re.fullmatch(r"\d", told[-2]) and "epochs" in told[-1] and told[-1].endswith(".")


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a shell of Unix")
def test_the_examples_for_curl_run_one_after_the_other(server, folder):
    """Each answer is told from the next by a line that the test adds before every call."""
    examples = "\n".join(blocks("bash")).replace("\ncurl", "\necho; echo ---; curl")
    told = tried(["bash", "-c"], f"set -euo pipefail\n{examples}", server, folder).split("\n---\n")
    _, started, status, stopped, runs, shipped, own, listed, no_config, no_run = map(str.strip, told)
    run = json.loads(started)["run"]
    assert len(json.loads(started)["key"]) == 32
    assert json.loads(status)["summary"]["status"] == "finished" and json.loads(status)["cursor"] > 0
    assert json.loads(stopped) == {"run": run, "status": "finished"}
    assert {run, "basic_cnn-plain"} <= {summary["run"] for summary in json.loads(runs)}
    assert "airplane" in json.loads(shipped) and set(json.loads(own)) <= set("0123456789")
    assert "POST /api/train" in listed
    assert re.fullmatch(r'\{"error": "epochs .*\.".*\}400', no_config) and re.fullmatch(r'\{"error": .*\}404', no_run)


def test_there_is_no_example_that_is_not_tried():
    languages = set(re.findall(r"^```(\w+)$", PAGE, re.MULTILINE))
    assert languages <= {"python", "bash", "sh", "json"}
    assert all(line.startswith("pip install") for block in blocks("sh") for line in block.splitlines())
