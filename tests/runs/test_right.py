"""A bit for each test image: what is kept is what the network says, and what does not fit the run never counts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_split, tiny_config

from reglab.analysis.networks import logits_of
from reglab.experiments.compare import compare
from reglab.experiments.executors.ray.packing import packed as on_its_way
from reglab.experiments.executors.ray.packing import unpacked as arrived
from reglab.runs.recording import record
from reglab.runs.right import right_of
from reglab.runs.run import RIGHT, Run
from reglab.runs.store import Store
from reglab.training import right
from reglab.training.events import Finished
from reglab.training.train import train


def finished_on(split, store: Store, **changes) -> Run:
    run = store.create(tiny_config(**{"width": 0.25, "lr": 0.01, **changes}))
    list(record(run, train(run.config, split)))
    return Run(run.path)


@pytest.fixture(scope="module")
def once(tiny_split, tmp_path_factory) -> Run:
    """A finished run; do not change it."""
    return finished_on(tiny_split, Store(tmp_path_factory.mktemp("right")))


@pytest.fixture
def run(once, tmp_path) -> Run:
    """A copy, to be damaged at will."""
    return Run(shutil.copytree(once.path, tmp_path / once.id))


@pytest.mark.parametrize("images", [0, 1, 7, 8, 9, 500, 10_000])
def test_bits_come_back_as_they_were_in_an_eighth_of_the_bytes(images):
    bits = np.random.default_rng(images).random(images) < 0.6
    text = right.packed(bits)
    back = right.unpacked(text, images)
    assert back.dtype == bool and np.array_equal(back, bits) and len(text) <= images / 6 + 4
    for wrong in (text[:-4], text + "AAAA", "?" + text[1:]):
        if wrong != text:
            with pytest.raises(ValueError, match=r".+"):
                right.unpacked(wrong, images)


def test_the_bits_of_the_best_epoch_are_what_its_weights_answer(once, tiny_split):
    answers = logits_of(once, tiny_split.test_images).argmax(1).numpy()
    found = right_of(once, once.summary(), "best")
    assert np.array_equal(found.bits, answers == tiny_split.test_labels)
    assert found.test_set == right.test_set(tiny_split.test_labels)


def test_a_run_gives_those_of_the_epoch_that_it_stands_by_and_they_are_its_accuracy(once):
    s = once.summary()
    assert once.right().shape == (s["test_images"],) and once.right().dtype == bool
    assert once.right().mean() == s["test_accuracy"] == s[s["reported"]]["test_accuracy"]


def test_neither_events_nor_summary_carry_them_and_the_manifest_vouches_for_them(once):
    kept = json.loads((once.path / RIGHT).read_text())
    assert list(kept) == ["test_images", "test_set", "last", "best"]
    told = (once.path / "metrics.jsonl").read_text() + (once.path / "summary.json").read_text()
    assert kept["best"] not in told and "right" not in told
    assert RIGHT in json.loads((once.path / "manifest.json").read_text())["files"]


def test_a_run_of_before_has_none_and_reads_as_it_did(run):
    before = run.summary()
    (run.path / RIGHT).unlink()
    assert run.right() is None and run.summary() == before


@pytest.mark.parametrize(
    "change",
    [
        {"last": ""},
        {"last": "A" * 8},
        {"last": None},
        {"last": right.packed(np.zeros(32, bool))},  # another training's: not so many right
        {"test_images": 31},
        {"test_images": "32"},
        {"test_images": None},
        {"test_images": 1e400},
    ],
)
def test_bits_that_do_not_fit_the_run_never_count(run, change):
    assert run.right() is not None and run.right().any()
    kept = json.loads((run.path / RIGHT).read_text())
    (run.path / RIGHT).write_text(json.dumps({**kept, **change}))
    assert run.right() is None


def test_before_its_end_a_run_has_none(run):
    lines = (run.path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run.path / "metrics.jsonl").write_text("".join(lines[:-1]))
    assert run.right() is None


def test_they_travel_from_a_node_with_the_event_and_stay_when_a_run_goes_on(once, run, tiny_split):
    ends = [event for event in train(once.config, tiny_split) if isinstance(event, Finished)]
    assert arrived(json.loads(json.dumps(on_its_way(ends[0], 0.1)))) == ends[0]
    assert ends[0].right == json.loads((once.path / RIGHT).read_text())
    list(record(run, train(run.config, tiny_split, resume=run.resume())))
    assert (run.path / RIGHT).read_bytes() == (once.path / RIGHT).read_bytes()


# ---- side by side ------------------------------------------------------------------------------------------------
def test_a_comparison_has_them_by_run(once, run, tiny_split, tmp_path):
    other = finished_on(tiny_split, Store(tmp_path / "others"), seed=1)
    (run.path / RIGHT).unlink()
    [group] = compare([once, other]).groups
    assert [bits.mean() for bits in group.right] == [s["test_accuracy"] for s in group.summaries]
    [group] = compare([run, other]).groups
    assert group.right[0] is None and group.right[1] is not None


def test_of_different_test_images_none_are_paired_and_that_is_said(once, tiny_split, tmp_path):
    turned = replace(tiny_split, test_images=tiny_split.test_images[::-1], test_labels=tiny_split.test_labels[::-1])
    for split in (turned, make_split(test=40)):
        other = finished_on(split, Store(tmp_path / "others"), seed=1)
        told = compare([once, other])
        assert told.groups[0].right == (None, None)
        assert any("different test images" in note for note in told.notes)
