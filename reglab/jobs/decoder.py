"""Opening strangers' pictures in a process that has nothing to lose: no file, no network, no secret, no torch.

    decoder = Decoder()
    pixels = decoder.seen(path, View("crop"))       # (32, 32, 3) as uint8, or a sentence

The process is `python -m reglab.jobs.decoder`. It forks for every picture, so that a picture that breaks Pillow breaks a
process that would have ended anyway, and whoever gets hold of that never meets the next picture. Nothing of what it says is
believed: bytes of the right number are pixels, other bytes are a sentence, and nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from reglab.analysis import pictures
from reglab.analysis.pictures import View
from reglab.errors import ConfigError, RunError
from reglab.jobs import sandbox
from reglab.jobs.processes import child_environment
from reglab.jobs.sandbox import Allowance

if TYPE_CHECKING:
    import numpy as np

USUAL = Allowance()
GRACE = 3  # seconds after those of a picture in which the process may say what became of it
PATIENCE = 30.0  # seconds to wait for the pictures of others
LARGEST_SIDE = 1_024
SENTENCE = 400  # characters
LENGTH = struct.Struct(">II")  # of the question and of the picture; an answer has only one
PIXELS, REFUSED = b"P", b"R"
BROKEN = "This picture took too long or too much memory, so it was given up: choose a smaller or another one."
BUSY = "Many pictures are being opened just now: try again in a moment."


class Decoder:
    """The process, which is there from the first picture on and comes back where it was ended. Thread-safe."""

    def __init__(self, allowance: Allowance = USUAL) -> None:
        self.allowance = allowance
        self.command = [sys.executable, "-m", "reglab.jobs.decoder", json.dumps(asdict(allowance))]
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def seen(self, path: Path, view: View, name: str = "") -> np.ndarray:
        """The pixels (side, side, 3) of that view of a picture file, as uint8.

        Raises:
            ConfigError: It is no picture, or one that is too large, or there is no such view.
            RunError: It took too long or too much memory, or broke the process.
        """
        import numpy as np

        name = name or path.name[-80:]
        if view.side not in range(1, LARGEST_SIDE + 1):
            raise ConfigError(f"A picture cannot be shown in {view.side} pixels: choose 1 to {LARGEST_SIDE:,}.")
        raw = pictures.read(path, name)
        if len(raw) > pictures.MAX_BYTES:
            raise ConfigError(pictures.too_large(name))
        answer = self._asked(json.dumps({"name": name, "view": asdict(view)}).encode(), raw, 3 * view.side**2)
        said, rest = answer[:1], answer[1:]
        if said == PIXELS and len(rest) == 3 * view.side**2:
            return np.frombuffer(rest, np.uint8).reshape(view.side, view.side, 3)
        if said == REFUSED and rest:
            raise ConfigError(rest.decode("utf-8", "replace")[:SENTENCE])
        raise RunError(BROKEN)

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _asked(self, question: bytes, raw: bytes, most: int) -> bytes:
        """Its answer; empty where there is none."""
        if not self._turn.acquire(timeout=PATIENCE):
            raise RunError(BUSY)
        try:
            process = self._process = self._running()
            overdue = threading.Timer(2 * self.allowance.seconds + GRACE, _end, (process,))
            overdue.start()
            try:
                assert process.stdin and process.stdout
                process.stdin.write(LENGTH.pack(len(question), len(raw)) + question + raw)
                process.stdin.flush()
                return _one(process.stdout, 1 + max(most, 4 * SENTENCE))
            finally:
                overdue.cancel()
        except (OSError, ValueError, EOFError):  # it has died, or was ended
            self.close()
            return b""
        finally:
            self._turn.release()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a process with threads is not to be forked
        return subprocess.Popen(
            self.command,
            env=child_environment() | threads,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it has forked."""
    if process.poll() is None and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError, ValueError):
            if pipe:
                pipe.close()


def _one(source: IO[bytes], most: int) -> bytes:
    """An answer. Raises `EOFError` where it ends before, or is longer than it may be."""
    [length] = struct.unpack(">I", _exactly(source, 4))
    if length > most:
        raise EOFError
    return _exactly(source, length)


def _exactly(source: IO[bytes], count: int) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise EOFError
    return data


# ----------------------------------------------------------------------------------------------------------------------
# The process


def main(allowance: Allowance) -> int:
    """Answer pictures until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    warm_up()
    sandbox.withdraw()
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    answer = in_a_fork if hasattr(os, "fork") else pixels
    while head := asked.read(LENGTH.size):
        question, raw = (_exactly(asked, count) for count in LENGTH.unpack(head))
        told = answer(question, raw, allowance)
        answers.write(struct.pack(">I", len(told)) + told)
        answers.flush()
    return 0


def warm_up() -> None:
    """Load what pictures need, since a process that may open no file can import nothing."""
    import io

    from PIL import Image

    for name in pictures.formats():
        file = io.BytesIO()
        Image.new("RGB", (9, 9)).save(file, name, exif=Image.Exif())
        pictures.seen(file.getvalue(), View())


def in_a_fork(question: bytes, raw: bytes, allowance: Allowance) -> bytes:
    """What `pixels` says in a process of its own, which can reach nothing but the end of a pipe; empty where it broke."""
    most = 3 * LARGEST_SIDE**2 + 1
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.dup2(theirs, 1)
            for file in (0, ours, theirs):
                os.close(file)
            sandbox.bind(allowance)
            with open(1, "wb") as answer:
                answer.write(pixels(question, raw, allowance))
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    with open(ours, "rb") as answer:
        told = answer.read(most + 1)
    _, status = os.waitpid(child, 0)
    return told if status == 0 and len(told) <= most else b""


def pixels(question: bytes, raw: bytes, allowance: Allowance) -> bytes:
    """What is asked for of a picture, or why not."""
    asked: dict[str, Any] = json.loads(question)
    try:
        return PIXELS + pictures.seen(raw, View(**asked["view"]), asked["name"]).tobytes()
    except ConfigError as error:
        return REFUSED + str(error).encode()


if __name__ == "__main__":
    sys.exit(main(Allowance(**json.loads(sys.argv[1]))))
