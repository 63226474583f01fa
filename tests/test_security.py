"""What docs/security.md says: every test that it names is there, and what no other file of tests shows."""

from __future__ import annotations

import ast
import re

import httpx
import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def test_every_test_that_is_named_is_there():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 20 and PAGE.count("::") == len(named)
    lacking = [
        (file, name)
        for file, name in named
        if not re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert lacking == []


# ---- code in files -----------------------------------------------------------------------------------------------
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "pickle.load", "pickle.loads", "torch.load", "marshal.loads", "joblib.load", "yaml.load",
    "dill.load", "cloudpickle.load", "shelve.open", "os.system", "os.popen", "subprocess.getoutput", "pandas.read_pickle",
}  # fmt: skip


def called(call: ast.Call) -> str:
    function = call.func
    return ast.unparse(function) if isinstance(function, (ast.Name, ast.Attribute)) else ""


def test_nothing_in_the_package_runs_what_it_reads():
    found, files = [], list((ROOT / "reglab").rglob("*.py"))
    for path in files:
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
            if (
                called(call) in FORBIDDEN_CALLS
                or keywords.get("shell", "False") != "False"
                or keywords.get("allow_pickle", "False") != "False"
                or keywords.get("trust_remote_code", "False") != "False"
            ):
                found.append(f"{path.relative_to(ROOT)}:{call.lineno} {called(call)}")
    assert len(files) > 150 and found == []


# ---- uploads -----------------------------------------------------------------------------------------------------
SCRIPT = b"<script>document.title = 'taken'</script>"
UPLOADS = {
    "a.svg": b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>",
    "a.html": b"<!doctype html>" + SCRIPT,
    "a.xhtml": b"<html xmlns='http://www.w3.org/1999/xhtml'>" + SCRIPT + b"</html>",
    "a.png": b"<!doctype html>" + SCRIPT,
    "a": SCRIPT,
    "a.js": b"alert(1)",
    "a.pdf": b"%PDF-1.7",
}


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_is_nothing_that_a_browser_runs(name, server):
    with httpx.Client(base_url=server.url, timeout=60) as page:
        [path] = page.post("/gradio_api/upload", files={"files": (name, UPLOADS[name])}).json()
        answer = page.get(f"/gradio_api/file={path}")
    assert answer.status_code == 200 and answer.content == UPLOADS[name]
    kind, told = answer.headers["content-type"].partition(";")[0], answer.headers
    assert kind == "image/png" or (kind, told["content-disposition"][:10]) == ("application/octet-stream", "attachment")
    assert told["x-content-type-options"] == "nosniff"
    policy = told["content-security-policy"]
    assert "sandbox" in policy and "allow-scripts" not in policy
