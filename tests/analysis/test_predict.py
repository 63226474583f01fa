"""A picture and a run -> an answer: pictures of every make, what is kept loaded, and how far the answer is to be trusted."""

from __future__ import annotations

import io
import json
import math
import pickle
import runpy
import struct
import zlib
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
from reglab.analysis.pictures import GREY, as_seen, open_picture, overlay
from reglab.analysis.predict import Answer, answer, answer_file, examples
from reglab.cli import main as cli
from reglab.errors import ConfigError, RunError
from reglab.runs.files import write_bytes, write_json
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.tensors import tensor_bytes

RED, GREEN, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 0)


# ---- pictures ----------------------------------------------------------------------------------------------------
def saved(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def tiff(rows: list[list[float]], kind: type) -> bytes:
    return saved(Image.fromarray(np.array(rows, kind)), "TIFF")


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png(colour: int, bits: int, width: int, height: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG byte by byte, for what Pillow reads and does not write."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + body + chunk(b"IEND", b"")


def two(mode: str, left: object, right: object) -> Image.Image:
    picture = Image.new(mode, (2, 1))
    picture.putdata([left, right])
    return picture


def palette(transparent: int | None) -> bytes:
    picture = two("P", 0, 1)
    picture.putpalette([*RED, *GREEN])
    return saved(picture, **({} if transparent is None else {"transparency": transparent}))


def animated() -> bytes:
    return saved(two("RGB", RED, GREEN), "GIF", save_all=True, append_images=[two("RGB", BLACK, BLACK)])


def grey(value: int) -> tuple[int, int, int]:
    return (value, value, value)


TWO_PIXELS = {  # -> what the two pixels are in RGB
    "RGB": (saved(two("RGB", RED, GREEN)), RED, GREEN),
    "1 bit": (saved(two("1", 0, 255)), BLACK, WHITE),
    "1 bit, white see-through": (png(0, 1, 2, 1, b"\0\x40", chunk(b"tRNS", b"\0\0")), WHITE, WHITE),
    "grey": (saved(two("L", 7, 200)), grey(7), grey(200)),
    "grey, one see-through": (png(0, 8, 2, 1, b"\0\x07\xc8", chunk(b"tRNS", b"\0\x07")), WHITE, grey(200)),
    "grey with alpha": (saved(two("LA", (7, 255), (7, 0))), grey(7), WHITE),
    "RGB with alpha": (saved(two("RGBA", (*RED, 255), (*GREEN, 0))), RED, WHITE),
    "half see-through": (saved(two("RGBA", (0, 0, 0, 255), (0, 0, 0, 51))), BLACK, grey(204)),
    "palette": (palette(None), RED, GREEN),
    "palette, one see-through": (palette(1), RED, WHITE),
    "palette with alpha, TIFF": (saved(two("RGBA", (*RED, 255), (*GREEN, 0)).convert("PA"), "TIFF"), None, WHITE),
    "CMYK": (saved(two("CMYK", (0, 255, 255, 0), (255, 0, 255, 0)), "TIFF"), RED, GREEN),
    "16 bits": (png(0, 16, 2, 1, b"\0" + struct.pack(">2H", 65_535, 32_768)), WHITE, grey(128)),
    "16 bits, one see-through": (
        png(0, 16, 2, 1, b"\0" + struct.pack(">2H", 300, 32_768), chunk(b"tRNS", struct.pack(">H", 300))),
        WHITE,
        grey(128),
    ),
    "16 bits a colour": (png(2, 16, 2, 1, b"\0" + struct.pack(">6H", 65_535, 0, 0, 0, 65_535, 0)), RED, GREEN),
    "16 bits with alpha": (png(6, 16, 2, 1, b"\0" + struct.pack(">8H", 65_535, 0, 0, 65_535, *[0] * 4)), RED, WHITE),
    "16 bits, TIFF": (tiff([[65_535, 257]], np.uint16), WHITE, grey(1)),
    "32 bits that hold 8": (tiff([[255, 12]], np.int32), WHITE, grey(12)),
    "32 bits that hold 16": (tiff([[65_535, 257 * 12]], np.int32), WHITE, grey(12)),
    "32 bits": (tiff([[10**6, 0]], np.int32), WHITE, BLACK),
    "negative numbers": (tiff([[-50, 50]], np.int32), BLACK, WHITE),
    "floats from 0 to 1": (tiff([[1.0, 0.2]], np.float32), WHITE, grey(51)),
    "floats from 0 to 255": (tiff([[255.0, 51.0]], np.float32), WHITE, grey(51)),
    "floats, all zero": (tiff([[0.0, 0.0]], np.float32), BLACK, BLACK),
    "animated": (animated(), RED, GREEN),
    "BMP": (saved(two("RGB", RED, GREEN), "BMP"), RED, GREEN),
    "WebP": (saved(two("RGB", RED, GREEN), "WEBP", lossless=True), RED, GREEN),
}


@pytest.mark.parametrize("kind", TWO_PIXELS)
def test_pictures_of_every_make_become_rgb_on_white(kind):
    content, *expected = TWO_PIXELS[kind]
    picture = open_picture(content)
    assert picture.mode == "RGB" and picture.size == (2, 1)
    for x, colour in enumerate(expected):
        assert colour is None or picture.getpixel((x, 0)) == colour


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pictures_are_turned_upright(orientation, format, mode):
    """The eight orientations of the EXIF standard, from what stands in row 0 and column 0 of the stored picture."""
    upright = np.full((32, 16), 60, np.uint8)
    upright[:16, :8] = 230  # upper left
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    content = saved(Image.fromarray(np.ascontiguousarray(stored)).convert(mode), format, exif=exif)
    found = np.asarray(open_picture(content))
    assert found.shape == (32, 16, 3)
    assert np.abs(found.astype(int) - upright[..., None]).max() < 40  # JPEG and WebP lose a little


def test_sixteen_bits_and_floats_are_turned_too():
    for kind in (np.uint16, np.float32):
        exif = Image.Exif()
        exif[274] = 6
        content = saved(Image.fromarray(np.array([[0, 1, 1, 0, 0]], kind)), "TIFF", exif=exif)
        assert open_picture(content).size == (1, 5)


NO_PICTURES = {
    "not a number": (tiff([[math.nan, 1.0]], np.float32), "no finite numbers"),
    "infinite": (tiff([[math.inf, 1.0]], np.float32), "no finite numbers"),
    "a bomb": (png(0, 8, 60_000, 60_000, b""), "pixels"),
    "a long bomb": (png(0, 1, 20_000, 10, b""), "on a side"),
    "no pixels at all": (png(0, 8, 0, 0, b""), "not a picture"),
    "no end": (saved(Image.new("RGB", (50, 50), "red"))[:-60], "not a picture"),
    "empty": (b"", "empty"),
    "a vector picture": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
}


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_cannot_be_read_is_refused_in_a_sentence(kind):
    content, words = NO_PICTURES[kind]
    with pytest.raises(ConfigError, match=words) as refusal:
        open_picture(content, "mine.png")
    assert str(refusal.value).startswith("mine.png ") and "\n" not in str(refusal.value)


# ---- what the network sees ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["crop", "fit"])
@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (31, 33), (32, 32), (640, 480)])
def test_pictures_of_any_size_are_seen_in_their_own_colour(size, how):
    seen = np.asarray(as_seen(Image.new("RGB", size, RED), how))
    assert seen.shape == (32, 32, 3)
    red = (seen == RED).all(2)
    assert (red | (seen == GREY).all(2)).all()
    shares = [max(1, round(32 * side / max(size))) for side in size]
    assert red.sum() == (32 * 32 if how == "crop" else shares[0] * shares[1])


@pytest.mark.parametrize("how", ["crop", "fit"])
def test_what_is_32_pixels_wide_and_high_is_seen_as_it_is(how):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.array_equal(np.asarray(as_seen(Image.fromarray(pixels), how)), pixels)


def test_crop_takes_the_middle_and_fit_takes_all():
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, :32], wide[:, 64:] = RED, GREEN
    picture = Image.fromarray(wide)
    assert not np.asarray(as_seen(picture, "crop")).any()
    seen = np.asarray(as_seen(picture, "fit"))
    assert (seen[:10] == GREY).all() and (seen[-10:] == GREY).all()
    assert (seen[12:20, :9] == RED).all() and (seen[12:20, -9:] == GREEN).all()
    with pytest.raises(ConfigError, match="crop or fit"):
        as_seen(picture, "stretch")


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
    assert told.label == "0123456789"[int(logits.argmax())] and told.temperature is None and told.unlike == ""
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
    """Of the validation images themselves a hundredth is below the first limit and a twentieth below the second."""
    run = some_run(store)
    found = evaluate(run)
    c = run.config
    split = data.split(data.load("digits"), c.train_size, c.val_size, c.label_noise, c.seed)
    logits = logits_of(run, split.val_images).double()
    by_energy = logits.logsumexp(1).argsort().tolist()
    told = [answer(str(run.path), split.val_images[i], cam=False) for i in by_energy[:5]]
    assert ["unlike anything in" in t.unlike for t in told] == [True, False, False, False, False]
    assert ["unlike most of" in t.unlike for t in told] == [False, True, True, False, False]
    assert "score" in told[0].unlike and "99 % of validation images. Do not trust" in told[0].unlike
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


def test_the_map_is_laid_over_the_picture():
    seen, cam = pictures()[0], np.zeros((32, 32), np.float32)
    bare = np.asarray(overlay(seen, cam, times=4))
    assert np.array_equal(bare, seen.repeat(4, 0).repeat(4, 1))
    cam[:16] = 1
    laid = np.asarray(overlay(seen, cam, times=4)).astype(int)
    assert np.array_equal(laid[-56:], bare[-56:])
    orange = np.abs(laid[:56] - [255, 140, 0]).sum()
    assert orange < 0.35 * np.abs(bare[:56].astype(int) - [255, 140, 0]).sum()


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
        assert np.array_equal(np.asarray(written), np.asarray(overlay(seen, expected.cam)))
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
