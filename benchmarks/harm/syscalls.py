"""Harm at the n-th call of a kind that a worker makes to the system, by strace: it dies there, or the call fails."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from harm import NotHere
from harm.training import ended, started
from reglab.runs.run import Run

RENAMES = "/^rename"  # the system of each machine has one or another of rename, renameat, renameat2
UNLINKS = "/^unlink"
LINKS = "/^link"


def struck(run: Run, calls: str, injury: str, when: int | str) -> int:
    """Train the run in a worker to which `injury` happens at such a call, the n-th or from the n-th on (`3+`); the exit code.

    Raises `NotHere` where there is no strace, or it may not be used.
    """
    if sys.platform != "linux" or not (strace := shutil.which("strace")):
        raise NotHere("needs strace, which only Linux has")
    process = started(run, wait_until_traced)
    command = [strace, "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:{injury}:when={when}"]
    tracer = subprocess.Popen([*command, "-p", str(process.pid)], stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.02)
        if tracer.poll() is not None and process.exitcode is None and not is_traced(process.pid):
            process.kill()
            raise NotHere(f"strace may not attach here: {tracer.stderr.read().strip()}")
        return ended(process)
    finally:
        tracer.wait(10)


def wait_until_traced() -> None:
    """In the worker, before it does anything."""
    while not is_traced("self"):
        time.sleep(0.005)
    time.sleep(0.05)  # until strace has seen to its injections


def is_traced(pid: int | str) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return not re.search(r"^TracerPid:\t0$", status, re.MULTILINE)
