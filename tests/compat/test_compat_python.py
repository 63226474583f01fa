"""What `reglab.compat.python` leans on is still so in the version of Python's own library that is installed."""

from __future__ import annotations

import argparse
import getpass
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest
from conftest import ROOT

from reglab import compat
from reglab.jobs.worker import resident

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")  # what getpass asks, before it looks into passwd


def test_the_processes_of_a_pool_can_be_ended_whatever_they_do():
    pool = ProcessPoolExecutor(1)
    future = pool.submit(time.sleep, 600)
    while not future.running():
        time.sleep(0.01)
    compat.python.kill_workers(pool)
    with pytest.raises(BrokenProcessPool):
        future.result(timeout=60)
    pool.shutdown(wait=False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process was started with")
def test_multiprocessing_starts_its_helpers_with_the_environment_that_it_is_told():
    script = """
from multiprocessing import get_context, resource_tracker
import os
import platform
from reglab import compat

compat.python.start_processes_with(lambda: {"ONLY": "this"})
spawned = get_context("spawn").Process(target=print, args=("spawned",))
spawned.start()
resource_tracker.ensure_running()
print(open(f"/proc/{resource_tracker.getfd() and resource_tracker._resource_tracker._pid}/environ").read())
spawned.join()
"""
    told = subprocess.check_output([sys.executable, "-c", script], text=True, cwd=ROOT)
    assert "spawned" in told and "ONLY=this" in told and "PATH=" not in told


def test_the_options_of_a_command_line_are_listed_in_order():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument_group("more").add_argument("--dry-run", action="store_true", help="only say")
    found = compat.python.options_of(parser)
    assert [(option.dest, option.help) for option in found[1:]] == [("file", None), ("dry_run", "only say")]


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A user id that is in no passwd, without HOME, as in a container."""
    pwd = pytest.importorskip("pwd")

    def unknown(uid: int):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("HOME", *NAMES):
        monkeypatch.setenv(name, "")  # so that what is set below is undone
        monkeypatch.delenv(name)


def test_who_is_in_no_passwd_and_has_no_home_gets_a_name_and_a_folder(nobody):
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    assert os.path.expanduser("~") == "~"
    compat.python.settle_user()
    assert getpass.getuser() == f"user-{os.getuid()}"
    assert os.path.expanduser("~") == str(compat.python.own_temporary_folder())


def test_a_folder_that_another_has_put_in_the_place_of_the_home_is_not_taken(nobody, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    compat.python.own_temporary_folder().symlink_to(tmp_path / "elsewhere")
    compat.python.settle_user()
    home = os.path.expanduser("~")
    assert os.path.dirname(home) == str(tmp_path) and os.path.isdir(home) and not os.path.islink(home)


def test_a_name_and_a_home_that_are_there_are_kept(nobody, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USER", "ada")
    compat.python.settle_user()
    assert getpass.getuser() == "ada" and os.environ["HOME"] == "/home/ada" and "LOGNAME" not in os.environ


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries of C have no malloc_trim")
def test_memory_that_was_freed_in_the_midst_of_the_heap_goes_back_to_the_system():
    blocks = [b"x" * 100_000 for _ in range(2_000)]
    del blocks[:-1]
    before = resident()
    compat.python.give_memory_back()
    assert before - resident() > 100 * 2**20
