"""Where copies of runs are kept: in a folder, in a dataset repository on the Hub, or in one of its buckets.

    copies = copies_at("hf://datasets/ada/runs")     # REGLAB_MIRROR
    copies.write({"runs/ID/config.json": path, ..., "runs/ID/manifest.json": path})

All three know files by paths such as `runs/ID/manifest.json`. A manifest goes first when files are replaced and comes last
when they are written, so that copies which break off anywhere have none, or one that does not fit them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reglab.errors import ConfigError
from reglab.publishing import hub

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MANIFEST = "manifest.json"
DATASET, BUCKET = "hf://datasets/", "hf://buckets/"


class Copies(Protocol):
    """A place for copies. What it does may raise `OSError`, or what the Hub's client raises."""

    where: str
    """As the host has written it."""
    every: float
    """Seconds between two looks for something new: what the place can bear."""

    def files(self) -> dict[str, int]:
        """The path of every file that is there -> its bytes."""

    def fetch(self, paths: Sequence[str], folder: Path) -> None:
        """Bring these files under the same paths into an empty folder."""

    def write(self, files: Mapping[str, Path], removed: Sequence[str] = ()) -> None:
        """Remove files that are there, and write these, manifests last."""


def copies_at(where: str, runs: Path) -> Copies:
    """The place that `REGLAB_MIRROR` names; `runs` is the folder that is copied.

    Raises:
        ConfigError: There is no such place.
    """
    for prefix, kind in ((DATASET, DatasetCopies), (BUCKET, BucketCopies)):
        if where.startswith(prefix):
            hub.check_name(where.removeprefix(prefix))
            if where.count("/") != 4:
                raise ConfigError(f"REGLAB_MIRROR is {where!r}: give {prefix}USER/NAME.")
            return kind(where.removeprefix(prefix))
    if "://" in where:
        instead = f"give {DATASET}USER/NAME, {BUCKET}USER/NAME, or a folder"
        raise ConfigError(f"REGLAB_MIRROR is {where!r}, where no runs can be kept: {instead}.")
    folder, copied = Path(where).expanduser().resolve(), runs.resolve()
    if not folder.is_dir():  # which is not made: a volume that is not mounted would be filled beside it
        raise ConfigError(f"REGLAB_MIRROR is {where!r}, and there is no such folder: make it, or mount it there.")
    if folder == copied or folder in copied.parents or copied in folder.parents:
        raise ConfigError(f"REGLAB_MIRROR is {where!r}, which is where the runs are: give a folder elsewhere.")
    return FolderCopies(folder, where)


def manifests_last(files: Mapping[str, Path]) -> list[tuple[str, Path]]:
    """These files in the order in which they are written."""
    return sorted(files.items(), key=lambda item: is_manifest(item[0]))


def is_manifest(path: str) -> bool:
    """Whether this is the path of a run's manifest."""
    return path.endswith(f"/{MANIFEST}")


class FolderCopies:
    """In a folder: another disk, or a volume that is mounted. Files are written as they are, since not every volume can rename."""

    every = 5.0

    def __init__(self, folder: Path, where: str = "") -> None:
        self.folder, self.where = folder, where or str(folder)

    def files(self) -> dict[str, int]:
        """As `Copies` says."""
        found = (file for file in self.folder.rglob("*") if file.is_file())
        return {file.relative_to(self.folder).as_posix(): file.stat().st_size for file in found}

    def fetch(self, paths: Sequence[str], folder: Path) -> None:
        """As `Copies` says."""
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / path, folder / path)

    def write(self, files: Mapping[str, Path], removed: Sequence[str] = ()) -> None:
        """As `Copies` says."""
        for path in (*filter(is_manifest, (*removed, *files)), *removed):
            (self.folder / path).unlink(missing_ok=True)
        for path in {str(Path(path).parent) for path in removed}:
            with contextlib.suppress(OSError):  # something is left in it
                (self.folder / path).rmdir()
        for path, source in manifests_last(files):
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            with open(source, "rb") as read, open(self.folder / path, "wb") as out:
                shutil.copyfileobj(read, out)
                out.flush()
                os.fsync(out.fileno())


class DatasetCopies:
    """In a dataset repository on the Hub, private unless it exists already. Everything of one `write` is one commit."""

    every = 60.0  # a commit a minute is well below what the Hub allows

    def __init__(self, repo: str, api: HfApi | None = None) -> None:
        self.repo, self.where = repo, DATASET + repo
        self._api, self._revision, self._made = api, "main", False

    def files(self) -> dict[str, int]:
        """As `Copies` says, at one commit, which `fetch` keeps to."""
        from huggingface_hub.hf_api import RepoFile

        api = self._answering()
        self._revision = api.dataset_info(self.repo).sha or "main"
        tree = api.list_repo_tree(self.repo, recursive=True, revision=self._revision, repo_type="dataset")
        return {file.path: file.size for file in tree if isinstance(file, RepoFile)}

    def fetch(self, paths: Sequence[str], folder: Path) -> None:
        """As `Copies` says."""
        self._answering().snapshot_download(
            self.repo, repo_type="dataset", revision=self._revision, allow_patterns=list(paths), local_dir=folder
        )

    def write(self, files: Mapping[str, Path], removed: Sequence[str] = ()) -> None:
        """As `Copies` says; a commit is there whole or not at all."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[CommitOperationAdd | CommitOperationDelete] = [CommitOperationDelete(p) for p in removed]
        operations += [CommitOperationAdd(path, str(source)) for path, source in manifests_last(files)]
        self._answering().create_commit(self.repo, operations, commit_message="Runs of reglab", repo_type="dataset")

    def _answering(self) -> HfApi:
        api = self._api = self._api or asked()
        if not self._made:
            api.create_repo(self.repo, repo_type="dataset", private=True, exist_ok=True)
            self._made = True
        return api


class BucketCopies:
    """In a bucket on the Hub, private unless it exists already. A bucket knows no commits: manifests go on their own, last."""

    every = 30.0

    def __init__(self, bucket: str, api: HfApi | None = None) -> None:
        self.bucket, self.where = bucket, BUCKET + bucket
        self._api, self._made = api, False

    def files(self) -> dict[str, int]:
        """As `Copies` says."""
        tree = self._answering().list_bucket_tree(self.bucket, recursive=True)
        return {file.path: file.size for file in tree if file.type == "file"}

    def fetch(self, paths: Sequence[str], folder: Path) -> None:
        """As `Copies` says."""
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
        wanted: list[tuple[str, str | Path]] = [(path, folder / path) for path in paths]
        self._answering().download_bucket_files(self.bucket, wanted, raise_on_missing_files=True)  # type: ignore[arg-type]

    def write(self, files: Mapping[str, Path], removed: Sequence[str] = ()) -> None:
        """As `Copies` says."""
        api, there = self._answering(), self.files()
        ordered = manifests_last(files)
        if first := [path for path in (*removed, *files) if is_manifest(path) and path in there]:
            api.batch_bucket_files(self.bucket, delete=first)
        if rest := [path for path in removed if not is_manifest(path) and path in there]:
            api.batch_bucket_files(self.bucket, delete=rest)
        for manifests in (False, True):
            if added := [(str(source), path) for path, source in ordered if is_manifest(path) == manifests]:
                api.batch_bucket_files(self.bucket, add=added)  # type: ignore[arg-type]

    def _answering(self) -> HfApi:
        api = self._api = self._api or asked()
        if not self._made:
            api.create_bucket(self.bucket, private=True, exist_ok=True)
            self._made = True
        return api


def asked() -> HfApi:
    """The Hub's client with the token of HF_TOKEN or of `hf auth login`. Raises `ConnectionError` where nobody answers."""
    from huggingface_hub import HfApi

    hub.must_answer(hub.Repository("some/name", {"README.md": "README.md"}))
    return HfApi()
