"""Quotas and free space: what makes room, in which order, and what never goes."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from conftest import tiny_config

from reglab.deployment import Limits
from reglab.errors import DiskFull
from reglab.runs.owner import hashed, write_owner
from reglab.runs.recording import conclude
from reglab.runs.room import Room, has_room, size_of, too_full
from reglab.runs.trash import Trash
from reglab.training.events import Stopped

ANN, BOB = "the key that ann has", "the key that bob has"
MIB = 2**20


@pytest.fixture
def held(store):
    """Makes a run of 10 MiB of somebody's, older than all that are made after it."""

    def make(key: str = ANN, name: str = "", group: str = ""):
        run = store.create(tiny_config(), name=name, group=group)
        if key:
            write_owner(run.path, key)
        (run.path / "model.safetensors").write_bytes(bytes(10 * MIB))
        conclude(run, Stopped(epoch=0, step=0))
        return run

    return make


def room(store, live=(), **limits) -> Room:
    return Room(store, Limits(**limits), lambda run: run.id in {one.id for one in live})


def left(store) -> set[str]:
    return {run.id for run in store.runs()}


def test_a_visitor_s_oldest_runs_make_room_for_their_new_ones(store, held):
    first, second, others = held(), held(), held(BOB)
    here = room(store, disk_each=25 * MIB)
    here.make(MIB, hashed(ANN))
    assert left(store) == {first.id, second.id, others.id}, "there is room"
    here.make(10 * MIB, hashed(ANN))
    assert left(store) == {second.id, others.id}
    with pytest.raises(
        DiskFull, match=r"Your runs may take 0\.02\d* GiB of the disk here, and this one would need 30 MiB"
    ):
        here.make(30 * MIB, hashed(ANN))
    assert left(store) == {second.id, others.id}, "nothing goes where that does not help"


def test_all_runs_together_have_a_quota_which_the_trash_gives_back_first(store, held):
    trashed, first, second, third = held(BOB), held(), held(BOB), held()
    Trash(store).put(trashed)
    here = room(store, disk=45 * MIB)
    here.make(10 * MIB, hashed(ANN))
    assert Trash(store).runs() == [] and left(store) == {first.id, second.id, third.id}
    here.make(12 * MIB, hashed(ANN))
    assert left(store) == {first.id, second.id, third.id}
    here.make(20 * MIB, hashed(ANN))
    assert left(store) == {second.id, third.id}, "the oldest, whosever it is"


def test_what_somebody_wants_to_keep_goes_last_and_what_is_under_way_or_the_host_s_never(store, held):
    of_the_host, named, trains = held(""), held(name="the best"), held()
    beside, kept = held(group="a-sweep"), held()
    held()
    going = held(group="a-sweep")
    here = room(store, live=[trains, going], disk=75 * MIB)
    here.make(10 * MIB, hashed(ANN), keep=[kept])
    assert left(store) == {run.id for run in (of_the_host, named, trains, beside, kept, going)}
    here.make(20 * MIB, hashed(ANN), keep=[kept])
    assert left(store) == {run.id for run in (of_the_host, trains, beside, kept, going)}
    with pytest.raises(DiskFull, match="All runs together may take"):
        here.make(60 * MIB, hashed(ANN), keep=[])
    assert left(store) == {run.id for run in (of_the_host, trains, beside, kept, going)}, "for nothing"
    here.make(30 * MIB, is_host=True)  # who has no quota


def test_some_of_the_disk_stays_free_whatever_is_asked_for(store, held, monkeypatch):
    run = held()
    free = [30 * MIB]

    def usage(folder):
        return SimpleNamespace(free=free[0] + (0 if run.path.exists() else 10 * MIB))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    here = room(store, disk_floor=25 * MIB)
    here.make(MIB)
    assert run.path.exists()
    free[0] = 20 * MIB
    here.make(MIB)
    assert not run.path.exists(), "it made room"
    with pytest.raises(DiskFull, match=r"The disk is full \(.* GiB of it stay free\): delete some runs"):
        here.make(20 * MIB, is_host=True)
    left_over = held()
    with pytest.raises(DiskFull):
        here.make(100 * MIB)
    assert left(store) == {left_over.id}, "for nothing"
    assert too_full(0) == "The disk is full: delete some runs, or try again when others have."


def test_room_is_looked_for_where_a_folder_will_be(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    assert size_of(tmp_path) == 100 and size_of(tmp_path / "nothing") == 0
    assert has_room(tmp_path / "not" / "there", 1, 0) and not has_room(tmp_path / "not" / "there", 2**60, 0)
