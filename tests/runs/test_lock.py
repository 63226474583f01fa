"""One process owns a run while it trains it; whoever looks does not disturb it, and nobody is locked out by the dead."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from conftest import environment

from reglab.errors import RunError
from reglab.runs.run import Run

HOLD = """
import sys
from pathlib import Path
from reglab.runs.run import Run
with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def held(finished):
    """A run that another process owns."""
    (finished.path / "metrics.jsonl").write_bytes(b"")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(finished.path)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield finished, process
    process.kill()
    process.wait()


def test_a_second_owner_is_told(held):
    run, _process = held
    before = {file.name: file.read_bytes() for file in run.path.iterdir()}
    with pytest.raises(RunError, match="in use"), run.locked():
        raise AssertionError
    assert run.status() == "running" and run.is_locked()
    with pytest.raises(RunError, match="being trained"):
        run.delete()
    assert before == {file.name: file.read_bytes() for file in run.path.iterdir()}


def test_the_lock_of_a_killed_process_is_free_at_once(held):
    run, process = held
    process.kill()
    process.wait()
    assert not run.is_locked() and run.status() == "interrupted"
    with run.locked():
        assert run.is_locked()
    assert not run.is_locked()


def test_two_who_look_at_the_same_moment_do_not_see_an_owner_in_each_other(finished):
    """Looking whether a run is owned must not be taken for owning it."""
    (finished.path / "metrics.jsonl").write_bytes(b"")
    with finished.locked():
        pass
    seen: set[str] = set()

    def look() -> None:
        seen.update(Run(finished.path).status() for _ in range(400))

    watchers = [threading.Thread(target=look) for _ in range(4)]
    [w.start() for w in watchers]
    [w.join() for w in watchers]
    assert seen == {"interrupted"}
