"""Whether runs outlive a restart: what the page says of it, and that it is true."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, environment
from servers import wait_until

from reglab.deployment import Deployment
from reglab.errors import ConfigError
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.ui.services import keeping
from reglab.ui.services.keeping import Keeping, is_on_a_volume
from reglab.ui.views.setup import kept_html, machine_html

SPACE = "ada/lab"


def kept(store: Store, space: str = SPACE, mirror: str = "") -> Keeping:
    return Keeping(store, Deployment(space=space, mirror=mirror))


def test_a_space_says_that_it_forgets_and_who_can_change_that(store):
    told = kept(store)
    assert told.forgetful == SPACE and told.line() == "runs vanish at a restart"
    html = kept_html(told.forgetful, told.mirror is not None)
    assert (
        "forgets every run" in html and f"huggingface.co/spaces/{SPACE}/blob/main/docs/hosting.md#keeping-runs" in html
    )
    assert 'target="_blank"' in html, "a Space is shown in a frame"
    assert "runs vanish at a restart" in machine_html("cpu", told.line())


def test_nothing_is_said_on_a_laptop(store):
    told = kept(store, space="")
    assert told.line() == "" and kept_html(told.forgetful, told.mirror is not None).strip() == ""
    assert "·" not in machine_html("cpu", told.line())


def test_a_mounted_volume_keeps_what_lies_on_it(store, monkeypatch, tmp_path):
    monkeypatch.setattr(keeping.Path, "is_mount", lambda path: path in (tmp_path, Path(path.anchor)))
    assert is_on_a_volume(store.root) and kept(store).forgetful == ""
    assert not is_on_a_volume(Path(tmp_path.anchor) / "runs")


def test_a_mirror_keeps_runs_unless_it_lies_on_the_disk_that_vanishes(store, tmp_path):
    assert kept(store, mirror="hf://datasets/ada/runs").forgetful == ""
    (tmp_path / "kept").mkdir()
    assert kept(store, mirror=str(tmp_path / "kept")).forgetful == SPACE


def test_the_top_of_the_page_says_when_runs_are_not_being_kept(store):
    told = kept(store, mirror="hf://datasets/ada/runs")
    assert told.mirror is not None and told.line() == "earlier runs are coming back"
    told.mirror.restored = True
    assert told.line() == "" and "are kept" in kept_html(told.forgetful, True)
    told.mirror.problem = "the Hub answered 401"
    assert told.line() == "runs are not being kept at the moment"


def test_a_mirror_that_is_none_ends_the_start_in_a_sentence(store):
    with pytest.raises(ConfigError, match="REGLAB_MIRROR"):
        kept(store, mirror="s3://bucket")
    ended = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environment(REGLAB_MIRROR="s3://bucket"),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1 and ended.stderr.startswith("REGLAB_MIRROR is") and ended.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="ends a server by SIGKILL")
def test_a_server_that_loses_its_disk_has_its_runs_again(another_server, trained, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    server = another_server(cifar10=False, REGLAB_MIRROR=str(mirror), SPACE_ID=SPACE)
    run = Run(Path(shutil.copytree(trained["path"], server.store.root / trained["path"].name)))
    server.start()
    wait_until(lambda: (mirror / "runs" / run.id / "manifest.json").exists(), "not copied", more=server.log)
    server.kill()
    shutil.rmtree(server.store.root)
    os.mkdir(server.store.root)
    server.start()
    wait_until(lambda: [back.id for back in server.runs()] == [run.id], "not brought back", more=server.log)
    assert server.runs()[0].status() == "finished" and "Traceback" not in server.log()
