"""Axes, plans, prices; a sweep that is broken off and goes on; what a factorial says of its techniques."""

from __future__ import annotations

import json

import pytest

from reglab.cli.main import main
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments import factorial as factorials
from reglab.experiments.axes import Axis, axis, one_value
from reglab.experiments.choice import choose
from reglab.experiments.executors import local
from reglab.experiments.experiment import Experiment
from reglab.experiments.factorial import effects_of, factorial
from reglab.experiments.grid import grid, read
from reglab.experiments.price import Price, price
from reglab.experiments.sweep import sweep
from reglab.runs.cost import clock
from reglab.runs.names import fitted
from reglab.runs.store import Store

SMALL = {
    "dataset": "digits",
    "train_size": 40,
    "val_size": 40,
    "epochs": 2,
    "batch_size": 20,
    "width": 0.125,
    "lr": 0.01,
}
OPTIONS = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
BASE = RunConfig.parse({**SMALL, "precision": "fp32", "device": "cpu"})


# ---- axes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dropout.rate=0,0.25,0.5", Axis("dropout.rate", ("0", "0.25", "0.5"))),
        ("--weight-decay.strength=0, 1e-4", Axis("weight_decay.strength", ("0", "1e-4"))),
        ("lr=log:0.001:0.1:3", Axis("lr", ("0.001", "0.01", "0.1"))),
        ("label_noise=lin:0:0.4:3", Axis("label_noise", ("0", "0.2", "0.4"))),
        ("epochs=lin:5:20:4", Axis("epochs", ("5", "10", "15", "20"))),
        ("train_size=log:100:10000:3", Axis("train_size", ("100", "1000", "10000"))),
        ("batch_norm=off,on", Axis("batch_norm", (False, True))),
        ("train_size=100,all", Axis("train_size", ("100", None))),
        ("optimizer=sgd,adamw,sgd", Axis("optimizer", ("sgd", "adamw"))),
        ("lr=0,01; 0,1;1e-3", Axis("lr", ("0.01", "0.1", "1e-3"))),
        ("train_size=5,000;500", Axis("train_size", ("5000", "500"))),
    ],
)
def test_an_axis_is_a_setting_and_its_values(text, expected):
    assert axis(text) == expected


def test_one_value_may_have_a_decimal_comma():
    assert one_value("lr", "0,05") == "0.05" and one_value("batch_norm", "on") is True
    for text, words in (("1,000", "could be 1 or 1000"), ("1,2,3", "must be a number")):
        with pytest.raises(ConfigError, match=words):
            one_value("lr", text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dropout.rate", "is no axis"),
        ("dropout.rate=", "is no axis"),
        ("=1,2", "no axis ''"),
        ("dropot.rate=0,1", "did you mean dropout.rate"),
        ("beauty=0,1", "lists every setting"),
        ("seed=0,1", "--seeds"),
        ("dropout=0,0.5", "its values are on and off"),
        ("dropout.rate=0,,1", "is empty"),
        ("lr=0,01", "lr is given as '0,01', where 01 looks like the end of a number with a decimal comma"),
        ("lr=1,000;2", "lr could be 1 or 1000"),
        ("lr=log:0:1:3", "must be more than 0"),
        ("lr=log:1:2", "is no range"),
        ("lr=cubic:1:2:3", "is no range"),
        ("lr=lin:a:2:3", "is no range"),
        ("lr=lin:1:inf:3", "give bounds that it can have"),
        ("lr=lin:1:nan:3", "give bounds that it can have"),
        ("lr=lin:1:2:1", "is no range"),
        ("lr=lin:1:2:3:4", "is no range"),
        ("lr=lin:0.1:1:10000", "10,000 runs, and a sweep has at most 1,000"),
        ("dropout=lin:0:1:3", "its values are on and off"),
        ("epochs=log:1e-300:1e300:3", "give bounds that it can have"),
        ("epochs=lin:-1e308:1e308:3", "give bounds that it can have"),
    ],
)
def test_what_is_no_axis_is_said(text, words):
    with pytest.raises(ConfigError, match=words):
        axis(text)


# ---- plans -------------------------------------------------------------------------------------------------------
def test_every_cell_comes_with_the_first_seed_before_any_comes_with_the_second():
    configs = sweep(BASE, [axis("dropout.rate=0.1,0.5"), axis("lr=0.01,0.1")], seeds=2).configs
    told = [(c.regularizers["dropout"].rate, c.lr, c.seed) for c in configs]
    cells = [(0.1, 0.01), (0.1, 0.1), (0.5, 0.01), (0.5, 0.1)]
    assert told == [(*cell, seed) for seed in (0, 1) for cell in cells]
    assert sweep(BASE, []).configs == [BASE]


def test_a_technique_that_is_off_has_no_settings_to_vary():
    configs = sweep(BASE, [axis("dropout=off,on"), axis("dropout.rate=0.1,0.5")]).configs
    assert [c.recipe() for c in configs] == ["no regularizers", "dropout", "dropout"]


@pytest.mark.parametrize(
    ("axes", "seeds", "words"),
    [
        (["lr=1,2", "lr=3"], 1, "given twice"),
        (["lr=0.1"], 0, "0 seeds"),
        (["lr=lin:0.1:1:100", "epochs=lin:1:100:100"], 1, "10,000 runs"),
        (["dropout.rate=0.5,7"], 1, "dropout.rate is 7, but must be"),
        (["batch_norm=on", "group_norm=on"], 1, "cannot both be on"),
        (["dataset=digits,cifar10"], 1, "cifar10 and digits cannot be compared"),
        (["lr=0.1,0.2"], 2**31, "runs, and a sweep has at most"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_anything_is_trained(axes, seeds, words):
    with pytest.raises(ConfigError, match=words):
        sweep(BASE, [axis(text) for text in axes], seeds)


def test_a_factorial_has_every_combination_or_half_of_them():
    assert len(factorial(BASE, ["dropout", "batch_norm"], seeds=3).configs) == 12
    assert len(factorial(BASE, ["dropout", "batch_norm", "cutout", "mixup", "ema"]).configs) == 16
    with pytest.raises(ConfigError, match="did you mean dropout"):
        factorial(BASE, ["dropot"])
    with pytest.raises(ConfigError, match="at most 1,000"):
        factorial(BASE, ["dropout", "batch_norm"], seeds=251)
    with pytest.raises(ConfigError, match="0 seeds"):
        factorial(BASE, ["dropout"], seeds=0)


def test_seeds_end_where_they_end():
    with pytest.raises(ConfigError, match="seed is 2147483648, but must be"):
        sweep(BASE.override({"seed": 2**31 - 1}), [axis("lr=0.1")], seeds=2)


def test_a_name_made_of_values_is_one_that_a_run_may_have(store):
    assert fitted("network timm/resnet18, seed 0") == "network timm-resnet18, seed 0"
    long = fitted("weight decay " * 20 + ", seed 7")
    assert len(long) == 60 and long.endswith(", seed 7")
    assert store.create(BASE, name=long).name == long


def test_what_takes_longer_has_its_own_price(store):
    local.train(Experiment.run(BASE), store)
    longer = BASE.override({"epochs": 10})
    assert price(longer_too := Experiment.run(longer.override({"lr": 0.5})), store).seconds is None, "of four steps"
    local.train(Experiment.run(longer), store)
    assert price(longer_too, store).seconds > 0
    for changes in ({"sam": True}, {"batch_size": 10}, {"width": 0.25}):
        assert price(Experiment.run(longer.override(changes)), store).seconds is None
    for run in store.runs():  # damaged, or of another version
        (run.path / "timing.jsonl").write_text("")
    assert price(Experiment.run(BASE.override({"lr": 0.5})), store).seconds is None


def test_two_processes_at_the_same_sweep_train_nothing_twice(store):
    told = sweep(BASE, [axis("lr=0.01,0.02")])
    with store.create(told.configs[0], group=told.group).locked():  # as another process would hold it
        runs = local.train(told, store)
        assert [run.status() for run in runs] == ["running", "finished"] and len(store.runs()) == 2


def test_the_same_plan_has_the_same_name():
    one, other = sweep(BASE, [axis("lr=0.1,0.2")]), sweep(BASE, [axis("lr=0.2,0.1")])
    assert one.group == other.group != sweep(BASE, [axis("lr=0.1,0.3")]).group
    assert list(sweep(BASE, [axis("lr=0.1,0.2")], seeds=2).arms) == ["learning rate 0.1", "learning rate 0.2"]


# ---- training ----------------------------------------------------------------------------------------------------
def test_a_sweep_goes_on_where_it_was_broken_off_and_trains_nothing_twice(store):
    told, ended = sweep(BASE.override({"epochs": 10}), [axis("dropout.rate=0,0.5")], seeds=2), []
    assert price(told, store) == Price(4, None)

    def enough() -> bool:
        return len(ended) == 2

    assert len(local.train(told, store, ended=ended.append, stop=enough)) == 2
    assert [run.status() for run in ended] == ["finished"] * 2 and len(store.runs()) == 2
    left = price(told, store)
    assert left.runs == 2 and 0 < left.seconds < 60
    before = {run.id: (run.path / "model.safetensors").stat().st_mtime_ns for run in store.runs()}

    store.create(told.configs[3], name="dropout rate 0.5, seed 1", group=told.group)  # made, and never begun
    runs = local.train(told, store)
    assert [run.config for run in runs] == told.configs and len(store.runs()) == 4
    assert all((store.open(i).path / "model.safetensors").stat().st_mtime_ns == mtime for i, mtime in before.items())
    assert {run.name for run in runs} == {f"dropout rate {r}, seed {s}" for r in (0, 0.5) for s in (0, 1)}
    assert price(told, store).runs == 0


def test_a_run_that_fails_leaves_the_others_alone(store):
    told = sweep(BASE.override({"optimizer": "sgd", "epochs": 3}), [axis("lr=1000000,0.01")])
    runs = local.train(told, store)
    assert [run.status() for run in runs] == ["failed", "finished"]


def test_runs_of_a_sweep_can_be_read_beside_a_damaged_one(store):
    told = sweep(BASE, [axis("lr=0.01,0.02")])
    damaged = store.create(told.configs[0], group=told.group)
    (damaged.path / "config.json").write_text(json.dumps({**damaged.described, "format": 99}))
    assert told.made(store) == {}


def test_effects_of_a_factorial_are_those_of_its_runs(store):
    asked = factorial(BASE, ["dropout", "flip_crop"], seeds=2)
    with pytest.raises(ConfigError, match="No run of this factorial"):
        effects_of([], ["dropout", "flip_crop"])
    runs = local.train(asked, store)
    tests = {(tuple(r.config.regularizers), r.config.seed): r.summary()["test_accuracy"] * 100 for r in runs}
    told = effects_of(runs, ["dropout", "flip_crop"])
    on = [tests[key] for key in tests if "dropout" in key[0]]
    off = [tests[key] for key in tests if "dropout" not in key[0]]
    assert told[0].names == ("dropout",) and told[0].mean == pytest.approx(sum(on) / 4 - sum(off) / 4)
    lines = factorials.table(told).splitlines()
    assert len(lines) == 7 and "dropout with flip and crop" in lines[4]
    assert lines[-1] == "Intervals and p over the seeds, without test images; all 3 effects hold together (Holm)."
    with pytest.raises(ConfigError, match="cannot tell 3 effects apart"):
        effects_of(runs[:3], ["dropout", "flip_crop"])


# ---- the command line --------------------------------------------------------------------------------------------
def test_the_command_trains_compares_and_goes_on(tmp_path, capsys):
    command = ["sweep", *OPTIONS, "--over", "dropout.rate=0,0.5", "--seeds", "2", "--runs", str(tmp_path)]
    assert main([*command, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["runs"] == 4 and planned["commands"][0].startswith("python -m reglab train --dataset digits")
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "4 runs to train" in printed and "4 of 4  dropout rate 0.5, seed 1" in printed
    assert "| dropout rate 0.5 |" in printed and "against dropout rate 0 |" in printed
    seen = [(run.config, read(run.view(), run.summary(), "test_accuracy", 0)) for run in Store(tmp_path).runs()]
    said = choose(grid(seen).cells).sentence()
    assert "ighest validation accuracy" in said and f"\n{said}\n" in printed, "the words of the page"
    assert main([*command, "--json"]) == 0
    final = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert final["choice"]["by"] == "val_accuracy"
    assert final["group"] == planned["group"] and [group["n"] for group in final["groups"]] == [2, 2]
    assert len(Store(tmp_path).runs()) == 4
    written = Experiment.read(Store(tmp_path), planned["group"])
    assert (written.kind, written.axes, written.seeds) == ("sweep", ("dropout.rate",), (0, 1))


def test_the_command_tells_what_each_technique_bought(tmp_path, capsys):
    assert main(["sweep", *OPTIONS, "--factorial", "dropout,flip-crop", "--runs", str(tmp_path)]) == 0
    assert "| dropout with flip and crop |" in capsys.readouterr().out
    written = Experiment.of(Store(tmp_path).runs()[0])
    assert (written.kind, written.axes) == ("factorial", ("dropout", "flip_crop"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give one of the two"),
        (["--over", "lr=1", "--factorial", "dropout"], "give one of the two"),
        (["--over", "beauty=1"], "no axis 'beauty'"),
        (["--over", "lr=lin:0.1:1:100", "--over", "epochs=lin:1:100:100"], "10,000 runs"),
        (["--over", "lr=0.1", "--metric", "beauty"], "no metric 'beauty'"),
        (["--factorial", "beauty"], "no technique 'beauty'"),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(arguments, words, tmp_path, capsys):
    assert main(["sweep", *OPTIONS, *arguments, "--runs", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.splitlines()) == 1 and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("seconds", "expected"), [(12.3, "12 s"), (600, "10 min"), (7_200, "2.0 h"), (4.75e6, "55 days")]
)
def test_a_time_is_said_in_its_own_unit(seconds, expected):
    assert clock(seconds) == expected
