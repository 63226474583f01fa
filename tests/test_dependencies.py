"""The versions that the lab is made for: bounds where we look inside, a lock with hashes, and who may wait for torch."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYTHONS = ("3.11", "3.12", "3.13")
# What `reglab.compat` looks inside of, or leans on undocumented behaviour of.
INSIDE = (
    "gradio",
    "torch",
    "torchvision",
    "timm",
    "huggingface-hub",
    "pydantic",
    "safetensors",
    "ray",
    "trackio",
    "uvicorn",
)


def asked() -> dict[str, Requirement]:
    """Every package that the lab or one of its extras asks for, by its name."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    # Keras only runs the lines for Keras on the cards, so that neither [dev] nor the lock asks for it.
    extras = [line for extra, lines in PROJECT["optional-dependencies"].items() if extra != "keras" for line in lines]
    found = [Requirement(line) for line in [*lines, *extras] if line.strip()]
    return {canonicalize_name(r.name): r for r in found if r.name != "reglab"}


def locked(name: str, python: str) -> list[Version]:
    """The versions that the lock holds of a package for a Python; one, unless systems differ."""
    lines = re.findall(rf"^{re.escape(name)}==(\S+)(?: ; (.*?))? \\$", LOCK, re.MULTILINE)
    told = [Version(version) for version, marker in lines if applies(marker, python)]
    return told


def applies(marker: str, python: str) -> bool:
    from packaging.markers import Marker

    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return not marker or Marker(marker).evaluate(environment)


@pytest.mark.parametrize("name", INSIDE)
def test_what_we_look_inside_of_cannot_change_unseen(name):
    assert any(bound.operator == "<" for bound in asked()[name].specifier), name


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_the_newest_torch_that_zerogpu_takes(python):
    [torch], [torchvision] = locked("torch", python), locked("torchvision", python)
    assert torch in SpecifierSet("==2.11.*") and torchvision in SpecifierSet("==0.26.*")


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_all_that_is_asked_for_and_within_its_bounds(python):
    for name, requirement in asked().items():
        versions = locked(name, python)
        assert versions and all(version in requirement.specifier for version in versions), name


def test_everything_in_the_lock_has_hashes_and_it_names_no_place_to_fetch_from():
    packages = re.findall(r"^([a-z0-9][\w.-]*)==.*(?:\\)$", LOCK, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(packages) == len(blocks) > 100
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK and "--index" not in LOCK and "file:" not in LOCK


# ---- a Space: its builder installs Gradio, with two extras, and `spaces` beside requirements.txt -------------------------
def front_matter(key: str) -> str:
    front = (ROOT / "README.md").read_text(encoding="utf-8").split("---")[1]
    [value] = re.findall(rf"^{key}: \"?([\d.]+)\"?$", front, re.MULTILINE)
    return value


def test_the_space_runs_the_gradio_of_the_lock():
    assert [Version(front_matter("sdk_version"))] == locked("gradio", "3.12")


def test_a_space_can_install_what_is_asked_for_and_gets_a_torch_that_zerogpu_takes(tmp_path):
    uv = shutil.which("uv")
    if not uv:
        pytest.skip("uv is not installed here (pip install uv), so nothing can be resolved")
    gradio = front_matter("sdk_version")
    (tmp_path / "space.in").write_text(
        f"-r {(ROOT / 'requirements.txt').as_posix()}\ngradio[oauth,mcp]=={gradio}\nspaces\n"
    )
    platform = ["--python-version", front_matter("python_version"), "--python-platform", "x86_64-manylinux_2_28"]
    command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", *platform, "space.in"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    conflict = "No solution found" in done.stderr and "network was disabled" not in done.stderr
    if done.returncode and not conflict:
        pytest.skip(f"no package index can be reached from here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    found = {name: Version(version) for name, _, version in (line.partition("==") for line in done.stdout.split())}
    assert found["torch"] in SpecifierSet(">=2.8,<2.12") and found["torchvision"] in SpecifierSet("<0.27")
    assert found["gradio"] == Version(gradio) and found["pydantic"] in SpecifierSet("<=2.12.5")
    assert {"spaces", "mcp", "authlib", "huggingface-hub"} <= found.keys()


@pytest.mark.parametrize(
    "code",
    [
        "import reglab.config",
        "import reglab.cli.main; reglab.cli.main.build_parser()",
        "import importlib, pkgutil, reglab.ui.views as views\n"
        "for module in pkgutil.iter_modules(views.__path__): importlib.import_module(f'{views.__name__}.{module.name}')",
    ],
    ids=["config", "command line", "views"],
)
def test_nobody_waits_for_torch_before_it_is_needed(code):
    code += "\nimport sys; print(sorted({'torch', 'timm', 'gradio'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"
