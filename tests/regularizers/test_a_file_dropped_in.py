"""A new regularizer is one file: the example of the documents, dropped into a copy of the project, with nothing else touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from reglab.models import pretrained

KEY = "random_grayscale"
PRETRAINED = ["--model", "timm/tf_efficientnet_lite0", "--pretrained", "--random-grayscale"]


def example() -> str:
    """The fenced block of Python that defines the technique, wherever the documents have it."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            if "class RandomGrayscale" in block:
                return block
    raise AssertionError("no document has the example")


def not_copied(folder: str, names: list[str]) -> set[str]:
    """What is no part of the project: caches, environments, and what was trained or built in the checkout."""
    made = {"build", "runs"} if Path(folder) == ROOT else set()
    # The documents speak of the first two; what mypy has read of torch, it need not read again.
    kept = {".ci", ".github", ".mypy_cache"} if Path(folder) == ROOT else set()
    return {
        name for name in names if (name.startswith(".") and name not in kept) or name == "__pycache__" or name in made
    }


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """A copy of the project with one file more."""
    copy = tmp_path_factory.mktemp("project") / "reglab"
    shutil.copytree(ROOT, copy, ignore=not_copied)
    (copy / "reglab" / "regularizers" / f"{KEY}.py").write_text(example(), encoding="utf-8")
    return copy


def run(project: Path, *arguments: str, timeout: float = 250) -> subprocess.CompletedProcess[str]:
    """A module of Python, in the copy."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project,
        env={**environment, "PYTHONPATH": str(project), "REGLAB_CHECKPOINTS": str(project / "checkpoints")},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_it_keeps_the_laws_of_all_techniques(project):
    laws = ["tests/regularizers/test_regularizers.py", "tests/regularizers/test_together.py"]
    done = run(project, "pytest", "-n", "0", *laws, "-k", KEY)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\d\d passed", done.stdout), done.stdout


def test_it_is_refused_on_features_in_one_sentence(project):
    done = run(project, "reglab", "train", *PRETRAINED)
    assert done.returncode == 2 and not done.stdout
    [sentence] = done.stderr.strip().splitlines()
    assert re.fullmatch(
        rf".*{KEY} changes pictures, but .*: use finetune head_then_all or all, or switch it off\.", sentence
    )


@pytest.mark.skipif(not pretrained.is_local("timm/tf_efficientnet_lite0"), reason="its weights are not on this machine")
def test_it_trains_a_pretrained_network(project, tmp_path):
    few = ["--dataset", "digits", "--train-size", "16", "--val-size", "16", "--epochs", "1", "--side", "32"]
    done = run(project, "reglab", "train", *PRETRAINED, "--finetune", "all", *few, "--runs", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr


def test_ruff_has_nothing_to_say(project):
    file = f"reglab/regularizers/{KEY}.py"
    checked, formatted = run(project, "ruff", "check", file), run(project, "ruff", "format", "--check", file)
    assert checked.returncode == formatted.returncode == 0, checked.stdout + formatted.stdout


@pytest.mark.slow
def test_mypy_has_nothing_to_say(project):
    done = run(project, "mypy", f"reglab/regularizers/{KEY}.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_passes_what_is_asked_of_cards_links_documents_and_benchmarks(project):
    """A technique that no table lists is reported, and nothing is red."""
    files = ["tests/test_docs.py", "tests/test_benchmarks.py", "tests/teaching", "tests/config"]
    done = run(project, "pytest", "-n", "0", *files, timeout=850)
    assert done.returncode == 0, done.stdout[-5000:]
    assert f"not in regularizers.md yet: {KEY}" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_passes_what_is_asked_of_all_techniques_together(project):
    """What is asked of each of the others by itself, it does not change."""
    asked = ["tests/regularizers", "--deselect", "tests/regularizers/test_a_file_dropped_in.py"]
    done = run(project, "pytest", "-n", "0", *asked, "-k", f"{KEY} or not [", timeout=850)
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"\d\d passed", done.stdout), done.stdout
