"""Strange pictures: the statistics against slow obvious ones, what is warned of, and what is said where nothing is."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from reglab import data
from reglab.analysis import strange
from reglab.analysis.evaluate import answers, known
from reglab.analysis.pictures import as_seen
from reglab.analysis.predict import answer_file
from reglab.runs.store import Store
from reglab.training import metrics

SHIPPED = Store(ROOT / "checkpoints").runs()
MEASURED = json.loads(strange.MEASURED.read_text())["networks"]
CIFAR_10 = ("cifar10", "CIFAR-10")
needs_cifar10 = pytest.mark.skipif(not data.is_local("cifar10"), reason="CIFAR-10 is not on this machine")


@pytest.fixture(scope="module")
def benchmark() -> dict:
    return runpy.run_path(str(ROOT / "benchmarks/strange.py"))


def warned(pixels: np.ndarray) -> str:
    return strange.warning(pixels, *CIFAR_10, energy=10.0, usual={})


# ---- the statistics ----------------------------------------------------------------------------------------------
def test_the_statistics_are_those_of_plain_loops():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    pixels[1] //= 64
    pixels[2] = 7
    told = strange.statistics(pixels)
    for n, picture in enumerate(pixels.tolist()):
        grey = [[0.299 * r + 0.587 * g + 0.114 * b for r, g, b in row] for row in picture]
        edges = [
            abs(4 * grey[y][x] - grey[y - 1][x] - grey[y + 1][x] - grey[y][x - 1] - grey[y][x + 1])
            for y in range(1, 31)
            for x in range(1, 31)
        ]
        flat = np.array(grey).flatten()
        slow = {
            "contrast": (np.mean(flat**2) - np.mean(flat) ** 2) ** 0.5 if n < 2 else 0,
            "saturation": np.mean([max(pixel) - min(pixel) for row in picture for pixel in row]),
            "detail": np.mean(edges),
            "levels": len({round(value) for value in flat}),
        }
        slow["sharpness"] = slow["detail"] / (slow["contrast"] + 1)
        assert {name: values[n] for name, values in told.items()} == pytest.approx(slow, rel=1e-3, abs=1e-3)


def test_the_ranges_are_those_of_the_training_pictures(benchmark, monkeypatch, tmp_path):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(strange, "RANGES", tmp_path / "ranges.json")
        assert benchmark["main"](["--ranges", "digits"]) == 0
    made = json.loads((tmp_path / "ranges.json").read_text())["digits"]["ranges"]
    for name, ends in strange.ranges("digits").items():
        assert made[name] == pytest.approx(ends, abs=0.02), name
    digits = data.load("digits")
    for name, signs in strange.outside(digits.images, "digits").items():
        assert (signs < 0).mean() <= 0.003 and (signs > 0).mean() <= 0.003, name
    assert strange.ranges("cifar10").keys() == strange.WORDS.keys() and strange.ranges("nothing") == {}


# ---- what is warned of -------------------------------------------------------------------------------------------
def test_noise_flat_colours_and_digits_are_told_apart_from_photographs_in_words():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert "more fine detail and harsher edges for its contrast than 99.85 % of its training pictures" in warned(noise)
    assert "less contrast, less fine detail, softer edges" in warned(np.full((32, 32, 3), 90, np.uint8))
    digits = [warned(digit) for digit in data.load("digits").test_images[:100]]
    assert sum("softer edges for its contrast than 99.85 %" in told for told in digits) > 90
    assert not any("trust" in told for told in digits)


def test_an_energy_below_nearly_all_is_a_sign_and_an_old_evaluation_has_a_coarser_one():
    digit, usual = data.load("digits").test_images[0], {"0.15%": 2.0, "1%": 3.0}

    def of(energy: float, usual: dict) -> str:
        return strange.warning(digit, "digits", "Digits", energy, usual)

    assert of(2.5, usual) == of(9.0, {}) == ""
    assert "energy score, 1.5, is below that of 99.85 % of validation images" in of(1.5, usual)
    assert "is below that of 99 % of validation images" in of(2.5, {"1%": 3.0})


def test_an_upload_is_judged_as_the_network_sees_it(finished, tmp_path):
    """A photograph of 12 x 12 pixels is enlarged, and has softer edges then than any picture of its kind."""
    small = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(small).save(tmp_path / "small.png")
    told, seen = answer_file(str(finished.path), str(tmp_path / "small.png"), cam=False)
    assert np.array_equal(seen, np.asarray(as_seen(Image.fromarray(small))))
    assert told.unlike == strange.warning(seen, "digits", "Digits", told.energy, {}) != ""


@needs_cifar10
@pytest.mark.parametrize("run", SHIPPED, ids=lambda run: run.id)
def test_no_bundled_example_is_warned_of_and_false_alarms_are_as_they_are_told(run):
    """A cat of the examples was."""
    loaded, evaluation = data.load("cifar10"), known(run)
    energies = metrics.energy(answers(run)).numpy()
    _, limit = strange.limit(evaluation.energy)
    first = [(loaded.test_labels == label).nonzero()[0][0] for label in range(10)]
    assert [
        row for row in first if strange.warning(loaded.test_images[row], *CIFAR_10, energies[row], evaluation.energy)
    ] == []
    signs = strange.outside(loaded.test_images, "cifar10").values()
    alarms = np.logical_or.reduce([energies < limit, *(sign != 0 for sign in signs)]).mean()
    assert alarms == pytest.approx(MEASURED[run.id]["false_alarms"], abs=5e-4) and alarms < 0.015


# ---- what no warning means ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("run", SHIPPED, ids=lambda run: run.id)
def test_every_shipped_network_says_how_much_it_notices(run):
    told = known(run)
    assert MEASURED[run.id]["weights"] == told.weights, f"run python benchmarks/strange.py --only {run.id}"
    said = strange.worth(*CIFAR_10, told.weights, told.energy)
    assert said.startswith("No warning means nothing: it catches 100 % of ") and "% of shuffled patches" in said
    assert f"{100 * MEASURED[run.id]['false_alarms']:.1f} % false alarms" in said


def test_of_a_run_of_ones_own_it_says_where_the_limits_come_from():
    def of(dataset: str, usual: dict) -> str:
        return strange.worth(dataset, "CIFAR-10", "other weights", usual)

    assert "the training pictures of CIFAR-10 or its energy is below that of 99.85 %" in of("cifar10", {"0.15%": 1.0})
    assert "was not measured" in of("cifar10", {}) and "its energy" not in of("cifar10", {})
    assert "nothing is known yet" in of("cifar100", {}) and "own validation images" in of("cifar100", {"1%": 1.0})


def test_what_is_caught_is_told_by_its_share_and_never_rounded_up():
    shares = {"digits": 0.9967, "noise": 1.0, "colours": 1.0, "patches": 0.07}
    assert strange._caught(shares) == "100 % of noise and colours, 99 % of digits, 7 % of patches"


# ---- the benchmark -----------------------------------------------------------------------------------------------
def test_strange_pictures_are_what_they_are_called_and_the_same_every_time(benchmark):
    test = data.load("digits").test_images
    found, again = benchmark["kinds"](test, 8), benchmark["kinds"](test, 8)
    for kind, pixels in found.items():
        assert pixels.shape == (8, 32, 32, 3) and pixels.dtype == np.uint8 and np.array_equal(pixels, again[kind]), kind
    moved = found["shuffled patches"]
    assert np.array_equal(np.sort(moved.reshape(8, -1)), np.sort(test[:8].reshape(8, -1)))
    assert not np.array_equal(moved, test[:8]) and len(np.unique(found["solid colors"][0].reshape(-1, 3), axis=0)) == 1
    usual, odd = np.array([1.0, 2, 3]), np.array([0.0, 2])
    assert benchmark["auroc"](usual, odd) == pytest.approx((3 + 1.5) / 6)
    assert "| `vgg16` |" in benchmark["table"](json.loads(strange.MEASURED.read_text()))
