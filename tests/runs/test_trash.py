"""A deleted run is gone at once, and comes back whole for a day."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reglab.errors import RunError
from reglab.runs.lock import hold
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.trash import KEPT, Trash


@pytest.fixture
def trash(finished) -> Trash:
    return Trash(Store(finished.path.parent))


@pytest.fixture
def trained_again(trained, finished) -> Callable[[str], Run]:
    """Puts the same run beside it under that id."""
    return lambda run_id: Run(Path(shutil.copytree(trained["path"], finished.path.with_name(run_id))))


def content(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.iterdir()}


def lain(trash: Trash, run: Run, seconds: float) -> None:
    """As if it had been deleted so long ago."""
    grave = trash.root / run.id
    os.utime(grave, (grave.stat().st_mtime - seconds,) * 2)


def test_a_run_comes_back_as_it_was(trash, finished):
    before = content(finished)
    trash.put(finished)
    assert trash.store.runs() == [] and not finished.path.exists()
    assert [run.id for run in trash.runs()] == [finished.id] and trash.open(finished.id).view().status == "finished"
    assert trash.restore(trash.open(finished.id)) == finished and content(finished) == before
    assert trash.store.view(finished).status == "finished" and trash.runs() == []


def test_a_run_is_kept_for_a_day_and_no_longer(trash, finished):
    trash.put(finished)
    lain(trash, finished, KEPT - 60)
    trash.empty()
    assert [run.id for run in trash.runs()] == [finished.id]
    lain(trash, finished, 120)
    assert trash.runs() == []
    with pytest.raises(RunError, match="There is no run"):
        trash.open(finished.id)
    trash.empty()
    assert not list(trash.root.iterdir())


def test_the_last_deleted_comes_first_and_deleting_empties_what_is_over(trash, finished, trained_again):
    trash.put(finished)
    lain(trash, finished, 60)
    others = [trained_again("20260101-000000-bbbbbb"), trained_again("20260101-000000-cccccc")]
    trash.put(others[0])
    assert [run.id for run in trash.runs()] == [others[0].id, finished.id]
    lain(trash, finished, KEPT)
    trash.put(others[1])
    assert {path.name for path in trash.root.iterdir()} == {run.id for run in others}
    trash.remove(others[0])
    assert [run.id for run in trash.runs()] == [others[1].id]


def test_what_cannot_be_is_a_sentence(trash, finished, trained_again):
    with hold(finished.path / ".lock"), pytest.raises(RunError, match="is being trained"):
        trash.put(finished)
    trash.put(finished)
    with pytest.raises(RunError, match="There is no run"):
        trash.put(finished)
    deleted = trash.open(finished.id)
    trash.put(trained_again(finished.id))  # which came back from elsewhere
    trained_again(finished.id)
    with pytest.raises(RunError, match="is there already"):
        trash.restore(deleted)
    for odd in ("", "..", "../x", "x" * 300):
        with pytest.raises(RunError, match="There is no run"):
            trash.open(odd)
