"""What a process gives up before it opens what strangers sent: the network, privileges, files, memory and time.

    withdraw()       # once: no network, no other process in sight, no new privileges
    bind(limits)     # no file can be opened any more; memory and time have an end, which is that of the process

Each is asked of the system where it has such a thing and gone without where it doesn't: `withdraw` says what it got.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from dataclasses import dataclass

# <linux/sched.h> and <linux/prctl.h>
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x08000000, 0x10000000, 0x20000000, 0x40000000
APART = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38


@dataclass(frozen=True)
class Allowance:
    """What a process may take: bytes of addresses, and seconds of a processor; on the clock twice as many, on a busy machine.

    The largest pictures that are opened, 25 million pixels with transparency, take 800 MB and up to 2 seconds.
    """

    memory: int = 2**30
    seconds: int = 5


def withdraw() -> dict[str, bool]:
    """Give up for good what this process has no use for; must come before it starts a thread. What the system granted.

    apart: it has no network, and can signal no process that it has not started. That takes a user of its own, which
    containers often forbid, and whoever returns from here is a child of the process that called. privileges: no program that
    it starts gains any. hidden: see `hide`.
    """
    apart = _call("unshare", APART)
    # Of whoever asks for a new space of processes, the first child is the first there.
    if apart and (child := os.fork()):
        _, status = os.waitpid(child, 0)
        os._exit(abs(os.waitstatus_to_exitcode(status)))
    if apart:
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # not to outlive whoever waits for it
    return {"apart": apart, "privileges": _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "hidden": hide()}


def hide() -> bool:
    """Let no other process of this user read this one's memory, files or environment in /proc. Whether that is so now.

    What a program was started with stands in /proc/PID/environ whatever it does to `os.environ`, and the host's token and
    key are there. A program that this one starts is hidden only once it asks for it.
    """
    return _call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)


def limit_data(most: int) -> None:
    """Let this process take no more bytes of data; nothing happens on a system without that, or where it may take less already."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def bind(allowance: Allowance) -> None:
    """Open no file from now on, write none, and end when memory or time are used up. Hard limits: there is no way back."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        for what, most in (
            (resource.RLIMIT_NOFILE, 0),  # those that are open stay so
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_CPU, allowance.seconds),
            (resource.RLIMIT_AS, allowance.memory),
        ):
            with contextlib.suppress(ValueError, OSError):  # macOS knows no RLIMIT_AS
                resource.setrlimit(what, (most, most))
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends a process in the midst of a decoder's C code, too
        signal.setitimer(signal.ITIMER_REAL, 2 * allowance.seconds)


def _call(function: str, *arguments: int) -> bool:
    """Whether Linux has done it."""
    if sys.platform != "linux":
        return False
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), function)(*map(ctypes.c_ulong, arguments)) == 0
    except (OSError, AttributeError):
        return False
