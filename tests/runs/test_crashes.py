"""Crashes, flipped bits and full disks: a run comes to the same bytes as one that was left alone, or says why it cannot.

What is exhaustive, or needs processes that are killed again and again, is slow; `test_resume.py` kills at every single place
in this process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import QUICK, environment, reglab, tiny_config

from reglab.jobs.worker import work
from reglab.runs import clock
from reglab.runs.recording import conclude, record
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Failed, Step
from reglab.training.train import train


def recorded(store: Store, split, config=None, until=lambda event: False, **how) -> Run:
    """A run trained here and now, its recording broken off (as a crash would) after the first event that `until` is true of."""
    run = store.create(config or tiny_config(epochs=2))
    for event in record(run, train(run.config, split, resume=run.resume(), **how)):
        if until(event):
            break
    return Run(run.path)


def same_bytes(one: Run, other: Run) -> None:
    for file in ("metrics.jsonl", "model.safetensors"):
        assert (one.path / file).read_bytes() == (other.path / file).read_bytes(), file


@pytest.fixture
def often(monkeypatch):
    """A snapshot whenever there can be one, not every five seconds."""
    monkeypatch.setattr(clock, "SNAPSHOT_SECONDS", 0.0)


def broken_off(store: Store, split, after: int, config=None) -> Run:
    """A run whose process died after that many steps: no summary, no manifest."""
    seen = []
    return recorded(
        store, split, config, until=lambda e: isinstance(e, Step) and (seen.append(e) or len(seen) == after)
    )


def test_a_run_that_was_finished_while_another_waited_for_its_lock_is_left_as_it_is(store, tiny_split, monkeypatch):
    """Else its last words would be taken back, and said again."""
    run = recorded(store, tiny_split)
    before = {path.name: path.stat().st_mtime_ns for path in run.path.iterdir() if path.name != ".lock"}
    trained_by_work(run, tiny_split, monkeypatch)
    assert before == {path.name: path.stat().st_mtime_ns for path in run.path.iterdir() if path.name != ".lock"}


def test_a_run_whose_process_died_before_its_seal_is_gone_on_with(store, tiny_split, monkeypatch):
    """Else it would stay without a manifest for ever, with what was being written beside it."""
    run = recorded(store, tiny_split)
    metrics = (run.path / "metrics.jsonl").read_bytes()
    (run.path / "manifest.json").unlink()
    (run.path / ".manifest.json.0123456789abcdef.tmp").write_bytes(b"{")
    assert run.status() == "interrupted"
    trained_by_work(run, tiny_split, monkeypatch)
    assert run.status() == "finished" and (run.path / "manifest.json").exists()
    assert (run.path / "metrics.jsonl").read_bytes() == metrics and not list(run.path.glob(".*.tmp"))


# ---- flipped bits ----
def trained_by_work(run: Run, split, monkeypatch) -> None:
    """As the worker and the command line do it, under the run's lock; only the digits are replaced by the toy set."""
    from reglab import data

    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # as many as the run it is compared with had
    monkeypatch.setattr(data, "load", lambda key, **_: None)
    monkeypatch.setattr(data, "split", lambda *settings: split)
    work([Run(run.path)])


EXHAUSTIVE = [
    pytest.param(file, ending, None, marks=pytest.mark.slow)
    for file in ("last.safetensors", "model.safetensors")
    for ending in ("interrupted", "stopped")
]


@pytest.mark.parametrize(("file", "ending", "most"), [("last.safetensors", "interrupted", 5), *EXHAUSTIVE])
def test_a_flipped_bit_in_the_tensors_never_leads_to_another_result(
    file, ending, most, store, tiny_split, often, monkeypatch
):
    """Begin again or refuse, but never go on with what is damaged: be it the header, the state or the numbers."""
    # One step an epoch, too small to change an accuracy: the untrained network stays the best one, so that it matters
    # to the very end whether its weights were read back as they were.
    config = tiny_config(epochs=3, batch_size=64, lr=1e-9, width=0.25)
    whole = recorded(store, tiny_split, config)
    assert whole.summary()["best_epoch"] == 0
    run = broken_off(store, tiny_split, 2, config)
    if ending == "stopped":
        list(record(run, train(config, tiny_split, resume=run.resume(), stop=lambda: True)))
    assert run.status() == ending
    kept = shutil.copytree(run.path, store.root.parent / "kept")
    data = (kept / file).read_bytes()
    places = places_to_damage(data)
    for place in places if most is None else [*places[: most - 2], *places[-2:]]:  # length, header, state; tensors
        shutil.rmtree(run.path)
        shutil.copytree(kept, run.path)
        damaged = bytearray(data)
        damaged[place] ^= 2
        (run.path / file).write_bytes(damaged)
        trained_by_work(run, tiny_split, monkeypatch)
        if Run(run.path).status() == "finished":  # else it was refused
            same_bytes_of(run, whole, place)


def places_to_damage(data: bytes) -> list[int]:
    """Bytes of the length, the header (each number of the state, a few of its checksum's many) and the tensors."""
    header = 8 + int.from_bytes(data[:8], "little")
    rng = random.Random(1)
    stated = re.search(rb'"state":"(?:[^"\\]|\\.)*"', data[:header])
    state: list[int] = []
    if stated:
        hidden = re.sub(rb"[0-9a-f]{64}", lambda m: m[0][:3] + b"x" * 61, stated[0])
        state = [stated.start() + m.start() for m in re.finditer(rb"\d", hidden)]
    return [0, 9, *state, *rng.sample(range(8, header), 2), *rng.sample(range(header, len(data)), 2), len(data) - 1]


def same_bytes_of(one: Run, other: Run, place: int) -> None:
    assert (one.path / "metrics.jsonl").read_bytes() == (other.path / "metrics.jsonl").read_bytes(), f"byte {place}"
    assert all(torch.equal(v, other.weights()[k]) for k, v in one.weights().items()), f"byte {place}"


# ---- kill -9 -----------------------------------------------------------------------------------------------------
OFTEN = "import sys, reglab.runs.clock as s; s.SNAPSHOT_SECONDS = 0.0; from reglab.cli.main import main; sys.exit(main(sys.argv[1:]))"
LONGER = [*QUICK, "--epochs", "3", "--batch-norm", "--dropout", "--flip-crop", "--weight-decay", "--label-noise", "0.2"]


def start(*arguments: object) -> subprocess.Popen:
    """`python -m reglab`, with a snapshot after every epoch instead of every five seconds."""
    return subprocess.Popen(
        [sys.executable, "-c", OFTEN, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    process = start("train", *LONGER, "--runs", folder)
    assert process.wait(120) == 0, process.stderr.read()
    return Store(folder).runs()[0]


def wait_for(condition, seconds: float = 60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def last_touched(run: Run) -> int:
    """When anything in the folder was written last, in nanoseconds."""
    times = [0]
    for file in run.path.iterdir():
        with contextlib.suppress(FileNotFoundError):
            times.append(file.stat().st_mtime_ns)
    return max(times)


@pytest.mark.slow
def test_kill_9_at_random_moments_comes_to_the_same_bytes(uninterrupted, tmp_path):
    """One run killed again and again, and resumed each time, against one that was left alone."""
    store = Store(tmp_path / "killed")
    process = start("train", *LONGER, "--runs", store.root)
    run = wait_for(store.runs)[0]
    before = 0
    for _ in range(int(os.environ.get("REGLAB_KILLS", "5"))):
        wait_for(lambda p=process, t=before: p.poll() is not None or last_touched(run) != t)  # python has started
        time.sleep(random.uniform(0, 0.6))
        process.kill()
        process.wait()
        assert run.status() in ("interrupted", "finished")
        run.summary()
        before = last_touched(run)
        if run.status() == "finished":
            break
        process = start("train", "--resume", run.id, "--runs", store.root)
    if run.status() != "finished":
        assert process.wait(120) == 0, process.stderr.read()
        assert not list(run.path.glob(".*.tmp"))
    same_bytes(run, uninterrupted)


# ---- a disk that is full, a folder that cannot be written ---------------------------------------------------------
@pytest.mark.parametrize("file", ["model.safetensors", "last.safetensors"])
def test_a_disk_that_fills_up_fails_the_run_and_with_room_it_goes_on_to_the_same_bytes(
    file, store, tiny_split, often, monkeypatch
):
    """The first weights do not fit, or the first snapshot; the slow test asks a real limit of the system."""
    config = tiny_config(epochs=2, width=0.125)
    whole, run, replace = store.create(config), store.create(config), os.replace
    trained_by_work(whole, tiny_split, monkeypatch)

    def full(source, target):
        if Path(target).name == file:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        trained_by_work(run, tiny_split, monkeypatch)
    ended = Run(run.path)
    assert ended.status() == "failed" and "disk" in ended.summary()["reason"]
    assert ended.config == config and not list(run.path.glob(".*.tmp"))
    assert bool(ended.weights()) if file == "last.safetensors" else not (run.path / file).exists()
    trained_by_work(run, tiny_split, monkeypatch)
    assert Run(run.path).status() == "finished"
    same_bytes(run, whole)


def test_a_last_word_is_heard_after_a_line_that_the_full_disk_has_torn(store, tiny_split):
    """Glued to the torn line it would be no line itself, and nobody would know why the run broke off."""
    run = broken_off(store, tiny_split, 6)
    for file in ("metrics.jsonl", "timing.jsonl"):
        with (run.path / file).open("ab") as out:
            out.write(b'{"event": "epoch", "epo')
    told = run.history()
    conclude(run, Failed(reason="The disk is full."))
    assert Run(run.path).status() == "failed" and Run(run.path).summary()["reason"] == "The disk is full."
    clock.Clock(run).write()
    assert run.history() == told and run.last_timing()["batches"] == 1


LIMITED = """
import resource, sys
sys.dont_write_bytecode = True  # Python would keep half a file, and everybody after us would stumble over it
import reglab.runs.clock as s
s.SNAPSHOT_SECONDS = 0.0
import torch
from reglab.cli.main import main
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # writing beyond fails with EFBIG, as a full disk does with ENOSPC
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1_000_000, 3_000_000])
def test_a_full_disk_fails_the_run_and_leaves_it_resumable(limit, tmp_path, uninterrupted):
    """The first weights need more than 1 MB, the first snapshot more than 3 MB."""
    store = Store(tmp_path / "full")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), "train", *LONGER, "--runs", str(store.root)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "disk" in done.stderr, done.stderr
    for run in store.runs():
        assert run.status() in ("failed", "interrupted")
        assert run.described == {} or run.config
        if (run.path / "model.safetensors").exists():
            assert run.weights()
        assert reglab("train", "--resume", run.id, "--runs", store.root).returncode == 0
        same_bytes(run, uninterrupted)
    assert len(store.runs()) == 1


def test_a_full_disk_at_the_very_beginning_leaves_no_half_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "100", "train", *LONGER, "--runs", str(tmp_path / "full")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr[-500:]
    assert Store(tmp_path / "full").runs() == []
