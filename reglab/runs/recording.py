"""Writes what happens in a training into the run's folder: the events, the best weights, snapshots, and the seal at its end."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator

from reglab.runs.clock import Clock
from reglab.runs.files import free_reserve, keep_beside, write_bytes, write_json
from reglab.runs.lines import append
from reglab.runs.run import BEST, BEST_AT_LAST, FORMAT, LAST, LISTED, RIGHT, Run
from reglab.runs.tensors import checksum, tensor_bytes
from reglab.training.events import Best, Event, Failed, Finished, Paused, Preparing, Snapshot, Started, Step, Stopped

SEEN = ("device", "threads", "normalization")
"""What `config.json` says of where a run was trained, once it has begun."""


def record(run: Run, events: Iterator[Event], clock: Clock | None = None) -> Iterator[Event]:
    """Write what happens into the run's folder, and pass it on. The caller holds the run's lock.

    An event is handed on after it has reached the disk. Time spent by other runs trained in turn does not count here;
    whoever trains elsewhere brings the clock of that place.

    Raises:
        OSError: The folder cannot be written to.
    """
    clock = clock or Clock(run)
    written = (run.path / "metrics.jsonl").read_bytes() if (run.path / "metrics.jsonl").exists() else b""
    weights = Weights(run)
    pending: Snapshot | None = None
    with open(run.path / "metrics.jsonl", "ab") as out:
        while True:
            began = time.perf_counter()
            event = next(events, None)
            clock.spent(event, time.perf_counter() - began)
            began = time.perf_counter()
            if event is None:
                return
            if isinstance(event, Snapshot):
                pending = event
                if clock.snapshot_due():
                    weights.snapshot(event, written)
                    pending = None
            elif isinstance(event, Best):
                weights.best(event)
            if isinstance(event, (Paused, Stopped, Finished)) and pending is not None:
                weights.snapshot(pending, written)  # still live: nothing was trained since
            if not isinstance(event, (Preparing, Step, Snapshot, Paused)):
                if isinstance(event, Started):
                    write_machine(run, event)
                if isinstance(event, Finished) and event.right:
                    write_json(run.path / RIGHT, event.right)  # before the line: who sees the end finds the answers
                line = (json.dumps(event.to_json(), allow_nan=False) + "\n").encode()
                out.write(line)
                out.flush()
                os.fsync(out.fileno())
                written += line
            clock.saving += time.perf_counter() - began
            if isinstance(event, (Finished, Stopped, Failed)):
                clock.write(final=True)
                seal(run)
                if isinstance(event, Finished):
                    free_reserve(run.path)
            elif isinstance(event, Paused):
                clock.pause()
            yield event


class Weights:
    """The best weights and the snapshots of a run, written so that the last snapshot can always be gone on from.

    Weights better than those that the snapshot vouches for replace them at once, for people use them meanwhile. Should the
    process die before the next snapshot, the run goes on from where they were not known yet: so the ones before are kept.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._best = self._vouched_for = checksum(run.path / BEST)

    def best(self, event: Best) -> None:
        """Write weights that are better than all before."""
        if self._best and self._best == self._vouched_for:
            keep_beside(self.run.path / BEST, self.run.path / BEST_AT_LAST)
        write_bytes(self.run.path / BEST, tensor_bytes(event.weights))
        self._best = checksum(self.run.path / BEST)

    def snapshot(self, snapshot: Snapshot, metrics: bytes) -> None:
        """Write a snapshot. It vouches for `metrics`, all that `metrics.jsonl` holds so far, and for the best weights."""
        state = {
            **snapshot.state,
            "metrics_bytes": len(metrics),
            "metrics_sha256": hashlib.sha256(metrics).hexdigest(),
            "best_sha256": self._best,
        }
        write_bytes(self.run.path / LAST, tensor_bytes(snapshot.tensors, {"state": json.dumps(state)}))
        self._vouched_for = self._best
        (self.run.path / BEST_AT_LAST).unlink(missing_ok=True)
        write_json(self.run.path / "state.json", state)


def write_machine(run: Run, event: Started) -> None:
    """Add to `config.json` what the run is trained on, and by which numbers its images are normalised."""
    seen = {"device": event.device, "threads": event.threads}
    seen |= {"normalization": {"mean": event.mean, "std": event.std}}
    write_json(run.path / "config.json", {**run.described, **seen})


def conclude(run: Run, event: Failed | Stopped) -> None:
    """End a run from outside its training. Where the disk is full, the run's reserve makes room for this last word.

    What cannot be written at all is no reason to raise: the run then counts as interrupted. Whoever trained it may have been
    killed in the middle of a line, which is left as it is.
    """
    if isinstance(event, Failed):
        free_reserve(run.path)
    with contextlib.suppress(OSError):
        append(run.path / "metrics.jsonl", event.to_json())
        seal(run)


def stopped_here(run: Run, reason: str | None = None) -> Stopped:
    """The last word on a run whose training was broken off: it was last seen at the end of an epoch.

    With a `reason` nobody has asked for it, and the run is meant to go on.
    """
    history = run.history()
    epoch, step = (history[-1].epoch, history[-1].step) if history else (0, 0)
    return Stopped(epoch=epoch, step=step, reason=reason, cut_off=True if reason else None)


def seal(run: Run) -> None:
    """Write the summary, then the manifest over everything.

    Raises:
        OSError: The folder cannot be written to.
    """
    (run.path / "stop").unlink(missing_ok=True)
    write_json(run.path / "summary.json", run.summary() | {"status": _ended(run)})
    files = {}
    for name in LISTED:
        path = run.path / name
        if path.exists():
            data = path.read_bytes()
            files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    write_json(run.path / "manifest.json", {"format": FORMAT, "files": files})


def _ended(run: Run) -> str:
    """The status of a run whose owner is just closing it, read off its last event while the lock is still held."""
    return str(run.view().last_event.get("event", "interrupted"))
