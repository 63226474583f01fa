"""What a run's folder says at one moment, as one value; and who reads the folder on from where the last look ended.

    views = Views()
    view = views.of(run)        # the first look reads the files, every other one only what has come since
    view.history, view.status, view.summary()

A page that is looked at by many asks for the same runs several times a second. Each byte of a run is read and parsed
once; while nothing changes, the very same `RunView` is handed out again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab.errors import RunError
from reglab.runs.lines import AT_THE_END, Line, Tail, epoch_of, newest_of
from reglab.runs.summary import summarized
from reglab.training.events import Epoch, Failed, Finished, Stopped, as_reported

if TYPE_CHECKING:
    from reglab.runs.run import Run

LIVE = ("running", "queued", "stalled")  # statuses of runs that somebody trains, or is going to
RESUMABLE = ("stopped", "interrupted", "failed")  # and of those that can be gone on with
VIEWS = 1_000  # runs that a server keeps in mind; one of 30 epochs takes about 20 kB


@dataclass(frozen=True, eq=False)
class RunView:
    """A run as its folder was at one moment. Reading one never fails; a damaged run shows what can be read.

    `is_named` tells whether somebody, or the plan that it is part of, has given it its name.
    `status` is running, finished, stopped, failed, interrupted or unreadable, read off facts and not off a field; a
    queue adds `queued`, and `stalled` where its worker does not answer (`Jobs.view`). `events` holds the newest line of
    each kind in `metrics.jsonl` by the event's name, `last_event` the newest of all, `last_timing` the newest line of
    `timing.jsonl`: epoch and batch, images per second, seconds left. `stamp` changes when there is something new to show.
    """

    run: Run
    name: str
    is_named: bool
    status: str
    history: tuple[Epoch, ...]
    events: Mapping[str, Line]
    last_event: Line
    last_timing: Line
    stamp: tuple[Any, ...]
    place: int | None = None  # in the queue, where one knows of it: how many jobs are before its own, itself included
    _kept: dict[str, Any] = field(
        default_factory=dict, repr=False
    )  # the summary but for name and status, once asked for

    @property
    def was_pruned(self) -> bool:
        """Whether a sweep stopped it because it could not win."""
        last = self.last_event
        return last.get("event") == Stopped.name and bool(last.get("reason")) and not last.get("cut_off")

    @property
    def is_live(self) -> bool:
        """Whether it is still being trained, or waits for it."""
        return self.status in LIVE

    @property
    def is_over(self) -> bool:
        """Whether it has said its last word, whoever holds it now."""
        return self.last_event.get("event") in (Finished.name, Stopped.name, Failed.name)

    def summary(self) -> dict[str, Any]:
        """What is known of the run in one flat object; accuracies, gap and ece are fractions from 0 to 1."""
        told = {"run": self.run.id, "name": self.name, "status": self.status}
        if not self._kept:
            try:
                config = self.run.config
            except RunError as error:
                return told | {"status": "unreadable", "reason": str(error)}
            described = self.run.described
            self._kept.update(
                summarized(config, described, self.events, self.last_event, self.history, self.last_timing)
            )
        return told | self._kept

    @property
    def curve(self) -> tuple[Epoch, ...]:
        """The history, with the epoch that a finished run stands by as it is judged at its end, on everything."""
        if (end := self._end()) is None:
            return self.history
        return tuple(as_reported(e, end) if e.epoch == end["epoch"] else e for e in self.history)

    @property
    def last(self) -> Epoch | None:
        """The last epoch of the curve."""
        return self.curve[-1] if self.history else None

    def judged(self, e: Epoch) -> tuple[int, int]:
        """How many training and validation images an epoch of the curve is judged on. Raises `RunError` for a damaged run."""
        config, end = self.run.config, self._end()
        return config.judgeable if end and e.epoch == end["epoch"] else config.judged

    def _end(self) -> Mapping[str, Any] | None:
        """What a finished run reports of the epoch that it stands by."""
        if Finished.name not in self.events or not self.history:
            return None
        summary = self.summary()
        told: Mapping[str, Any] = summary[summary["reported"]]
        return told if "epoch" in told else None

    def with_status(self, status: str, place: int | None = None) -> RunView:
        """The same run as somebody sees it who knows more than its folder."""
        if (status, place) == (self.status, self.place):
            return self
        return replace(self, status=status, place=place, stamp=(*self.stamp[:2], status, place))


class RunReader:
    """Reads one run's folder, and reads on from there. Thread-safe."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._metrics = Tail(run.path / "metrics.jsonl")
        self._timing = Tail(run.path / "timing.jsonl", AT_THE_END)
        self._history: tuple[Epoch, ...] = ()
        self._events: dict[str, Line] = {}
        self._last_event: Line = {}
        self._last_timing: Line = {}
        self._name = ""
        self._described_at: tuple[int, ...] = ()
        self._named_at: tuple[int, ...] | None = None
        self._view: RunView | None = None  # the last one, while it is still right

    def run(self) -> Run:
        """The run with its `config.json` as it is now; nothing else is looked at."""
        with self._lock:
            if self._read_config():
                self._view = None
            return self._run

    def read(self) -> RunView:
        """The run as it is now. Reads only what has come since the last look; the same value while nothing has."""
        with self._lock:
            changed = [self._read_config(), self._read_name(), self._read_metrics(), self._read_timing()]
            status = self._status()
            # A run may have ended between the look at its file and that at its lock.
            if status == "interrupted":
                changed.append(self._read_metrics())
                status = self._status()
            if self._view is None or any(changed):
                files = (self._described_at, self._named_at, self._metrics.seen, self._timing.seen)
                self._view = RunView(
                    self._run,
                    self._name or self._run.what,
                    bool(self._name),
                    status,
                    self._history,
                    self._events,
                    self._last_event,
                    self._last_timing,
                    (self._run.id, files, status, None),
                )
            self._view = self._view.with_status(status)
            return self._view

    def _status(self) -> str:
        last = self._last_event.get("event")
        if last == Finished.name and not self._is_unsealed():
            return "finished"
        if self._run.is_locked():
            return "running"
        if last in (Stopped.name, Failed.name):
            return str(last)
        return "interrupted" if self._run.described else "unreadable"

    def _is_unsealed(self) -> bool:
        """Whether its process died between its last line and its manifest. It can be gone on with, and is whole then."""
        folder = self._run.path
        return not (folder / "manifest.json").exists() and (folder / "last.safetensors").exists()

    def _read_config(self) -> bool:
        at = _stamp(self._run.path / "config.json")
        if changed := at != self._described_at:
            self._described_at = at
            self._run = type(self._run)(self._run.path)  # which remembers what it has read
        return changed

    def _read_name(self) -> bool:
        at = _stamp(self._run.path / "name")
        if changed := at != self._named_at:
            self._named_at, self._name = at, self._run.given_name
        return changed

    def _read_metrics(self) -> bool:
        lines, anew = self._metrics.read()
        if anew:
            self._history, self._events, self._last_event = (), {}, {}
        if not lines:
            return anew
        lines = [line for line in lines if "event" in line]
        epochs = [epoch for line in lines if (epoch := epoch_of(line))]
        self._history += tuple(epochs)
        self._events = self._events | {line["event"]: line for line in lines}  # a new one, for views hold the old one
        self._last_event = lines[-1] if lines else self._last_event
        return True

    def _read_timing(self) -> bool:
        lines, anew = self._timing.read()
        if anew:
            self._last_timing = {}
        self._last_timing = newest_of(lines) or self._last_timing
        return bool(lines) or anew


class Views:
    """The views of many runs, for a process that lives long; those not asked for the longest are forgotten."""

    def __init__(self, most: int = VIEWS) -> None:
        self.most = most
        self._readers: OrderedDict[Path, RunReader] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._readers)

    def of(self, run: Run) -> RunView:
        """The run as it is now."""
        return self._reader(run).read()

    def run(self, run: Run) -> Run:
        """The run with its `config.json` as it is now, which is read only once."""
        return self._reader(run).run()

    def _reader(self, run: Run) -> RunReader:
        with self._lock:
            if run.path not in self._readers:
                self._readers[run.path] = RunReader(run)
            self._readers.move_to_end(run.path)
            if len(self._readers) > self.most:
                self._readers.popitem(last=False)
            return self._readers[run.path]


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes when the file does."""
    try:
        seen = path.stat()
    except OSError:
        return ()
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
