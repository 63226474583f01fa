"""A run is a folder, the only state there is. Whoever wants to know something reads the folder.

    config.json        RunConfig, versions, device, threads       model.safetensors   best weights so far
    metrics.jsonl      one event a line, reproducible to the byte  last.safetensors + state.json   everything to go on
    timing.jsonl       wall clock and speed, kept apart            summary.json, manifest.json (sizes and SHA-256)
    last-best.safetensors   best weights at the time of `last`, while `model.safetensors` is ahead of it
    owner, name        a hash of its owner's key (`owner.py`), and what the owner calls it
    right.json         which test images it got right at its end, a bit each, for the best and the last epoch
    evaluation.json + answers.safetensors   what the best weights make of the test images, once somebody has asked

Everything is written to a temporary file, synced and renamed, so a reader sees the old file or the new one, never half.
Nothing here is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from reglab.config import RunConfig, described
from reglab.errors import ConfigError, RunError, full_in_words
from reglab.runs import names, right
from reglab.runs.files import hold_reserve, read_json, write_bytes
from reglab.runs.lines import FARTHEST, epoch_of, newest, parsed, precision_of, read_from
from reglab.runs.lock import hold, is_held
from reglab.runs.tensors import Damaged, checksum, read_tensors
from reglab.runs.view import RunReader, RunView
from reglab.training.events import Epoch, Failed, Started, Stopped

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from reglab.training.train import Resume

FORMAT = 1
BEST, LAST, BEST_AT_LAST = "model.safetensors", "last.safetensors", "last-best.safetensors"
RIGHT = right.FILE
SOON = 1.5  # seconds: from the last line of its timing, half a second at most, until it has read that it is to stop
TO_GO_ON = (LAST, "state.json", BEST_AT_LAST)
LISTED = (
    "config.json",
    "metrics.jsonl",
    "timing.jsonl",
    BEST,
    *TO_GO_ON,
    "summary.json",
    RIGHT,
    "evaluation.json",
    "answers.safetensors",
)
OWNED = ("config.json", BEST, *TO_GO_ON, "summary.json", RIGHT, "manifest.json")
"""What only the process that trains a run writes anew."""


@dataclass(frozen=True)
class LeftOff:
    """Where a run left off, as its folder says."""

    resume: Resume
    metrics: bytes  # of `metrics.jsonl` at that time
    best_file: str  # which holds the best weights of that time; empty where there are none yet


@dataclass(frozen=True)
class Run:
    """One run's folder. Reading never raises for a run that is damaged or half written; it shows what can be read.

    Every call reads the files anew. Who asks again and again, as a page does, takes `Store.view`.
    """

    path: Path

    @property
    def id(self) -> str:
        """The name of its folder."""
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
        """What is trained.

        Raises:
            RunError: `config.json` is missing, damaged or of another format.
        """
        if self.described.get("format") != FORMAT:
            raise RunError(f"Run {self.id} cannot be read: its config.json is damaged or of another version.")
        try:
            return RunConfig.parse(self.described["config"], is_kept=True)
        except (ConfigError, KeyError, TypeError) as error:
            raise RunError(f"Run {self.id} cannot be read: {error}") from None

    @property
    def test_images(self) -> int | None:
        """How many its data set had when it began, which tells the edition; None before that."""
        seen = self.view().events.get(Started.name, {}).get("test_images")
        return seen if isinstance(seen, int) else None

    @property
    def given_name(self) -> str:
        """What somebody, or the plan that it is part of, calls it; empty where nobody does."""
        try:
            return (self.path / "name").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    @property
    def name(self) -> str:
        """What it is called wherever people read: as somebody calls it, else by what it is."""
        return self.given_name or self.what

    @property
    def what(self) -> str:
        """Network, regularizers and data in a line; its folder's name where somebody chose that, or where it is damaged."""
        try:
            return described(self.config) if self.described.get("run") == self.id else self.id
        except RunError:
            return self.id

    def rename(self, name: str) -> None:
        """Call it so from now on.

        Raises:
            ConfigError: The name is empty, too long or not plain text.
        """
        write_bytes(self.path / "name", names.checked(name).encode())

    # ---- what happened -----------------------------------------------------------------------------------------
    def view(self) -> RunView:
        """All that the folder says now, read at once; `Store.view` reads on from where the last look ended."""
        return RunReader(self).read()

    def lines(self, cursor: int = 0, file: str = "metrics.jsonl") -> tuple[list[dict[str, Any]], int]:
        """The whole lines since a byte offset, and the offset after them. A torn or garbled line is left out.

        Raises:
            ConfigError: The cursor is no offset in a file.
        """
        if not isinstance(cursor, int) or isinstance(cursor, bool) or not 0 <= cursor <= FARTHEST:
            raise ConfigError("The cursor must be a whole number: 0, or the one the last call returned.")
        return read_from(self.path / file, cursor)

    def history(self) -> list[Epoch]:
        """The epochs so far."""
        return list(self.view().history)

    def last_timing(self) -> dict[str, Any]:
        """The newest line of `timing.jsonl`: epoch and batch, images per second, seconds left."""
        return newest(self.path / "timing.jsonl")

    def status(self) -> str:
        """running, finished, stopped, failed, interrupted or unreadable: read off facts, not off a field."""
        return self.view().status

    @property
    def was_pruned(self) -> bool:
        """Whether a sweep stopped it because it could not win."""
        return self.view().was_pruned

    def summary(self) -> dict[str, Any]:
        """What is known of the run in one flat object; accuracies, gap and ece are fractions from 0 to 1."""
        return self.view().summary()

    def right(self) -> np.ndarray | None:
        """Which test images the epoch that it stands by got right: bool (test_images,), in the order of the set.

        None before its end, and for runs from before these were kept.
        """
        found = right.right_of(self, self.summary())
        return found.bits if found else None

    def forked(self, epoch: int, changes: Mapping[str, Any]) -> RunConfig:
        """This run up to an epoch, then with other regularizers.

        Args:
            epoch: The last epoch that both have in common.
            changes: Setting -> value, such as `{"dropout.rate": 0.3}`.

        Raises:
            ConfigError: There is no such epoch or setting.
            RunError: This run cannot be read.
        """
        config, summary = self.config, self.summary()
        if summary["status"] == "finished" and epoch > summary["epoch"]:
            raise ConfigError(f"Run “{self.name}” ended after epoch {summary['epoch']}: fork it there or earlier.")
        return config.forked(epoch, changes)

    def next_end(self) -> int:
        """The epoch whose end it comes to next; of one that trains, the next that is not over before it can be asked to stop."""
        view = self.view()
        if view.status == "running":
            return max(view.history[-1].epoch + 1, math.ceil(self._soon(view))) if view.history else 0
        state = read_json(self.path / "state.json")
        epoch, batch = state.get("epoch"), state.get("batch")
        return epoch - (0 if batch else 1) if isinstance(epoch, int) and epoch else 0

    def _soon(self, view: RunView) -> float:
        """How many epochs it will have trained in a moment; the one under way counts as the part of it that is done."""
        timing, done = view.last_timing, float(view.history[-1].epoch)
        each = timing.get("seconds", 0.0) / (done + 1)
        if "seconds_left" in timing:  # with the time that the runs beside it take, and without a slow beginning
            done = max(done, timing["epoch"] - 1 + timing["batch"] / timing["batches"])
            each = timing["seconds_left"] / max(view.run.config.epochs - done, 1e-9)
        return done + (SOON / each if each > 0 else 0.0)

    # ---- its weights -------------------------------------------------------------------------------------------
    def weights(self) -> dict[str, Tensor]:
        """The best weights so far, by their names in the network, on the CPU.

        Raises:
            RunError: They are missing, or not what their own checksum says.
        """
        return self.tensors(BEST)[0]

    def tensors(self, file: str) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The tensors and the metadata of a file of ours, its checksum verified.

        Raises:
            RunError: It is missing or damaged.
        """
        try:
            return read_tensors(self.path / file)
        except Damaged as error:
            raise RunError(f"{file} of run “{self.name}” is damaged ({error}): train it again.") from None
        except OSError:
            raise RunError(f"Run “{self.name}” has no {file} yet: train it first, or choose another run.") from None

    # ---- going on ----------------------------------------------------------------------------------------------
    def left_off(self) -> LeftOff:
        """The last snapshot and what it vouches for; nothing is written, so anybody may look.

        The state travels inside `last.safetensors`, so tensors and position can never disagree; `state.json` shows the
        same to people. It vouches for the metrics and for the best weights: those on disk may be of a later epoch, and
        then they are the ones kept beside.

        Raises:
            RunError: There is no snapshot, or it is damaged, or what it vouches for is not there.
        """
        from reglab.training.train import Resume

        tensors, metadata = self.tensors(LAST)
        try:
            state = json.loads(metadata["state"])
            metrics = (self.path / "metrics.jsonl").read_bytes()[: state["metrics_bytes"]]
            if hashlib.sha256(metrics).hexdigest() != state["metrics_sha256"]:
                raise RunError(f"metrics.jsonl of run “{self.name}” is not what its snapshot says.")
            file, best = self._best_at(state)
        except (KeyError, ValueError, OSError) as error:
            raise RunError(f"The snapshot of run “{self.name}” cannot be read: {error}.") from None
        lines = parsed(metrics)
        history = [epoch for line in lines if (epoch := epoch_of(line))]
        precision = precision_of(lines)
        return LeftOff(Resume(state, tensors, history, best, precision), metrics, file)

    def resume(self) -> Resume | None:
        """Where the run left off, with `metrics.jsonl` cut back to that point; None to begin at the beginning.

        A snapshot that is damaged costs time, not truth: the run begins again and comes to the same bytes.
        """
        try:
            left = self.left_off()
            if left.best_file == BEST_AT_LAST:
                os.replace(self.path / BEST_AT_LAST, self.path / BEST)
        except (RunError, OSError):
            self._truncate(0)
            return None
        self._truncate(len(left.metrics))
        return left.resume

    def _best_at(self, state: Mapping[str, Any]) -> tuple[str, dict[str, Tensor]]:
        """The best weights at the time of a snapshot, and their file; none before the first epoch.

        Raises `RunError` where they are lost.
        """
        if not state["epoch"]:
            return "", {}
        if "best_sha256" not in state:  # a snapshot from before it vouched for them
            return BEST, self.weights()
        for file in (BEST, BEST_AT_LAST):
            if checksum(self.path / file) != state["best_sha256"]:
                continue
            weights = self.tensors(file)[0]
            if checksum(self.path / file) == state["best_sha256"]:  # still: whoever only looks holds no lock
                return file, weights
        raise RunError(f"The best weights of run “{self.name}” are not those of its snapshot.")

    def reopen(self) -> None:
        """Take back the last word of a run that is about to go on, so that nobody reads it as ended meanwhile.

        Raises:
            DiskFull: There is no room for it to go on.
            OSError: The folder cannot be written to.
        """
        hold_reserve(self.path)
        (self.path / "stop").unlink(missing_ok=True)
        lines = self.lines()[0]
        if lines and lines[-1].get("event") in (Stopped.name, Failed.name):
            whole = (self.path / "metrics.jsonl").read_bytes().rstrip(b"\n")
            self._truncate(whole.rfind(b"\n") + 1)

    def _truncate(self, size: int) -> None:
        for file in OWNED:  # a `name` may be on its way in from elsewhere at this moment
            for leftover in self.path.glob(f".{file}.*.tmp"):
                leftover.unlink(missing_ok=True)
        for stale in ("summary.json", RIGHT, "manifest.json"):
            (self.path / stale).unlink(missing_ok=True)
        with open(self.path / "metrics.jsonl", "ab") as f:
            f.truncate(size)
            os.fsync(f.fileno())

    # ---- who owns it -------------------------------------------------------------------------------------------
    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the run while training it.

        Raises:
            RunError: Another process owns it.
        """
        with ExitStack() as owned:
            try:
                owned.enter_context(hold(self.path / ".lock"))
            except Timeout:
                raise RunError(
                    f"Run “{self.name}” is in use by another process: wait for it, or stop it first."
                ) from None
            yield

    def is_locked(self) -> bool:
        """Whether a living process owns the run; the kernel frees the lock of a dead one."""
        return is_held(self.path / ".lock")

    def ask_to_stop(self, after: int | None = None) -> None:
        """Whoever trains it, in whatever process, looks for this file before every step.

        With `after` it stops at the end of that epoch, with a snapshot between two epochs, which a fork can begin at.
        """
        write_bytes(self.path / "stop", b"" if after is None else str(after).encode())

    def should_stop(self, epochs: float = -1.0) -> bool:
        """Whether somebody has asked it to, where so many `epochs` are done; one under way is a part of one."""
        try:
            after = (self.path / "stop").read_bytes() if os.path.exists(self.path / "stop") else None
        except OSError:  # whoever asked has taken it back this moment
            return False
        return after is not None and not (after.isdigit() and epochs < int(after))

    def check_unused(self) -> None:
        """Raises `RunError` while it is being trained."""
        if self.is_locked():
            raise self.in_use()

    def in_use(self) -> RunError:
        """What to raise where it cannot be deleted because somebody trains it."""
        return RunError(f"Run “{self.name}” is being trained: stop it before deleting it.")

    def delete(self) -> None:
        """Remove the folder for good; `trash.py` keeps it for a day.

        Raises:
            RunError: It is being trained.
        """
        self.check_unused()
        doomed = self.path.with_name(f".deleted-{self.id}")
        os.rename(self.path, doomed)  # gone at once for every reader, even if removing the files takes a while
        shutil.rmtree(doomed, ignore_errors=True)

    def zip(self, folder: Path) -> Path:
        """The whole run as one file, without what is only needed to go on. Raises `DiskFull`."""
        target = folder / f"{self.id}.zip"
        with full_in_words(), zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self.path.iterdir()):
                if file.name in (*LISTED, "manifest.json", "README.md") and file.name not in TO_GO_ON:
                    archive.write(file, f"{self.id}/{file.name}")
        return target
