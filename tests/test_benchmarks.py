"""The benchmarks run and tell what they measured; how fast this machine is, is no matter for a test."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from benchmarked import benchmark, cells
from conftest import ROOT, environment, reglab

from reglab import data
from reglab.config import EVERYTHING
from reglab.errors import ConfigError, DataError
from reglab.experiments import publications, reproduce
from reglab.experiments.publications import Claim, Publication, Recipe, Row
from reglab.models import MODELS, family
from reglab.models.pretrained import OFFERED
from reglab.regularizers import Regularizer
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.teaching.sizes import sizes

sys.path.insert(0, str(ROOT / "benchmarks"))
import carried
import cost
import effects
import gpu
import gpu_runs
import gpu_steps
import networks
import reading
import transfer

SIDES = ("light routes", "Gradio's endpoints")
TINY = {"dataset": "digits", "train_size": 64, "val_size": 64, "batch_size": 32, "epochs": 1}


@pytest.mark.slow
def test_polling_keeps_what_it_has_measured_and_measures_the_rest(tmp_path):
    kept = tmp_path / "polling.json"
    kept.write_text(json.dumps({"measured": {side: {"polls": {"p95": 0.1}, "page": {"p95": 0.2}} for side in SIDES}}))
    printed = benchmark("polling.py", "--quick", "--only", "memory", "--json", kept)
    for figures in json.loads(kept.read_text())["measured"].values():
        assert figures["polls"] == {"p95": 0.1} and figures["memory"]["polls"] == 360
        assert figures["memory"]["MiB after the polls too"] < 60
    assert all(side in printed for side in SIDES)


@pytest.mark.slow
def test_judging_tells_its_share_of_a_run_before_and_after(tmp_path):
    printed = benchmark("judging.py", "--quick", "--output", tmp_path / "judging.json")
    told = json.loads((tmp_path / "judging.json").read_text())
    shares = {name: values for name, values in told["sizes"]["64"].items() if "second" not in name}
    assert len(shares) == 4 and all(0 < share < 1 for [share] in shares.values())
    assert all(name in printed for name in shares) and "points of 100 each" in printed


@pytest.mark.slow
def test_what_a_press_on_train_gives_is_told_by_gaps_and_by_seconds(tmp_path):
    printed = benchmark("quick.py", "--quick", "--output", tmp_path / "quick.json")
    [told] = json.loads((tmp_path / "quick.json").read_text())["machines"].values()
    [pair] = told["sizes"].values()
    assert all(len(values) == 1 for name, values in pair.items() if name != "seeds") and "at least 25" in printed
    page = told["page"]
    assert page["visits"] == 1 and all(len(page[name]) == 1 for name in page if name != "visits")
    waited = [page[f"seconds to the {what}"][0] for what in ("first points", "first trained points", "verdict")]
    assert waited == sorted(waited)
    table = benchmark("quick.py", "--table", "--output", tmp_path / "quick.json")
    assert all(f"| {name} | 1 | " in table for name in (*told["sizes"], *page["proposed"])) and "at least 15" in table


@pytest.mark.slow
def test_what_slices_cost_is_told_for_every_set_up(tmp_path):
    printed = benchmark("slices.py", "--quick", "--output", tmp_path / "slices.json")
    told = json.loads((tmp_path / "slices.json").read_text())
    assert len(told) == 4 and all(name in printed for name in told)
    assert all(0 <= value <= 1 for [run] in told.values() for value in run.values())


@pytest.mark.slow
def test_speed_measures_the_recipe_and_each_trick_and_trains_nothing_twice(tmp_path):
    ways = ("--quick", "--output", tmp_path / "speed.json", "--runs", tmp_path / "runs")
    printed = benchmark("speed.py", *ways)
    told = json.loads((tmp_path / "speed.json").read_text())
    assert list(told)[:2] == ["on all images", "the recipe, few"] and len(told) == 13
    assert all(runs["0"]["seconds"] > 0 and 0 <= runs["0"]["test_accuracy"] <= 1 for runs in told.values())
    assert "94 % on average in at most 16 minutes" in printed
    assert benchmark("speed.py", *ways) == printed and len(list((tmp_path / "runs").glob("2*"))) == 13


@pytest.mark.slow
def test_the_first_run_and_the_next_are_measured_and_the_memory_of_their_process_is_followed():
    table = benchmark("warm.py", "--rounds", 1, "--epochs", 1)
    rows = cells(table)[2:]
    assert len(rows) == 5 and all(" .. " in seconds for _, seconds in rows) and "until the first `epoch` line" in table
    assert "3 runs, 1 processes so far" in benchmark("warm.py", "--memory", 3)


@pytest.mark.slow
def test_startup_prints_a_table_of_what_it_measured():
    printed = benchmark("startup.py", "--quick", "--no-browser")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line[:1] == "|"]

    assert {len(row) for row in rows} == {5}
    figures = {what: float(median.split()[0]) for what, _, median, _, _ in rows[2:] if median}
    assert figures["`python -m reglab --help`"] > 0
    first, trained = (
        figures[f"digits: Train pressed until the first {line}"] for line in ("`epoch` line", "trained epoch")
    )
    assert 0 < first <= trained
    assert all(verdict in ("met", "**not met**", "") for what, _, _, _, verdict in rows[2:] if what in figures)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to be polite with")
def test_sigterm_tells_how_long_a_server_takes_to_end():
    printed = benchmark("sigterm.py", "--tries", 1, "--dataset", "digits")
    assert "stopped, stopped ended after" in printed
    rows = [line.split("|") for line in printed.splitlines() if line.startswith(("| all runs", "| the server"))]
    saved, gone = (float(row[3].split()[0]) for row in rows)  # whether that meets its target, is no matter for a test
    assert 0 < saved < gone


# ---- effects.py --------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_quick_look_at_effects_prints_the_table_and_leaves_nothing_behind():
    def left() -> set[tuple[str, int]]:
        kept = [ROOT / "benchmarks/effects.json", *(ROOT / "build/effects").glob("*/summary.json")]
        return {(str(path), path.stat().st_mtime_ns) for path in kept if path.exists()}

    before = left()
    rows = cells(benchmark("effects.py", "--quick", "--only", "dropout,weight_decay"))
    assert left() == before

    clean, noise = ([row for row in rows if len(row) == width] for width in (13, 14))
    for named in (clean, noise):
        assert [row[0] for row in named[:3]] == ["", "---", "plain"]
        assert {row[0] for row in named[3:]} == {"Dropout", "Weight decay"}
        for technique in named[3:]:
            test, difference, plain = float(technique[2]), float(technique[3]), float(named[2][2])
            assert technique[1] == "1" and difference == pytest.approx(test - plain, abs=0.11)
    differences = [float(row[3]) for row in clean[3:]]
    assert differences == sorted(differences, reverse=True)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to be polite with")
def test_effects_go_on_where_they_were_ended_and_come_to_the_same_bytes(tmp_path):
    paths = ["--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "effects.json")]
    arguments = ["--quick", "--only", "dropout", "--epochs", "4", *paths]

    def told() -> dict:
        return json.loads((tmp_path / "effects.json").read_text())["rows"]

    def written(run: Run) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in run.path.iterdir() if path.name != ".lock"}

    store = Store(tmp_path / "runs")
    command = [sys.executable, str(ROOT / "benchmarks/effects.py"), *arguments]
    script = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not any(run.name == "clean, dropout, seed 0" and len(run.history()) > 0 for run in store.runs()):
            assert script.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        script.send_signal(signal.SIGTERM)
        assert script.wait(60) == 128 + signal.SIGTERM
    finally:
        script.kill()
    by_name = {run.name: run for run in store.runs()}
    first, second = by_name["clean, plain, seed 0"], by_name["clean, dropout, seed 0"]
    assert (first.status(), second.status(), len(by_name)) == ("finished", "stopped", 2)
    assert told()["noise"] == {} and told()["clean"].keys() == {"plain"}
    before = written(first)

    benchmark("effects.py", *arguments)
    assert written(first) == before
    by_name |= {run.name: run for run in store.runs()}
    assert by_name["clean, dropout, seed 0"].id == second.id and len(store.runs()) == len(by_name) == 4
    assert {run.status() for run in by_name.values()} == {"finished"}
    assert [(condition, *rows) for condition, rows in told().items()] == [
        (condition, "plain", "dropout") for condition in ("clean", "noise")
    ]
    whole = reglab("train", "--config", second.path / "config.json", "--runs", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    [other] = Store(tmp_path / "whole").runs()
    for file in ("metrics.jsonl", "model.safetensors"):
        assert (second.path / file).read_bytes() == (other.path / file).read_bytes()


def test_what_the_seeds_say_together_agrees_with_numpy():
    trials, _ = effects.plan(TINY, 3, [*effects.CONDITIONS])
    rng = np.random.default_rng(0)
    numbers = {
        trial: dict(
            zip((*effects.MEASURED, "seconds_per_epoch"), rng.random(len(effects.MEASURED) + 1).tolist(), strict=True)
        )
        for trial in trials
        if (trial.row, trial.seed) != ("plain", 1)  # not there yet
    }
    told = effects.rows(numbers)

    def values(condition: str, row: str, name: str) -> np.ndarray:
        mine = [t for t in trials if (t.condition, t.row) == (condition, row) and t in numbers]
        return np.array([numbers[t][name] for t in mine])

    for condition in ("clean", "noise"):
        row, plain = told[condition]["dropout"], told[condition]["plain"]
        assert (row["n"], row["seeds"], plain["n"], plain["seeds"]) == (3, [0, 1, 2], 2, [0, 2])
        assert plain["test_difference"] is None and (row["baseline"], plain["baseline"]) == ("plain", None)
        assert row["seconds_per_epoch"]["median"] == pytest.approx(
            np.median(values(condition, "dropout", "seconds_per_epoch")), abs=1e-3
        )
        for name in effects.MEASURED:
            ours = values(condition, "dropout", name)
            assert row[name]["values"] == pytest.approx(ours, abs=1e-6)
            assert (row[name]["mean"], row[name]["sd"]) == pytest.approx((ours.mean(), ours.std(ddof=1)), abs=1e-6)
        for name, difference in effects.COMPARED.items():
            paired = values(condition, "dropout", name)[[0, 2]] - values(condition, "plain", name)
            assert row[difference]["values"] == pytest.approx(paired, abs=1e-6)
            assert row[difference]["sd"] == pytest.approx(paired.std(ddof=1), abs=1e-6)
    assert effects.spread([0.5]) == {"mean": 0.5, "sd": None, "values": [0.5]}


def test_a_technique_is_measured_where_it_has_a_place_or_left_out_with_the_reason(technique):
    class Residual(Regularizer):
        group = "Structure"

        def configure_model(self, spec):
            if spec.name != "resnet20":
                raise ConfigError("There is nothing residual here: choose resnet20.")
            return spec

    class Nowhere(Regularizer):
        group = "Structure"

        def configure_model(self, spec):
            raise ConfigError(f"Not in {spec.name}: switch it off.")

    technique(Residual), technique(Nowhere)
    trials, skipped = effects.plan(TINY, 2, [*effects.CONDITIONS])

    assert skipped["nowhere"] == "Not in basic_cnn: switch it off." and "residual" not in skipped
    [residual] = [t for t in trials if (t.condition, t.row, t.seed) == ("noise", "residual", 1)]
    assert (residual.baseline, residual.config.model) == ("plain:resnet20", "resnet20")
    [beside] = [t for t in trials if (t.condition, t.row, t.seed) == ("noise", "plain:resnet20", 1)]
    assert beside.config == residual.config.plain() and beside.config.label_noise == 0.3
    order = list(dict.fromkeys((t.condition, t.seed) for t in trials))
    assert order == [("clean", 0), ("clean", 1), ("noise", 0), ("noise", 1)]
    assert [t.row for t in trials[:3]] == ["plain", "plain:resnet20", next(iter(effects.CATALOGUE))]


# ---- cost.py -----------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_cost_tells_of_every_technique_asked_for(tmp_path):
    printed = benchmark("cost.py", "--quick", "--only", "dropout,early_stopping", "--output", tmp_path / "cost.json")
    told = json.loads((tmp_path / "cost.json").read_text())

    assert {row[0] for row in cells(printed)[2:]} == {"Dropout", "Early stopping"}
    assert told["rows"].keys() == {"dropout", "early_stopping"} and told["skipped"] == {}
    for row in told["rows"].values():
        [ratio], [own], [plain] = (row[k]["values"] for k in ("ratio", "seconds_per_step", "plain_seconds_per_step"))
        assert ratio == pytest.approx(own / plain, rel=0.02) and row["limit"] == 1.15


@pytest.mark.parametrize(("own", "status", "verdict"), [(1.1, 0, "| met |"), (1.2, 1, "| **NOT MET** |")])
def test_cost_judges_a_technique_by_the_steps_beside_it(own, status, verdict, tmp_path, monkeypatch, capsys):
    """The verdict alone; the next test measures."""
    taken = {"dropout": {"plain": [1.0, 2.0, 4.0], "own": [own, 2 * own, 4 * own], "epoch_end": [0.5]}}
    monkeypatch.setattr(cost, "measure", lambda *asked: taken)
    monkeypatch.setattr(cost.machine, "cpu_count", torch.get_num_threads)  # those of the tests that follow as well
    asked = ["--dataset", "digits", "--only", "dropout", "--output", str(tmp_path / "cost.json")]
    assert cost.main(asked) == status
    row = json.loads((tmp_path / "cost.json").read_text())["rows"]["dropout"]
    assert row["ratio"]["median"] == own and row["limit"] == cost.LIMIT and row["seconds_per_step"]["n"] == 3
    assert verdict in capsys.readouterr().out


@pytest.mark.slow
def test_cost_says_no_to_a_technique_that_slows_training(technique, tmp_path, monkeypatch, capsys):
    class Slow(Regularizer):
        title, group = "Slow", "Structure"

        def augment(self, images, rng):
            time.sleep(0.25)
            return images

    class Late(Regularizer):
        title, group = "Late", "Structure"

        def evaluation_model(self, model, *rest):
            time.sleep(2)
            return model

    technique(Slow), technique(Late)
    monkeypatch.setattr(cost.machine, "cpu_count", lambda: 1)
    small = ["--dataset", "digits", "--steps", "2", "--batch", "16", "--output", str(tmp_path / "cost.json")]

    assert cost.main([*small, "--rounds", "4", "--only", "slow,late"]) == 1
    rows = json.loads((tmp_path / "cost.json").read_text())["rows"]
    slow, late = rows["slow"], rows["late"]
    assert slow["seconds_per_step"]["median"] >= 0.25
    assert "| Slow |" in capsys.readouterr().out and slow["ratio"]["median"] > cost.LIMIT
    assert late["seconds_per_epoch_end"]["n"] == 1 and late["seconds_per_epoch_end"]["median"] > 2
    assert max(late["seconds_per_step"]["values"]) < 1  # what happens at the end of an epoch is in no step


# ---- networks.py, transfer.py ------------------------------------------------------------------------------------
@pytest.mark.slow
def test_networks_tells_parameters_and_multiply_adds_of_every_network_asked_for(tmp_path):
    printed = benchmark("networks.py", "--quick", "--only", "basic_cnn,alexnet_small", "--output", tmp_path / "n.json")
    rows = json.loads((tmp_path / "n.json").read_text())["rows"]
    assert {row[0] for row in cells(printed)[2:]} == {"`basic_cnn`", "`alexnet_small`"}
    assert {name: rows["basic_cnn"][name] for name in COUNTED} == COUNTED and rows["basic_cnn"]["training"][
        "median"
    ] > 0


CONVOLUTIONS = 9 * (32**2 * 32 * (3 + 32) + 16**2 * 64 * (32 + 64) + 8**2 * 128 * (64 + 128))
COUNTED = {"parameters": 551_146, "multiply_adds": CONVOLUTIONS + 2048 * 128 + 128 * 10}


def test_the_multiply_adds_of_basic_cnn_are_those_one_counts_by_hand():
    assert networks.Turn("basic_cnn", 1, torch.device("cpu"), "fp32").counts() == COUNTED


def test_transfer_compares_the_same_images_and_says_what_was_bought(tmp_path, capsys):
    def row(network, images, accuracy, val_accuracy):
        return {"network": network, "images": images, "test_accuracy": accuracy, "val_accuracy": val_accuracy}

    rows = [
        row("timm/x, pretrained, head on features, 64 px", "100", 0.7, 0.8),
        row("timm/x, pretrained, head on features, 96 px", "100", 0.75, 0.7),  # better by chance: not chosen
        row("basic_cnn", "100", 0.4, 0.5),
        row("vgg11", "100", 0.45, 0.4),
    ]
    printed = transfer.table({"rows": rows, "conditions": {"sentence": "n = 1."}})
    assert "| +25.0 points |" in printed and printed.endswith("n = 1.")
    args = transfer.parse(["--sizes", "100,all", "--scratch-sizes", "100", "--only", f"basic_cnn,{transfer.NETWORK}"])
    plan = transfer.plan(args)
    assert [c.train_size for c in plan.values()] == [100, None, 100, 100]
    assert [c.pretrained for c in plan.values()] == [True, True, False, False]
    assert {c.seed for c in plan.values()} == {0}
    plan = transfer.plan(transfer.parse(["--sizes", "100", "--scratch-sizes", ",", "--sides", "128,160"]))
    assert [c.side for c in plan.values()] == [None, 160]  # 128 is what it sees anyway
    assert transfer.main(["--table", "--runs", str(tmp_path), "--output", str(tmp_path / "t.json")]) == 0
    assert "Nothing has been trained yet" in capsys.readouterr().out and not (tmp_path / "t.json").exists()


@pytest.mark.slow
def test_sweep_compares_the_whole_with_its_runs():
    printed = benchmark("sweep.py", "--images", 40, "--epochs", 1, "--ways", "on_the_command_line", "--quick")
    told = json.loads(printed)
    assert told["overhead"] == pytest.approx(told["whole"] / told["sum_of_runs"] - 1, abs=1e-3)
    assert told["configs"] == 2 and told["redraw_ms"] > 0


def test_a_tick_of_the_page_reads_what_is_new_and_one_without_news_nothing():
    told = reading.ticks(epochs=20, rounds=3)
    known_again_by = 4 * 128  # bytes: two files of each of the two runs
    assert all(new <= read <= new + known_again_by for new, read in zip(told["new"], told["read"], strict=True))
    assert told["idle"] == [0, 0, 0] and told["size"] > 10 * max(told["read"])


def test_a_reproduction_is_kept_with_its_conditions_once_there_is_a_verdict(trained, tmp_path, monkeypatch):
    own = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 2, "batch_size": 16, "precision": "fp32"}
    own |= {"label_noise": 0.2, "batch_norm": True}
    as_published = {"judged_size": EVERYTHING}
    toy = Publication(
        "toy", "A toy", "Nobody 2000, arXiv:0000.00000", "this test", "verified", "Digits.", "Nothing else.",
        (Row("plain", "basic", {}, {"test": 90.0}),), (Claim("It learns", "test", "plain", low=1),),
        Recipe({"basic": own}, 2), Recipe({"basic": own}, 2, "Nothing."),
    )  # fmt: skip
    monkeypatch.setitem(publications.PUBLICATIONS, "toy", toy)
    reproduce.cells.cache_clear()
    benchmark = runpy.run_path(str(ROOT / "benchmarks/reproduce.py"))
    for seed in (0, 1):
        run = tmp_path / "runs" / f"2025010{seed + 1}-000000-abcdef"
        shutil.copytree(trained["path"], run)
        config = json.loads((run / "config.json").read_text())
        config |= {
            "run": run.name,
            "group": toy.group("budget"),
            "config": config["config"] | as_published | {"seed": seed},
        }
        (run / "config.json").write_text(json.dumps(config))
        if seed == 0:
            with pytest.raises(SystemExit, match="toy on a budget is unfinished"):
                benchmark["record"]("toy", "budget", tmp_path / "runs")
    kept = json.loads(json.dumps(benchmark["record"]("toy", "budget", tmp_path / "runs")))
    assert (
        kept["verdict"] == "same direction"
        and kept["commands"] == toy.commands("budget")
        and "torch" in kept["machine"]
    )
    said = benchmark["table"](kept)
    assert "| plain | test accuracy | 90 % |" in said and "2 runs, " in said
    reproduce.cells.cache_clear()


# ---- gpu.py ------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    "parts", ["environment,tests,determinism,graphs", "precisions,many", "pair,sweep", "speed,resnet18"]
)
def test_all_that_is_asked_of_a_gpu_runs_on_any_machine(parts, tmp_path):
    printed = benchmark("gpu.py", "--small", "--only", parts, "--output", tmp_path / "gpu.json")
    told = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert list(told) == parts.split(",") and not [part["error"] for part in told.values() if "error" in part]
    for name, part in told.items():
        assert f"### {name}: " in printed and part["rows"]
        assert not any("error" in row for row in part["rows"].values())
    assert "**not met**" not in printed and (told.keys() == {"precisions"} or "| not judged |" in printed)


def test_a_part_that_is_cut_off_costs_itself_alone_and_the_rest_of_the_file_stays(tmp_path, monkeypatch, capsys):
    file = tmp_path / "gpu.json"
    file.write_text(
        json.dumps({"parts": {"pair": {"about": "before", "seconds": 3, "rows": {"both": {"seconds": 2.5}}}}})
    )
    monkeypatch.setattr(gpu, "SHORTEST", 0.2)
    asked = ["--small", "--limit", "0.3", "--only", "graphs,many", "--output", str(file)]
    assert gpu.main(asked) == 1
    parts = json.loads(file.read_text())["parts"]
    assert parts["pair"]["rows"] == {"both": {"seconds": 2.5}}
    assert (
        parts["graphs"]["error"].startswith("cut off after") and parts["many"]["error"] == "not begun: 0.3 s were over"
    )
    assert "| both | 2.5 |" in capsys.readouterr().out


def test_what_a_part_has_found_is_judged_and_is_in_its_file_at_once(tmp_path):
    told = gpu.Told(tmp_path / "told.json", judges=True)
    told.row("one", speed=1234.5, **{"apart by": float("nan")})
    told.target("quick", 14.0, most=15)
    told.target("busy", 0.5, least=0.9)
    found = json.loads((tmp_path / "told.json").read_text())
    assert found["rows"] == {"one": {"speed": 1234.5, "apart by": "nan"}}
    assert [found["targets"][name]["met"] for name in ("quick", "busy")] == [True, False]
    printed = gpu.table({"parts": {"pair": {"about": "a pair", "seconds": 1, **found}}})
    assert "| one | 1,234 | nan |" in printed and "| busy | at least 0.9 | 0.5 | **not met** |" in printed


def test_the_time_in_which_a_gpu_computes_is_counted_once_where_kernels_overlap():
    assert gpu_steps.covered([(0, 2), (1, 3), (1, 2), (5, 6)]) == 4 and gpu_steps.covered([]) == 0
    said = "| run | epoch | acc | time_seconds |\n| 1 | 9 | 0.93 | 2.51 |\n| 1 | eval | 0.94 | 2.59 |\nMean: 0.94 Std: 0.001"
    assert gpu_runs.seconds_said(said) == [2.59] and gpu_runs.seconds_said("Traceback") == []


def test_a_data_set_is_carried_without_loss_in_as_many_files_as_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(carried, "KEY", "digits")
    dataset = data.load("digits")
    files = carried.pack(tmp_path / "carried", most=0.1)
    assert len(files) > 1 and {path.suffix for path in files} == {".zip"}
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "cache"))
    carried.unpack(tmp_path / "carried")
    again = data.load("digits")
    for name in ("images", "labels", "test_images", "test_labels"):
        assert (getattr(again, name) == getattr(dataset, name)).all()
    files[-1].unlink()
    with pytest.raises(DataError, match="does not hold all files of"):
        carried.unpack(tmp_path / "carried")


# ---- norms.py, precision.py, memory.py ---------------------------------------------------------------------------
def test_auto_takes_the_precision_that_was_measured_to_be_faster_for_every_network_that_is_offered():
    rows = json.loads((ROOT / "benchmarks/precision.json").read_text())["rows"]
    assert {*MODELS, *OFFERED} <= rows.keys()
    for name, row in rows.items():
        assert row["depthwise"] == (row["fp32"]["seconds"] < row["bf16"]["seconds"]), name
    for name in (*MODELS, *OFFERED):
        assert family(name).depthwise == rows[name]["depthwise"], name


def test_estimated_memory_is_off_by_less_than_a_third():
    for row in json.loads((ROOT / "benchmarks/memory.json").read_text())["rows"]:
        assert 2 / 3 < row["estimated"] / row["measured"] < 4 / 3, row


def test_our_group_normalization_was_measured_to_cost_less_than_torchs_on_basic_cnn():
    for name, row in json.loads((ROOT / "benchmarks/norms.json").read_text())["rows"].items():
        if name.startswith("basic_cnn"):
            assert row["group_norm"]["ratio"]["median"] < row["group_norm of torch"]["ratio"]["median"]


@pytest.mark.slow
@pytest.mark.parametrize("script", ["norms.py", "precision.py", "memory.py"])
def test_the_short_form_tells_of_every_side(script, tmp_path):
    printed = benchmark(script, "--quick", "--output", tmp_path / "told.json")
    told = json.loads((tmp_path / "told.json").read_text())
    table = [line for line in printed.splitlines() if line.startswith("|")]
    assert told["rows"] and len(table) >= 2 + len(told["rows"]), "a head, a line below it, and a row for each"


def test_compiling_a_network_is_earned_back_by_no_run_of_the_page():
    steps = max(c.epochs * (c.train_images // c.batch_size) for c in sizes("cifar10") if c.train_images <= 5_000)
    [*machines] = json.loads((ROOT / "benchmarks/compiled.json").read_text())["machines"].values()
    for row in [row for told in machines for row in told["rows"] if row["network"] == "basic_cnn"]:
        assert row["earned back after"] is None or row["earned back after"] > steps, row


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_what_a_compiled_step_saves_is_told_beside_what_compiling_takes(tmp_path):
    printed = benchmark("compiled.py", "--quick", "--output", tmp_path / "told.json")
    [told] = json.loads((tmp_path / "told.json").read_text())["machines"].values()
    [row] = told["rows"]
    assert row["first step"] > row["eager"] > 0 and "| basic_cnn, no norm |" in printed
