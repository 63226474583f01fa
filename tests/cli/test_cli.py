"""The command line, as a process of its own: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK, ROOT, environment, reglab
from PIL import Image

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


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "seven.png"
    pixels = np.zeros((40, 40), np.uint8)
    pixels[5:10, 8:32] = 255
    pixels[10:36, 26:32] = 255
    Image.fromarray(pixels).save(path)
    return path


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
    assert done.stdout.splitlines()[-1] == str(runs.runs()[0].path)


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
    began = time.monotonic()
    _, stderr = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    run = runs.runs()[0]
    assert run.status() == "stopped" and "Traceback" not in stderr
    assert f"--resume {run.id}" in stderr and len(stderr.splitlines()) == 1
    resume = run.resume()
    assert resume is not None and resume.state["epoch"] >= 1


# ---- what cannot be ----------------------------------------------------------------------------------------------
def refused(*arguments: object, **how: str) -> str:
    """Status 2, nothing on standard output, one sentence on standard error: the sentence."""
    done = reglab(*arguments, **how)
    assert done.returncode == 2, (done.returncode, done.stderr[-300:])
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr[-500:]
    return done.stderr.strip()


def refused_here(arguments: str, capsys) -> str:
    """The same without a process of its own, for there are many."""
    try:
        status = cli.main(arguments.split())
    except SystemExit as exit:
        status = exit.code
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, ""), printed.err
    assert len(printed.err.splitlines()) == 1
    return printed.err.strip()


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
    "train --train-size 2000 --dataset digits": "997",
    "train --val-size 9999 --dataset digits": "1,287",
    "train --label-noise 1.5": "at most 1",
    "train --dataset cifar11": "did you mean cifar10?",
    "train --model basic_cmn": "did you mean basic_cnn?",
    "train --model zzz": "choose from basic_cnn",
    "train --optimizer adam": "'adamw' or 'sgd'",
    "train --schedule linear": "one_cycle",
    "train --dropout.rate 0.96": "dropout.rate is 0.96, but must be at most 0.95",
    "train --dropout.rate half": "must be a number",
    "train --flip-crop.flip maybe": "true or false",
    "train --weight-decay.mode l3": "'decoupled' or 'l2'",
    "train --no-dropout --dropout.rate 0.3": "exclude each other",
    "train --batch-size 1 --batch-norm --dataset digits": "one image has no statistics",
    "train --batch-norm --group-norm": "switch one of them off",
    "train --ema --swa": "cannot both be on",
    "train --stochastic-depth": "choose resnet20 or resnet18, or switch it off",
    "train --l2-sp": "use weight_decay, which pulls towards zero, or switch it off",
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


# ---- predict -----------------------------------------------------------------------------------------------------
def test_a_picture_gets_probabilities(finished, picture):
    done = reglab("predict", picture, picture, "--checkpoint", finished.id, "--runs", finished.path.parent, "--json")
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert {**first, "seconds": 0} == {**second, "seconds": 0} and first["checkpoint"] == finished.id
    probabilities = first["probabilities"]
    assert set(probabilities) == set("0123456789") and sum(probabilities.values()) == pytest.approx(1)
    assert first["label"] == max(probabilities, key=probabilities.get)


def test_for_a_person_the_likeliest_classes_are_named(finished, picture, capsys):
    assert cli.main(["predict", str(picture), "--checkpoint", finished.id, "--top", "2"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{picture}: ") and line.count("%") == 2


def test_a_test_picture_gets_the_answer_that_training_counted(finished, tmp_path, capsys):
    """Accuracy over pictures written to files is the test accuracy of the best epoch."""
    from reglab import data
    from reglab.analysis.predict import answer, answer_file

    digits = data.load("digits")
    right = [
        answer(str(finished.path), image, cam=False).label == str(label)
        for image, label in zip(digits.test_images, digits.test_labels, strict=True)
    ]
    assert np.mean(right) == pytest.approx(finished.summary()["best"]["test_accuracy"], abs=0.005)
    Image.fromarray(digits.test_images[3]).save(tmp_path / "three.png")
    from_file, seen = answer_file(str(finished.path), str(tmp_path / "three.png"))
    assert np.array_equal(seen, digits.test_images[3])
    assert from_file == answer(str(finished.path), digits.test_images[3])


def hundred_megapixels() -> bytes:
    """A PNG of 10,000 x 10,000 black pixels in some 100 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    squeeze = zlib.compressobj(9)
    row = bytes(1 + 10_000)
    body = b"".join(squeeze.compress(row) for _ in range(10_000)) + squeeze.flush()
    head = (10_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


PICTURES = {
    "empty.png": (b"", "is empty"),
    "text.png": (b"not a picture\n" * 20, "not a picture"),
    "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    "huge.png": (hundred_megapixels, "10,000 x 10,000 pixels"),
    "missing.png": (None, "cannot be read"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_no_picture_is_refused_in_words(name, finished, picture, tmp_path, capsys):
    content, words = PICTURES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content() if callable(content) else content)
    began = time.process_time()
    sentence = refused_here(f"predict {picture} {tmp_path / name} --checkpoint {finished.id}", capsys)
    assert name in sentence and words in sentence
    assert time.process_time() - began < 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_damaged_picture_is_refused_or_read_but_never_a_traceback(format, tmp_path):
    import io
    import random

    from reglab.analysis.pictures import open_picture
    from reglab.errors import ConfigError

    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    Image.fromarray(pixels).save(file, format)
    whole, rng = file.getvalue(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole[: rng.choice([len(whole), rng.randrange(1, len(whole))])])
        for _ in range(rng.randrange(1, 6)):
            damaged[min(len(damaged) - 1, int(rng.expovariate(1 / 60)))] = rng.randrange(256)
        try:
            picture = open_picture(bytes(damaged))
        except ConfigError as refusal:
            assert "\n" not in str(refusal)
        else:
            assert picture.mode == "RGB"


def test_a_run_without_weights_is_refused(runs, picture, capsys):
    run = runs.create(RunConfig(dataset="digits"))
    assert "no weights yet" in refused_here(f"predict {picture} --checkpoint {run.id}", capsys)


def test_a_run_with_damaged_weights_is_refused(finished, picture, capsys):
    path = finished.path / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "damaged" in refused_here(f"predict {picture} --checkpoint {finished.id}", capsys)


# ---- runs, cards -------------------------------------------------------------------------------------------------
def test_runs_lists_what_there_is(finished, capsys):
    assert cli.main(["runs", "--json"]) == 0
    (summary,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert summary == finished.summary()
    assert cli.main(["runs"]) == 0
    line = capsys.readouterr().out
    assert finished.id in line and "finished" in line and "batch_norm" in line


def test_runs_shows_a_damaged_run_and_goes_on(finished, capsys):
    (finished.path.parent / "damaged").mkdir()
    (finished.path.parent / "damaged" / "config.json").write_bytes(b"\0")
    assert cli.main(["runs"]) == 0
    out = capsys.readouterr().out
    assert "unreadable" in out and finished.id in out


def test_no_runs_yet_says_how_to_begin(capsys):
    assert cli.main(["runs"]) == 0
    assert "Begin with" in capsys.readouterr().out
    assert cli.main(["runs", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_cards_explain_every_technique(capsys):
    assert cli.main(["cards", "--json"]) == 0
    cards = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [card["key"] for card in cards] == list(CATALOGUE)
    assert all(card["title"] and card["idea"] and card["paper"] and card["formula"] for card in cards)
    assert cli.main(["cards"]) == 0
    text = capsys.readouterr().out
    assert all(technique.title in text for technique in CATALOGUE.values())


def test_the_markdown_table_has_a_row_for_every_technique(capsys):
    assert cli.main(["cards", "--markdown"]) == 0
    head, rule, *rows = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert len(rows) == len(CATALOGUE)
    assert len({row.count(" | ") for row in [head, *rows]}) == 1 and set(rule) == {"|", "-"}
    assert all(f"`{flag(key)}`" in row for key, row in zip(CATALOGUE, rows, strict=True))


def test_the_list_can_be_cut_short_by_a_pipe():
    """As `reglab cards | head -1` does."""
    python = [sys.executable, "-m", "reglab", "cards"]
    with subprocess.Popen(
        python, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as cards:
        assert cards.stdout.readline()
        cards.stdout.close()
        assert (cards.wait(30), cards.stderr.read()) == (0, "")


# ---- help --------------------------------------------------------------------------------------------------------
HELP = """
import resource, sys
from reglab.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as exit:
    assert exit.code == 0
    heavy = {"torch", "gradio", "sklearn", "pyarrow", "PIL"} & set(sys.modules)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_utime, *heavy, file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["", "train", "predict", "runs", "cards"])
def test_help_waits_for_nothing_heavy(command):
    done = subprocess.run(
        [sys.executable, "-c", HELP, *command.split(), "--help"], env=environment(), capture_output=True, text=True
    )
    seconds, *heavy = done.stderr.split()
    assert heavy == [] and float(seconds) < 1
    assert "usage:" in done.stdout


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
