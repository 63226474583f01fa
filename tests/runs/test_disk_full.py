"""A disk that is full is called one, from the first byte on: whatever is created, written or taken along."""

from __future__ import annotations

import builtins
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment, tiny_config

from reglab import download
from reglab.errors import ConfigError, DiskFull, RunError, cause, full_in_words
from reglab.experiments.executors import queue
from reglab.experiments.experiment import Experiment
from reglab.jobs.failures import in_words
from reglab.jobs.queue import Jobs
from reglab.runs.files import RESERVE, RESERVED, write_bytes
from reglab.runs.recording import conclude
from reglab.runs.trash import Trash
from reglab.training.events import Failed, Stopped


@pytest.fixture
def full(monkeypatch):
    """From now on nothing can be written to any file, and no folder be made."""
    plain = builtins.open

    def refusing(file, mode="r", *arguments, **named):
        if any(letter in mode for letter in "wax+"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        return plain(file, mode, *arguments, **named)

    def begin() -> None:
        monkeypatch.setattr(builtins, "open", refusing)
        for name in ("mkdir", "touch"):

            def refuse(self, *_, **__):
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

            monkeypatch.setattr(Path, name, refuse)

    return begin


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_it_is_called_so_whoever_handles_it(number):
    with pytest.raises(RunError, match="The disk is full: delete some runs") as told, full_in_words():
        raise OSError(number, os.strerror(number))
    assert isinstance(told.value, OSError) and cause(told.value) == cause(OSError(number, "")) == "the disk is full"
    assert in_words(told.value) == in_words(OSError(number, "")) == "The disk is full: free some space, then resume."
    with pytest.raises(PermissionError), full_in_words():
        raise PermissionError(errno.EACCES, "no")


def test_a_download_says_so_however_deep_it_lies():
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("Data processing error: background writer channel closed") from error
    except RuntimeError as error:
        assert download.why(error) == "the disk is full"


def test_nothing_begins_and_nothing_is_left_of_it(store, full):
    run = store.create(tiny_config())
    full()
    with pytest.raises(ConfigError, match=r"cannot be made \(the disk is full\)"):
        store.create(tiny_config())
    for asked in (
        lambda: run.rename("x"),
        run.ask_to_stop,
        lambda: write_bytes(run.path / "x", b""),
    ):
        with pytest.raises(DiskFull, match="The disk is full"):
            asked()
    assert store.runs() == [run] and not list(run.path.glob(".*.tmp"))


def test_a_run_can_be_deleted_from_a_full_disk(store, full):
    run = store.create(tiny_config())
    full()
    Trash(store).put(run)
    assert store.runs() == []


def test_a_sweep_for_half_of_which_there_is_room_leaves_no_run(store, monkeypatch):
    jobs, create, made = Jobs(store), type(store).create, []

    def twice(self, *arguments, **named):
        if len(made) == 2:
            raise ConfigError("The run folder cannot be made (the disk is full): ...")
        made.append(create(self, *arguments, **named))
        return made[-1]

    monkeypatch.setattr(type(store), "create", twice)
    told = Experiment.planned("sweep", [tiny_config(lr=lr) for lr in (0.1, 0.2, 0.3)], seeds=(0,))
    with pytest.raises(ConfigError, match="the disk is full"):
        queue.train(told, jobs)
    assert len(made) == 2 and store.runs() == [] and jobs.counts() == (0, 0)
    jobs.close()


def test_the_last_word_finds_room_in_the_reserve_which_is_held_again_when_the_run_goes_on(store):
    run = store.create(tiny_config())
    assert (run.path / RESERVE).stat().st_size == RESERVED
    stopped = store.create(tiny_config())
    conclude(stopped, Stopped(epoch=0, step=0))
    assert (stopped.path / RESERVE).exists()
    conclude(run, Failed(reason="The disk is full: free some space, then resume."))
    assert not (run.path / RESERVE).exists() and run.status() == "failed"
    run.reopen()
    assert (run.path / RESERVE).exists() and run.status() == "interrupted"


def test_a_run_that_finishes_needs_no_reserve(finished):
    assert not (finished.path / RESERVE).exists()


ON_A_SMALL_DISK = """
import os, subprocess, sys
from pathlib import Path
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", sys.argv[1]], check=True)
from reglab.jobs.worker import work
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.config import RunConfig
root = Path(sys.argv[1])
store = Store(root)
config = RunConfig.parse({"dataset": "digits", "model": "basic_cnn", "width": 0.5, "train_size": 60, "val_size": 60, "epochs": 2,
                          "batch_size": 16, "device": "cpu", "precision": "fp32"})
run = store.create(config)
ballast = os.open(root / "ballast", os.O_CREAT | os.O_WRONLY)
try:  # until the last byte that was free is taken
    while True:
        os.write(ballast, bytes(4096))
except OSError:
    os.close(ballast)
work([run])
print(run.status(), "|", run.summary().get("reason"), "|", run.view().is_live)
try:
    run.reopen()
except Exception as error:
    print(type(error).__name__, error)
os.unlink(root / "ballast")
work([run])
print(run.status())
"""


@pytest.mark.slow
@pytest.mark.skipif(not (sys.platform == "linux" and shutil.which("unshare")), reason="a disk of its own needs unshare")
def test_on_a_disk_without_a_byte_a_run_says_so_and_with_room_it_goes_on(tmp_path):
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path)],
        env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if "mount" in done.stderr and done.returncode:
        pytest.skip(f"no disk in memory may be mounted here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[0] == "failed | The disk is full: free some space, then resume. | False"
    assert told[1].startswith("DiskFull The disk is full") and told[2] == "finished"
