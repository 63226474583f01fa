"""A fork that begins at its parent's snapshot: the same bytes as one that trains its first epochs again, whatever goes wrong."""

from __future__ import annotations

import shutil

import pytest
from conftest import tiny_config

from reglab.jobs.worker import work
from reglab.runs import files, parent, recording
from reglab.runs.lines import append
from reglab.runs.run import LAST, Run
from reglab.runs.store import Store
from reglab.training.events import Epoch, Event, Step

BASE = tiny_config(epochs=4, train_size=60, val_size=60, width=0.125)
MEASURED = ("lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "ece", "gap")
TRAINED = ("metrics.jsonl", "model.safetensors", LAST, "state.json")


def stopped_after(store: Store, epoch: int, config=BASE) -> Run:
    run = store.create(config)
    run.ask_to_stop(after=epoch)
    work([run])
    assert run.status() == "stopped" and len(run.history()) == epoch + 1
    return run


def steps_of(run: Run) -> list[int]:
    """The epochs of the steps that training it took."""
    seen: list[int] = []
    work([run], lambda run, event: seen.append(event.epoch) if isinstance(event, Step) else None)
    assert run.status() == "finished", run.summary().get("reason")
    return sorted(set(seen))


def contents(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.iterdir() if path.name not in (".lock", ".reserve")}


def check_same(fork: Run, again: Run) -> None:
    for name in TRAINED:
        assert (fork.path / name).read_bytes() == (again.path / name).read_bytes(), name


# ---- the law -----------------------------------------------------------------------------------------------------
CHANGES = {
    "a layer that shifts the names": ({}, {"dropout.rate": 0.5, "gaussian_noise": True}),
    "a layer that goes": ({"dropout": {"rate": 0.3}}, {"dropout": False}),
    "other groups of the optimizer": ({}, {"weight_decay.strength": 0.1}),
    "a memory that goes on": ({"ema": {"decay": 0.9}}, {"flip_crop": True}),
    "a memory that begins": ({}, {"ema.decay": 0.9, "l1": True}),
    "a memory that ends": ({"ema": {"decay": 0.9}, "dropout": {}}, {"ema": False}),
    "two passes a step": ({"batch_norm": {}}, {"sam": True}),
}


@pytest.mark.parametrize("before, changes", CHANGES.values(), ids=CHANGES)
def test_it_comes_to_the_bytes_of_the_fork_that_trains_its_first_epochs_again(before, changes, store):
    config = tiny_config(epochs=4, train_size=60, val_size=60, width=0.125, regularizers=before)
    first = stopped_after(store, 2, config)
    was, after = contents(first), config.forked(2, changes)
    fork, again = store.create(after, parent=first.id), store.create(after)
    assert steps_of(fork) == [3, 4] and steps_of(again) == [1, 2, 3, 4]
    check_same(fork, again)
    assert contents(first) == was, "its parent is only read"


def test_also_with_momentum_at_epoch_0_and_as_the_fork_of_a_fork(store):
    config = tiny_config(epochs=4, train_size=60, val_size=60, width=0.125, optimizer="sgd")
    untrained = stopped_after(store, 0, config)
    first = store.create(config.forked(0, {"dropout": True}), parent=untrained.id)
    first.ask_to_stop(after=2)
    work([first])
    second = first.config.forked(2, {"dropout": False, "weight_decay.strength": 0.1})
    fork, again = store.create(second, parent=first.id), store.create(second)
    assert steps_of(fork) == [3, 4] and steps_of(again) == [1, 2, 3, 4]
    check_same(fork, again)


def test_a_finished_run_that_was_ended_early_can_be_gone_on_from(store):
    config = tiny_config(epochs=6, width=0.125, regularizers={"early_stopping": {"patience": 1, "min_delta": 1}})
    ended = store.create(config)
    work([ended])
    last = ended.history()[-1].epoch
    assert ended.status() == "finished" and last < 6
    fork = store.create(ended.forked(last, {"early_stopping": False}), parent=ended.id)
    assert steps_of(fork) == list(range(last + 1, 7))


def test_its_times_and_its_machine_are_told_as_if_it_had_trained_all_of_it(store):
    first = stopped_after(store, 2)
    fork = store.create(BASE.forked(2, {"dropout": True}), parent=first.id)
    steps_of(fork)
    assert fork.summary()["seconds"] > first.summary()["seconds"] > 0
    again = Run(fork.path)
    seen = Run(first.path).described
    assert all(again.described[key] == seen[key] for key in recording.SEEN)
    assert [line["epoch"] for line in fork.lines(file="timing.jsonl")[0] if line["batch"] == line["batches"]][-1] == 4


# ---- where it has to train them again ------------------------------------------------------------------------------
def spoil(first: Run, how: str) -> None:
    match how:
        case "gone":
            first.delete()
        case "another epoch":
            first.reopen()
            first.ask_to_stop(after=3)
            work([first])
        case "within an epoch":
            steps: list[Event] = []
            first.reopen()
            work(
                [first],
                lambda run, event: steps.append(event) if isinstance(event, Step) else None,
                lambda: bool(steps),
            )
        case "damaged":
            data = bytearray((first.path / LAST).read_bytes())
            data[-1] ^= 1
            (first.path / LAST).write_bytes(data)
        case "other metrics":
            text = (first.path / "metrics.jsonl").read_bytes()
            (first.path / "metrics.jsonl").write_bytes(text.replace(b"0", b"1", 1))
        case "no best weights":
            (first.path / "model.safetensors").unlink()


@pytest.mark.parametrize(
    "how", ["gone", "another epoch", "within an epoch", "damaged", "other metrics", "no best weights"]
)
def test_a_parent_that_is_not_at_that_epoch_or_damaged_costs_time_and_not_truth(how, store):
    first, after = stopped_after(store, 2), BASE.forked(2, {"dropout": True})
    spoil(first, how)
    fork, again = store.create(after, parent=first.id), store.create(after)
    assert steps_of(fork) == steps_of(again) == [1, 2, 3, 4]
    check_same(fork, again)


@pytest.mark.parametrize("theirs", ["../elsewhere", "", 7, None, "x" * 500])
def test_what_is_no_parent_of_it_is_not_looked_at(theirs, store):
    first = stopped_after(store, 2)
    shutil.copytree(first.path, store.root.parent / "elsewhere")
    other = tiny_config(epochs=4, train_size=60, val_size=60, width=0.125, seed=1)
    for config, named in ((BASE, theirs), (other, first.id)):
        fork = store.create(config.forked(2, {"dropout": True}))
        files.write_json(fork.path / "config.json", {**fork.described, "parent": named})
        assert parent.from_parent(Run(fork.path)) is None and not (fork.path / LAST).exists()


@pytest.mark.parametrize("written", range(7))
def test_broken_off_after_any_file_it_begins_anew_to_the_same_bytes(written, store, monkeypatch):
    first, after = stopped_after(store, 2), BASE.forked(2, {"dropout": True})
    fork, again = store.create(after, parent=first.id), store.create(after)
    left = [written]

    def dies(path, data):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        files.write_bytes(path, data)

    with monkeypatch.context() as patched:
        for module in (parent, recording):
            patched.setattr(module, "write_bytes", dies)
        for module in (parent, recording):
            patched.setattr(module, "write_json", lambda path, value: dies(path, files.json.dumps(value).encode()))
        with pytest.raises(KeyboardInterrupt):
            work([fork])
    assert steps_of(Run(fork.path)) == [3, 4] and steps_of(again) == [1, 2, 3, 4]
    check_same(fork, again)


# ---- the end of an epoch -------------------------------------------------------------------------------------------
def test_a_run_that_is_asked_for_the_end_of_an_epoch_goes_on_until_there_and_later_to_the_same_bytes(store):
    whole, broken = store.create(BASE), stopped_after(store, 2)
    assert broken.left_off().resume.state["epoch"] == 3 and broken.left_off().resume.state["batch"] == 0
    work([whole])
    broken.reopen()
    work([broken])
    check_same(broken, whole)


def test_asked_too_late_it_stops_at_once_and_stop_means_stop(store):
    run = store.create(BASE)
    assert not run.should_stop() and not run.should_stop(9)
    run.ask_to_stop(after=2)
    assert [run.should_stop(done) for done in (0, 1.5, 2, 2.5)] == [False, False, True, True] and not run.should_stop()
    run.ask_to_stop()
    assert run.should_stop() and run.should_stop(0)


@pytest.mark.parametrize(("epoch", "batch", "next_end"), [(0, 0, 0), (1, 0, 0), (3, 0, 2), (3, 2, 3)])
def test_the_end_that_a_stopped_run_comes_to_next(epoch, batch, next_end, store):
    run = store.create(BASE)
    files.write_json(run.path / "state.json", {"epoch": epoch, "batch": batch})
    assert run.next_end() == next_end


@pytest.mark.parametrize(
    ("told", "next_end"),
    [
        ({"epoch": 2, "batch": 8, "batches": 8, "seconds": 90.0}, 3),
        ({"epoch": 3, "batch": 4, "batches": 8, "seconds": 90.0, "seconds_left": 505.0}, 3),
        ({"epoch": 3, "batch": 7, "batches": 8, "seconds": 90.0, "seconds_left": 90.0}, 4),
        ({"epoch": 2, "batch": 8, "batches": 8, "seconds": 0.9, "seconds_left": 10.2}, 10),
        ({"epoch": 2, "batch": 2, "batches": 2, "seconds": 0.93}, 7),
    ],
    ids=["long", "in the middle", "about to end", "short", "too short to be measured"],
)
def test_the_end_that_one_that_trains_can_still_be_asked_to_stop_at(told, next_end, store, monkeypatch):
    run = store.create(BASE.model_copy(update={"epochs": 53}))
    for epoch in range(3):
        append(run.path / "metrics.jsonl", Epoch(epoch=epoch, step=0, **dict.fromkeys(MEASURED, 0.1)).to_json())
    append(run.path / "timing.jsonl", told)
    monkeypatch.setattr(Run, "is_locked", lambda run: True)
    assert len(run.history()) == 3 and run.next_end() == next_end
