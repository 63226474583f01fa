"""Known vulnerabilities of what the lock holds: each is answered, the answers are kept, and nobody is told of an audit that was none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ADVISORIES = tomllib.loads((ROOT / ".ci" / "advisories.toml").read_text("utf-8"))["advisory"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
NUMBER = re.compile(r"CVE-\d{4}-\d{4,}|GHSA(-[23456789cfghjmpqrvwx]{4}){3}|PYSEC-\d{4}-\d+")


def versions(package: str) -> list[str]:
    return re.findall(rf"^{re.escape(package)}==([^\s;]+)", LOCK, re.MULTILINE)


@pytest.mark.parametrize("entry", ADVISORIES, ids=lambda entry: entry["ids"][0])
def test_an_answer_concerns_a_version_in_the_lock_and_its_test_is_there(entry):
    assert entry.keys() == {"package", "affects", "ids", "what", "answer", "why", "test"}
    assert all(NUMBER.fullmatch(number) for number in entry["ids"]) and entry["ids"]
    assert entry["answer"] in ("not reached", "contained") and entry["why"] and entry["what"]
    affected = SpecifierSet(entry["affects"])
    assert any(Version(version) in affected for version in versions(entry["package"])), (
        "it is mended: take the entry out"
    )
    file, _, name = entry["test"].partition("::")
    assert re.search(rf"^def {re.escape(name)}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), entry["test"]


def test_no_number_is_answered_twice():
    numbers = [number for entry in ADVISORIES for number in entry["ids"]]
    assert len(numbers) == len(set(numbers))


def test_the_lab_calls_nothing_that_an_advisory_is_about():
    never = re.compile(r"tiff|\bpdf\b|stroke_width|ImageMorph|comment=|\bjit\b", re.IGNORECASE)
    files = sorted((ROOT / "reglab").rglob("*.py"))
    found = {str(f.relative_to(ROOT)): m[0] for f in files if (m := never.search(f.read_text("utf-8")))}
    assert len(files) > 100 and found == {}


# ---- .ci/audit, with somebody in the place of pip-audit who says what he is told to
PINS = sorted(set(re.findall(r"^([a-z0-9][\w.-]*)==([^\s;\\]+)", LOCK, re.MULTILINE)))
HOLE = {"id": "PYSEC-2019-1", "aliases": ["CVE-2019-1"], "fix_versions": ["2.2.9"], "description": "..."}
PILLOW = {"id": "GHSA-v9pv-5gc8-w2m6", "aliases": ["CVE-2026-96639"], "fix_versions": ["13.0.0"], "description": "..."}
NUMPY = {"id": "PYSEC-2026-9", "aliases": ["CVE-2026-9"], "fix_versions": [], "description": "..."}
ACTOR = """
import json, sys
told = json.load(open({told!r}))[sys.argv[sys.argv.index("--vulnerability-service") + 1]]
asked = [line.strip().split("==") for line in open(sys.argv[sys.argv.index("--requirement") + 1])]
assert len(dict(asked)) == len(asked), "pip-audit refuses two versions of one package"
if told is None:
    sys.exit("requests.exceptions.ConnectionError: nobody there")
said = []
for name, version in asked:
    what = told.get(name, told["others"])
    said.append({{"name": name, "skip_reason": what}} if isinstance(what, str) else
                {{"name": name, "version": version, "vulns": what}})
print(json.dumps({{"dependencies": said, "fixes": []}}))
"""
CLEAN = {"django": [HOLE], "others": []}
SAID = {
    "nothing but what is answered": ({"pypi": CLEAN | {"pillow": [PILLOW]}, "osv": None}, 0, "Audited"),
    "one that is not": ({"pypi": CLEAN | {"numpy": [NUMPY]}, "osv": None}, 1, "CVE-2026-9"),
    "the second can be asked": ({"pypi": None, "osv": CLEAN}, 0, "Audited"),
    "nobody there": ({"pypi": None, "osv": None}, 75, "NOT AUDITED"),
    "a mirror without these pages": ({"pypi": {"others": "not found on PyPI"}, "osv": None}, 75, "NOT AUDITED"),
    "a mirror that leaves advisories out": ({"pypi": {"others": []}, "osv": None}, 75, "free of advisories"),
    "some are not known": ({"pypi": CLEAN | {"torch": "not found"}, "osv": None}, 75, "does not know 1 of"),
    "some are not known, and one has a hole": (
        {"pypi": CLEAN | {"torch": "not found", "numpy": [NUMPY]}, "osv": None},
        1,
        "VULNERABLE",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_an_audit_is_one_only_where_somebody_knew_every_version(case, tmp_path):
    told, status, words = SAID[case]
    (tmp_path / "told.json").write_text(json.dumps(told))
    (tmp_path / "pip_audit.py").write_text(ACTOR.format(told=str(tmp_path / "told.json")))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "REGLAB_AUDIT": str(tmp_path / "audit.json")}
    command = [sys.executable, str(ROOT / ".ci" / "audit")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (status, "")
    assert words in done.stdout and ("Audited" in done.stdout) == (status == 0)
    assert json.loads((tmp_path / "audit.json").read_text())["state"] == status


@pytest.mark.skipif(os.name == "nt", reason="bash there may be that of another system")
@pytest.mark.parametrize(("status", "ends"), [(0, "went on:"), (1, ""), (75, "went on: NOT AUDITED")])
def test_ci_ends_at_a_hole_and_says_at_its_end_that_nobody_could_be_asked(status, ends):
    line = next(line for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines() if "python .ci/audit" in line)
    script = f'set -euo pipefail\npython() {{ return {status}; }}\naudited=\n{line}\necho "went on: $audited"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(ends) and bool(done.stdout) == bool(ends)
    assert done.returncode == (0 if ends else 1)
