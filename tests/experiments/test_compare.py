"""Runs side by side: what is grouped with what, what is said of the groups, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from conftest import make_split, tiny_config
from pages import commands
from PIL import Image

from reglab.cli.main import main
from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.experiments import compare as comparing
from reglab.experiments import report, stats, tables
from reglab.experiments.choice import choose
from reglab.experiments.compare import Comparison, compare
from reglab.experiments.curves import band, reached, soon
from reglab.experiments.labels import labels, shown
from reglab.numbers import number
from reglab.runs.recording import record
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.train import train

ARMS = {"plain": {}, "dropout": {"dropout": {"rate": 0.5}}, "more": {"dropout": {"rate": 0.8}, "weight_decay": True}}


@pytest.fixture(scope="module", name="trained_runs")
def trained_runs_fixture(tmp_path_factory) -> list[Run]:
    """Three configs with three seeds each, in one group; do not change them."""
    store = Store(tmp_path_factory.mktemp("compared"))
    runs = []
    for seed in range(3):
        split = make_split(seed=seed)
        for regularizers in ARMS.values():
            run = store.create(tiny_config(seed=seed, width=0.25, lr=0.01, regularizers=regularizers), group="g")
            list(record(run, train(run.config, split)))
            runs.append(Run(run.path))
    return runs


@pytest.fixture
def store_of_runs(trained_runs, tmp_path) -> Store:
    """A copy, to be damaged at will."""
    return Store(shutil.copytree(trained_runs[0].path.parent, tmp_path / "copied"))


@pytest.fixture
def first(trained_runs, store_of_runs) -> Run:
    """The copy of the plain run with seed 0. Not by its place in the list: runs of one second come in any order there."""
    return store_of_runs.open(trained_runs[0].id)


@pytest.fixture
def last(trained_runs, store_of_runs) -> Run:
    """The copy of the run with the most regularizers and seed 2."""
    return store_of_runs.open(trained_runs[-1].id)


@pytest.fixture
def compared(trained_runs) -> Comparison:
    return compare(trained_runs)


# ---- grouping ----------------------------------------------------------------------------------------------------
def test_runs_are_grouped_by_everything_but_the_seed(compared):
    assert [group.label for group in compared.groups] == ["plain", "dropout rate 0.5", "dropout rate 0.8, weight decay"]
    assert [[run.config.seed for run in group.runs] for group in compared.groups] == [[0, 1, 2]] * 3
    assert compared.differing == ("dropout", "dropout.rate", "weight_decay") and compared.notes == ()
    assert compared.baseline.label == "plain"


def test_a_value_that_is_left_open_has_words_for_every_setting():
    assert shown("train_size", None) == "all"
    assert shown("weight_decay.strength", None).startswith("follows the run")
    assert shown("lr", None) == "-"


def test_the_baseline_can_be_chosen(trained_runs):
    told = compare(trained_runs, baseline=trained_runs[1].id)
    assert [group.label for group in told.groups] == ["dropout rate 0.5", "plain", "dropout rate 0.8, weight decay"]
    with pytest.raises(RunError, match="none of the finished runs"):
        compare(trained_runs[:3], baseline=trained_runs[4].id)


def test_of_runs_with_the_same_seed_the_newest_counts(store_of_runs, first):
    shutil.copytree(first.path, first.path.with_name("99990101-000000-abcdef"))
    told = compare(store_of_runs.runs())
    assert told.baseline.runs[0].id == "99990101-000000-abcdef"
    assert told.notes == ("plain: 1 older run of a seed that is there again left out.",)


def test_what_is_unfinished_is_left_out_and_said(trained_runs, store_of_runs, last):
    broken = last
    (broken.path / "metrics.jsonl").write_bytes(b"")
    told = compare(store_of_runs.runs())
    assert "1 run is interrupted and left out." in told.notes
    assert any("different seeds (seeds 0, 1 are in all of them)" in note for note in told.notes)
    with pytest.raises(ConfigError, match=r"None of these runs can be compared \(interrupted"):
        compare([Run(broken.path)])


def test_the_newest_is_by_its_date_not_by_its_name(store_of_runs, first):
    shipped = Run(shutil.copytree(first.path, store_of_runs.root / "zzz"))
    (shipped.path / "config.json").write_text(json.dumps({**shipped.described, "created": "2020-01-01T00:00:00+00:00"}))
    told = compare([*store_of_runs.runs(), first])
    assert told.baseline.runs[0].id == first.id and len(told.notes) == 1
    assert compare([first, first]).notes == compare([first]).notes


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("config.json", '"format": 1', '"format": 2', "unreadable"),
        ("metrics.jsonl", '"event": "epoch"', '"event": "age"', "damaged"),
        ("metrics.jsonl", '"val_loss": ', '"val_loss": NaN, "was": ', "damaged"),
        ("metrics.jsonl", '"test_accuracy": ', '"test_accuracy": "0.5", "was": ', "damaged"),
        ("metrics.jsonl", '"val_accuracy": ', '"val_accuracy": null, "was": ', "damaged"),
    ],
)
def test_a_damaged_run_leaves_the_others_alone(store_of_runs, first, file, old, new, why):
    broken = first.path / file
    assert old in broken.read_text()
    broken.write_text(broken.read_text().replace(old, new))
    told = compare(store_of_runs.runs())
    assert f"1 run is {why} and left out." in told.notes and len(told.baseline.runs) == 2
    json.dumps(tables.to_json(told), allow_nan=False)
    with pytest.raises(ConfigError, match=why):
        compare([first])


def test_runs_that_ended_early_are_said_to(store_of_runs, first):
    short = first.path / "metrics.jsonl"
    lines = [line for line in short.read_text().splitlines() if '"event": "epoch", "epoch": 3' not in line]
    short.write_text("\n".join(lines) + "\n")
    told = compare(store_of_runs.runs())
    assert told.notes == ("plain: its runs ended after 2 to 3 epochs; curves reach to the first end.",)
    assert band(told.baseline, "val_accuracy").x == [0, 1, 2]


def test_groups_of_one_seed_and_one_group_say_what_they_cannot_tell(trained_runs):
    assert compare(trained_runs[:3]).notes[0] == "There is one seed for each of them, so there are no intervals."
    pair_and_one = compare([trained_runs[0], trained_runs[3], trained_runs[1]])
    assert pair_and_one.notes[0].startswith("One seed only, so no interval: dropout")
    assert "nothing to compare them with" in compare([trained_runs[0], trained_runs[3]]).notes[0]


def test_nothing_and_runs_of_different_data_are_refused(trained_runs, store_of_runs, last):
    with pytest.raises(ConfigError, match="nothing to compare"):
        compare([])
    other = last
    config = {**other.described["config"], "dataset": "cifar10"}
    (other.path / "config.json").write_text(json.dumps({**other.described, "config": config}))
    with pytest.raises(ConfigError, match="and CIFAR-10 cannot be compared"):
        compare([*trained_runs, Run(other.path)])
    (other.path / "metrics.jsonl").write_bytes(b"")  # what is left out anyway cannot stand in the way
    assert len(compare([*trained_runs, Run(other.path)]).groups) == 3
    with pytest.raises(RunError, match="no group called 'nobody'"):
        comparing.in_group(store_of_runs, "nobody")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([{}, {"batch_norm": True}], ["plain", "batch normalization"]),
        (
            [{"dropout": True}, {"dropout": True, "batch_norm": True}],
            ["without batch normalization", "batch normalization"],
        ),
        ([{"lr": 0.1}, {"lr": 0.01}], ["learning rate 0.1", "learning rate 0.01"]),
        ([{"train_size": None}, {"train_size": 50}], ["training images all", "training images 50"]),
        ([{"weight_decay": True}, {"weight_decay": True, "epochs": 40}], ["epochs 20", "epochs 40"]),
        (
            [{"weight_decay.strength": 0.1, "lr": 0.1}, {"weight_decay.strength": 0.5, "lr": 0.2}],
            ["learning rate 0.1, weight decay strength 0.1", "learning rate 0.2, weight decay strength 0.5"],
        ),
    ],
)
def test_a_label_says_only_what_differs(changes, expected):
    assert labels([RunConfig(dataset="digits").override(each) for each in changes]) == expected


# ---- numbers -----------------------------------------------------------------------------------------------------
def test_means_and_differences_are_those_of_the_summaries(compared):
    plain, dropout, both = compared.groups
    tests = {g.label: {r.config.seed: r.summary()["test_accuracy"] * 100 for r in g.runs} for g in compared.groups}
    right = {g.label: {r.config.seed: r.right() for r in g.runs} for g in compared.groups}
    mean = plain.mean("test_accuracy")
    assert mean == stats.interval(list(tests["plain"].values()), list(right["plain"].values())) and mean.images == 32
    others = [dropout.label, both.label]
    expected = stats.differences(
        tests["plain"], [tests[label] for label in others], (right["plain"], [right[label] for label in others])
    )
    assert list(compared.differences("test_accuracy").values()) == expected
    assert all(d.paired and d.n == 3 and d.of == 2 and d.images == 32 for d in expected)
    d = compared.difference(dropout, "test_accuracy")
    assert d == expected[0] and compared.verdict(dropout, "test_accuracy").startswith(
        f"{number(d.mean, signed=True)} points, 95 % interval"
    )
    assert compared.differences("gap")[dropout.label].images == 0  # of validation images no answers are kept
    assert "cover seeds and the 32 test images; those of the 2 differences from plain hold" in compared.covers(
        "test_accuracy"
    )


def test_a_band_holds_every_run(compared):
    group = compared.groups[0]
    told = band(group, "val_accuracy")
    curves = np.array([[e.val_accuracy for e in run.history()] for run in group.runs])
    assert told.x == [0, 1, 2, 3]
    assert np.allclose([told.mean, told.low, told.high], [curves.mean(0), curves.min(0), curves.max(0)])
    assert band(group, "val_accuracy", "step").x == [0, 4, 8, 12]
    seconds = band(group, "val_accuracy", "seconds").x
    assert len(seconds) == 4 and seconds == sorted(seconds)
    with pytest.raises(ConfigError, match="choose from epoch, step, seconds"):
        band(group, "val_accuracy", "parsec")


def test_without_times_seconds_are_refused(store_of_runs):
    for run in store_of_runs.runs():
        (run.path / "timing.jsonl").unlink()
    with pytest.raises(RunError, match="has no times of its epochs"):
        band(compare(store_of_runs.runs()).baseline, "val_accuracy", "seconds")


def test_the_speed_to_a_target_is_where_it_was_first_reached(compared):
    group = compared.groups[0]
    found = reached(group, 0.3)
    for run in group.runs:
        history = run.history()
        first = next((e.epoch for e in history if e.val_accuracy >= 0.3), None)
        assert found[run.config.seed] == first
    assert set(reached(group, 1.1).values()) == {None}
    assert soon({0: 2.0, 1: 4.0, 2: None}) == "3.0 (2 to 4), 2 of 3 seeds"
    assert soon({0: None}) == "not reached (1 seed)"


# ---- told --------------------------------------------------------------------------------------------------------
def test_the_table_has_a_line_for_each_group(compared):
    lines = tables.table(compared).splitlines()
    assert len(lines) == 5 and {line.count("|") for line in lines} == {8}
    assert lines[2].endswith("| baseline |") and "3 seeds" in lines[3]


def test_json_and_csv_hold_the_same_runs(compared):
    told = tables.to_json(compared)
    json.dumps(told, allow_nan=False)
    lines = list(csv.DictReader(io.StringIO(tables.to_csv(compared))))
    assert [line["run"] for line in lines] == [run for group in told["groups"] for run in group["runs"]]
    for group in told["groups"]:
        own = [float(line["test_accuracy"]) * 100 for line in lines if line["group"] == group["label"]]
        assert group["test_accuracy"]["mean"] == pytest.approx(np.mean(own))
        assert ("verdict" in group["test_accuracy"]) == (group["label"] != "plain")
    assert {line["dropout"] for line in lines} == {"True", "False"}


def test_a_name_is_no_formula_in_a_spreadsheet(store_of_runs, first):
    run = first
    run.rename("-1+2")
    assert "'-1+2" in tables.to_csv(compare(store_of_runs.runs()))


def test_the_picture_is_one_and_the_report_needs_nothing_beside_it(compared):
    picture = Image.open(io.BytesIO(report.png(compared)))
    assert picture.format == "PNG" and picture.width > 1000
    page = report.page(compared, axis="step")
    assert "ighest validation accuracy" in page
    assert "dropout rate 0.8, weight decay" in page and compared.groups[1].runs[0].config.command() in commands(page)
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    with pytest.raises(ConfigError, match="no metric 'beauty'"):
        report.png(compared, "beauty")


# ---- the command line --------------------------------------------------------------------------------------------
def test_compare_prints_the_table_and_writes_what_was_asked_for(trained_runs, tmp_path, capsys):
    store = trained_runs[0].path.parent
    files = [tmp_path / f"told.{kind}" for kind in ("csv", "png", "html")]
    options = [f"--{path.suffix[1:]}={path}" for path in files]
    assert main(["compare", "--group", "g", "--runs", str(store), "--target", "0.2", *options]) == 0
    printed = capsys.readouterr().out
    said = choose(compare(trained_runs).groups).sentence()
    assert f"\n{said}\n" in printed and said in files[2].read_text().replace("&#39;", "'")
    assert "\n95 % intervals cover seeds and the 32 test images; those of the 2 differences" in printed
    assert printed.startswith("|  | test accuracy |") and "Until 20 % validation accuracy (epoch):" in printed
    assert all(path.stat().st_size > 100 for path in files)
    ids = [run.id for run in trained_runs[:2]]
    assert main(["compare", *ids, "--runs", str(store), "--json", "--baseline", ids[1]]) == 0
    assert json.loads(capsys.readouterr().out)["baseline"] == "dropout"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give one of the two"),
        (["nobody"], "no checkpoint or run called 'nobody'"),
        (["--group", "nobody"], "no group called 'nobody'"),
        (["x", "--group", "g"], "give one of the two"),
        (["--group", "g", "--metric", "beauty"], "no metric 'beauty'"),
        (["--group", "g", "--axis", "parsec"], "no axis 'parsec'"),
        (["--group", "g", "--target", "70"], "between 0 and 1"),
        (["--group", "g", "--csv", "/nowhere/told.csv"], "cannot be written"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(arguments, words, trained_runs, capsys):
    assert main(["compare", *arguments, "--runs", str(trained_runs[0].path.parent)]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.splitlines()) == 1 and said.out == ""
