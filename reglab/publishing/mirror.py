"""Keeps runs where a server's own disk does not last: each is copied elsewhere once it has ended, and brought back at a start.

    mirror = Mirror(store, copies_at("hf://datasets/ada/runs", store.root))
    mirror.start()      # in a thread of its own, to its end; whatever goes wrong there hurts no run

The runs here are the truth. A copy counts once its manifest is there and fits it, and what comes back is checked against it
and appears whole or not at all. A run that is deleted here is noted as deleted there at once, is not brought back, and its
copy goes a day later. Copies hold whose a run is, as a hash, so that visitors keep the right to what is theirs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path

from reglab import download
from reglab.errors import RunError
from reglab.publishing.copies import MANIFEST, Copies
from reglab.runs.files import keep_beside, read_json, write_json
from reglab.runs.run import FORMAT, LISTED, Run
from reglab.runs.store import ID, Store

KNOWN = ".mirror.json"  # beside the runs: which are copied, as they were then
DELETED = "deleted.json"  # beside the copies: id -> when its run was deleted
EXPERIMENTS = ".experiments/*/experiment.json"  # what the runs of a group are for, which a floor above writes
EXPERIMENT = re.compile(r"\.experiments/[\w-][\w.-]{0,99}/experiment\.json")
BESIDE = re.compile(r"[A-Za-z][\w.-]{0,40}")  # also files that no manifest lists, such as `name` and `owner`
SMALL = 1_000_000  # bytes of a file that no manifest lists
HALF = ".mirrored-"  # folders of what is half done
AT_ONCE = 20  # runs in one writing
DAY = 86_400.0  # seconds
LONGEST_PAUSE = 900.0  # seconds between two tries


class Mirror:
    """The copies of one store. `restore` and `copy` do one thing once; `start` does both for ever."""

    def __init__(self, store: Store, copies: Copies, floor: int = 0) -> None:
        """`floor`: bytes of the disk that stay free when runs are brought back."""
        self.store, self.copies, self.floor = store, copies, floor
        self.problem = ""
        """Why nothing is copied at the moment, in a few words; empty while all is well."""
        self.refused: dict[str, str] = {}
        """Copies that were not brought back: id -> why not."""
        self.restored = False
        """Whether what was kept has been brought back since the start."""
        self._there: set[str] = set()  # paths of the copies
        self._known: dict[str, str] = {}  # what is copied, as it was then
        self._unfit: dict[str, str] = {}  # what could not be
        self._looked: dict[str, int] = {}  # when the folder of a run was changed, as of the last look
        self._deleted: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True, name="reglab-mirror")

    # ---- for ever ----------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin, in a thread that ends with the server."""
        self._thread.start()

    def close(self, patience: float = 3.0) -> None:
        """End, with a last look at what the end of the server has stopped; wait for it a little, `patience` in seconds.

        What is broken off then is written again at the next start.
        """
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def _go_on(self) -> None:
        for leftover in self.store.root.glob(f"{HALF}*"):  # of a server that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        failures, is_last = 0, False
        while not is_last:
            is_last = self._ended.is_set()
            try:
                if not self.restored:
                    if is_last:
                        return
                    self.restore()
                self.copy()
                failures, self.problem = 0, ""
            except Exception as error:  # the Hub's client raises its own, those of its HTTP library and OSError
                failures += 1
                self._fail(error)
            self._ended.wait(min(self.copies.every * 2 ** min(failures, 10), LONGEST_PAUSE))

    def _fail(self, error: Exception) -> None:
        """Tell the log once of each thing that goes wrong, and the page in a few words."""
        told = download.why(error)
        if told != self.problem:
            print(
                f"Runs are not kept in {self.copies.where} at the moment ({told}): trying again; training goes on.",
                file=sys.stderr,
                flush=True,
            )
        self.problem = told

    # ---- in ----------------------------------------------------------------------------------------------------
    def restore(self) -> list[Run]:
        """Bring back the runs that are not here, the newest first. What is damaged stays away, and `refused` says why.

        Raises what `Copies` raises.
        """
        files = self.copies.files()
        self._there = set(files)
        self._deleted = self._noted_as_deleted()
        before = read_json(self.store.root / KNOWN).get(self.copies.where, {})
        self._known = {what: stamp for what, stamp in before.items() if manifest_of(what) in files}
        back = []
        for run_id in sorted({run_of(path) for path in files} - {""}, reverse=True):
            # What is known but not here was deleted while nobody looked; what has no manifest is no copy yet.
            if manifest_of(run_id) not in files or run_id in self._known or run_id in self._deleted:
                continue
            if not (self.store.root / run_id).exists() and (run := self._brought_back(run_id, files)):
                back.append(run)
                self._known[run_id] = stamp_of(files_of(run))
                self._remember()
        self._bring_back_experiments(files)
        self.restored = True
        return back

    def _brought_back(self, run_id: str, files: Mapping[str, int]) -> Run | None:
        own = {path: size for path, size in files.items() if run_of(path) == run_id and is_ours(path, size)}
        with self._folder() as folder:
            if shutil.disk_usage(folder).free - sum(own.values()) < self.floor:
                self._refuse(run_id, "the disk has no room for it.")
                return None
            self.copies.fetch(list(own), folder)
            half = Run(folder / "runs" / run_id)
            try:
                check(half)
            except RunError as error:
                self._refuse(run_id, str(error))
                return None
            os.rename(half.path, self.store.root / run_id)
        return Run(self.store.root / run_id)

    def _refuse(self, run_id: str, why: str) -> None:
        self.refused[run_id] = why
        print(f"Run {run_id} was not brought back from {self.copies.where}: {why}", file=sys.stderr, flush=True)

    def _bring_back_experiments(self, files: Mapping[str, int]) -> None:
        fitting = [path for path, size in files.items() if EXPERIMENT.fullmatch(path) and size <= SMALL]
        wanted = [path for path in fitting if not (self.store.root / path).exists()]
        with self._folder() as folder:
            self.copies.fetch(wanted, folder)
            for path in wanted:
                (self.store.root / path).parent.mkdir(parents=True, exist_ok=True)
                write_json(self.store.root / path, read_json(folder / path))

    def _noted_as_deleted(self) -> dict[str, float]:
        with self._folder() as folder:
            if DELETED in self._there:
                self.copies.fetch([DELETED], folder)
            told = read_json(folder / DELETED)
        return {i: float(when) for i, when in told.items() if ID.fullmatch(i) and isinstance(when, (int, float))}

    # ---- out ---------------------------------------------------------------------------------------------------
    def copy(self) -> None:
        """Copy what has ended or changed since the last time, and note what was deleted. Raises what `Copies` raises."""
        runs = self.store.runs()
        self._copy_experiments()
        # Whatever becomes of a run, a file of it is made or renamed in the end, and its folder has another time.
        times = {run: changed(run.path) for run in runs}
        fresh = [run for run, when in times.items() if self._looked.get(run.id) != when]
        ended = [run for run in fresh if (run.path / MANIFEST).exists() and not run.is_locked()]
        seen, stamps = self._known | self._unfit, {run: stamp_of(files_of(run)) for run in ended}
        new = {run: stamp for run, stamp in stamps.items() if stamp != seen.get(run.id)}
        for first in range(0, len(new), AT_ONCE):
            self._copy_runs(dict(list(new.items())[first : first + AT_ONCE]))
        self._looked |= {run.id: times[run] for run in ended}
        if (self.store.root / KNOWN).exists():  # else the folder itself is gone, which deletes no run
            self._note_deleted({run.id for run in runs})

    def _copy_runs(self, stamps: Mapping[Run, str]) -> None:
        with self._folder() as folder:
            held = {run: staged(run, folder) for run in stamps}
            whole = {run: files for run, files in held.items() if files}
            files = {path: file for staging in whole.values() for path, file in staging.items()}
            ids = {run.id for run in whole}
            self._write(files, [path for path in self._there if run_of(path) in ids and path not in files])
        self._known |= {run.id: stamps[run] for run in whole}
        self._unfit = {run.id: stamps[run] for run in stamps if run not in whole}  # damaged, or gone on with meanwhile
        self._remember()

    def _copy_experiments(self) -> None:
        found = {path.relative_to(self.store.root).as_posix(): path for path in self.store.root.glob(EXPERIMENTS)}
        stamps = {path: stamp_of([file]) for path, file in found.items()}
        new = {path: file for path, file in found.items() if stamps[path] != self._known.get(path)}
        if new:
            self._write(new)
            self._known |= {path: stamps[path] for path in new}
            self._remember()

    def _note_deleted(self, here: Set[str]) -> None:
        """Note the runs that are gone, forget those that came back, and remove copies whose day is over."""
        now = time.time()
        gone = {i: now for i in self._known if ID.fullmatch(i)} | self._deleted
        noted = {i: when for i, when in gone.items() if i not in here and now - when < DAY}
        over = gone.keys() - noted.keys() - here
        removed = [path for path in self._there if run_of(path) in over]
        if noted != self._deleted or removed:
            with self._folder() as folder:
                write_json(folder / DELETED, noted)
                self._write({DELETED: folder / DELETED}, removed)
            self._deleted = noted
            self._known = {what: stamp for what, stamp in self._known.items() if what not in over}
            self._remember()

    def _write(self, files: Mapping[str, Path], removed: Sequence[str] = ()) -> None:
        if files:
            self.copies.write(files, removed)
            self._there = (self._there - set(removed)) | set(files)

    def _remember(self) -> None:
        write_json(self.store.root / KNOWN, {self.copies.where: self._known})

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder on the disk of the runs, for as long as it is needed."""
        self.store.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.store.root, prefix=HALF, ignore_cleanup_errors=True) as folder:
            yield Path(folder)


# ---- what belongs to a run ---------------------------------------------------------------------------------------
def run_of(path: str) -> str:
    """The id of the run that a copied file belongs to; empty for any other file."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "runs" and ID.fullmatch(parts[1]) else ""


def manifest_of(what: str) -> str:
    """The path of the file that says that a copy is whole: the manifest of a run, the file of an experiment."""
    return f"runs/{what}/{MANIFEST}" if ID.fullmatch(what) else what


def is_ours(path: str, size: int) -> bool:
    """Whether a run has such a file; one that no manifest vouches for is small."""
    name = path.rpartition("/")[2]
    return name in (*LISTED, MANIFEST) or (bool(BESIDE.fullmatch(name)) and size <= SMALL)


def files_of(run: Run) -> list[Path]:
    """All files of a run that last: no locks, no temporary files, no wish to stop it. None of one that is gone."""
    try:
        return sorted(file for file in run.path.iterdir() if BESIDE.fullmatch(file.name) and file.name != "stop")
    except FileNotFoundError:
        return []


def changed(folder: Path) -> int:
    """When a file was last made in it, renamed or removed; 0 where it is gone."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def stamp_of(files: Sequence[Path]) -> str:
    """What changes when one of the files does; they are not read."""
    seen = []
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            now = file.stat()
            seen.append((file.name, now.st_size, now.st_mtime_ns))
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def staged(run: Run, folder: Path) -> dict[str, Path]:
    """The files of a run as they are at this moment: path of the copy -> file. None where they do not fit the manifest.

    Somebody may go on with the run while it is being copied. Weights are replaced as files, and so a second name keeps them.
    """
    half = folder / "runs" / run.id
    half.mkdir(parents=True)
    for file in files_of(run):
        with contextlib.suppress(FileNotFoundError):
            if file.suffix == ".safetensors":
                keep_beside(file, half / file.name)
            else:
                shutil.copyfile(file, half / file.name)
    try:
        check(Run(half))
    except (RunError, OSError):
        return {}
    return {f"runs/{run.id}/{file.name}": file for file in files_of(Run(half))}


def check(run: Run) -> None:
    """That a copy is whole: what its manifest lists is there and as it was. What it ought to list, and does not, is removed.

    Raises:
        RunError: It is not.
    """
    manifest = read_json(run.path / MANIFEST)
    listed = manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(listed, dict) or "config.json" not in listed:
        raise RunError(f"Run {run.id} is damaged: its manifest cannot be read.")
    for name, told in listed.items():
        try:
            data = (run.path / name).read_bytes() if name in LISTED else b""
        except OSError:
            raise RunError(f"Run {run.id} is damaged: {name} is missing.") from None
        if not isinstance(told, dict) or told.get("sha256") != hashlib.sha256(data).hexdigest():
            raise RunError(f"Run {run.id} is damaged: {name} is not what its manifest says.")
    for name in set(LISTED) - listed.keys():  # half written, as by a server that was killed
        (run.path / name).unlink(missing_ok=True)
    run.config  # noqa: B018  # raises where it cannot be read
