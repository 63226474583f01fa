"""What is seen inside a trained network, compared with slow and obvious versions of the same numbers."""

from __future__ import annotations

import json
from math import ceil, isclose

import pytest
import torch
from conftest import tiny_config
from torch import nn

from reglab import data, models
from reglab.analysis import inside as mechanism
from reglab.analysis.inside import answers_of, layers_of, look
from reglab.errors import RunError
from reglab.runs.run import Run
from reglab.runs.tensors import tensor_bytes
from reglab.training import metrics
from reglab.training.events import best_epoch

CLASSES = 10


def some_answers(images: int = 200, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(CLASSES, (images,), generator=rng)
    logits = scale * torch.randn(images, CLASSES, generator=rng)
    logits[torch.arange(images), labels] += 2
    return logits, labels


# ---- weights -----------------------------------------------------------------------------------------------------
def test_layers_stand_in_order_with_their_shapes_and_norms():
    network = models.build(tiny_config().spec(CLASSES))
    layers = layers_of(network)
    assert [layer["name"] for layer in layers[:2]] == ["conv 1 (32x3x3x3)", "conv 2 (32x32x3x3)"]
    assert [layer["name"] for layer in layers[-2:]] == ["linear 1 (128x2048)", "linear 2 (10x128)"]
    kernels = [p for p in network.parameters() if p.ndim > 1]
    assert len(layers) == len(kernels) == 8
    for layer, kernel in zip(layers, kernels, strict=True):
        assert layer["weights"] == kernel.numel()
        assert isclose(layer["norm"], sum(w * w for w in kernel.flatten().tolist()) ** 0.5, rel_tol=1e-9)
        assert isclose(layer["rms"], layer["norm"] / layer["weights"] ** 0.5, rel_tol=1e-9)


def test_near_zero_is_counted_in_absolute_size_and_beside_the_others():
    layer = nn.Linear(4, 1)
    network = nn.Sequential(layer)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 5e-4, -2e-3, 1.0]]))  # RMS 0.5, so 1 % of it is 0.005
    [seen] = layers_of(network)
    assert (seen["near_zero"], seen["relatively_zero"]) == (0.5, 0.75)
    with torch.no_grad():
        layer.weight.mul_(1e-4)  # a layer that merely shrinks
    [seen] = layers_of(network)
    assert (seen["near_zero"], seen["relatively_zero"]) == (1.0, 0.75)


def test_weights_under_spectral_normalization_are_those_that_the_network_uses():
    layer = nn.Conv2d(3, 8, 3)
    with torch.no_grad():
        layer.weight.mul_(100)
    raw = layer.weight.norm().item()
    network = nn.Sequential(nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=50)).eval()
    [seen] = layers_of(network)
    assert seen["name"] == "conv 1 (8x3x3x3)"
    assert seen["norm"] < raw / 10 and torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() <= 1.01
    assert isclose(seen["norm"], layer.weight.norm().item(), rel_tol=1e-6)


# ---- answers -----------------------------------------------------------------------------------------------------
def test_the_reliability_bins_add_up_to_the_calibration_error():
    logits, labels = some_answers()
    seen = answers_of(logits, labels)
    bins = seen["reliability"]
    assert len(bins) == metrics.BINS == 15 and sum(b["count"] for b in bins) == seen["images"] == 200
    apart = sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in bins if b["count"]) / 200
    assert isclose(apart, metrics.calibration_error(logits, labels), rel_tol=1e-9) and isclose(seen["ece"], apart)
    for number, b in enumerate(bins):
        if b["count"]:
            assert number / 15 < b["confidence"] <= (number + 1) / 15
        else:
            assert b["confidence"] is b["accuracy"] is None


def test_right_and_wrong_answers_are_counted_by_confidence():
    logits, labels = some_answers()
    seen = answers_of(logits, labels)
    expected = {"right": [0] * 20, "wrong": [0] * 20}
    for row, label in zip(logits.double().softmax(1).tolist(), labels.tolist(), strict=True):
        sure = max(row)
        expected["right" if row.index(sure) == label else "wrong"][ceil(sure * 20) - 1] += 1
    assert seen["confidences"] == expected
    assert isclose(seen["accuracy"], sum(expected["right"]) / 200)
    assert isclose(seen["sure_and_wrong"], sum(expected["wrong"][18:]) / 200)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 40.0, 0.0])
def test_every_logit_is_in_its_bin(scale):
    logits, _ = some_answers(scale=scale)
    logits = logits - 7 * scale
    found = mechanism.logit_histogram(logits.double())
    assert sum(found["all"]) == logits.numel() and sum(found["largest"]) == len(logits)
    assert found["all"][0] and found["all"][-1] and len(found["all"]) <= mechanism.LOGIT_BINS + 1
    for n, count in enumerate(found["all"]):
        low = found["start"] + n * found["width"]
        inside = (logits.double() / found["width"]).floor().long() == round(low / found["width"])
        assert count == int(inside.sum())


def test_a_network_that_says_the_same_of_everything_can_be_looked_at():
    seen = answers_of(torch.zeros(20, CLASSES), torch.arange(20) % CLASSES)
    assert isclose(seen["confidence"], 0.1) and isclose(seen["ece"], 0.0, abs_tol=1e-12)
    assert sum(seen["logits"]["all"]) == 200


# ---- a run -------------------------------------------------------------------------------------------------------
def test_a_run_is_seen_as_its_best_epoch_was_judged(finished):
    seen = look(str(finished.path))
    json.dumps(seen, allow_nan=False)
    best = best_epoch(finished.history(), finished.config)
    assert "problem" not in seen and seen["run"] == finished.id
    assert isclose(seen["accuracy"], best.val_accuracy) and isclose(seen["ece"], best.ece, rel_tol=1e-4)
    assert seen["images"] == finished.config.val_size == 60
    assert len(seen["layers"]) == 8


def test_without_its_images_the_weights_of_a_run_are_shown_all_the_same(finished, monkeypatch):
    whole = look(str(finished.path))
    monkeypatch.setattr(data, "is_local", lambda key: False)
    seen = look(str(finished.path))
    assert seen["layers"] == whole["layers"] and "ece" not in seen
    assert "not on this machine: choose Digits on the Train tab" in seen["problem"]


def broken(run: Run, dimensions: int) -> Run:
    """The run, with a number in one of its tensors of so many dimensions that is none."""
    weights = run.weights()
    name = next(name for name in sorted(weights) if weights[name].ndim == dimensions)
    weights[name].view(-1)[0] = float("nan")
    (run.path / "model.safetensors").write_bytes(tensor_bytes(weights))
    return run


def test_a_run_without_weights_or_with_broken_ones_is_refused_in_a_sentence(finished):
    with pytest.raises(RunError, match="not all finite numbers: choose another run"):
        look(str(broken(finished, dimensions=4).path))
    (finished.path / "model.safetensors").unlink()
    with pytest.raises(RunError, match="has no weights yet"):
        look(str(finished.path))


def test_of_a_run_that_does_not_answer_in_numbers_the_weights_are_shown(finished):
    seen = look(str(broken(finished, dimensions=1).path))
    assert "does not answer in finite numbers" in seen["problem"] and len(seen["layers"]) == 8
