"""The command line, as a process of its own: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from conftest import QUICK, ROOT, environment, reglab
from refusals import refused_here

from reglab.cli import main as cli
from reglab.config import RunConfig, flag
from reglab.regularizers import CATALOGUE
from reglab.runs.run import Run
from reglab.runs.store import Store

SUMMARY = """
run status dataset model regularizers epochs best_epoch train_accuracy val_accuracy test_accuracy gap train_loss val_loss
test_loss ece parameters device precision seconds images_per_second best last
"""


@pytest.fixture
def runs(tmp_path) -> Store:
    return Store(tmp_path / "runs")


# ---- train -------------------------------------------------------------------------------------------------------
def test_with_json_every_line_is_an_object_and_the_last_one_is_the_summary(trained):
    assert trained["stderr"] == ""
    assert [line.get("event") for line in trained["lines"][:2]] == ["started", "epoch"]
    assert trained["lines"][-2]["event"] == "finished"
    summary = trained["summary"]
    assert set(summary) >= set(SUMMARY.split())
    assert summary["status"] == "finished" and summary["run"] == trained["path"].name
    for key in ("train_accuracy", "val_accuracy", "test_accuracy", "ece"):
        assert 0 <= summary[key] <= 1
    assert summary["gap"] == pytest.approx(summary["train_accuracy"] - summary["val_accuracy"])
    assert summary == json.loads((trained["path"] / "summary.json").read_text())


def test_without_json_a_person_can_read_it(runs):
    done = reglab("train", *QUICK, "--epochs", 1, "--runs", runs.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert "550,570 parameters" in done.stdout and "best epoch" in done.stdout
    *_, said, _, path = done.stdout.splitlines()
    assert said.startswith("Too short to tell") and path == str(runs.runs()[0].path)


def test_a_config_file_and_flags_make_the_same_run(tmp_path, trained):
    """The run's own config.json trains the same bytes again; a flag beside it changes that one thing."""
    done = reglab("train", "--config", trained["path"] / "config.json", "--runs", tmp_path / "again", "--json")
    again = Run(tmp_path / "again" / json.loads(done.stdout.splitlines()[-1])["run"])
    for file in ("metrics.jsonl", "model.safetensors"):
        assert (again.path / file).read_bytes() == (trained["path"] / file).read_bytes()


def test_what_diverges_ends_with_status_one_and_says_where(runs):
    done = reglab("train", *QUICK, "--optimizer", "sgd", "--lr", "1e6", "--runs", runs.root)
    assert done.returncode == 1
    assert done.stderr.startswith("Diverged at step") and len(done.stderr.splitlines()) == 1
    assert runs.runs()[0].status() == "failed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_so_that_it_can_be_resumed(number, runs):
    process = subprocess.Popen(
        [sys.executable, "-m", "reglab", "train", *QUICK, "--epochs", "1000", "--runs", str(runs.root)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.split()[:1] == ["1"]:
            break
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    run = runs.runs()[0]
    assert run.status() == "stopped" and "Traceback" not in stderr
    assert f"--resume {run.id}" in stderr and len(stderr.splitlines()) == 1
    resume = run.resume()
    assert resume is not None and 1 <= resume.state["epoch"] < 1000


# ---- what cannot be ----------------------------------------------------------------------------------------------
def refused(*arguments: object, **how: str) -> str:
    """Status 2, nothing on standard output, one sentence on standard error: the sentence."""
    done = reglab(*arguments, **how)
    assert done.returncode == 2, (done.returncode, done.stderr[-300:])
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr[-500:]
    return done.stderr.strip()


BAD = {
    "train --dropot": "did you mean --dropout?",
    "train --dropout.rat 0.3": "did you mean --dropout.rate?",
    "train --zzz": "no option --zzz",
    "train --lr": "expected one argument",
    "train --lr fast": "lr is 'fast', but must be a number",
    "train --lr nan": "lr is",
    "train --lr 0": "lr is 0, but must be more than 0",
    "train --lr -1": "more than 0",
    "train --lr 2e6": "at most",
    "train --epochs 0": "epochs is 0, but must be at least 1",
    "train --epochs 1e9": "epochs",
    "train --epochs 2.5": "a whole number",
    "train --seed -1": "at least 0",
    "train --batch-size 0": "batch_size is 0",
    "train --train-size 5 --dataset digits": "train_size is 5, but must be at least 10",
    "train --train-size 2000 --dataset digits": "987",
    "train --val-size 9999 --dataset digits": "1,277",
    "train --label-noise 1.5": "at most 1",
    "train --dataset cifar11": "did you mean cifar10?",
    "train --model basic_cmn": "did you mean basic_cnn?",
    "train --model zzz": "choose from basic_cnn",
    "train --optimizer adam": "'adamw', 'sgd' or 'muon'",
    "train --schedule linear": "one_cycle",
    "train --dropout.rate 0.96": "dropout.rate is 0.96, but must be at most 0.95",
    "train --dropout.rate half": "must be a number",
    "train --flip-crop.flip maybe": "true or false",
    "train --weight-decay.mode l3": "'decoupled' or 'l2'",
    "train --no-dropout --dropout.rate 0.3": "exclude each other",
    "train --batch-size 1 --batch-norm --dataset digits": "one image has no statistics",
    "train --batch-size 1 --model timm/resnet18 --side 32 --dataset digits": "one image has no statistics",
    "train --batch-norm --group-norm": "switch one of them off",
    "train --ema --swa": "cannot both be on",
    "train --stochastic-depth": "choose resnet20 or resnet18, or switch it off",
    "train --l2-sp": "use weight_decay, which pulls toward zero, or switch it off",
    "train --layer-freezing": "random at the start: switch it off",
    "train --cutout.length 65": "cutout.length is 65, but must be at most 64",
    "train --ema.decay 1": "less than 1",
    "train --max-norm.max-value 0": "did you mean --max-norm.max_value?",
    "train --max-norm.max_value 0": "more than 0",
    "train --random-erasing.value red": "must be",
    "train --config no-such-file.json": "cannot be read",
    "train --resume no-such-run": "There is no run 'no-such-run'",
    "train --resume ../x": "There is no run",
    "train --resume x --epochs 3": "leave out the other training options",
    "predict --checkpoint x": "required: IMAGE",
    "predict picture.png": "required: --checkpoint",
    "predict picture.png --checkpoint no-such-run": "no checkpoint or run called 'no-such-run'",
    "trian": "invalid choice",
    "": "required: COMMAND",
}


@pytest.mark.parametrize("arguments", BAD)
def test_what_cannot_be_is_answered_in_one_sentence(arguments, capsys, tmp_path):
    assert BAD[arguments] in refused_here(arguments, capsys)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("option", ["--name <b>", "--device cuda", "--dataset cifar10", "--model resnet20x"])
def test_nothing_is_left_behind_by_what_cannot_be(option, capsys, tmp_path, monkeypatch):
    import torch
    from huggingface_hub import constants

    if option == "--device cuda" and torch.cuda.is_available():
        pytest.skip("it can be, here")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "cache"))
    refused_here(f"train {' '.join(QUICK)} {option}", capsys)
    assert Store(tmp_path / "runs").runs() == []


def test_a_process_of_its_own_says_the_same(tmp_path):
    assert "did you mean --dropout?" in refused("train", "--dropot", "0.3", "--runs", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


NO_CONFIGS = [
    "",
    "{",
    "[1]",
    "7",
    '{"config": 5}',
    '{"config": null}',
    '{"epochs": []}',
    '{"optimizer": []}',
    '{"zzz": 1}',
]
NO_CONFIGS += ['{"dataset": {}}', '{"regularizers": [1]}', '{"regularizers": {"dropout": 5}}']


@pytest.mark.parametrize("text", NO_CONFIGS)
def test_a_config_file_that_is_none_is_refused(text, tmp_path, capsys):
    (tmp_path / "config.json").write_text(text)
    refused_here(f"train --config {tmp_path / 'config.json'}", capsys)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("folder", ["/proc/no/runs", "{file}/runs"])
def test_a_folder_that_cannot_be_made_is_named(folder, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    folder = folder.format(file=tmp_path / "file")
    train = f"train {' '.join(QUICK)}"
    assert folder in refused_here(f"{train} --runs {folder}", capsys)
    monkeypatch.setenv("REGLAB_RUNS", folder)
    assert folder in refused_here(train, capsys)


def test_a_finished_run_is_not_resumed(finished):
    assert "is finished" in refused("train", "--resume", finished.id, "--runs", finished.path.parent)


def test_a_run_that_another_process_trains_is_in_use(finished):
    (finished.path / "metrics.jsonl").write_bytes(b"")
    with finished.locked():
        assert "in use" in refused("train", "--resume", finished.id, "--runs", finished.path.parent)


# ---- help --------------------------------------------------------------------------------------------------------
HELP = """
import sys
from reglab.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as exit:
    assert exit.code == 0
    heavy = {"torch", "gradio", "sklearn", "scipy", "pyarrow", "PIL", "timm", "matplotlib"} & set(sys.modules)
    print(*heavy, file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["", "train", "predict", "runs", "cards"])
def test_help_waits_for_nothing_heavy(command):
    done = subprocess.run(
        [sys.executable, "-c", HELP, *command.split(), "--help"], env=environment(), capture_output=True, text=True
    )
    assert done.stderr.split() == [] and "usage:" in done.stdout


def test_help_names_every_option_with_its_default():
    text = cli.build_parser().parse_args(["train"]).parser.format_help()
    for name in RunConfig.model_fields:
        assert name == "regularizers" or flag(name) in text
    for key, technique in CATALOGUE.items():
        assert flag(key) in text and flag(key).replace("--", "--no-") in text
        assert all(f"{flag(key)}.{name}" in text for name in technique.model_fields)


def test_the_version_is_that_of_the_package(capsys):
    from reglab import __version__

    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"reglab {__version__}\n"
    assert (ROOT / "reglab").is_dir() and os.environ["REGLAB_RUNS"]
