"""Who may see and change which run: every service asked by its owner, by a stranger, by the host, and in a shared lab."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import tiny_config

from reglab.deployment import Deployment
from reglab.errors import ConfigError, DiskFull, RunError
from reglab.experiments.axes import axis
from reglab.experiments.experiment import Experiment
from reglab.experiments.publications import PUBLICATIONS
from reglab.experiments.sweep import sweep
from reglab.jobs.worker import work
from reglab.publishing.hub import gather
from reglab.runs.owner import FILE, HERE, Visitor, hashed, is_owned_by, owner_of, write_owner
from reglab.runs.recording import seal
from reglab.runs.room import size_of
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.trash import KEPT
from reglab.ui.services.access import Access
from reglab.ui.services.lab import Lab

ANN, BOB = Visitor("the key that ann has", "10.0.0.1"), Visitor("the key that bob has", "10.0.0.2")
HOST = Visitor("the key that the host has", admin_key="open sesame, please")
PUBLIC = Deployment("public", admin_key=HOST.admin_key, is_key_given=True)
SHARED = Deployment("class", is_shared=True, admin_key=HOST.admin_key)
SLOW = {"train_size": 60, "val_size": 60, "epochs": 300, "width": 0.125}


@pytest.fixture
def open_lab(tmp_path) -> Iterator[Callable[[Deployment], Lab]]:
    """Makes a lab over the runs in `tmp_path / "runs"`; what a test starts in it is stopped."""
    made: list[Lab] = []

    def make(deployment: Deployment) -> Lab:
        made.append(Lab(Store(tmp_path / "runs"), Store(tmp_path / "shipped", read_only=True), deployment))
        return made[-1]

    yield make
    for lab in made:
        for run in lab.stores.own.whole.runs():
            run.ask_to_stop()
        lab.close()


@pytest.fixture
def anns(tmp_path, trained) -> Run:
    """A finished run of ann's."""
    run = Run(Path(shutil.copytree(trained["path"], tmp_path / "runs" / "20260101-000000-aaaaaa")))
    write_owner(run.path, ANN.key)
    return run


# ---- the table ---------------------------------------------------------------------------------------------------
LAPTOP, STRANGE = Deployment("laptop"), Visitor("", "", "")
TABLE = {  # deployment, visitor -> may see and change ann's, then a run of nobody's; whether they are the host
    (PUBLIC, ANN): ("see change", "", False),
    (PUBLIC, BOB): ("", "", False),
    (PUBLIC, HERE): ("", "", False),
    (PUBLIC, HOST): ("see change", "see change", True),
    (SHARED, ANN): ("see change", "see", False),
    (SHARED, BOB): ("see", "see", False),
    (SHARED, STRANGE): ("see", "see", False),
    (SHARED, HOST): ("see change", "see change", True),
    (LAPTOP, BOB): ("see change", "see change", True),
    (LAPTOP, HERE): ("see change", "see change", True),
}


@pytest.mark.parametrize(("deployment", "visitor"), TABLE, ids=lambda each: getattr(each, "kind", None))
def test_who_may_do_what(deployment, visitor, tmp_path):
    owned, nobodys = Run(tmp_path / "a"), Run(tmp_path / "b")
    for run in (owned, nobodys):
        run.path.mkdir()
    write_owner(owned.path, ANN.key)
    access = Access(deployment)
    for run, expected in zip((owned, nobodys), TABLE[deployment, visitor], strict=False):
        may = {"see": access.may_see(visitor, run), "change": access.may_change(visitor, run)}
        assert " ".join(word for word, yes in may.items() if yes) == expected
        if "change" in expected:
            access.check(visitor, run)
        else:
            with pytest.raises(RunError, match="somebody else's" if "see" in expected else "There is no run"):
                access.check(visitor, run)
    assert access.is_host(visitor) is TABLE[deployment, visitor][2]


def test_a_host_without_a_key_is_nobody():
    access = Access(Deployment("public"))
    for key in ("", "x" * 20, "ключ", "\ud800"):
        assert not access.is_host(Visitor("a key of somebody", admin_key=key))
    assert not Access(PUBLIC).is_host(Visitor(admin_key=HOST.admin_key.upper()))


def test_a_key_is_kept_as_a_hash_and_only_a_long_one_is_a_key(tmp_path):
    write_owner(tmp_path, ANN.key)
    assert (tmp_path / FILE).read_text() == f"{hashed(ANN.key)}\n" and owner_of(tmp_path) == hashed(ANN.key)
    for key in ("", "short", owner_of(tmp_path), ANN.key + " ", "x" * 201, "\ud800" * 20):
        assert not is_owned_by(tmp_path, key)
    for key in ("", "short", "x" * 201):
        (tmp_path / "none").mkdir(exist_ok=True)
        write_owner(tmp_path / "none", key)
        assert not (tmp_path / "none" / FILE).exists() and not is_owned_by(tmp_path / "none", key)


# ---- the services ------------------------------------------------------------------------------------------------
def reads(lab: Lab, run: Run) -> dict[str, bool]:
    """Whether each way to look at runs tells of this one."""
    results = lab.results
    choices = [*results.groups(), *results.sweeps(), *lab.predictions.networks()]
    found = {
        "open": results.open([run.id]) == [run],
        "summaries": run.id in [s["run"] for s in results.summaries()],
        "listed": run.id in [row["id"] for row in results.listed()],
        "networks": run.id in [key for _, key in lab.predictions.networks()],
        "by name": False,
    }
    try:
        found["by name"] = lab.stores.find(run.name) == lab.stores.find(run.id) == run
    except RunError as error:
        assert run.id not in str(error).partition(": there are")[2], "the sentence lists what there is for them"
    assert found["summaries"] or run.id not in str(choices)
    return found


def test_what_may_not_be_seen_is_in_no_list_and_found_by_no_name(open_lab, anns):
    anns.rename("ann's")
    for deployment, visitor in itertools.product((PUBLIC, SHARED, LAPTOP), (ANN, BOB, HOST, HERE)):
        seen = reads(open_lab(deployment).seen_by(visitor), anns)
        may = Access(deployment).may_see(visitor, anns)
        assert set(seen.values()) == {may}, (deployment.kind, visitor, seen)


def test_what_may_not_be_changed_stays_as_it_is(open_lab, anns, tmp_path):
    before = {path.name: path.read_bytes() for path in anns.path.iterdir()}
    for deployment in (PUBLIC, SHARED):
        lab = open_lab(deployment).seen_by(BOB)
        for change in (
            lambda lab=lab: lab.runs.rename(anns, "bob's"),
            lambda lab=lab: lab.runs.delete(anns),
            lambda lab=lab: lab.training.stop([anns]),
            lambda lab=lab: lab.training.resume(anns),
            lambda lab=lab: lab.predictions.evaluate(anns),
            lambda lab=lab: lab.files.run(anns),
        ):
            with pytest.raises(RunError, match=r"somebody else's|There is no run"):
                change()
        with pytest.raises(ConfigError, match="no run of yours"):
            lab.files.sheet([anns], {}, "Bob")
    assert {path.name: path.read_bytes() for path in anns.path.iterdir()} == before
    for visitor in (ANN, HOST):
        lab = open_lab(PUBLIC).seen_by(visitor)
        lab.runs.rename(anns, "renamed")
        assert lab.files.run(anns).exists() and anns.name == "renamed"
    with pytest.raises(ConfigError, match="no run of yours"):
        open_lab(PUBLIC).seen_by(HOST).files.sheet([anns], {}, "the host"), "which ann has trained"
    assert open_lab(PUBLIC).seen_by(ANN).files.sheet([anns], {}, "Ann").exists()


def test_what_ships_is_everybodys_to_take_and_nobodys_to_change(open_lab, trained, tmp_path):
    shipped = Run(Path(shutil.copytree(trained["path"], tmp_path / "shipped" / "a-network")))
    for visitor in (BOB, HOST):
        lab = open_lab(PUBLIC).seen_by(visitor)
        assert lab.files.run(shipped).exists() and reads(lab, shipped)["open"]
        assert not lab.runs.may_change(shipped) and not lab.runs.is_theirs(shipped)


def test_own_runs_come_first(open_lab, anns, trained, tmp_path):
    newer = Run(Path(shutil.copytree(trained["path"], tmp_path / "runs" / "20270101-000000-bbbbbb")))
    write_owner(newer.path, BOB.key)
    listed = [(s["run"], s["yours"]) for s in open_lab(SHARED).seen_by(ANN).results.summaries()]
    assert listed == [(anns.id, True), (newer.id, False)]
    assert [s["run"] for s in open_lab(LAPTOP).seen_by(ANN).results.summaries()] == [newer.id, anns.id]


# ---- the same experiment, started by several ---------------------------------------------------------------------
@pytest.mark.parametrize("deployment", [PUBLIC, SHARED], ids=lambda each: each.kind)
def test_the_same_sweep_of_two_visitors_is_two_sweeps(open_lab, deployment):
    lab, plan = open_lab(deployment), sweep(tiny_config(**SLOW), [axis("dropout.rate=0.1,0.2")])
    ann, bob, host = (lab.seen_by(visitor) for visitor in (ANN, BOB, HOST))
    of_ann, of_bob = ann.training.start(plan), bob.training.start(plan)
    assert not {run.id for run in of_ann} & {run.id for run in of_bob}
    assert ann.training.start(plan) == of_ann, "her own are gone on with"
    for mine, runs in ((ann, of_ann), (bob, of_bob)):
        assert [s["run"] for s in mine.results.in_sweep(plan.group)] == [run.id for run in runs]
        assert [name for _, name in mine.results.sweeps()] == [plan.group]
        assert mine.training.together(runs[0]) == runs
    bob.training.stop_group(plan.group)
    assert all(run.should_stop() or run.status() == "stopped" for run in of_bob)
    assert not any(run.should_stop() for run in of_ann) and ann.training.is_live(of_ann)
    assert {owner_of(run.path) for run in of_bob} == {hashed(BOB.key)}
    assert len(host.results.in_sweep(plan.group)) == 2, "one of the two, and not their sum"


def test_a_sweep_that_others_have_finished_is_still_to_be_trained(open_lab):
    lab, plan = open_lab(SHARED), sweep(tiny_config(**SLOW), [axis("dropout.rate=0.1,0.2")])
    runs = lab.seen_by(ANN).training.start(plan)
    bob = lab.seen_by(BOB)
    assert [s["run"] for s in bob.results.in_sweep(plan.group)] == [run.id for run in runs], "to look at"
    assert bob.results.price(plan).runs == 2
    with pytest.raises(RunError, match="somebody else's"):
        bob.training.stop_group(plan.group)


def test_a_verdict_counts_nobody_elses_runs(open_lab):
    paper, lab = PUBLICATIONS["label_smoothing"], open_lab(SHARED)
    ann, bob, host = (lab.seen_by(visitor) for visitor in (ANN, BOB, HOST))
    plan = paper.experiment("budget")
    run = ann.stores.mine.create(plan.configs[0], group=plan.group)
    assert ann.results.of_recipe(paper, "budget") == [run]
    for other in (bob, host):
        assert (
            other.results.of_recipe(paper, "budget") == []
            and other.results.reproduction(paper, "budget").told["runs"] == 0
        )


def test_on_a_laptop_two_browsers_are_one_person(open_lab):
    lab, plan = open_lab(LAPTOP), sweep(tiny_config(**SLOW), [axis("dropout.rate=0.1,0.2")])
    runs = lab.seen_by(ANN).training.start(plan)
    assert lab.seen_by(BOB).training.start(plan) == lab.training.start(plan) == runs
    lab.seen_by(BOB).training.stop(runs)


def test_a_run_needs_an_owner_where_others_come(open_lab):
    for visitor in (HERE, Visitor("short", "10.0.0.1")):
        with pytest.raises(ConfigError, match=r"needs an owner.*X-Reglab-Key"):
            open_lab(PUBLIC).seen_by(visitor).training.start(Experiment.run(tiny_config(**SLOW)))
    assert open_lab(PUBLIC).seen_by(HOST).results.summaries() == []


def test_a_fork_of_anothers_run_is_ones_own(open_lab, anns):
    bob = open_lab(SHARED).seen_by(BOB)
    [fork] = bob.training.start(Experiment.fork(bob.stores.find(anns.id), 1, {"dropout.rate": 0.5}))
    assert bob.runs.may_change(fork) and not bob.runs.may_change(anns)
    assert bob.training.together(fork) == [anns, fork]
    assert open_lab(PUBLIC).seen_by(BOB).training.together(fork) == [fork], "what may not be seen is left out"


def test_a_strangers_fork_of_a_stopped_run_does_not_take_its_place(open_lab, tmp_path):
    lab = open_lab(SHARED)
    ann, bob = (lab.seen_by(visitor) for visitor in (ANN, BOB))
    run = ann.stores.mine.create(tiny_config(**SLOW))
    run.ask_to_stop(after=1)
    work([run])
    theirs = bob.stores.mine.create(run.forked(1, {"dropout.rate": 0.5}), parent=run.id)
    assert ann.training.resume(run) == [run]
    ann.training.stop([run])
    own = ann.stores.mine.create(run.forked(1, {"dropout.rate": 0.5}), parent=run.id)
    assert ann.training._heirs() == {run.id: own} and theirs.id in [s["run"] for s in ann.results.summaries()]


# ---- the trash ---------------------------------------------------------------------------------------------------
def test_only_the_owner_and_the_host_bring_back_what_was_deleted(open_lab, anns):
    lab = open_lab(PUBLIC)
    ann, bob, host = (lab.seen_by(visitor) for visitor in (ANN, BOB, HOST))
    ann.runs.delete(anns)
    assert ann.results.open([anns.id]) == ann.results.summaries() == [] and not anns.path.exists()
    assert bob.runs.deleted() == [] and [run.id for run in host.runs.deleted()] == [anns.id]
    with pytest.raises(RunError, match="There is no run"):
        bob.runs.restore(anns.id)
    bob.runs.empty_trash()
    assert ann.runs.restore(anns.id) == anns and all(reads(ann, anns).values())
    with pytest.raises(RunError, match="There is no run"):
        ann.runs.restore(anns.id)
    host.runs.delete(anns)
    ann.runs.empty_trash()
    assert not list((anns.path.parent / ".trash").iterdir())


def test_whoever_starts_a_run_empties_the_trash_of_what_is_over(open_lab, anns):
    lab = open_lab(PUBLIC)
    lab.seen_by(ANN).runs.delete(anns)
    [grave] = (anns.path.parent / ".trash").iterdir()
    os.utime(grave, (grave.stat().st_mtime - KEPT - 1,) * 2)
    lab.seen_by(BOB).training.start(Experiment.run(tiny_config(**SLOW)))
    assert not grave.exists()


def test_a_shared_lab_shares_no_trash(open_lab, anns):
    lab = open_lab(SHARED)
    lab.seen_by(ANN).runs.delete(anns)
    bob = lab.seen_by(BOB)
    assert bob.runs.deleted() == []
    with pytest.raises(RunError, match="somebody else's"):
        bob.runs.restore(anns.id)


# ---- what is handed out ------------------------------------------------------------------------------------------
def test_no_copy_of_a_run_tells_whose_it_was(open_lab, anns, tmp_path):
    seal(anns)
    manifest = json.loads((anns.path / "manifest.json").read_text())
    with zipfile.ZipFile(open_lab(PUBLIC).seen_by(ANN).files.run(anns)) as archive:
        names = {Path(name).name for name in archive.namelist()}
        assert all(hashed(ANN.key).encode() not in archive.read(name) for name in archive.namelist())
    (tmp_path / "pushed").mkdir()
    pushed = {name for name, _ in gather(anns, "ann/a-run", tmp_path / "pushed")}
    assert FILE not in names | pushed | set(manifest["files"])
    assert not {"last.safetensors", "state.json"} & (names | pushed), "what is only needed to go on"


def test_a_download_leaves_the_disk_what_stays_free(open_lab, anns, monkeypatch):
    """Whoever took a run along a thousand times filled the disk, and the runs of others had to make room for that."""
    lab = open_lab(PUBLIC).seen_by(ANN)
    free = [PUBLIC.limits.disk_floor + size_of(anns.path)]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[0]))
    with pytest.raises(DiskFull, match="2 GiB of it stay free"):
        lab.files.run(anns)
    free[0] += size_of(anns.path)
    assert lab.files.run(anns).exists()
