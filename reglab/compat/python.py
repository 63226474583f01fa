"""The standard library: a pool's processes and their environment, a command line and its console, a user without a name or a home."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import getpass
import io
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser
    from concurrent.futures import ProcessPoolExecutor


def kill_workers(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes at once, whatever they do. `_processes`, Python 3.11.7; `kill_workers()` from 3.14 on."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.kill()


def start_processes_with(environment: Callable[[], Mapping[str, str]]) -> None:
    """Let multiprocessing start its fork server, its resource tracker and what it spawns with that environment alone.

    They else inherit all of `os.environ`, which Linux shows in /proc/PID/environ as long as they live. All three go through
    `util.spawnv_passfds`, Python 3.11.7 to 3.13. Windows spawns in another way: processes there inherit everything.
    """
    from multiprocessing import util

    def spawnv_passfds(path: str, args: Sequence[str], passfds: Sequence[int]) -> int:
        started = subprocess.Popen(
            args, executable=path, pass_fds=tuple(passfds), env=environment(), restore_signals=False
        )
        started.returncode = 0  # multiprocessing waits for it; subprocess need not
        return started.pid

    util.spawnv_passfds = spawnv_passfds  # type: ignore[assignment]


def give_memory_back() -> None:
    """Let the system have what was freed in the midst of the heap, 80 to 240 MiB after a training; glibc's `malloc_trim`.

    It takes 10 to 50 ms. Other libraries of C, and other systems, have no such call or need none.
    """
    with contextlib.suppress(
        OSError, AttributeError, TypeError
    ):  # the last on Windows, which opens nothing without a name
        ctypes.CDLL(None).malloc_trim(0)


def options_of(parser: ArgumentParser) -> list[Action]:
    """Its options and arguments, in the order in which they were added. `_actions`, Python 3.11.7.

    argparse lets one add them but not list them; the attributes of an `Action` are documented.
    """
    return list(parser._actions)


PLAINLY = "reglab: plain signs"
SIGNS = str.maketrans(
    {"\u2212": "-", "\u2013": "-", "\u00d7": "x", "\u201c": '"', "\u201d": '"', "\u2019": "'", "\u00b7": ","}
)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end].translate(SIGNS)
    return "".join(c if c.isascii() else "?" for c in lost), error.end


codecs.register_error(PLAINLY, _plainly)


def print_anything() -> None:
    """Let what the console or the file behind a `>` has no letter for be printed as a question mark, which else ends a program.

    Signs for which there is a plain one become that: a minus that is lost would be another number.

    On Windows a file gets the letters of the country, cp1252 in most of Europe: no Chinese, no emoji. The same where a file's
    name is no UTF-8. `reconfigure` is documented for `TextIOWrapper`, which a notebook's or a test's output need not be.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAINLY)


def own_temporary_folder() -> Path:
    """A folder of this user's own among the temporary ones; it need not be there yet."""
    user = getattr(os, "getuid", int)()  # Windows has a temporary folder for each user anyway
    return Path(tempfile.gettempdir()) / f"reglab-{user}"


def settle_user() -> None:
    """Give this process, and those that it starts, a user's name and a home folder where it has none.

    A container may run under a user id that is in no passwd and without HOME. torch 2.11.0 then cannot be trained with:
    `torch._dynamo` asks `getpass` for a name when it is imported, which the first step does. huggingface_hub 2.4.0 makes a
    folder called ~ in the working directory. Who has a name and a home keeps both.
    """
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):  # the last from Python 3.13 on; Windows has no passwd to look into
        os.environ["LOGNAME"] = f"user-{getattr(os, 'getuid', int)()}"
    if os.path.expanduser("~") == "~":
        os.environ["USERPROFILE" if os.name == "nt" else "HOME"] = str(_made_for_this_user(own_temporary_folder()))


def _made_for_this_user(folder: Path) -> Path:
    """That folder, or one with a name of its own where another user has put something in its place."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == getattr(os, "getuid", int)():
            return folder
    return Path(tempfile.mkdtemp(prefix="reglab-"))
