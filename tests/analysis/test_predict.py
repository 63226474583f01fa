"""A picture and a run -> an answer: what is kept loaded, and how far the answer is to be trusted."""

from __future__ import annotations

import json
import math
import pickle
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, tiny_config
from PIL import Image
from torch import nn

from reglab import data, models
from reglab.analysis.evaluate import evaluate
from reglab.analysis.networks import Networks, logits_of, network_of
from reglab.analysis.pictures import as_seen, overlay, viridis, with_scale
from reglab.analysis.predict import Answer, answer, answer_file, examples
from reglab.cli import main as cli
from reglab.errors import ConfigError, RunError
from reglab.runs.files import write_bytes, write_json
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.tensors import tensor_bytes


# ---- the run's network -------------------------------------------------------------------------------------------
def some_run(store: Store, change: Callable[[nn.Module], None] = lambda network: None, **config: object) -> Run:
    """A run on the digits with random weights, as if it had been trained."""
    run = store.create(tiny_config(width=0.25, val_size=60, **config))
    torch.manual_seed(0)
    network = models.build(run.config.spec(10))
    change(network)
    write_bytes(run.path / "model.safetensors", tensor_bytes(network.state_dict()))
    normalization = {"mean": [0.2, 0.3, 0.4], "std": [0.3, 0.4, 0.5]}
    write_json(run.path / "config.json", {**run.described, "normalization": normalization})
    return Run(run.path)


def pictures(n: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), np.uint8)


def test_weights_in_float16_become_float32_and_counters_stay(store):
    halved = some_run(store, regularizers={"batch_norm": {}})
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in halved.weights().items()}
    whole = some_run(store, regularizers={"batch_norm": {}})
    write_bytes(whole.path / "model.safetensors", tensor_bytes({k: v.float() for k, v in tensors.items()}))
    write_bytes(halved.path / "model.safetensors", tensor_bytes(tensors))
    network = network_of(halved)[0]
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert {v.dtype for k, v in network.state_dict().items() if "num_batches" in k} == {torch.int64}
    assert torch.equal(logits_of(halved, pictures(2)), logits_of(whole, pictures(2)))


def test_weights_of_another_network_are_refused(store):
    run, other = some_run(store), some_run(store, model="resnet20")
    write_bytes(run.path / "model.safetensors", tensor_bytes(other.weights()))
    with pytest.raises(RunError, match="do not fit its config"):
        answer(str(run.path), pictures()[0])


def test_a_network_that_answers_in_no_numbers_is_refused(store):
    run = some_run(store, lambda network: nn.init.constant_(network.head[-1].bias, torch.nan))
    with pytest.raises(RunError, match="finite numbers"):
        answer(str(run.path), pictures()[0])


def test_new_weights_are_read_anew_and_old_ones_only_once(store):
    run = some_run(store)
    first = network_of(run)
    assert network_of(run)[0] is first[0]
    write_bytes(run.path / "model.safetensors", tensor_bytes({k: v + 1 for k, v in run.weights().items()}))
    assert network_of(run)[0] is not first[0]


def test_networks_stay_loaded_as_far_as_memory_goes():
    def loader(kilobytes: int) -> Callable[[], tuple[nn.Module, np.ndarray, np.ndarray]]:
        network = nn.Module()
        network.weight = nn.Parameter(torch.zeros(kilobytes * 128))
        network.register_buffer("seen", torch.zeros(kilobytes * 64, dtype=torch.int64))
        return lambda: (network, np.zeros(3), np.ones(3))

    def fails() -> tuple[nn.Module, np.ndarray, np.ndarray]:
        raise AssertionError("read again")

    kept = Networks(memory=10 * 1024)
    for name in "abc":
        kept.get((name, 0.0), loader(3))
    kept.get(("a", 0.0), fails)  # used again, so that b is now the one longest unused
    kept.get(("d", 0.0), loader(3))
    for name in "acd":
        kept.get((name, 0.0), fails)
    with pytest.raises(AssertionError):
        kept.get(("b", 0.0), fails)
    kept.get(("large", 0.0), loader(50))
    kept.get(("large", 0.0), fails)
    with pytest.raises(AssertionError):
        kept.get(("d", 0.0), fails)


# ---- the answer --------------------------------------------------------------------------------------------------
def test_an_answer_is_what_the_logits_say(store):
    run, [seen] = some_run(store), pictures()
    told = answer(str(run.path), seen)
    logits = logits_of(run, pictures())[0].double()
    expected = logits.exp() / logits.exp().sum()
    assert told.probabilities == told.raw == pytest.approx(expected.tolist())
    assert told.label == "0123456789"[int(logits.argmax())] and told.temperature is None
    assert "more fine detail" in told.unlike, "noise is unlike any digit, also where nothing is known of the energy"
    assert told.energy == pytest.approx(math.log(logits.exp().sum()))
    assert told.entropy == pytest.approx(-(expected * expected.log2()).sum().item())
    assert [name for name, _ in told.top(10)] == sorted(told.classes, key=lambda c: -told.probabilities[int(c)])
    assert told.spread is None and told.cam.shape == (32, 32) and told.cam.dtype == np.float32 and told.cam_layer
    assert answer(str(run.path), seen) == told == pickle.loads(pickle.dumps(told))  # noqa: S301  what a process sends
    assert answer(str(run.path), seen, cam=False).cam is None
    json.dumps(told.to_json(), allow_nan=False)


def test_with_views_it_is_the_mean_of_their_probabilities(store):
    """The digits have no mirror images, so there are five."""
    run, [seen] = some_run(store), pictures()
    padded = np.pad(seen, ((2, 2), (2, 2), (0, 0)), mode="edge")
    views = np.stack([padded[y : y + 32, x : x + 32] for y, x in ((2, 2), (0, 2), (4, 2), (2, 0), (2, 4))])
    told = answer(str(run.path), seen, tta=True)
    expected = logits_of(run, views).double().softmax(1).mean(0)
    assert told.raw == pytest.approx(expected.tolist(), abs=1e-6)
    assert told.energy == pytest.approx(answer(str(run.path), seen).energy)


def test_dropout_gives_a_spread_where_there_is_any(store):
    plain, dropped = some_run(store), some_run(store, regularizers={"dropout": {"rate": 0.5}})
    [seen] = pictures()
    assert answer(str(plain.path), seen, dropout_passes=5).spread is None
    assert answer(str(dropped.path), seen).spread is None
    told = answer(str(dropped.path), seen, dropout_passes=5)
    assert len(told.spread) == 10 and 0 < max(told.spread) < 0.5
    assert told == answer(str(dropped.path), seen, dropout_passes=5)
    for passes in (-1, 1_001):
        with pytest.raises(ConfigError, match="choose 0 to 1,000"):
            answer(str(dropped.path), seen, dropout_passes=passes)


def test_a_run_that_was_evaluated_answers_calibrated_and_tells_what_is_strange(store):
    """Of the validation images themselves only the one with the least energy has too little."""
    run = some_run(store)
    found = evaluate(run)
    c = run.config
    split = data.split(data.load("digits"), c.train_size, c.val_size, c.label_noise, c.seed)
    logits = logits_of(run, split.val_images).double()
    by_energy = logits.logsumexp(1).argsort().tolist()
    told = [answer(str(run.path), split.val_images[i], cam=False) for i in by_energy[:5]]
    assert ["is below that of 99.85 % of validation images" in t.unlike for t in told] == [True, *[False] * 4]
    assert told[0].unlike.startswith("Unlike Digits: ") and "trust" not in told[0].unlike
    assert told[0].temperature == found.temperature != 1
    row = logits[by_energy[0]]
    assert told[0].probabilities == pytest.approx((row / found.temperature).softmax(0).tolist(), abs=1e-6)
    assert told[0].raw == pytest.approx(row.softmax(0).tolist(), abs=1e-6)


def test_a_file_is_answered_as_the_pixels_that_are_seen_of_it(store, tmp_path):
    run, path = some_run(store), tmp_path / "wide.png"
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8))
    picture.save(path)
    for how in ("crop", "fit"):
        told, seen = answer_file(str(run.path), str(path), how)
        assert np.array_equal(seen, np.asarray(as_seen(picture, how)))
        assert told == answer(str(run.path), seen)


# ---- the map -----------------------------------------------------------------------------------------------------
def test_the_map_has_the_colours_of_viridis():
    matplotlib = pytest.importorskip("matplotlib")
    values = np.linspace(0, 1, 201)
    theirs = matplotlib.colormaps["viridis"](values)[:, :3] * 255
    assert np.abs(viridis(values) - theirs).max() < 6
    brightness = viridis(values) @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) > 0).all(), "it can be read in grey"


def test_the_map_reads_the_same_on_any_picture():
    """Also on an orange car, where orange showed nothing."""
    cam = np.zeros((32, 32), np.float32)
    cam[:, 16:] = 1
    pictures_ = {
        "orange": [255, 140, 0],
        "white": [255] * 3,
        "black": [0] * 3,
        "purple": [68, 1, 84],
        "yellow": [253, 231, 37],
    }
    little, much = [], []
    for colour in pictures_.values():
        drawn = np.asarray(overlay(np.full((32, 32, 3), colour, np.uint8), cam, times=4)).astype(float)
        assert (
            np.ptp(drawn[:, 72:].reshape(-1, 3), axis=0).max()
            == 0
            == np.ptp(drawn[:, :56].reshape(-1, 3), axis=0).max()
        )
        little.append(drawn[0, 0] @ [0.299, 0.587, 0.114]), much.append(drawn[0, -1] @ [0.299, 0.587, 0.114])
    assert min(much) - max(little) > 40, "wherever it is strong is brighter than wherever it is weak"
    seen = np.asarray(overlay(pictures()[0], np.zeros((32, 32), np.float32), times=4))
    assert np.array_equal(seen, seen[::4, ::4].repeat(4, 0).repeat(4, 1)) and np.ptp(seen) > 50, (
        "the picture shows below"
    )


def test_a_file_has_the_scale_of_the_map_with_it():
    drawn = overlay(pictures()[0], np.zeros((32, 32), np.float32))
    whole = np.asarray(with_scale(drawn, "speaks for 7"))
    assert np.array_equal(whole[:256], np.asarray(drawn)) and whole.shape[0] > 256
    scale = whole[264]
    assert np.abs(scale[[0, 128, 255]] - viridis(np.array([0, 0.5, 1]))).max() < 2
    assert (whole[280:] < 100).any(), "words below"


def test_examples_are_one_test_picture_of_each_class():
    digits = data.load("digits")
    for label, (pixels, name) in enumerate(examples("digits")):
        assert name == str(label)
        assert any(np.array_equal(pixels, test) for test in digits.test_images[digits.test_labels == label])


# ---- the command line --------------------------------------------------------------------------------------------
@pytest.fixture
def wide(tmp_path) -> Path:
    path = tmp_path / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8)).save(path)
    return path


def test_the_command_tells_what_the_answer_holds(store, wide, tmp_path, capsys):
    run = some_run(store, regularizers={"dropout": {"rate": 0.5}})
    asked = [str(wide), "--checkpoint", run.id, "--how", "fit", "--tta", "--dropout-passes", "4"]
    assert cli.main(["predict", *asked, "--explain", str(tmp_path / "cam.png"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    expected, seen = answer_file(str(run.path), str(wide), "fit", tta=True, dropout_passes=4)
    assert {**told, "seconds": 0} == {"image": str(wide), "checkpoint": run.id, **expected.to_json(), "seconds": 0}
    with Image.open(tmp_path / "cam.png") as written:
        assert np.array_equal(np.asarray(written)[:256], np.asarray(overlay(seen, expected.cam)))
    assert cli.main(["predict", *asked]) == 0
    assert capsys.readouterr().out.count("±") == 3


def test_the_command_says_what_it_could_not_do(store, wide, tmp_path, capsys):
    run = some_run(store)
    asked = ["predict", "--checkpoint", run.id, str(wide)]
    assert cli.main([*asked, "--dropout-passes", "4"]) == 0
    assert "no dropout to leave on" in capsys.readouterr().out
    for wrong, words in {
        ("--explain", "cam.jpg"): "ends in .png",
        ("--explain", str(tmp_path / "no" / "cam.png")): "choose another place",
        ("--dropout-passes", "-1"): "choose 0 to 1,000",
        (str(wide), "--explain", "cam.png"): "one IMAGE",
    }.items():
        assert cli.main([*asked, *wrong]) == 2
        sentence = capsys.readouterr().err
        assert words in sentence and sentence.count("\n") == 1


def test_the_benchmark_measures_every_shipped_network(monkeypatch, tmp_path, capsys):
    run = some_run(Store(tmp_path / "checkpoints"))
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "predict.py"))
    before = (ROOT / "benchmarks" / "predict.json").exists()
    assert benchmark["main"](["--quick"]) == 0
    printed = capsys.readouterr().out
    assert run.id in printed and " ms" in printed and "n = " in printed
    assert (ROOT / "benchmarks" / "predict.json").exists() == before
    assert isinstance(answer(str(run.path), pictures()[0]), Answer)
