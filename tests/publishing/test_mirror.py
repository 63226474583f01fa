"""Runs that are kept elsewhere: copied whole or not at all, brought back with their owners, deleted a day after they were."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest
from conftest import ROOT, environment
from huggingface_hub import BucketFile, HfApi
from huggingface_hub.hf_api import RepoFile

from reglab.errors import ConfigError
from reglab.publishing import copies as places
from reglab.publishing import mirror as mirrors
from reglab.publishing.copies import BucketCopies, Copies, DatasetCopies, FolderCopies, copies_at
from reglab.publishing.mirror import Mirror
from reglab.runs.owner import is_owned_by, write_owner
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.trash import Trash

KEY = "k" * 22


class OnTheHub:
    """What a dataset and a bucket hold, behind calls that have the signatures of the real client."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.commits = 0
        self.api = create_autospec(HfApi, instance=True)
        for name in ("create_commit", "list_repo_tree", "snapshot_download", "dataset_info"):
            getattr(self.api, name).side_effect = getattr(self, name)
        for name in ("batch_bucket_files", "list_bucket_tree", "download_bucket_files"):
            getattr(self.api, name).side_effect = getattr(self, name)

    def dataset_info(self, repo_id):
        return SimpleNamespace(sha=f"{self.commits:040x}")

    def create_commit(self, repo_id, operations, **_):
        self.commits += 1
        for operation in operations:
            if hasattr(operation, "path_or_fileobj"):
                self.files[operation.path_in_repo] = Path(operation.path_or_fileobj).read_bytes()
            else:
                del self.files[operation.path_in_repo]

    def list_repo_tree(self, repo_id, **_):
        return [RepoFile(path=path, size=len(data), oid="0") for path, data in self.files.items()]

    def snapshot_download(self, repo_id, *, allow_patterns, local_dir, revision, repo_type):
        assert revision == f"{self.commits:040x}" and repo_type == "dataset"
        for path in allow_patterns:
            (Path(local_dir) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(local_dir) / path).write_bytes(self.files[path])

    def batch_bucket_files(self, bucket_id, *, add=None, delete=None):
        self.files |= {path: Path(source).read_bytes() for source, path in add or []}
        for path in delete or []:
            del self.files[path]

    def list_bucket_tree(self, bucket_id, *, recursive):
        return [BucketFile(type="file", path=path, size=len(data), xetHash="") for path, data in self.files.items()]

    def download_bucket_files(self, bucket_id, files, *, raise_on_missing_files):
        for path, local in files:
            Path(local).write_bytes(self.files[path])


@pytest.fixture(params=["folder", "dataset", "bucket"])
def copies(request, tmp_path) -> Copies:
    if request.param == "folder":
        (tmp_path / "kept").mkdir()
        return FolderCopies(tmp_path / "kept")
    kind = {"dataset": DatasetCopies, "bucket": BucketCopies}[request.param]
    return kind("ada/runs", OnTheHub().api)


@pytest.fixture
def kept(tmp_path) -> FolderCopies:
    (tmp_path / "kept").mkdir()
    return FolderCopies(tmp_path / "kept")


@pytest.fixture
def run(finished) -> Run:
    """A finished run of somebody's, in the store `runs`."""
    write_owner(finished.path, KEY)
    finished.rename("of Ada")
    return finished


def elsewhere(tmp_path, name: str = "after a restart") -> Store:
    return Store(tmp_path / name)


def contents(run: Run) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in mirrors.files_of(run)}


# ---- there and back ----------------------------------------------------------------------------------------------
def test_what_was_copied_comes_back_on_an_empty_disk_with_its_owner(copies, run, store, tmp_path):
    experiment = store.root / ".experiments" / "sweep-1" / "experiment.json"
    experiment.parent.mkdir(parents=True)
    experiment.write_text('{"format": 1}')
    Mirror(store, copies).copy()

    after = Mirror(elsewhere(tmp_path), copies)
    [back] = after.restore()
    assert contents(back) == contents(run) and back.status() == "finished"
    assert back.name == "of Ada" and is_owned_by(back.path, KEY)
    assert json.loads((after.store.root / ".experiments/sweep-1/experiment.json").read_text()) == {"format": 1}
    assert not list(after.store.root.glob(".mirrored-*")) and after.refused == {}


def test_only_what_has_changed_is_copied_again(kept, run, store, monkeypatch):
    written = []
    monkeypatch.setattr(kept, "write", lambda files, removed=(): written.append(set(files)))
    mirror = Mirror(store, kept)
    mirror.copy()
    mirror.copy()
    assert len(written) == 1 and f"runs/{run.id}/owner" in written[0]
    run.rename("another name")
    mirror.copy()
    assert len(written) == 2
    Mirror(store, kept).copy()  # which has looked at nothing yet and so knows of no copies
    assert len(written) == 3


def test_a_server_that_keeps_its_disk_copies_nothing_again(kept, run, store, monkeypatch):
    Mirror(store, kept).copy()
    again = Mirror(store, kept)
    assert again.restore() == []
    monkeypatch.setattr(kept, "write", lambda *_: pytest.fail("copied again"))
    again.copy()


def test_a_run_that_goes_on_is_not_copied_before_it_has_ended(kept, run, store):
    (run.path / "manifest.json").unlink()
    Mirror(store, kept).copy()
    assert kept.files() == {}


def test_a_run_that_is_damaged_here_is_not_copied_and_not_read_again_and_again(kept, run, store, monkeypatch):
    (run.path / "metrics.jsonl").write_bytes(b"")
    mirror = Mirror(store, kept)
    mirror.copy()
    assert kept.files() == {}
    monkeypatch.setattr(mirrors, "staged", lambda *_: pytest.fail("read again"))
    mirror.copy()


def test_files_that_a_run_no_longer_has_go_from_its_copy(copies, run, store):
    (run.path / "note").write_text("mine")
    mirror = Mirror(store, copies)
    mirror.copy()
    (run.path / "note").unlink()
    mirror.copy()
    assert f"runs/{run.id}/note" not in copies.files() and f"runs/{run.id}/manifest.json" in copies.files()


# ---- whole or not at all -----------------------------------------------------------------------------------------
class Killed(BaseException):
    """What nothing catches: the process is no more."""


@pytest.mark.parametrize("is_second", [False, True], ids=["first copy", "in the place of another"])
def test_killed_between_any_two_files_there_is_no_copy_that_looks_complete(
    kept, run, store, tmp_path, is_second, monkeypatch
):
    if is_second:
        Mirror(store, kept).copy()
        run.rename("newer")
        (run.path / "note").write_text("newer")
    plain, wholes = shutil.copyfileobj, []
    for broken_off in range(20):
        left = broken_off

        def copy(read, out):
            nonlocal left
            if not left:
                data = read.read()
                out.write(data[: len(data) // 2])
                raise Killed
            left -= 1
            plain(read, out)

        monkeypatch.setattr(places.shutil, "copyfileobj", copy)
        try:
            Mirror(store, kept).copy()
            died = False
        except Killed:
            died = True
        monkeypatch.setattr(places.shutil, "copyfileobj", plain)
        after = Mirror(elsewhere(tmp_path, f"after {broken_off}"), kept)
        wholes.append([contents(back) for back in after.restore()])
        if not died:
            break
        assert wholes[-1] == []
    assert wholes[-1] == [contents(run)] and len(wholes) > 8


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_at_any_moment_a_server_leaves_copies_that_are_whole_or_none(kept, run, store, tmp_path):
    slow = (
        "import sys, time, shutil\nfrom pathlib import Path\nfrom reglab.publishing import copies, mirror\n"
        "from reglab.runs.store import Store\n"
        "def copy(read, out):\n    for byte in range(8):\n        out.write(read.read(100_000)); out.flush(); time.sleep(0.01)\n"
        "    out.write(read.read())\n"
        "copies.shutil.copyfileobj = copy\nprint('begun', flush=True)\n"
        "mirror.Mirror(Store(sys.argv[1]), copies.FolderCopies(Path(sys.argv[2]))).copy()"
    )
    for moment in (0.0, 0.15, 0.4, 0.7):
        process = subprocess.Popen(
            [sys.executable, "-c", slow, str(store.root), str(kept.folder)],
            env=environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        after = Mirror(elsewhere(tmp_path, f"after {moment}"), kept)
        assert [contents(back) for back in after.restore()] in ([], [contents(run)])
    Mirror(store, kept).copy()
    assert [contents(back) for back in Mirror(elsewhere(tmp_path), kept).restore()] == [contents(run)]


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("model.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("metrics.jsonl", lambda data: data[:-5]),
        ("config.json", lambda data: b""),
        ("manifest.json", lambda data: data[: len(data) // 2]),
        ("manifest.json", lambda data: b'{"format": 1, "files": {"config.json": {}, "../../x": {}}}'),
        ("right.json", None),
    ],
)
def test_a_damaged_copy_stays_away_and_the_log_says_why(kept, run, store, tmp_path, name, damaged, capsys):
    shutil.copytree(run.path, store.root / "20250101-000000-aaaaaa")
    Mirror(store, kept).copy()
    file = kept.folder / "runs" / run.id / name
    file.write_bytes(damaged(file.read_bytes())) if damaged else file.unlink()
    after = Mirror(elsewhere(tmp_path), kept)
    assert [back.id for back in after.restore()] == ["20250101-000000-aaaaaa"]
    assert list(after.refused) == [run.id] and "is damaged" in after.refused[run.id]
    assert f"Run {run.id} was not brought back" in capsys.readouterr().err
    assert {path.name for path in after.store.root.iterdir()} == {"20250101-000000-aaaaaa", ".mirror.json"}
    after.copy()
    assert file.parent.exists(), "somebody may still want to mend it"


def test_nothing_but_files_of_runs_is_brought_back(kept, run, store, tmp_path):
    Mirror(store, kept).copy()
    for path in (f"runs/{run.id}/.lock", f"runs/{run.id}/stop/x", "runs/../x", "runs/UPPER/config.json", ".ssh/keys"):
        (kept.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (kept.folder / path).write_text("x")
    (kept.folder / "runs" / run.id / "large").write_bytes(b"x" * (mirrors.SMALL + 1))
    [back] = Mirror(elsewhere(tmp_path), kept).restore()
    assert contents(back) == contents(run) and not (back.path / ".lock").exists()


def test_runs_that_the_disk_has_no_room_for_stay_away(kept, run, store, tmp_path):
    Mirror(store, kept).copy()
    after = Mirror(elsewhere(tmp_path), kept, floor=2**62)
    assert after.restore() == [] and "no room" in after.refused[run.id]


# ---- deleting ----------------------------------------------------------------------------------------------------
@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(time=time.time())
    monkeypatch.setattr(mirrors.time, "time", lambda: now.time)
    return now


def test_a_deleted_run_does_not_come_back_and_its_copy_goes_after_a_day(copies, run, store, tmp_path, clock):
    mirror = Mirror(store, copies)
    mirror.copy()
    run.delete()
    mirror.copy()
    assert f"runs/{run.id}/manifest.json" in copies.files()
    assert Mirror(elsewhere(tmp_path), copies).restore() == []
    clock.time += 86_401
    mirror.copy()
    assert list(copies.files()) == ["deleted.json"]


def test_a_server_on_a_new_disk_removes_what_was_deleted_before(kept, run, store, tmp_path, clock):
    mirror = Mirror(store, kept)
    mirror.copy()
    run.delete()
    mirror.copy()
    clock.time += 86_401
    after = Mirror(elsewhere(tmp_path), kept)
    assert after.restore() == []
    after._remember()
    after.copy()
    assert list(kept.files()) == ["deleted.json"]


def test_deleting_can_be_taken_back(kept, run, store, tmp_path):
    mirror, trash = Mirror(store, kept), Trash(store)
    mirror.copy()
    trash.put(run)
    mirror.copy()
    assert Mirror(elsewhere(tmp_path), kept).restore() == []
    trash.restore(trash.runs()[0])
    mirror.copy()
    assert [back.id for back in Mirror(elsewhere(tmp_path), kept).restore()] == [run.id]


def test_what_was_deleted_while_no_server_ran_does_not_come_back(kept, run, store):
    Mirror(store, kept).copy()
    run.delete()
    again = Mirror(store, kept)
    assert again.restore() == []
    again.copy()
    assert json.loads((kept.folder / "deleted.json").read_text()).keys() == {run.id}


def test_a_folder_of_runs_that_has_vanished_deletes_nothing(kept, run, store):
    mirror = Mirror(store, kept)
    mirror.copy()
    shutil.rmtree(store.root)
    mirror.copy()
    assert "deleted.json" not in kept.files()


# ---- the Hub -----------------------------------------------------------------------------------------------------
def test_a_dataset_is_made_private_and_several_runs_are_one_commit(run, store):
    for n in range(3):
        shutil.copytree(run.path, store.root / f"2025010{n}-000000-aaaaaa")
    hub = OnTheHub()
    Mirror(store, DatasetCopies("ada/runs", hub.api)).copy()
    hub.api.create_repo.assert_called_once_with("ada/runs", repo_type="dataset", private=True, exist_ok=True)
    assert hub.commits == 1 and len([path for path in hub.files if path.endswith("manifest.json")]) == 4


def test_a_bucket_gets_the_manifests_last_and_loses_those_it_had_first(run, store):
    hub = OnTheHub()
    mirror = Mirror(store, BucketCopies("ada/runs", hub.api))
    mirror.copy()
    run.rename("newer")
    hub.api.batch_bucket_files.reset_mock()
    mirror.copy()
    hub.api.create_bucket.assert_called_once_with("ada/runs", private=True, exist_ok=True)
    first, middle, last = (call.kwargs for call in hub.api.batch_bucket_files.call_args_list)
    manifest = f"runs/{run.id}/manifest.json"
    assert first == {"delete": [manifest]} and [path for _, path in last["add"]] == [manifest]
    assert manifest not in [path for _, path in middle["add"]] and len(middle["add"]) > 5


# ---- going on ----------------------------------------------------------------------------------------------------
def until(happened, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.01)


def test_failures_are_told_once_and_tried_again_until_it_works(kept, run, store, monkeypatch, capsys):
    plain, left = kept.write, 3

    def write(files, removed=()):
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError(5, "Input/output error")
        plain(files, removed)

    monkeypatch.setattr(kept, "write", write)
    kept.every = 0.01
    mirror = Mirror(store, kept)
    mirror.start()
    until(lambda: mirror.problem)
    assert mirror.problem == "Input/output error"
    until(lambda: f"runs/{run.id}/manifest.json" in kept.files())
    until(lambda: not mirror.problem)
    mirror.close()
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "(Input/output error): trying again; training goes on." in told


def test_what_the_end_of_a_server_stops_is_copied_before_it_is_gone(kept, finished, store):
    manifest = finished.path / "manifest.json"
    aside = manifest.rename(finished.path / ".aside")
    mirror = Mirror(store, kept)
    mirror.start()
    until(lambda: mirror.restored)
    aside.rename(manifest)  # the snapshot that a worker writes when it is told to end
    mirror.close()
    assert f"runs/{finished.id}/manifest.json" in kept.files()


def test_without_a_network_it_goes_on_trying(run, store, capsys):
    mirror = Mirror(store, copies_at("hf://datasets/ada/runs", store.root))
    mirror.start()
    until(lambda: mirror.problem)
    mirror.close()
    assert "HF_HUB_OFFLINE is set" in mirror.problem and run.status() == "finished"


@pytest.mark.parametrize(
    "where", ["hf://models/ada/net", "s3://bucket", "hf://datasets/ada", "hf://datasets/a b/c", "nowhere", ".", "runs"]
)
def test_what_is_no_place_for_copies_is_refused_in_a_sentence(where, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.root.mkdir()
    with pytest.raises(ConfigError, match=r"^[A-Z'].*\.$"):
        copies_at(where, store.root)


def test_places_for_copies_are_told_by_how_they_are_written(store, tmp_path):
    assert isinstance(copies_at("hf://datasets/ada/runs", store.root), DatasetCopies)
    assert isinstance(copies_at("hf://buckets/ada/runs", store.root), BucketCopies)
    (tmp_path / "mounted").mkdir()
    assert isinstance(copies_at(str(tmp_path / "mounted"), store.root), FolderCopies)
