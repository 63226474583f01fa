"""What a run is worth: the numbers against trusted libraries, and what is kept of them, for which weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch
from conftest import tiny_config
from sklearn.metrics import accuracy_score, log_loss, recall_score

from reglab import data
from reglab.analysis.evaluate import Evaluation, answers, evaluate, known
from reglab.analysis.networks import logits_of
from reglab.cli import main as cli
from reglab.config import RunConfig
from reglab.errors import DataError, RunError
from reglab.numbers import percent
from reglab.runs.files import read_json, write_json
from reglab.runs.recording import record
from reglab.runs.run import LISTED, Run
from reglab.runs.store import Store
from reglab.runs.tensors import tensor_bytes
from reglab.training import metrics
from reglab.training.events import Interrupted
from reglab.training.train import train


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> Run:
    """A run that has learned some digits, and that nobody has evaluated. Do not change it."""
    config = tiny_config(train_size=100, val_size=60, epochs=8, lr=0.01, width=0.25)
    run = Store(tmp_path_factory.mktemp("learned")).create(config)
    for _ in record(run, train(run.config, split_of(run))):
        pass
    return Run(run.path)


@pytest.fixture(scope="module")
def once(learned, tmp_path_factory) -> tuple[Run, Evaluation]:
    """The same run with its evaluation. Do not change it."""
    run = Run(shutil.copytree(learned.path, tmp_path_factory.mktemp("evaluated") / learned.id))
    return run, evaluate(run)


@pytest.fixture
def finished(learned, tmp_path) -> Run:
    """A copy of the run that nobody has evaluated, to be damaged at will; it stands where the command line looks."""
    return Run(shutil.copytree(learned.path, tmp_path / "runs" / learned.id))


@pytest.fixture
def evaluated(once, tmp_path) -> Run:
    """The same with its evaluation."""
    return Run(shutil.copytree(once[0].path, tmp_path / "runs" / once[0].id))


def split_of(run: Run) -> data.Split:
    c = run.config
    return data.split(data.load(c.dataset), c.train_size, c.val_size, c.label_noise, c.seed)


def other_weights(run: Run) -> None:
    """Weights of the same shapes that say something else."""
    half = {name: tensor / 2 if tensor.is_floating_point() else tensor for name, tensor in run.weights().items()}
    (run.path / "model.safetensors").write_bytes(tensor_bytes(half))


def kept(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.iterdir() if path.name != ".lock"}


# ---- the numbers -------------------------------------------------------------------------------------------------
def test_the_numbers_are_those_of_scikit_learn(once):
    run, found = once
    split = split_of(run)
    test, val = logits_of(run, split.test_images), logits_of(run, split.val_images)
    assert torch.allclose(answers(run), test, atol=1e-4)
    shares, labels = test.double().softmax(1).numpy(), split.test_labels
    assert found.accuracy == accuracy_score(labels, shares.argmax(1))
    assert found.loss == pytest.approx(log_loss(labels, shares), rel=1e-4)
    assert list(found.per_class.values()) == recall_score(labels, shares.argmax(1), average=None).tolist()
    assert list(found.per_class) == list(split.classes)
    energies = np.log(np.exp(val.double().numpy()).sum(1))
    assert found.energy == pytest.approx(
        {q: np.quantile(energies, share) for q, share in (("0.15%", 0.0015), ("1%", 0.01), ("5%", 0.05), ("50%", 0.5))},
        abs=1e-4,
    )
    assert (found.test_images, found.val_images) == (len(labels), 60)
    assert found.interval[0] < found.accuracy < found.interval[1]


def test_it_is_the_best_epoch_that_is_judged(once):
    run, found = once
    best = run.summary()["best"]
    assert found.accuracy == pytest.approx(best["test_accuracy"], abs=0.005)
    assert found.ece == pytest.approx(best["ece"], abs=0.005)


def test_the_temperature_is_fitted_on_the_validation_images_and_judged_on_the_test_images(once):
    run, found = once
    split = split_of(run)
    val, val_labels = logits_of(run, split.val_images), torch.from_numpy(split.val_labels)
    assert found.temperature == pytest.approx(metrics.temperature(val, val_labels), rel=1e-3)
    assert metrics.COLDEST < found.temperature < metrics.HOTTEST  # whether it helps other writers' digits is no law
    assert metrics.loss(val / found.temperature, val_labels) < metrics.loss(val, val_labels)
    test_labels = torch.from_numpy(split.test_labels.copy())
    assert found.ece_calibrated == metrics.calibration_error(answers(run).double() / found.temperature, test_labels)


def test_progress_ends_with_all_images(finished, monkeypatch):
    told = []
    monkeypatch.setattr("reglab.analysis.evaluate.AT_ONCE", 200)
    evaluate(finished, progress=lambda done, total: told.append((done, total)))
    assert told == [(60, 570), (260, 570), (460, 570), (570, 570)]


def test_it_can_be_stopped_and_leaves_nothing(finished):
    before = kept(finished)
    with pytest.raises(Interrupted):
        evaluate(finished, stop=lambda: True)
    assert kept(finished) == before


# ---- what is kept ------------------------------------------------------------------------------------------------
def test_what_was_found_is_known_afterwards(once, evaluated):
    found = once[1]
    assert known(evaluated) == found and asdict(found) == json.loads((evaluated.path / "evaluation.json").read_text())
    assert found.weights == hashlib.sha256((evaluated.path / "model.safetensors").read_bytes()).hexdigest()
    renamed = Run(evaluated.path.rename(evaluated.path.with_name("renamed")))
    assert known(renamed).run == "renamed"


def test_the_manifest_covers_it_and_says_the_same_of_everything_else(learned, evaluated):
    before, after = (read_json(run.path / "manifest.json")["files"] for run in (learned, evaluated))
    assert set(after) - set(before) == {"evaluation.json", "answers.safetensors"} <= set(LISTED)
    for name, file in after.items():
        assert hashlib.sha256((evaluated.path / name).read_bytes()).hexdigest() == file["sha256"]
        assert before.get(name, file) == file


def test_evaluating_twice_gives_the_same_bytes(evaluated):
    before = kept(evaluated)
    evaluate(evaluated)
    assert kept(evaluated) == before


def test_it_does_not_count_for_other_weights(evaluated):
    before = answers(evaluated)
    other_weights(evaluated)
    assert known(evaluated) is None
    with pytest.raises(RunError, match=r"no answers of run .* evaluate it\."):
        answers(evaluated)
    evaluate(evaluated)
    assert known(evaluated) is not None and not torch.allclose(answers(evaluated), before)


def test_a_run_that_was_never_evaluated_has_no_answers(finished):
    assert known(finished) is None
    with pytest.raises(RunError, match="no answers of run"):
        answers(finished)


@pytest.mark.parametrize("damage", ["cut short", "one bit", "a foreign shape", "not finite"])
def test_damaged_answers_count_as_none_and_can_be_computed_anew(damage, once, evaluated):
    path = evaluated.path / "answers.safetensors"
    whole, logits = path.read_bytes(), answers(evaluated)
    path.write_bytes(
        {
            "cut short": whole[:-7],
            "one bit": whole[:-1] + bytes([whole[-1] ^ 1]),
            "a foreign shape": tensor_bytes({"logits": logits[1:]}, {"weights": once[1].weights}),
            "not finite": tensor_bytes({"logits": logits.log()}, {"weights": once[1].weights}),
        }[damage]
    )
    with pytest.raises(RunError, match="no whole ones"):
        answers(evaluated)
    evaluate(evaluated)
    assert torch.equal(answers(evaluated), logits) and path.read_bytes() == whole


NOT_ONE = [
    {"temperature": None},
    {"temperature": 0},
    {"temperature": 1e-310},
    {"temperature": 1e300},
    {"accuracy": 1.5},
    {"accuracy": float("nan")},
    {"loss": "low"},
    {"energy": {}},
    {"energy": [1, 2, 3]},
    {"per_class": {"<b>": 0.5}},
    {"dataset": "cifar10"},
    {"revision": "<b>"},
    {"weights": "0" * 64},
]


@pytest.mark.parametrize("change", NOT_ONE, ids=str)
def test_an_evaluation_that_cannot_be_is_not_believed(change, evaluated):
    path = evaluated.path / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert known(evaluated) is None


def test_an_evaluation_from_before_the_lowest_quantile_is_still_known(evaluated):
    path = evaluated.path / "evaluation.json"
    kept = json.loads(path.read_text())
    del kept["energy"]["0.15%"]
    path.write_text(json.dumps(kept))
    assert known(evaluated).energy == kept["energy"]


def test_of_a_damaged_run_nothing_is_known(evaluated):
    for name in ("model.safetensors", "config.json", "evaluation.json"):
        (evaluated.path / name).write_bytes(b"{")
        assert known(Run(evaluated.path)) is None
        (evaluated.path / name).unlink()
        assert known(Run(evaluated.path)) is None


def test_a_run_that_is_being_trained_is_evaluated_but_nothing_is_written(once, finished, capsys):
    before = kept(finished)
    with finished.locked():
        assert cli.main(["evaluate", "--checkpoint", finished.id, "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == once[1].to_json()
    assert printed.err.splitlines()[-1] == "This is not kept with the run, because the run is being trained."
    assert kept(finished) == before and known(finished) is None


def test_weights_that_change_meanwhile_are_not_mixed(finished):
    """The temperature and the accuracy are of the same weights, those that the evaluation names."""
    told = []

    def progress(done: int, total: int) -> None:
        told.append(done)
        if told == [60]:
            other_weights(finished)

    found = evaluate(finished, progress=progress)
    assert told == [60, 570, 60, 570]
    assert found == evaluate(finished) == known(finished)


def test_a_read_only_folder_stays_as_it_is(once, finished):
    before = kept(finished)
    finished.path.chmod(0o555)
    try:
        assert evaluate(finished) == once[1]
        assert kept(finished) == before
    finally:
        finished.path.chmod(0o755)


def test_a_full_disk_costs_the_file_not_the_answer(once, finished, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reglab.analysis.evaluate.write_bytes", full)
    assert evaluate(finished) == once[1]
    assert known(finished) is None


# ---- what cannot be ----------------------------------------------------------------------------------------------
def without_the_data(monkeypatch, tmp_path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "cache"))


def on_cifar10(run: Run) -> Run:
    """The run, as if it had been trained on pictures that are not here."""
    config = RunConfig(dataset="cifar10", width=0.25)
    write_json(run.path / "config.json", run.described | {"config": config.model_dump(mode="json")})
    return Run(run.path)


def test_without_its_data_a_run_is_refused_in_a_sentence(finished, monkeypatch, tmp_path):
    without_the_data(monkeypatch, tmp_path)
    with pytest.raises(DataError, match="CIFAR-10 could not be fetched"):
        evaluate(on_cifar10(finished))


def test_without_weights_a_run_is_refused_in_a_sentence(evaluated):
    (evaluated.path / "model.safetensors").unlink()
    for ask in (evaluate, answers):
        with pytest.raises(RunError, match="has no weights yet: wait for its first epoch, or choose another run"):
            ask(evaluated)


def test_a_network_that_does_not_answer_in_numbers_is_refused_in_a_sentence(finished):
    weights = finished.weights()
    next(t for t in weights.values() if t.ndim == 1).fill_(float("nan"))
    (finished.path / "model.safetensors").write_bytes(tensor_bytes(weights))
    with pytest.raises(RunError, match="does not answer in finite numbers: choose another run"):
        evaluate(finished)
    assert not (finished.path / "evaluation.json").exists()


# ---- the command line --------------------------------------------------------------------------------------------
def test_a_person_reads_the_accuracy_with_its_interval_and_every_class(finished, capsys):
    assert cli.main(["evaluate", "--checkpoint", finished.id]) == 0
    printed, found = capsys.readouterr(), known(finished)
    low, high = found.interval
    assert (
        f"accuracy           {percent(found.accuracy)}, 95 % interval {percent(low)} to {percent(high)}" in printed.out
    )
    assert f"{found.ece:.3f}, and {found.ece_calibrated:.3f} at temperature {found.temperature:.2f}" in printed.out
    assert "Digits (by-writer), 510 test images" in printed.out and "the 60 validation images of seed 0" in printed.out
    rows = printed.out.strip().splitlines()[-10:]
    assert [row.split()[0] for row in rows] == list(found.per_class) and len({row.index("%") for row in rows}) == 1
    assert printed.err.splitlines()[-1] == "evaluating Digits: 100 %"


def test_with_json_it_is_one_object(finished, capsys):
    assert cli.main(["evaluate", "--checkpoint", finished.id, "--runs", str(finished.path.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == known(finished).to_json()


CANNOT_BE = {
    "no weights": "has no weights yet",
    "damaged weights": "is damaged",
    "no data": "CIFAR-10 could not be fetched (HF_HUB_OFFLINE is set)",
    "no run": "no checkpoint or run called 'no-such-run'",
}


@pytest.mark.parametrize("case", CANNOT_BE)
def test_what_cannot_be_is_answered_in_one_sentence(case, finished, capsys, monkeypatch, tmp_path):
    weights = finished.path / "model.safetensors"
    if case == "no weights":
        weights.unlink()
    if case == "damaged weights":
        weights.write_bytes(weights.read_bytes()[:-1])
    if case == "no data":
        without_the_data(monkeypatch, tmp_path)
        on_cifar10(finished)
    run_id = "no-such-run" if case == "no run" else finished.id
    assert cli.main(["evaluate", "--checkpoint", run_id, "--runs", str(finished.path.parent)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert CANNOT_BE[case] in printed.err
