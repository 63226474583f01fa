"""Who may ask for how much: each limit refused in one sentence that says what fits, and what fits let in."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import tiny_config
from filelock import FileLock

from reglab.config import RunConfig
from reglab.deployment import LIMITS, Limits
from reglab.errors import BusyError, ConfigError, RunError
from reglab.experiments.executors import queue
from reglab.experiments.experiment import Experiment
from reglab.jobs.admission import Admission, in_words
from reglab.jobs.pace import Pace
from reglab.jobs.queue import Jobs
from reglab.jobs.worker import work
from reglab.runs.recording import conclude
from reglab.training.events import Stopped

pytestmark = pytest.mark.usefixtures("workers_begin_sooner")
PUBLIC = LIMITS["public"]
SLOW = Pace(layer=3.4e-4, parameter=2.8e-9, multiply_add=2.1e-11, activation=4.2e-9)  # a core of 2026, measured
HERE, OTHER = "10.0.0.1/" + "a" * 64, "10.0.0.2/" + "b" * 64


def public(**changes) -> RunConfig:
    return RunConfig.parse({"dataset": "cifar10", **changes})


@pytest.fixture
def admission(store):
    """The limits of the public, on a machine of a known pace."""
    admission = Admission(PUBLIC, store, store.view, lambda: SLOW)
    yield admission
    admission.close()


@pytest.fixture
def jobs(store):
    """A queue in public whose device is taken: whatever is let in waits."""
    jobs = Jobs(store, limits=PUBLIC)
    jobs.warm()
    assert jobs.lookout.pace(timeout=60)
    jobs.admission._pace = lambda: SLOW
    store.root.mkdir(parents=True)
    with FileLock(store.root / ".cpu.lock"):
        yield jobs
        for run in store.runs():
            jobs.stop(run)
        jobs.close(patience=10)


def start(jobs: Jobs, config: RunConfig, place: str = HERE):
    return queue.train(Experiment.run(config), jobs, place)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model": "resnet18", "width": 4, "batch_size": 1, "epochs": 1_000},
            "resnet18 of width 4 has 178.6 M weights, but here a network may have at most 15 M: use a width of at most 1.125.",
        ),
        (
            {"model": "resnet18", "batch_size": 1, "epochs": 1_000},
            r"resnet18 takes about \d+ days for 1,000 epochs of 48,000 images, but here a run may take at most 10 minutes:"
            " use fewer images, a larger batch_size or a smaller network.",
        ),
        (
            {"train_size": 2_000, "width": 0.5, "epochs": 1_000},
            r"basic_cnn takes about 26 minutes for 1,000 epochs of 2,000 images, but here a run may take at most 10 minutes:"
            " use at most 382 epochs of these images.",
        ),
        (
            {"batch_size": 4_096},
            "A batch_size of 4,096 was asked for, but here a batch may have at most 512 images: use 512",
        ),
        (
            {"model": "timm/resnet34", "pretrained": True, "finetune": "all"},
            "21.3 M weights.* or use finetune features",
        ),
    ],
)
def test_what_is_too_much_is_refused_with_what_fits(admission, changes, words):
    with pytest.raises(ConfigError, match=words):
        admission.check(HERE, [public(**changes)])
    admission.check("", [public(**changes)])  # the host may


def test_what_is_said_to_fit_fits(admission):
    asked = public(train_size=2_000, width=0.5, epochs=1_000)
    with pytest.raises(ConfigError) as refused:
        admission.check(HERE, [asked])
    epochs = int(re.search(r"at most (\d+) epochs", str(refused.value))[1])
    admission.check(HERE, [asked.model_copy(update={"epochs": epochs})])
    with pytest.raises(ConfigError, match=f"use at most {epochs} epochs"):
        admission.check(HERE, [asked.model_copy(update={"epochs": epochs + 1})])
    admission.check(HERE, [public(model="resnet18", width=1.125, train_size=100, epochs=1)])


def test_memory_is_refused_beforehand(store):
    admission = Admission(replace(PUBLIC, memory=2 * 2**30), store, store.view, lambda: SLOW)
    with pytest.raises(
        ConfigError,
        match=r"vgg16 with batches of 512 takes about 2\.\d GiB of memory.* at most 2: use a batch_size of at most \d+",
    ):
        admission.check(HERE, [public(model="vgg16", batch_size=512, train_size=1_000, epochs=1)])
    admission.check(HERE, [public(batch_size=64, train_size=1_000, epochs=1)])
    admission.close()


def test_a_frozen_backbone_is_not_trained_and_may_be_large(admission):
    admission.check(HERE, [public(model="timm/resnet34", pretrained=True, train_size=1_000, epochs=3, val_size=10)])


def test_an_hour_holds_so_many_minutes_for_all_keys_of_an_address(jobs, monkeypatch):
    monkeypatch.setattr(jobs.admission, "seconds", lambda configs: [540.0] * len(configs))  # nine minutes each
    now = [1_000.0]
    monkeypatch.setattr("reglab.jobs.admission.time", SimpleNamespace(monotonic=lambda: now[0]))
    for key in "ab":
        start(jobs, public(train_size=100), f"10.0.0.1/{key * 64}")
        now[0] += 600
    (waits,) = start(jobs, public(train_size=100), HERE)
    words = r"This would take about 9 minutes, and a visitor may have 30 minutes .* 3 left: come back in 40 minutes"
    with pytest.raises(ConfigError, match=words):
        start(jobs, public(train_size=100), f"10.0.0.1/{'c' * 64}")
    start(jobs, public(train_size=100), OTHER)
    assert len(jobs.store.runs()) == 4, "a refused run leaves no folder"
    jobs.stop(waits)  # it took nothing
    start(jobs, public(train_size=100), HERE)
    now[0] += 3_601
    assert jobs.admission._had(HERE) == []
    start(jobs, public(train_size=100), OTHER)
    assert jobs.admission._charges.keys() == {"10.0.0.2"}, "who never comes back is forgotten"


def test_a_sweep_counts_as_its_runs(jobs, monkeypatch):
    monkeypatch.setattr(jobs.admission, "seconds", lambda configs: [300.0] * len(configs))
    told = Experiment.planned("sweep", [public(train_size=100, lr=lr) for lr in (0.1, 0.2, 0.3)], seeds=(0, 1, 2))
    with pytest.raises(ConfigError, match="these 9 runs take about 45 minutes: ask for at most 6 of them at once"):
        queue.train(told, jobs, HERE)
    assert jobs.store.runs() == []
    queue.train(told.model_copy(update={"seeds": (0, 1)}), jobs, HERE)
    assert len(jobs.store.runs()) == 6


def test_a_run_that_goes_on_counts_and_has_what_is_left_to_it(jobs, monkeypatch):
    start(jobs, public(train_size=100), OTHER)  # which the device has now
    (run,) = start(jobs, public(train_size=100))
    jobs.stop(run)
    (run.path / "timing.jsonl").write_text(
        '{"epoch": 3, "batch": 1, "seconds": 599.0, "loading": 0.5, "saving": 0.4}\n'
    )
    assert jobs.admission._had(HERE)[0][1] > 0
    jobs.resume([run], owner=HERE)
    jobs.stop(run)
    (run.path / "timing.jsonl").write_text(
        '{"epoch": 3, "batch": 1, "seconds": 599.0, "loading": 0.5, "saving": 0.6}\n'
    )
    with pytest.raises(RunError, match="has used up the 10 minutes that a run may train here: train a shorter one"):
        jobs.resume([run], owner=HERE)
    jobs.resume([run])  # the host may


@pytest.mark.parametrize("keys", [1, 1_000])
def test_a_flood_leaves_the_next_visitor_waiting_for_one_run_of_it(jobs, keys):
    """1,000 starts by one script, with one key or with a thousand, and then somebody else."""

    def one(n: int) -> bool:
        try:
            start(jobs, public(train_size=100, epochs=1, seed=n), f"10.0.0.1/{n % keys:064}")
        except ConfigError as refused:
            assert "waiting already" in str(refused)
            return False
        return True

    began = time.monotonic()
    with ThreadPoolExecutor(8) as script:
        let_in = sum(script.map(one, range(1_000)))
    took = time.monotonic() - began
    assert let_in == 1 + PUBLIC.waiting_each, "one runs, and a few wait"
    assert len(jobs.store.runs()) == let_in and took < 30
    (mine,) = start(jobs, public(train_size=100, epochs=1), OTHER)
    assert jobs.place(mine) == 1, "only the run that is on the device comes before"


def test_a_run_of_the_same_kind_tells_better_than_the_pace(finished, store):
    admission = Admission(PUBLIC, store, store.view, lambda: SLOW)
    longer = finished.config.model_copy(update={"epochs": 2_000})
    (guessed,) = admission.seconds([longer])
    work([store.create(finished.config.model_copy(update={"epochs": 8}))])  # enough steps to tell
    (told,) = admission.seconds([longer])
    assert told != guessed
    admission._pace = lambda: None
    assert admission.seconds([longer.model_copy(update={"seed": 1})]) == [told]
    assert admission.seconds([public()]) == [0.0], "nothing is known, and the clock decides"


def test_the_page_is_told_in_one_line(admission, store):
    quick = tiny_config(train_size=60, val_size=60, epochs=1)
    assert admission.told(HERE, [quick]) == "Up to 10 minutes a run and 30 an hour; this one takes less than a minute."
    assert admission.told("", [quick]) == "", "the host is told nothing"
    pair = [quick, quick.model_copy(update={"seed": 1})]
    assert admission.told(HERE, pair).endswith("; both together take less than a minute.")
    run = store.create(quick)
    admission.charge(HERE, {run: 720.0})
    assert "an hour, of which 30 are left" not in admission.told(HERE, [quick])
    conclude(run, Stopped(epoch=0, step=0))
    assert "of which" not in admission.told(HERE, [quick]), "what was stopped at once took nothing"
    too_long = public(train_size=2_000, epochs=500)
    assert "use at most" in admission.told(HERE, [too_long])
    free = Admission(Limits(), store, store.view, lambda: None)
    assert free.told(HERE, [too_long]) == ""


def test_new_keys_from_one_address_take_no_more_of_the_disk_than_one_visitor(jobs, monkeypatch):
    """Else the runs of everybody else would have to make room for them."""
    jobs.admission.limits = replace(PUBLIC, disk_each=200 * 2**20, waiting_each=99)
    large = public(model="resnet18", epochs=1, train_size=100, val_size=100)  # 11 M weights: 214 MiB with its snapshots
    small = public(width=0.25, epochs=1, train_size=100, val_size=100)
    start(jobs, large)
    anew = HERE.replace("a", "c")
    with pytest.raises(BusyError, match="asks for within an hour may take"):
        start(jobs, small, anew)
    start(jobs, small, OTHER)
    monkeypatch.setattr("reglab.jobs.admission.HOUR", 0.0)
    start(jobs, small, anew)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "less than a minute"),
        (60, "about 1 minute"),
        (119, "about 2 minutes"),
        (7_000, "about 2 hours"),
        (4.75e6, "about 55 days"),
    ],
)
def test_times_in_words(seconds, words):
    assert in_words(seconds) == words
