"""Nothing secret is printed, whoever prints; and no sentence for visitors says where this machine keeps its files."""

from __future__ import annotations

import ast
import io
import logging
import subprocess
import sys
import traceback

import pytest
from conftest import ROOT, environment

from reglab.errors import DataError
from reglab.jobs.failures import in_words
from reglab.redaction import Redacted, secrets_in, without_paths, without_secrets

SECRETS = {
    "REGLAB_ADMIN_KEY": "canary-of-the-host",
    "AWS_SECRET": "canary-of-a-cloud",
    "PIN_KEY": "1234",
    "PATH": "/bin:/usr/bin",
}


def test_secrets_are_known_by_the_names_of_their_variables():
    assert secrets_in(SECRETS) == ["canary-of-the-host", "canary-of-a-cloud"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Bearer hf_abcDEF123456", "Bearer hf_***"),
        ("the key canary-of-the-host opens all", "the key *** opens all"),
        ("hf_hub_download of a file", "hf_hub_download of a file"),
    ],
)
def test_a_secret_is_told_as_stars(text, told):
    assert without_secrets(text, secrets_in(SECRETS)) == told


def test_whatever_is_printed_goes_through_without_secrets():
    out = io.StringIO()
    stream = Redacted(out, secrets_in(SECRETS))
    print("canary-of-the-host", "hf_canary12345", file=stream)
    stream.writelines(["canary-of-a-cloud\n"])
    logging.StreamHandler(stream).emit(logging.LogRecord("x", 40, "f", 1, "key %s", ("canary-of-the-host",), None))
    try:
        raise RuntimeError(SECRETS["AWS_SECRET"])
    except RuntimeError:
        traceback.print_exc(file=stream)
    assert "canary" not in out.getvalue() and "hf_***" in out.getvalue()
    assert stream.isatty() is False, "and else it is the stream that it was"


def test_a_program_that_has_asked_for_it_dies_without_a_secret():
    script = "import os; from reglab.redaction import redact_output; redact_output(); raise SystemError(os.environ['MY_KEY'])"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(MY_KEY="canary-canary"), capture_output=True, text=True
    )
    assert "SystemError: ***" in done.stderr and "canary" not in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[Errno 13] Permission denied: '/home/ada lovelace/runs/x.json'", "[Errno 13] Permission denied: 'x.json'"),
        (r"cannot open 'C:\Users\Ada Lovelace\runs\x.json'", "cannot open 'x.json'"),
        ("no such file /srv/reglab/runs/20260101-000000-abc: gone", "no such file 20260101-000000-abc: gone"),
        ("see https://huggingface.co/datasets/uoft-cs/cifar10", "see https://huggingface.co/datasets/uoft-cs/cifar10"),
        ("1/2 of timm/resnet18 and uoft-cs/cifar10, a / b", "1/2 of timm/resnet18 and uoft-cs/cifar10, a / b"),
    ],
)
def test_of_a_path_only_its_end_is_told(text, told):
    assert without_paths(text) == told


@pytest.mark.parametrize(
    "error",
    [
        OSError("cannot map /srv/secret/place/model.safetensors"),
        KeyError("/srv/secret/place/x"),
        FileNotFoundError(2, "No such file", "/srv/secret/place/x"),
    ],
)
def test_what_nobody_foresaw_of_a_run_is_told_without_a_path(error):
    assert "secret" not in in_words(error)
    assert in_words(DataError("a sentence of ours, kept as it is: a/b")) == "a sentence of ours, kept as it is: a/b"


# What only the person at the command line, or the host in the log, is told.
OF_THE_HOST = ("reglab/cli/", "reglab/publishing/export.py", "reglab/publishing/hub.py", "reglab/publishing/copies.py")
PLACES = {"root", "parent", "path", "folder", "filename"}


def told_places(tree: ast.AST) -> list[str]:
    """Values that stand in a sentence that is raised and are called as places of the disk are."""
    found = []
    for raised in (node for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None):
        for value in (node.value for node in ast.walk(raised.exc) if isinstance(node, ast.FormattedValue)):
            name = value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""
            found += [name] if name in PLACES else []
    return found


def test_no_sentence_that_a_visitor_may_see_names_a_place_on_the_disk():
    files = [
        path
        for path in (ROOT / "reglab").rglob("*.py")
        if not path.relative_to(ROOT).as_posix().startswith(OF_THE_HOST)
    ]
    assert len(files) > 150
    told = {path.name: places for path in files if (places := told_places(ast.parse(path.read_text("utf-8"))))}
    assert not told
