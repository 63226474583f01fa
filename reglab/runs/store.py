"""A run is a folder, the only state there is. Whoever wants to know something reads the folder.

    config.json        RunConfig, versions, device, threads       model.safetensors   best weights so far
    metrics.jsonl      one event a line, reproducible to the byte  last.safetensors + state.json   everything to go on
    timing.jsonl       wall clock and speed, kept apart            summary.json, manifest.json (sizes and SHA-256)
    evaluation.json + answers.safetensors   what the best weights make of the test images, once somebody has asked

Everything is written to a temporary file, synced and renamed, so a reader sees the old file or the new one, never half.
Nothing here is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from reglab import ROOT, __version__
from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.training.events import (
    Best,
    Epoch,
    Event,
    Failed,
    Finished,
    Preparing,
    Snapshot,
    Started,
    Step,
    Stopped,
    best_epoch,
    epoch_from_json,
)

if TYPE_CHECKING:
    from torch import Tensor

    from reglab.training.train import Resume

FORMAT = 1
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NAME = re.compile(r"[\w .,+()%-]{1,60}")
SNAPSHOT_SECONDS = 5.0  # between snapshots; a crash loses at most this and the epoch under way
TIMING_SECONDS = 0.5
LISTED = (
    "config.json",
    "metrics.jsonl",
    "timing.jsonl",
    "model.safetensors",
    "last.safetensors",
    "state.json",
    "summary.json",
    "evaluation.json",
    "answers.safetensors",
)
OWNED = ("config.json", "model.safetensors", "last.safetensors", "state.json", "summary.json", "manifest.json")
"""What only the process that trains a run writes anew."""


class Store:
    """A folder of runs."""

    def __init__(self, root: Path | str, read_only: bool = False) -> None:
        self.root, self.read_only = Path(root), read_only

    def create(self, config: RunConfig, *, name: str = "", group: str = "", parent: str = "") -> Run:
        """A new run folder with its config. `group` ties runs together that were started to be compared.

        `parent` is the id of the run that this one is a fork of.
        """
        name = checked_name(name) if name else ""
        stamp = datetime.now(UTC)
        run = Run(self.root / new_id(stamp))
        described = {
            "format": FORMAT,
            "run": run.id,
            "created": stamp.isoformat(timespec="microseconds"),  # runs of one second have an order, too
            "group": group,
            **({"parent": parent} if parent else {}),
            "versions": {"reglab": __version__, "torch": _installed("torch")},
            "config": config.model_dump(mode="json"),
        }
        try:
            run.path.mkdir(parents=True)
            write_json(run.path / "config.json", described)
            if name:
                run.rename(name)
        except OSError as error:
            shutil.rmtree(run.path, ignore_errors=True)
            raise ConfigError(
                f"The run folder cannot be made in {self.root} ({error.strerror}):"
                " free some space there, or choose another with --runs or REGLAB_RUNS."
            ) from None
        return run

    def open(self, run_id: str) -> Run:
        """The run of that id. Raises `RunError` when there is none; an id is looked up, never joined to a path as it is."""
        if not ID.fullmatch(run_id) or not (self.root / run_id / "config.json").is_file():
            raise RunError(f"There is no run {run_id[:80]!r} in {self.root.name}: `python -m reglab runs` lists them.")
        return Run(self.root / run_id)

    def runs(self) -> list[Run]:
        """All runs, newest first; a folder that is no run is passed over, a damaged run is listed as it is."""
        try:
            found = [Run(entry) for entry in self.root.iterdir() if ID.fullmatch(entry.name) and entry.is_dir()]
        except OSError:
            return []
        return sorted(found, key=lambda run: run.id, reverse=True)

    def group(self, name: str) -> list[Run]:
        """The runs that were started together under that name, oldest first."""
        found = (r for r in self.runs() if name and r.described.get("group") == name)
        return sorted(found, key=lambda run: run.age)


def new_id(stamp: datetime) -> str:
    """A run's id: the time, so that ids sort by age, and chance, so that two runs never share one."""
    return f"{stamp:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def runs_store() -> Store:
    return Store(os.environ.get("REGLAB_RUNS") or "runs")


def checkpoints_store() -> Store:
    """The networks that ship with the project."""
    return Store(os.environ.get("REGLAB_CHECKPOINTS") or ROOT / "checkpoints", read_only=True)


def find(run_id: str, *stores: Store) -> Run:
    """The run of that id, or the only one of that name; by default among the runs of this machine and the shipped ones."""
    stores = stores or (runs_store(), checkpoints_store())
    for store in stores:
        try:
            return store.open(run_id)
        except RunError:
            continue
    named = [run for store in stores for run in store.runs() if run.name == run_id]
    if len(named) == 1:
        return named[0]
    known = ", ".join(run.id for store in reversed(stores) for run in store.runs()[:3]) or "none yet"
    raise RunError(f"There is no checkpoint or run called {run_id[:80]!r}: there are {known}.")


@dataclass(frozen=True)
class Run:
    """One run's folder. Reading never raises for a run that is damaged or half written; it shows what can be read."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    # ---- what it is --------------------------------------------------------------------------------------------
    @cached_property
    def described(self) -> dict[str, Any]:
        """`config.json` as it is, empty when it cannot be read."""
        return read_json(self.path / "config.json")

    @property
    def age(self) -> tuple[str, str]:
        """To sort by: when it was made, to the microsecond; ids tell seconds, and those of copies nothing."""
        return str(self.described.get("created", "")), self.id

    @cached_property
    def config(self) -> RunConfig:
        """Raises `RunError` when the config is missing, damaged or from another format."""
        if self.described.get("format") != FORMAT:
            raise RunError(f"Run {self.id} cannot be read: its config.json is damaged or of another version.")
        try:
            return RunConfig.parse(self.described["config"])
        except (ConfigError, KeyError, TypeError) as error:
            raise RunError(f"Run {self.id} cannot be read: {error}") from None

    @property
    def name(self) -> str:
        """What the user calls it; the id until they do."""
        try:
            return (self.path / "name").read_text(encoding="utf-8").strip() or self.id
        except OSError:
            return self.id

    def rename(self, name: str) -> None:
        """Raises `ConfigError` for a name that is empty, too long or not plain text."""
        write_bytes(self.path / "name", checked_name(name).encode())

    # ---- what happened -----------------------------------------------------------------------------------------
    def lines(self, cursor: int = 0, file: str = "metrics.jsonl") -> tuple[list[dict[str, Any]], int]:
        """The whole lines since a byte offset, and the offset after them. A torn or garbled line is left out."""
        try:
            with open(self.path / file, "rb") as f:
                f.seek(cursor)
                data = f.read()
        except OSError:
            return [], cursor
        whole = data[: data.rfind(b"\n") + 1]
        parsed = []
        for line in whole.splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                parsed.append(value)
        return parsed, cursor + len(whole)

    def history(self) -> list[Epoch]:
        """The epochs so far."""
        epochs = []
        for line in self.lines()[0]:
            if line.get("event") == Epoch.name:
                try:
                    epochs.append(epoch_from_json(line))
                except TypeError:
                    continue  # a line of another version
        return epochs

    def last_timing(self) -> dict[str, Any]:
        """The newest line of `timing.jsonl`: epoch and batch, images per second, seconds left."""
        try:
            with open(self.path / "timing.jsonl", "rb") as f:
                f.seek(max(0, f.seek(0, os.SEEK_END) - 2_000))
                tail = f.read().splitlines()
        except OSError:
            return {}
        for line in reversed(tail):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
        return {}

    def status(self) -> str:
        """running, finished, stopped, failed, interrupted or unreadable: read off facts, not off a field."""
        lines = self.lines()[0]
        last = lines[-1].get("event") if lines else None
        if last == Finished.name:
            return "finished"
        if self.is_locked():
            return "running"
        if last in (Stopped.name, Failed.name):
            return str(last)
        return "interrupted" if self.described else "unreadable"

    @property
    def was_pruned(self) -> bool:
        """Whether a sweep stopped it because it could not win."""
        lines = self.lines()[0]
        return bool(lines) and lines[-1].get("event") == Stopped.name and bool(lines[-1].get("reason"))

    def summary(self) -> dict[str, Any]:
        """What is known of the run in one flat object; accuracies, gap and ece are fractions from 0 to 1."""
        summary: dict[str, Any] = {"run": self.id, "name": self.name, "status": self.status()}
        try:
            c = self.config
        except RunError as error:
            return summary | {"status": "unreadable", "reason": str(error)}
        lines = self.lines()[0]
        by_event = {line.get("event"): line for line in lines}
        started, end = by_event.get(Started.name, {}), by_event.get(Finished.name, {})
        last_line = lines[-1] if lines else {}
        timing = self.last_timing()
        history = self.history()
        summary |= {
            "created": self.described.get("created", ""),
            "group": self.described.get("group", ""),
            "dataset": c.dataset,
            "train_size": started.get("train_images", c.train_size),
            "label_noise": c.label_noise,
            "model": c.model,
            "regularizers": c.model_dump(mode="json")["regularizers"],
            "seed": c.seed,
            "epochs": c.epochs,
        }
        if history:
            last, best = history[-1], best_epoch(history)
            # Until the test images have been opened, validation is all there is; afterwards the run stands by one epoch.
            epochs = {k: end.get(k) or {"epoch": e.epoch, **_numbers(e)} for k, e in (("best", best), ("last", last))}
            summary |= {"epoch": last.epoch, "best_epoch": best.epoch, **epochs}
            reported = epochs[end.get("reported", "last")]
            summary |= {k: reported[k] for k in (*_NUMBERS, "test_accuracy", "test_loss") if k in reported}
            summary["reported"] = end.get("reported", "last")
        summary |= {
            k: started[k]
            for k in ("parameters", "device", "precision", "threads", "val_images", "test_images")
            if k in started
        }
        summary |= {k: timing[k] for k in ("seconds", "images_per_second") if k in timing}
        if reason := last_line.get("reason"):
            summary["reason"] = reason
        return summary

    def forked(self, epoch: int, changes: Mapping[str, Any]) -> RunConfig:
        """This run up to an epoch, then with other regularizers. Raises `ConfigError`, `RunError`."""
        config, summary = self.config, self.summary()
        if summary["status"] == "finished" and epoch > summary["epoch"]:
            raise ConfigError(f"Run {self.name} ended after epoch {summary['epoch']}: fork it there or earlier.")
        return config.forked(epoch, changes)

    # ---- its weights -------------------------------------------------------------------------------------------
    def weights(self) -> dict[str, Tensor]:
        """The best weights. Raises `RunError` when they are missing, or not what their own checksum says."""
        return self.tensors("model.safetensors")[0]

    def tensors(self, file: str) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The tensors and the metadata of a file of ours, its checksum verified."""
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import load

        path = self.path / file
        try:
            data = path.read_bytes()
        except OSError:
            raise RunError(f"Run {self.name} has no {file} yet: train it first, or choose another run.") from None
        try:
            tensors = load(data)
            with safe_open(path, "pt") as opened:  # reads the header only
                metadata = dict(opened.metadata() or {})
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise RunError(f"{file} of run {self.name} is damaged ({error}): train it again.") from None
        if metadata.pop("sha256", "") != _digest(tensors, metadata):
            raise RunError(f"{file} of run {self.name} is damaged (its checksum does not fit): train it again.")
        return tensors, metadata

    def resume(self) -> Resume | None:
        """Where the run left off, with `metrics.jsonl` cut back to that point; None to begin at the beginning.

        The state travels inside `last.safetensors`, so tensors and position can never disagree; `state.json` shows the
        same to people. A snapshot that is damaged costs time, not truth: the run begins again and comes to the same bytes.
        """
        from reglab.training.train import Resume

        try:
            tensors, metadata = self.tensors("last.safetensors")
            state = json.loads(metadata["state"])
            best = self.weights() if state["epoch"] > 0 else {}
            metrics = (self.path / "metrics.jsonl").read_bytes()[: state["metrics_bytes"]]
            if hashlib.sha256(metrics).hexdigest() != state["metrics_sha256"]:
                raise RunError(f"metrics.jsonl of run {self.name} is not what its snapshot says.")
        except (RunError, KeyError, ValueError, OSError):
            self._truncate(0)
            return None
        self._truncate(state["metrics_bytes"])
        return Resume(state=state, tensors=tensors, history=self.history(), best_weights=best)

    def reopen(self) -> None:
        """Take back the last word of a run that is about to go on, so that nobody reads it as ended meanwhile."""
        (self.path / "stop").unlink(missing_ok=True)
        lines = self.lines()[0]
        if lines and lines[-1].get("event") in (Stopped.name, Failed.name):
            whole = (self.path / "metrics.jsonl").read_bytes().rstrip(b"\n")
            self._truncate(whole.rfind(b"\n") + 1)

    def _truncate(self, size: int) -> None:
        for file in OWNED:  # a `name` may be on its way in from elsewhere at this moment
            for leftover in self.path.glob(f".{file}.*.tmp"):
                leftover.unlink(missing_ok=True)
        for stale in ("summary.json", "manifest.json"):
            (self.path / stale).unlink(missing_ok=True)
        with open(self.path / "metrics.jsonl", "ab") as f:
            f.truncate(size)
            os.fsync(f.fileno())

    # ---- who owns it -------------------------------------------------------------------------------------------
    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the run while training it. Raises `RunError` when another process does."""
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=1)  # not 0: somebody may just be looking whether it is free
        except Timeout:
            raise RunError(f"Run {self.name} is in use by another process: wait for it, or stop it first.") from None
        try:
            yield
        finally:
            lock.release()

    def is_locked(self) -> bool:
        """Whether a living process owns the run; the kernel frees the lock of a dead one."""
        if not (self.path / ".lock").exists():
            return False
        return is_held(self.path / ".lock")

    def ask_to_stop(self) -> None:
        """Whoever trains it, in whatever process, looks for this file before every step."""
        (self.path / "stop").touch()

    def should_stop(self) -> bool:
        return os.path.exists(self.path / "stop")

    def delete(self) -> None:
        """Raises `RunError` while it is being trained."""
        if self.is_locked():
            raise RunError(f"Run {self.name} is being trained: stop it before deleting it.")
        doomed = self.path.with_name(f".deleted-{self.id}")
        os.rename(self.path, doomed)  # gone at once for every reader, even if removing the files takes a while
        shutil.rmtree(doomed, ignore_errors=True)

    def zip(self, folder: Path) -> Path:
        """The whole run as one file, without what is only needed to go on."""
        target = folder / f"{self.id}.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self.path.iterdir()):
                if file.name in (*LISTED, "manifest.json", "README.md") and file.name not in (
                    "last.safetensors",
                    "state.json",
                ):
                    archive.write(file, f"{self.id}/{file.name}")
        return target


def checked_name(name: str) -> str:
    """A name that is safe to show anywhere. Raises `ConfigError`."""
    if not NAME.fullmatch(name.strip()):
        raise ConfigError(
            "The name must be 1 to 60 letters, digits, spaces or . , + - ( ) %: choose a shorter or plainer one."
        )
    return name.strip()


# ---- recording ---------------------------------------------------------------------------------------------------
def record(run: Run, events: Iterator[Event], clock: Clock | None = None) -> Iterator[Event]:
    """Write what happens into the run's folder, and pass it on. The caller holds the run's lock.

    An event is handed on after it has reached the disk. Time spent by other runs trained in turn does not count here;
    whoever trains elsewhere brings the clock of that place.
    """
    clock = clock or Clock(run)
    written = (run.path / "metrics.jsonl").read_bytes() if (run.path / "metrics.jsonl").exists() else b""
    pending: Snapshot | None = None
    with open(run.path / "metrics.jsonl", "ab") as out:
        while True:
            began = time.perf_counter()
            event = next(events, None)
            clock.spent(event, time.perf_counter() - began)
            if event is None:
                return
            if isinstance(event, Snapshot):
                pending = event
                if clock.snapshot_due():
                    write_snapshot(run, event, written)
                    pending = None
            elif isinstance(event, Best):
                write_bytes(run.path / "model.safetensors", tensor_bytes(event.weights))
            if not isinstance(event, (Preparing, Step, Snapshot)):
                if isinstance(event, (Stopped, Finished)) and pending is not None:
                    write_snapshot(run, pending, written)  # still live: nothing was trained since
                if isinstance(event, Started):
                    seen = {"device": event.device, "threads": event.threads}
                    seen |= {"normalization": {"mean": event.mean, "std": event.std}}
                    write_json(run.path / "config.json", {**run.described, **seen})
                line = (json.dumps(event.to_json(), allow_nan=False) + "\n").encode()
                out.write(line)
                out.flush()
                os.fsync(out.fileno())
                written += line
            if isinstance(event, (Finished, Stopped, Failed)):
                clock.write(final=True)
                seal(run)
            yield event


def conclude(run: Run, event: Failed | Stopped) -> None:
    """End a run from outside its training. A full disk is no reason to raise: the run then counts as interrupted."""
    try:
        with open(run.path / "metrics.jsonl", "ab") as out:
            out.write((json.dumps(event.to_json()) + "\n").encode())
        seal(run)
    except OSError:
        pass


def seal(run: Run) -> None:
    """Write the summary, then the manifest over everything."""
    (run.path / "stop").unlink(missing_ok=True)
    write_json(run.path / "summary.json", Run(run.path).summary() | {"status": _ended(run)})
    files = {}
    for name in LISTED:
        path = run.path / name
        if path.exists():
            data = path.read_bytes()
            files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    write_json(run.path / "manifest.json", {"format": FORMAT, "files": files})


def write_snapshot(run: Run, snapshot: Snapshot, metrics: bytes) -> None:
    """`metrics` is what `metrics.jsonl` holds so far; the snapshot vouches for it."""
    state = {**snapshot.state, "metrics_bytes": len(metrics), "metrics_sha256": hashlib.sha256(metrics).hexdigest()}
    write_bytes(run.path / "last.safetensors", tensor_bytes(snapshot.tensors, {"state": json.dumps(state)}))
    write_json(run.path / "state.json", state)


class Clock:
    """Wall clock and speed of one run, counting only the time its own training took."""

    def __init__(self, run: Run) -> None:
        self.path = run.path / "timing.jsonl"
        before = run.last_timing()
        self.seconds = before.get("seconds", 0.0)
        self.epochs = run.config.epochs
        self.epoch = self.batch = 0
        self.batches = 1
        self.start_share: float | None = None
        self.began = self.wrote = self.saved = time.monotonic()
        self.training, self.images = 0.0, 0  # seconds in steps of this epoch, and their images
        self.all_training, self.all_images = 0.0, 0  # of all epochs
        self.rate = before.get("images_per_second", 0.0)
        self.preparing: dict[str, Any] = {}  # how far that is, before training begins

    def spent(self, event: Event | None, seconds: float) -> None:
        self.seconds += seconds
        if isinstance(event, Preparing):
            self.preparing = {"preparing": event.what, "done": event.done, "of": event.total}
            if time.monotonic() - self.wrote > TIMING_SECONDS:
                self.write()
        elif isinstance(event, Step):
            self.epoch, self.batch, self.batches = event.epoch, event.batch, event.batches
            self.training += seconds
            self.images += event.images
            if self.start_share is None:
                self.start_share = self._share()
            if time.monotonic() - self.wrote > TIMING_SECONDS:
                self.write()
        elif isinstance(event, Epoch):
            self.preparing = {}
            self.epoch, self.batch = event.epoch, 0 if event.epoch == 0 else self.batches
            self.write()
            self.all_training, self.all_images = self.all_training + self.training, self.all_images + self.images
            self.training, self.images = 0.0, 0

    def snapshot_due(self) -> bool:
        now = time.monotonic()
        if now - self.saved < SNAPSHOT_SECONDS:
            return False
        self.saved = now
        return True

    def _share(self) -> float:
        """The part of the run that is done, from 0 to 1."""
        return (max(self.epoch - 1, 0) + self.batch / self.batches) / self.epochs

    def write(self, final: bool = False) -> None:
        """One more line. Time left is measured on the wall, so that it includes waiting for a run trained in turn."""
        self.wrote = time.monotonic()
        if final and self.all_images:
            self.rate = self.all_images / max(self.all_training, 1e-9)
        elif self.images:
            self.rate = self.images / max(self.training, 1e-9)
        line: dict[str, Any] = {
            "epoch": self.epoch,
            "batch": self.batch,
            "batches": self.batches,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.rate, 1),
            **self.preparing,
        }
        done = self._share() - (self.start_share or 0.0)
        if done > 0 and not final:
            line["seconds_left"] = round((self.wrote - self.began) * (1 - self._share()) / done, 1)
        with open(self.path, "ab") as out:
            out.write((json.dumps(line) + "\n").encode())


# ---- files -------------------------------------------------------------------------------------------------------
def write_bytes(path: Path, data: bytes) -> None:
    """Write, sync, rename, sync the folder: after a crash there is the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file, or an empty one when it is missing or damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows neither needs nor allows it
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_held(lock: Path) -> bool:
    """Whether somebody holds a lock. Looks with a shared lock, so that two who look do not take each other for owners."""
    try:
        import fcntl
    except ImportError:  # Windows: there a look is an attempt
        try:
            with FileLock(lock, timeout=0):
                return False
        except (Timeout, OSError):
            return True
    with open(lock, "rb") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The tensors as a safetensors file that holds its own checksum; the same tensors give the same bytes."""
    from safetensors.torch import save

    plain, metadata = _plain(tensors), metadata or {}
    data = bytes(save(plain, {**metadata, "sha256": _digest(plain, metadata)}))
    size = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))  # safetensors writes it in any order
    ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return data[:8] + ordered.ljust(size - 8) + data[size:]


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and values, and over what is said about them."""
    import torch

    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: tensors[k].detach().cpu().contiguous() for k in sorted(tensors)}


_NUMBERS = ("train_accuracy", "val_accuracy", "gap", "train_loss", "val_loss", "ece", "fit_accuracy", "memorised")


def _numbers(e: Epoch) -> dict[str, Any]:
    return {k: v for k in _NUMBERS if (v := getattr(e, k)) is not None}


def _ended(run: Run) -> str:
    """The status of a run whose owner is just closing it, read off its last event while the lock is still held."""
    lines = run.lines()[0]
    return str(lines[-1]["event"]) if lines else "interrupted"


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
