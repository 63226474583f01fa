"""What a process that opens strangers' pictures cannot do any more; asked of the system itself, in a process that tries."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from conftest import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have few of these limits")

TRIES = """
import json, os, socket, sys
from reglab.jobs import sandbox

def fails(call, *arguments):
    try:
        call(*arguments)
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return ""

granted = sandbox.withdraw()
port, parent, kept = int(sys.argv[1]), int(sys.argv[2]), os.open("kept", os.O_WRONLY | os.O_CREAT)
if child := os.fork():  # as for a picture
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(abs(status))
told = {"granted": granted, "connect": fails(socket.create_connection, ("127.0.0.1", port), 5)}
sandbox.bind(sandbox.Allowance(memory=2**29, seconds=2))
told["read"] = fails(open, "/etc/passwd")
told["socket"] = fails(socket.socket)
told["write"] = fails(os.write, kept, b"x")
told["memory"] = fails(bytearray, 2**30)
told["environ"] = fails(open, f"/proc/{parent}/environ")
told["signal"] = fails(os.kill, parent, 0)
print(json.dumps(told), flush=True)
if "loop" in sys.argv:
    while True:
        pass
if "wait" in sys.argv:
    import time
    time.sleep(60)
"""


def tried(folder, *how: str) -> tuple[dict, int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        done = subprocess.run(
            [sys.executable, "-c", TRIES, str(server.getsockname()[1]), str(os.getpid()), *how],
            env=environment(), cwd=folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    return json.loads(done.stdout), done.returncode


def test_it_opens_no_file_writes_none_and_takes_no_more_memory_than_it_may(tmp_path):
    told, status = tried(tmp_path)
    assert status == 0
    assert told["read"] == told["socket"] == told["write"] == told["environ"] == "OSError"
    assert told["memory"] == "MemoryError"


def test_it_has_no_network_and_signals_nobody_where_the_system_grants_that(tmp_path):
    told, _ = tried(tmp_path)
    assert told["granted"]["privileges"] and told["granted"]["hidden"]
    if not told["granted"]["apart"]:
        pytest.skip("this system lets nobody make a user namespace")
    assert told["connect"] == "OSError" and told["signal"] == "ProcessLookupError"


@pytest.mark.parametrize("how", ["loop", "wait"])
def test_it_ends_by_itself_whatever_it_does(how, tmp_path):
    """By the processor's time, or on a busy machine by the clock; at a hard limit the system may kill at once."""
    _, status = tried(tmp_path, how)
    assert abs(status) in (signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL)


NOBODY = """
import contextlib, ctypes, os, sys
from reglab.jobs import sandbox

if os.getuid() == 0:  # who may read everything, unless a container has taken that away
    with contextlib.suppress(PermissionError):
        os.setuid(65_534)
    ctypes.CDLL(None).prctl(sandbox.PR_SET_DUMPABLE, 1, 0, 0, 0)  # as it is where nobody has changed the user
"""
HIDDEN = NOBODY + "sandbox.hide() if sys.argv[1:] else None; print('there', flush=True); sys.stdin.read()"
READER = NOBODY + "print(b'CANARY' in open(f'/proc/{sys.argv[1]}/environ', 'rb').read())"


@pytest.mark.parametrize(("how", "read"), [([], "True"), (["hidden"], "PermissionError")])
def test_nobody_of_the_same_user_reads_what_a_hidden_process_was_started_with(how, read):
    command, told = [sys.executable, "-c", HIDDEN, *how], environment(CANARY="secret")
    with subprocess.Popen(command, env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stdout.readline() == b"there\n"
        reader = [sys.executable, "-c", READER, str(process.pid)]
        done = subprocess.run(reader, env=environment(), capture_output=True, text=True)
        process.stdin.close()
    assert (done.stdout.strip() or done.stderr.splitlines()[-1].partition(":")[0]) == read
