"""python -m reglab predict: answers for pictures, and a sentence for what is none."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import reglab
from PIL import Image
from refusals import refused_here

from reglab.analysis.pictures import formats
from reglab.cli import main as cli
from reglab.config import RunConfig
from reglab.runs.store import Store


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "seven.png"
    pixels = np.zeros((40, 40), np.uint8)
    pixels[5:10, 8:32] = 255
    pixels[10:36, 26:32] = 255
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def runs(tmp_path) -> Store:
    return Store(tmp_path / "runs")


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
    line, *more = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{picture}: ") and line.count("%") == 2
    assert more[-1].startswith("No warning means nothing: ")


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
    """The head of a PNG of 10,000 x 10,000 pixels, without any: to be refused by its size, it must not be decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (10_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


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
    sentence = refused_here(f"predict {picture} {tmp_path / name} --checkpoint {finished.id}", capsys)
    assert name in sentence and words in sentence


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", [*formats()])
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
