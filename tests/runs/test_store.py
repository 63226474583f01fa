"""The run folder: what is written can be read, whatever happens to the process, the disk or the bytes in between."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import QUICK, environment, reglab, tiny_config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reglab.errors import ConfigError, RunError
from reglab.jobs.worker import work
from reglab.runs import clock
from reglab.runs.files import write_bytes
from reglab.runs.recording import record
from reglab.runs.run import Run
from reglab.runs.store import Store, find
from reglab.training.events import Best, Epoch, Snapshot, Step
from reglab.training.train import train

RUN_STATUS = {"running", "finished", "stopped", "failed", "interrupted", "unreadable"}


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


# ---- written, read back ------------------------------------------------------------------------------------------
def test_what_was_told_is_what_is_read_back(store, tiny_split):
    run = store.create(tiny_config(epochs=2), name="my run", group="a group")
    told = list(record(run, train(run.config, tiny_split)))
    again = store.open(run.id)
    assert again.config == run.config and again.name == "my run" and again.status() == "finished"
    assert again.history() == [e for e in told if isinstance(e, Epoch)]
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert lines == json.loads(json.dumps([e.to_json() for e in told if not isinstance(e, (Step, Snapshot))]))
    best = [e for e in told if isinstance(e, Best)][-1].weights
    assert all(torch.equal(value, best[name]) for name, value in again.weights().items())
    assert store.group("a group")[0].id == run.id and store.runs()[0].id == run.id


def test_the_summary_is_that_of_the_file_and_says_what_the_events_said(finished):
    summary = json.loads((finished.path / "summary.json").read_text())
    assert summary == finished.summary()
    end = finished.lines()[0][-1]
    assert summary["status"] == "finished" and summary["test_accuracy"] == end["last"]["test_accuracy"]
    assert summary["best"] == end["best"] and summary["last"] == end["last"]


def test_the_manifest_is_right_about_every_file(finished):
    import hashlib

    files = json.loads((finished.path / "manifest.json").read_text())["files"]
    assert {
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "last.safetensors",
        "state.json",
        "summary.json",
    } <= set(files)
    for name, said in files.items():
        data = (finished.path / name).read_bytes()
        assert said == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}, name


def test_no_temporary_file_and_no_pickle_is_left(finished):
    assert not list(finished.path.glob("*.tmp")) and not list(finished.path.glob(".*.tmp"))
    for file in finished.path.iterdir():
        data = file.read_bytes()
        if file.suffix == ".safetensors":  # begins with the length of its header, which may be any byte
            assert data[8:9] == b"{", file.name
        else:
            assert not data.startswith((b"\x80", b"PK")), file.name


def test_a_cursor_reads_each_line_once(finished):
    all_lines, end = finished.lines()
    in_parts, cursor = [], 0
    whole = (finished.path / "metrics.jsonl").read_bytes()
    growing = finished.path / "growing.jsonl"
    for size in range(0, len(whole) + 97, 97):
        growing.write_bytes(whole[:size])
        lines, cursor = finished.lines(cursor, "growing.jsonl")
        in_parts += lines
    assert in_parts == all_lines and cursor == end


def test_deleting_renaming_and_packing(finished, tmp_path):
    archive = finished.zip(tmp_path)
    with zipfile.ZipFile(archive) as packed:
        inside = packed.namelist()
        assert f"{finished.id}/model.safetensors" in inside and f"{finished.id}/metrics.jsonl" in inside
        assert f"{finished.id}/last.safetensors" not in inside
        assert packed.testzip() is None
    finished.rename("  a plainer name (2)  ")
    assert Run(finished.path).name == "a plainer name (2)"
    store = Store(finished.path.parent)
    finished.delete()
    assert not finished.path.exists() and store.runs() == [] and list(store.root.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "<img src=x onerror=alert(1)>",
        "../up",
        "a/b",
        "a\\b",
        "a\nb",
        "a\0b",
        "x" * 61,
        "'; DROP",
        "&amp;",
        "=1",
    ],
)
def test_a_name_that_could_mean_something_else_is_refused(name, finished):
    before = finished.name
    with pytest.raises(ConfigError, match="name must be"):
        finished.rename(name)
    assert Run(finished.path).name == before


@pytest.mark.parametrize("name", ["<b>", "../up", "x" * 61])
def test_a_run_that_cannot_get_its_name_is_not_made(name, store):
    with pytest.raises(ConfigError):
        store.create(tiny_config(), name=name)
    assert store.runs() == []


# ---- ids are looked up, never joined -----------------------------------------------------------------------------
opened: list[str] = []
watching = False


def _watch(event: str, arguments: tuple) -> None:
    if watching and event in ("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename"):
        opened.append(os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes, os.PathLike)) else "")


sys.addaudithook(_watch)

NASTY = [
    "..", ".", "", "../x", "../../etc/passwd", "a/b", "a\\b", "%2e%2e%2fx", "%252e", "x\0y", "\0", "C:\\x", "~root", "$HOME",
    "x" * 65, "x" * 100_000, "\u2025/x", "\uff0e\uff0e\u2215x", "a;b", "a#b", "-rf", "A", ".lock", "con", "a\n", "/", "/etc",
]  # fmt: skip
ids = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=80),
    st.text(alphabet="./\\%2eEfF\0~:;# abc", max_size=40),
    st.lists(st.sampled_from(["..", ".", "/", "%2e", "%2f", "run", "\0", "~", "\u2215"]), max_size=8).map("".join),
)


@given(run_id=ids)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_id_opens_anything_outside_the_folder(run_id, tmp_path):
    global watching
    store = Store(tmp_path / "runs")
    (tmp_path / "config.json").write_text("{}")  # what `..` would find
    opened.clear()
    watching = True
    try:
        with pytest.raises(RunError) as refused:
            store.open(run_id)
        with pytest.raises(RunError):
            find(run_id, store)
    finally:
        watching = False
    assert [path for path in opened if not path.startswith(str(store.root))] == []
    assert len(str(refused.value)) < 500 and "\n" not in str(refused.value)


# ---- torn and damaged files --------------------------------------------------------------------------------------
def test_a_last_line_torn_at_any_byte_costs_that_line_only(finished):
    metrics = finished.path / "metrics.jsonl"
    whole = metrics.read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    before = [json.loads(line) for line in whole[:start].splitlines()]
    for size in range(start, len(whole)):
        metrics.write_bytes(whole[:size])
        assert finished.lines() == (before, start)
    assert Run(finished.path).summary()["status"] == "interrupted"


@pytest.mark.parametrize(
    "tail", [b"\0" * 4096, b"\0" * 512 + b"\n", b"\xff\xfe\n", b"{]\n", b"null\n7\n[]\n", b'{"event":\n', b"\r\r\n"]
)
def test_garbage_at_the_end_is_passed_over(finished, tail):
    metrics = finished.path / "metrics.jsonl"
    lines = finished.lines()[0]
    with metrics.open("ab") as out:
        out.write(tail)
    assert finished.lines()[0] == lines and finished.status() == "finished"
    assert finished.summary()["test_accuracy"] == lines[-1]["last"]["test_accuracy"]


@pytest.mark.parametrize("file", ["metrics.jsonl", "config.json", "timing.jsonl"])
def test_a_bit_flipped_anywhere_in_a_text_never_makes_reading_raise(finished, file):
    path = finished.path / file
    whole = path.read_bytes()
    rng = random.Random(0)
    for place in rng.sample(range(len(whole)), min(len(whole), 250)):
        for bit in (0, 5):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            summary = Run(finished.path).summary()
            assert summary["status"] in RUN_STATUS, (place, bit)


def test_damaged_runs_are_listed_among_many_and_hide_nothing(store, finished):
    for i in range(300):
        folder = store.root / f"20200101-000000-{i:06x}"
        folder.mkdir(parents=True)
        for file in ("config.json", "metrics.jsonl", "summary.json"):
            shutil.copy(finished.path / file, folder)
    bad = {
        "empty": {},
        "zero-config": {"config.json": b""},
        "garbage-config": {"config.json": b"\xff\0{"},
        "list-config": {"config.json": b"[1]"},
        "other-format": {"config.json": json.dumps({**finished.described, "format": 99}).encode()},
        "no-such-model": {"config.json": json.dumps({"format": 1, "config": {"model": "nope"}}).encode()},
        "config-a-number": {"config.json": json.dumps({"format": 1, "config": 5}).encode()},
        "config-a-list": {"config.json": json.dumps({"format": 1, "config": {"dataset": []}}).encode()},
        "metrics-garbage": {
            "config.json": (finished.path / "config.json").read_bytes(),
            "metrics.jsonl": os.urandom(5000),
        },
    }
    for name, files in bad.items():
        (store.root / name).mkdir()
        for file, data in files.items():
            (store.root / name / file).write_bytes(data)
    (store.root / "a-file").write_text("not a run")
    (store.root / "metrics-a-folder").mkdir()
    (store.root / "metrics-a-folder" / "metrics.jsonl").mkdir()
    began = time.process_time()
    summaries = {run.id: run.summary() for run in store.runs()}
    assert time.process_time() - began < 3
    assert summaries[finished.id]["status"] == "finished"
    assert sum(s["status"] == "finished" for s in summaries.values()) == 301
    for name in bad:
        assert summaries[name]["status"] == ("interrupted" if name == "metrics-garbage" else "unreadable"), name


def test_a_run_of_another_format_is_refused_in_words(finished):
    (finished.path / "config.json").write_text(json.dumps({**finished.described, "format": 99}))
    with pytest.raises(RunError, match="another version"):
        _ = Run(finished.path).config


# ---- stop, resume ------------------------------------------------------------------------------------------------
def broken_off(store: Store, split, after: int, config=None) -> Run:
    """A run whose process died after that many steps: no summary, no manifest."""
    seen = []
    return recorded(
        store, split, config, until=lambda e: isinstance(e, Step) and (seen.append(e) or len(seen) == after)
    )


def test_a_run_that_broke_off_is_interrupted_and_goes_on_to_the_same_bytes(store, tiny_split, often):
    whole = recorded(store, tiny_split)
    broken = broken_off(store, tiny_split, 6)
    assert broken.status() == "interrupted"
    list(record(broken, train(broken.config, tiny_split, resume=broken.resume())))
    same_bytes(broken, whole)
    assert broken.status() == "finished"


def test_resuming_cuts_the_metrics_back_to_the_snapshot(store, tiny_split, often):
    broken = broken_off(store, tiny_split, 6)
    state = json.loads((broken.path / "state.json").read_text())
    with (broken.path / "metrics.jsonl").open("ab") as out:
        out.write(b'{"event": "epoch", "epoch": 9')
    (broken.path / ".model.safetensors.123.tmp").write_bytes(b"half")
    resume = broken.resume()
    assert (broken.path / "metrics.jsonl").stat().st_size == state["metrics_bytes"]
    assert resume.state["epoch"] == 2 and [e.epoch for e in resume.history] == [0, 1]
    assert not list(broken.path.glob("*.tmp")) and not list(broken.path.glob(".*.tmp"))


def test_who_trains_a_run_leaves_alone_what_others_write_into_it(store, monkeypatch):
    """A rename or a stop while the training process is starting: neither may lose its file to the tidying up."""
    run = store.create(tiny_config())
    replace = os.replace

    def meanwhile(source, target):
        Run(run.path).resume()
        replace(source, target)

    monkeypatch.setattr(os, "replace", meanwhile)
    run.rename("kept")
    run.ask_to_stop()
    assert run.name == "kept" and run.should_stop()
    assert sorted(path.name for path in run.path.glob(".*.tmp")) == []


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(tmp_path / "file", b"data")
    assert not list(tmp_path.iterdir())


def trained_by_work(run: Run, split, monkeypatch) -> None:
    """As the worker and the command line do it, under the run's lock; only the digits are replaced by the toy set."""
    from reglab import data

    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # as many as the run it is compared with had
    monkeypatch.setattr(data, "load", lambda key: None)
    monkeypatch.setattr(data, "split", lambda *settings: split)
    work([Run(run.path)])


@pytest.mark.parametrize("file", ["last.safetensors", "model.safetensors"])
@pytest.mark.parametrize("ending", ["interrupted", "stopped"])
def test_a_flipped_bit_in_the_tensors_never_leads_to_another_result(
    file, ending, store, tiny_split, often, monkeypatch
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
    for place in places_to_damage(data):
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


def test_damaged_weights_are_refused_with_the_file_named(finished):
    path = finished.path / "model.safetensors"
    data = bytearray(path.read_bytes())
    for place in (0, 9, 40, len(data) // 2, len(data) - 1):
        damaged = data.copy()
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=r"model\.safetensors.*damaged"):
            finished.weights()
    for size in (0, 4, 8, 100, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(RunError, match=r"model\.safetensors.*damaged"):
            finished.weights()
    path.unlink()
    with pytest.raises(RunError, match=r"no model\.safetensors"):
        finished.weights()


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


# ---- who owns it -------------------------------------------------------------------------------------------------
HOLD = """
import sys
from pathlib import Path
from reglab.runs.run import Run
with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def held(finished):
    """A run that another process owns."""
    (finished.path / "metrics.jsonl").write_bytes(b"")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(finished.path)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield finished, process
    process.kill()
    process.wait()


def test_a_second_owner_is_told_within_about_a_second(held):
    run, _process = held
    before = {file.name: file.read_bytes() for file in run.path.iterdir()}
    began = time.monotonic()
    with pytest.raises(RunError, match="in use"), run.locked():
        raise AssertionError
    assert time.monotonic() - began < 2
    assert run.status() == "running" and run.is_locked()
    with pytest.raises(RunError, match="being trained"):
        run.delete()
    assert before == {file.name: file.read_bytes() for file in run.path.iterdir()}


def test_the_lock_of_a_killed_process_is_free_at_once(held):
    run, process = held
    process.kill()
    process.wait()
    assert not run.is_locked() and run.status() == "interrupted"
    with run.locked():
        assert run.is_locked()
    assert not run.is_locked()


def test_two_who_look_at_the_same_moment_do_not_see_an_owner_in_each_other(finished):
    """Looking whether a run is owned must not be taken for owning it."""
    (finished.path / "metrics.jsonl").write_bytes(b"")
    with finished.locked():
        pass
    seen: set[str] = set()

    def look() -> None:
        seen.update(Run(finished.path).status() for _ in range(400))

    watchers = [threading.Thread(target=look) for _ in range(4)]
    [w.start() for w in watchers]
    [w.join() for w in watchers]
    assert seen == {"interrupted"}


# ---- a disk that is full, a folder that cannot be written ---------------------------------------------------------
LIMITED = """
import resource, sys
import reglab.runs.clock as s
s.SNAPSHOT_SECONDS = 0.0
import torch
from reglab.cli.main import main
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # writing beyond fails with EFBIG, as a full disk does with ENOSPC
sys.exit(main(sys.argv[2:]))
"""


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


@pytest.mark.parametrize("where", ["file", "proc"])
def test_a_folder_that_cannot_be_made_is_refused_before_training(where, tmp_path):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "runs" if where == "file" else Path("/proc/runs")
    with pytest.raises(ConfigError, match=f"cannot be made in {re.escape(str(folder))}.*--runs"):
        Store(folder).create(tiny_config())


def test_a_store_that_is_not_there_has_no_runs():
    assert Store(Path(tempfile.gettempdir()) / "no-such-folder").runs() == []
