"""Fetching a data set or pretrained weights in the background: a process that the app can watch and stop.

    fetch = Fetch("cifar10")
    fetch.start()
    fetch.sentence          # "Fetching CIFAR-10: 34 of 144 MB"

The process is `python -m reglab.jobs.fetch cifar10`, or `... timm/resnet18` for the weights of that network. It loads the set,
which downloads and decodes what is missing, and prints a line of JSON for every step it makes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from reglab import compat, data
from reglab.download import Remote
from reglab.errors import ConfigError, DataError
from reglab.jobs.processes import child_environment
from reglab.models import pretrained
from reglab.redaction import redact_output
from reglab.runs.room import has_room

TWICE = 2  # what is downloaded is kept beside what is made of it
State = Literal["idle", "running", "ready", "failed"]


def remote(key: str) -> Remote:
    """What that key stands for: the weights of `timm/NAME`, or a data set. Raises `ConfigError`."""
    return pretrained.known(key) if pretrained.is_timm(key) else data.source(key)


def is_local(key: str) -> bool:
    """Whether it is on this machine; never waits for the network."""
    return pretrained.is_local(key) if pretrained.is_timm(key) else data.is_local(key)


@dataclass(frozen=True)
class Status:
    """How far a fetch is; replaced as a whole, so that any thread may read it at any time."""

    state: State
    sentence: str
    stage: Literal["", "downloading", "decoding"] = ""
    done_bytes: int = 0
    total_bytes: int = 0


class Fetch:
    """One data set, or the weights of one network, on its way to this machine.

    Stopped after `idle_seconds` without a step forward, or after `total_seconds`. A fetch that failed can be
    started again; files that came through whole are not downloaded twice. It doesn't begin where less than `floor` bytes
    of the disk would stay free.
    """

    def __init__(self, key: str, idle_seconds: float = 60, total_seconds: float = 900, floor: int = 0):
        self.source = remote(key)
        self._instead = pretrained.instead() if pretrained.is_timm(key) else data.INSTEAD
        self.idle_seconds, self.total_seconds, self._floor = idle_seconds, total_seconds, floor
        self.command = [sys.executable, "-m", "reglab.jobs.fetch", key]
        self.status = self._begun("idle", f"{self.source.title} is not on its way.")
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()  # held to change `status` together with `_process`

    @property
    def state(self) -> State:
        """`idle`, `running`, `ready` or `failed`."""
        return self.status.state

    @property
    def stage(self) -> str:
        """Either "downloading" or "decoding" once there is something to count, before that empty."""
        return self.status.stage

    @property
    def done_bytes(self) -> int:
        """Bytes that are here."""
        return self.status.done_bytes

    @property
    def total_bytes(self) -> int:
        """Bytes in all; 0 while that is not known."""
        return self.status.total_bytes

    @property
    def sentence(self) -> str:
        """The state in one plain sentence for the screen."""
        return self.status.sentence

    def start(self) -> None:
        """Begin, or begin again; does nothing while it runs."""
        with self._lock:
            if self.state == "running":
                return
            needed = TWICE * self.source.megabytes * 1_000_000
            if not has_room(data.cache_folder(), needed, self._floor):
                why = "too little of the disk is free" if self._floor else "the disk is full"
                sentence = f"{self.source.title} could not be fetched ({why}): {self._instead}, or try again."
                self.status = self._begun("failed", sentence)
                return
            self._process = subprocess.Popen(
                self.command,
                env=child_environment(hub=True),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            self.status = self._begun("running", f"Fetching {self.source.title}: asking the Hub.")
            threading.Thread(target=self._follow, args=(self._process,), daemon=True).start()

    def close(self) -> None:
        """Stop, and forget how far it was."""
        with self._lock:
            process, self._process = self._process, None
            self.status = self._begun("idle", f"{self.source.title} is not on its way.")
        if process is not None:
            stop(process)

    def _begun(self, state: State, sentence: str) -> Status:
        return Status(state, sentence, total_bytes=self.source.megabytes * 1_000_000)

    def _follow(self, process: subprocess.Popen[str]) -> None:
        """Read the process's lines to the end; a second thread stops it when they stay away."""
        verdict: dict[str, Any] = {}
        clock = Clock(self.idle_seconds, self.total_seconds)
        watch = threading.Thread(target=clock.watch, args=(process,), daemon=True)
        watch.start()
        with process:
            for line in process.stdout or ():
                message: Any = None
                with contextlib.suppress(ValueError):
                    message = json.loads(line)
                if not isinstance(message, dict):
                    continue  # some library's remark
                if "state" in message:
                    verdict = message
                else:
                    clock.step()
                    self._set(process, told(self.status, self.source.title, **message))
        watch.join()
        title = self.source.title
        if verdict.get("state") == "ready":
            self._set(process, replace(self.status, state="ready", sentence=f"{title} is ready."))
            return
        why = clock.verdict or f"the process ended with status {process.returncode}"
        sentence = verdict.get("sentence") or f"{title} could not be fetched ({why}): {self._instead}, or try again."
        self._set(process, replace(self.status, state="failed", sentence=sentence))

    def _set(self, process: subprocess.Popen[str], status: Status) -> None:
        with self._lock:
            if process is self._process:  # else it was closed in the meantime
                self.status = status


def told(before: Status, title: str, stage: Literal["downloading", "decoding"], done: int, total: int) -> Status:
    """The progress after a line of the process. Decoding counts pictures, so the bytes stay where they are."""
    if stage == "downloading":
        sentence = f"Fetching {title}: {done // 1_000_000} of {total // 1_000_000} MB."
        return replace(before, stage=stage, done_bytes=done, total_bytes=total, sentence=sentence)
    return replace(before, stage=stage, sentence=f"Preparing {title}: {done:,} of {total:,} pictures.")


class Clock:
    """Stops a process that takes too long, and remembers why."""

    def __init__(self, idle_seconds: float, total_seconds: float):
        self.idle_seconds, self.total_seconds = idle_seconds, total_seconds
        self.began = self.last = time.monotonic()
        self.verdict = ""

    def step(self) -> None:
        """Something came: the clock begins anew."""
        self.last = time.monotonic()

    def watch(self, process: subprocess.Popen[str]) -> None:
        """End the process where nothing came for too long, or when all the time is up."""
        while process.poll() is None:
            if time.monotonic() - self.last > self.idle_seconds:
                self.verdict = f"nothing came for {self.idle_seconds:g} seconds"
            elif time.monotonic() - self.began > self.total_seconds:
                self.verdict = f"it was not done after {self.total_seconds / 60:g} minutes"
            if self.verdict:
                return stop(process)
            time.sleep(0.1)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process: asked first, so that it removes its half of a file."""
    process.terminate()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# ----------------------------------------------------------------------------------------------------------------------
# The process


def main(key: str) -> int:
    """Load a set, or fetch weights, and print what happens, a JSON object a line; the last one says "ready" or "failed"."""
    redact_output()  # the host's token is here
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exception, so that `finally` clears up
    compat.huggingface_hub.read_in_small_pieces()
    try:
        if pretrained.is_timm(key):
            pretrained.fetch(key, Telling())
        else:
            data.load(key, Telling())
    except (ConfigError, DataError) as error:
        tell(state="failed", sentence=str(error))
        return 1
    tell(state="ready")
    return 0


class Telling:
    """Prints progress, five times a second at most."""

    def __init__(self) -> None:
        self.stage, self.at = "", 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """One line on standard output, five times a second at most."""
        now = time.monotonic()
        if stage != self.stage or done == total or now - self.at > 0.2:
            self.stage, self.at = stage, now
            tell(stage=stage, done=done, total=total)


def tell(**message: Any) -> None:
    """One JSON object on a line of standard output, for the process that started this one.

    Raises:
        SystemExit: That process has ended, so that there is nobody to fetch for.
    """
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python tries at the end to write what it could not
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
