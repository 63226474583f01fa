"""The documents say what the program prints, link to what is there, and their examples run."""

from __future__ import annotations

import itertools
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from conftest import ROOT, environment

from reglab.config import flag
from reglab.regularizers import CATALOGUE

MAKE = runpy.run_path(str(ROOT / "docs" / "make.py"))
MAP = runpy.run_path(str(ROOT / "docs" / "map.py"))
PAGES = [page for page in MAKE["pages"]() if page.exists()] + [ROOT / "benchmarks" / "README.md", ROOT / "CHANGELOG.md"]


@pytest.fixture(autouse=True)
def the_networks_that_ship(own_folders, monkeypatch) -> None:
    monkeypatch.delenv("REGLAB_CHECKPOINTS")


named = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@named
def test_a_document_holds_what_the_program_prints(page):
    """What is listed must be right. A technique that is not listed yet is reported: its file alone must not fail."""
    text = page.read_text(encoding="utf-8")
    made = MAKE["filled"](text)
    if "<!-- regularizers:" in text:
        new = [key for key in CATALOGUE if f"| `{flag(key)}` |" not in text]
        made = "\n".join(line for line in made.split("\n") if not any(f"| `{flag(key)}` |" in line for key in new))
        if new:
            warnings.warn(f"not in {page.name} yet: {', '.join(new)}. Run `python docs/make.py`.", stacklevel=1)
    assert made == text, "run `python docs/make.py`"


def test_every_generated_part_stands_in_some_document():
    found = [name for page in PAGES for name in re.findall(r"<!-- (\w+): filled in by", page.read_text("utf-8"))]
    assert sorted(found) == [
        "checkpoints",
        "commands",
        "curves",
        "networks",
        "regularizers",
        "strange",
        "tokens",
        "transfer",
        "verdicts",
    ]


def test_the_picture_of_the_packages_is_drawn_from_the_code_as_it_is():
    assert (ROOT / "docs/packages.svg").read_text("utf-8") == MAP["drawn"](), "run `python docs/map.py`"


def test_the_readme_is_short_and_says_how_to_start():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 150 and lines[0] == "---"
    for command in ("pip install -r requirements.txt", "python app.py", 'pip install -r requirements.txt -e ".[dev]"'):
        assert command in lines


@named
def test_every_command_is_taken_by_sh_powershell_and_cmd_alike(page):
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        if page.name == "CONTRIBUTING.md" or page.parent.name == "benchmarks":
            continue  # whoever works on the lab has make and sh
        for command in block.splitlines():
            bare = re.sub(r'"[^"$`%!\\]*"', "", command)
            assert not set(bare) & set("',;#&|<>{}()$`%!^~\\\""), command
            assert not re.match(r"[A-Z_]+=", command), command


@named
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if heading:
            assert heading in headings(target), link


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@named
def test_every_file_that_is_named_is_there(page):
    named = re.findall(
        r"`(?:pytest |python )?((?:reglab|benchmarks|docs|tests)/[\w/]+\.\w+)[ `]", page.read_text("utf-8")
    )
    named = [path for path in named if path != EXAMPLE]
    assert [path for path in named if not (ROOT / path).exists()] == []


EXAMPLE = "reglab/regularizers/random_grayscale.py"  # which the reader writes


def test_the_guide_to_the_code_finds_what_it_says_where_it_says():
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    guesses = re.findall(r"^\| .*? \| `(.*?)` \| `(.*?)` \|$", guide, re.MULTILINE)
    assert len(guesses) == 5
    for path, found in guesses:
        assert found in (ROOT / path).read_text("utf-8"), path


# ---- what a checkout does to files -------------------------------------------------------------------------------
def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


in_a_checkout = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="this is no checkout"
)


@in_a_checkout
def test_git_leaves_the_bytes_of_what_ships_alone():
    files = git("ls-files", "checkpoints").splitlines()
    told = [line.rsplit(": ", 2) for line in git("check-attr", "text", "--", *files).splitlines()]
    assert len(told) == len(files) > 0 and {value for _, _, value in told} == {"unset"}
    [source] = git("check-attr", "eol", "--", "app.py").splitlines()
    assert source.endswith(": lf")


@in_a_checkout
def test_a_checkout_for_windows_has_the_bytes_of_the_manifests(tmp_path):
    manifest = json.loads((ROOT / "checkpoints/basic_cnn-plain/manifest.json").read_text("utf-8"))["files"]
    small = [
        f"checkpoints/basic_cnn-plain/{name}" for name in ("manifest.json", *manifest) if "safetensors" not in name
    ]
    git("-c", "core.autocrlf=true", "checkout-index", f"--prefix={tmp_path.as_posix()}/", "--", *small, "app.py")
    for name in (*small, "app.py"):
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_every_variable_that_the_lab_reads_stands_in_one_table():
    table = (ROOT / "docs/hosting.md").read_text("utf-8").partition("## All variables")[2].partition("\n## ")[0]
    told = set(
        re.findall(r"`(REGLAB_\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    )
    code = [path.read_text("utf-8") for path in [*(ROOT / "reglab").rglob("*.py"), ROOT / "app.py"]]
    assert told == {name for text in code for name in re.findall(r"\bREGLAB_[A-Z_]+\b", text)}


@pytest.mark.slow
def test_the_commands_for_the_hub_are_ones_that_its_client_has():
    lines = re.findall(r"^(hf .*)$", (ROOT / "docs/hosting.md").read_text("utf-8"), re.MULTILINE)
    assert len(lines) > 8
    for line in lines:
        words = shlex.split(line)[1:]
        called = list(itertools.takewhile(lambda word: "/" not in word and not word.startswith("-"), words))
        options = [word for word in words if word.startswith("-")]
        chosen = [value for option, value in itertools.pairwise(words) if option in ("--flavor", "--hardware", "--sdk")]
        client = [str(Path(sys.executable).parent / "hf"), *called, "--help"]
        told = subprocess.run(client, capture_output=True, text=True, env=environment(COLUMNS="400")).stdout
        assert f"Usage: hf {' '.join(called)}" in told, line
        for option in options:
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", told), (line, option)
        if "--flavor" in options or "--hardware" in options:
            assert all(re.search(rf"[\[|]{value}[\]|]", told) for value in chosen if value != "gradio"), line
