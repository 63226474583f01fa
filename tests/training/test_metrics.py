"""What the numbers mean, against literal versions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reglab.training import metrics
from reglab.training.metrics import calibration_error


# ---- accuracy, loss, calibration ---------------------------------------------------------------------------------
def ece_slowly(logits: list[list[float]], labels: list[int], bins: int) -> float:
    """Guo et al. 2017, equation 3, as it stands there: bins open on the left and closed on the right."""
    judged = []
    for row, label in zip(logits, labels, strict=True):
        top = max(row)
        shares = [math.exp(v - top) for v in row]
        confidence = max(shares) / sum(shares)
        judged.append((confidence, row.index(top) == label))
    total = 0.0
    for m in range(bins):
        inside = [(c, right) for c, right in judged if m / bins < c <= (m + 1) / bins]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(c for c, _ in inside) / len(inside)
            total += len(inside) / len(judged) * abs(accuracy - confidence)
    return total


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), classes=st.integers(2, 12), scale=st.floats(0.1, 20))
@settings(max_examples=100, deadline=None)
def test_the_calibration_error_is_that_of_the_paper(seed, n, classes, scale):
    rng = torch.Generator().manual_seed(seed)
    logits = (torch.randn(n, classes, generator=rng) * scale).double()
    labels = torch.randint(classes, (n,), generator=rng)
    slow = ece_slowly(logits.tolist(), labels.tolist(), 15)
    assert calibration_error(logits, labels) == pytest.approx(slow, abs=1e-9)


def sure(confidence: float, classes: int = 10) -> list[float]:
    """Logits with that confidence in class 0."""
    return [math.log(confidence / ((1 - confidence) / (classes - 1)))] + [0.0] * (classes - 1)


def test_who_is_right_as_often_as_sure_is_calibrated():
    logits = torch.tensor([sure(0.8)] * 10).double()
    assert calibration_error(logits, torch.tensor([0] * 8 + [1] * 2)) == pytest.approx(0, abs=1e-6)
    assert calibration_error(logits, torch.tensor([0] * 3 + [1] * 7)) == pytest.approx(0.5)


def test_who_is_always_sure_and_always_wrong_is_off_by_one():
    logits = torch.tensor([[50.0, 0.0]] * 4)
    assert calibration_error(logits, torch.ones(4, dtype=torch.long)) == pytest.approx(1)
    assert calibration_error(logits, torch.zeros(4, dtype=torch.long)) == pytest.approx(0, abs=1e-9)


def test_confidences_of_different_bins_do_not_cancel():
    logits = torch.tensor([sure(0.55)] * 10 + [sure(0.95)] * 10).double()
    labels = torch.tensor([0] * 10 + [1] * 10)  # too modest where right, too sure where wrong
    assert calibration_error(logits, labels) == pytest.approx((0.45 + 0.95) / 2)


def test_loss_and_accuracy_are_the_literal_ones():
    logits, labels = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]]), torch.tensor([0, 2])
    literal = [
        -math.log(math.exp(row[y]) / sum(map(math.exp, row))) for row, y in zip(logits.tolist(), [0, 2], strict=True)
    ]
    judged = metrics.judge(logits, labels)
    assert judged["loss"] == pytest.approx(sum(literal) / 2)
    assert judged["accuracy"] == 0.5
    assert set(judged) == {"loss", "accuracy", "ece"}


def test_the_reliability_bins_hold_what_the_calibration_error_adds_up():
    logits, labels = some_logits(300)
    confidence, predicted = logits.softmax(1).max(1)
    for bins in (1, 7, 15):
        shown = metrics.reliability(confidence, predicted == labels, bins)
        apart = sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in shown if b["count"]) / 300
        assert len(shown) == bins and sum(b["count"] for b in shown) == 300
        assert apart == pytest.approx(calibration_error(logits, labels, bins))
    edges = torch.tensor([0.0, 0.1, 0.2, 0.2001, 1.0], dtype=torch.double)
    assert metrics.bin_of(edges, 5).tolist() == [0, 0, 0, 1, 4]


# ---- temperature, energy, classes --------------------------------------------------------------------------------
def some_logits(images: int = 200, scale: float = 2.0, classes: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are right more often than not, and too sure of it."""
    rng = torch.Generator().manual_seed(3)
    labels = torch.randint(classes, (images,), generator=rng)
    logits = torch.randn(images, classes, generator=rng).double()
    logits[torch.arange(images), labels] += 1
    return logits * scale, labels


def test_the_temperature_is_the_one_that_a_general_optimizer_finds():
    optimize = pytest.importorskip("scipy.optimize")
    for scale in (0.3, 1.0, 4.0, 15.0):
        logits, labels = some_logits(scale=scale)
        best = optimize.minimize_scalar(lambda t: metrics.loss(logits / math.exp(t), labels), bounds=(-3, 3))  # noqa: B023
        assert metrics.temperature(logits, labels) == pytest.approx(math.exp(best.x), rel=1e-4)


def test_logits_three_times_as_large_are_three_times_as_hot():
    logits, labels = some_logits()
    assert metrics.temperature(logits * 3, labels) == pytest.approx(3 * metrics.temperature(logits, labels), rel=1e-9)
    moved = logits + torch.randn(len(logits), 1).double()  # the softmax does not see it
    assert metrics.temperature(moved, labels) == pytest.approx(metrics.temperature(logits, labels), rel=1e-9)


def test_at_its_temperature_nothing_is_left_to_fit():
    logits, labels = some_logits(scale=5)
    fitted = logits / metrics.temperature(logits, labels)
    assert metrics.temperature(fitted, labels) == pytest.approx(1)
    assert metrics.loss(fitted, labels) < metrics.loss(logits, labels)
    assert calibration_error(fitted, labels) < calibration_error(logits, labels)
    assert metrics.accuracy(fitted, labels) == metrics.accuracy(logits, labels)


def test_the_temperature_stays_within_reason():
    one_hot, labels = torch.eye(4), torch.arange(4)
    assert metrics.temperature(one_hot, labels) == pytest.approx(metrics.COLDEST)  # never wrong: the colder the better
    assert metrics.temperature(one_hot, labels.roll(1)) == pytest.approx(metrics.HOTTEST)  # never right
    assert metrics.temperature(torch.zeros(4, 4), labels) == 1  # nothing to choose between
    assert metrics.temperature(one_hot * 1e30, labels) == 1  # as sure as can be, and right
    wrong_at_times = torch.tensor([0, 1, 2, 0])
    assert metrics.temperature(one_hot * 1e30, wrong_at_times) == pytest.approx(metrics.HOTTEST)


def test_the_energy_is_the_log_of_the_summed_exponentials():
    logits, _ = some_logits(20)
    literal = [math.log(sum(math.exp(value) for value in row)) for row in logits.tolist()]
    assert metrics.energy(logits).tolist() == pytest.approx(literal)
    assert metrics.energy(torch.tensor([[1000.0, 1000.0]])).item() == pytest.approx(1000 + math.log(2))


def test_confusions_are_counted_as_scikit_learn_does():
    sklearn = pytest.importorskip("sklearn.metrics")
    logits, labels = some_logits(80)
    labels[labels == 2] = 3  # one class without images
    counts = metrics.confusion(logits, labels, 6)
    assert counts.tolist() == sklearn.confusion_matrix(labels, logits.argmax(1), labels=range(6)).tolist()
    shares = metrics.per_class(logits, labels, 6)
    assert shares[2] is None
    for label in (0, 1, 3, 4, 5):
        assert shares[label] == metrics.accuracy(logits[labels == label], labels[labels == label])


def test_the_interval_is_the_one_of_wilson():
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
    known = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (right, images), interval in known.items():
        assert metrics.wilson(right / images, images) == pytest.approx(interval, abs=6e-5)
    low, high = metrics.wilson(1.0, 20)
    assert (low, high) == pytest.approx((1 - 0.1611, 1), abs=6e-5) and high <= 1
