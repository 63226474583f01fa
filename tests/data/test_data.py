"""The data sets: what loading accepts and refuses."""

from __future__ import annotations

import difflib
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hub_cache import (  # noqa: F401  (fixtures among them)
    COMMIT,
    REAL_HUB,
    hub_file,
    hub_fixture,
    own_cache_fixture,
    pictures,
    table,
    write_parquet,
)
from huggingface_hub import constants
from PIL import Image

from reglab import data
from reglab.errors import ConfigError, DataError


# ---- what is known beforehand ------------------------------------------------------------------------------------
def test_import_is_light():
    """The first page and --help wait for nothing heavy."""
    script = "import sys, reglab.data; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "pyarrow", "PIL", "sklearn", "huggingface_hub"]
    out = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize("key", data.SOURCES)
def test_a_source_is_complete(key):
    known = data.source(key)
    assert known.key == key
    assert len(set(known.classes)) == len(known.classes) == (100 if key == "cifar100" else 10)
    assert (known.repo is None) == (known.megabytes == 0) == (not known.files)
    data.check_sizes(known, known.preset["train_size"], known.preset["val_size"])


def test_an_unknown_set_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="'cifar_10' is not known: did you mean cifar10"):
        data.source("cifar_10")
    with pytest.raises(ConfigError, match="choose one of cifar10, cifar100, fashion_mnist, digits"):
        data.load("zzzz")


def test_cifar100_has_the_fine_names_in_alphabetical_order():
    names = data.SOURCES["cifar100"].classes
    assert list(names) == sorted(names)
    assert {"aquarium fish", "willow tree", "worm"} <= set(names)


# ---- the digits --------------------------------------------------------------------------------------------------
def test_digits():
    digits = data.load("digits")
    assert len(digits.images) + len(digits.test_images) == 1_797
    assert digits.images.shape == (1_287, 32, 32, 3) and digits.images.dtype == np.uint8
    assert digits.labels.dtype == np.int64 and set(digits.labels) == set(range(10))
    assert digits.images.min() == 0 and digits.images.max() == 255
    assert (digits.images[..., 0] == digits.images[..., 2]).all()
    assert not digits.source.mirror
    assert data.is_local("digits")


# What a writer's form asks for, as its labels show; a few digits are missing here and there.
FORM = "0123456789" * 3
FORM += "0955650989841773510022782012633733466649150952820017632174631391768431405369617544728225795488490898"
BEGINS = [0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667]


def test_the_digits_test_set_is_that_of_the_last_four_writers_in_the_original_order():
    from sklearn.datasets import load_digits

    digits, original = data.load("digits"), load_digits()
    np.testing.assert_array_equal(digits.test_labels, original.target[-510:])
    small = digits.test_images[:, 1::4, 1::4, 0].astype(float).reshape(510, -1)
    assert np.corrcoef(small.ravel(), original.images[-510:].ravel())[0, 1] > 0.9
    assert BEGINS.index(len(digits.images)) == 10


def test_a_writer_is_a_form_that_repeats_its_labels_and_looks_like_itself():
    """Each stretch is the form but for a few digits, and no other picture is as near as one on the same form."""
    from sklearn.datasets import load_digits

    original = load_digits()
    labels, pixels = original.target, original.images.reshape(1_797, 64)
    for begin, end in itertools.pairwise([*BEGINS, 1_797]):
        told = "".join(map(str, labels[begin:end]))
        assert difflib.SequenceMatcher(None, FORM, told, autojunk=False).ratio() > 0.95
    form = np.searchsorted(BEGINS, np.arange(1_797), side="right") - 1
    nearest = np.empty(1_797, int)
    for digit in range(10):
        rows = np.flatnonzero(labels == digit)
        apart = ((pixels[rows, None] - pixels[None, rows]) ** 2).sum(2)
        np.fill_diagonal(apart, np.inf)
        nearest[rows] = rows[apart.argmin(1)]
    shares = np.zeros((14, 14))
    np.add.at(shares, (form, form[nearest]), 1)
    own, others = np.diag(shares) / shares.sum(1), shares / shares.sum(1, keepdims=True) * (1 - np.eye(14))
    assert (form[nearest] == form).mean() > 0.53 and own.min() > 0.38 and others.max() < 0.14


def test_the_statistics_are_those_of_the_pool():
    digits = data.load("digits")
    np.testing.assert_allclose(digits.mean, (digits.images / 255).mean((0, 1, 2)))
    np.testing.assert_allclose(digits.std, (digits.images / 255).std((0, 1, 2)))


# ---- sets from the Hub's cache -----------------------------------------------------------------------------------
def test_pictures_and_labels_come_through_unchanged(hub):
    heard = []
    dataset = data.load("cifar10", lambda *step: heard.append(step))
    np.testing.assert_array_equal(dataset.images, pictures(dataset.source, 40))
    np.testing.assert_array_equal(dataset.test_images, pictures(dataset.source, 20))
    np.testing.assert_array_equal(dataset.labels, np.arange(40) % 10)
    assert dataset.revision == COMMIT
    assert heard[-1] == ("decoding", 60, 60)


def test_grey_pictures_become_three_equal_channels_with_a_black_border(hub):
    dataset = data.load("fashion_mnist")
    assert dataset.images.shape == (30, 32, 32, 3)
    for channel in range(3):
        np.testing.assert_array_equal(dataset.images[:, 2:30, 2:30, channel], pictures(dataset.source, 30))
    border = dataset.images.copy()
    border[:, 2:30, 2:30] = 0
    assert not border.any()


def test_the_second_load_reads_no_parquet_and_is_memory_mapped(hub):
    first = data.load("cifar10")
    for path in hub.rglob("*.parquet"):
        path.write_bytes(b"")
    assert data.is_local("cifar10")
    second = data.load("cifar10")
    assert isinstance(second.images, np.memmap)
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.mean, second.mean)


def test_a_decoded_set_outlives_the_hubs_cache(hub):
    data.load("cifar10")
    shutil.rmtree(hub)
    assert data.is_local("cifar10")
    assert data.load("cifar10").revision == COMMIT


def test_another_commit_is_decoded_anew(hub):
    data.load("cifar10")
    for split, count in (("train", 40), ("test", 20)):
        write_parquet(hub_file(hub, "cifar10", split, "b" * 40), table(data.SOURCES["cifar10"], count, [7] * count))
    dataset = data.load("cifar10")
    assert dataset.revision == "b" * 40 and (dataset.labels == 7).all()


def drop(folder):
    (folder / "labels.npy").unlink()


def cut(folder):
    os.truncate(folder / "images.npy", 1000)


def garble(folder):
    (folder / "info.json").write_text('{"format":')


def age(folder):
    info = json.loads((folder / "info.json").read_text())
    (folder / "info.json").write_text(json.dumps(info | {"format": data.FORMAT - 1}))


def scribble(folder):
    size = (folder / "labels.npy").stat().st_size
    (folder / "labels.npy").write_bytes(b"?" * size)


@pytest.mark.parametrize("damage", [drop, cut, garble, age, scribble])
def test_a_damaged_decoded_set_is_silently_decoded_anew(hub, tmp_path, damage):
    data.load("cifar10")
    damage(tmp_path / "decoded" / f"cifar10-{COMMIT}")
    dataset = data.load("cifar10")
    np.testing.assert_array_equal(dataset.images, pictures(dataset.source, 40))
    assert [path.name for path in (tmp_path / "decoded").iterdir()] == [f"cifar10-{COMMIT}"]


def test_many_may_decode_at_once(hub, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        sets = list(pool.map(data.load, ["cifar10"] * 4))
    assert all((one.labels == sets[0].labels).all() for one in sets)
    assert [path.name for path in (tmp_path / "decoded").iterdir()] == [f"cifar10-{COMMIT}"]


def test_leftovers_of_killed_processes_are_removed(hub, tmp_path):
    old, fresh = (tmp_path / "decoded" / f".cifar10-{COMMIT}.{name}" for name in ("old", "fresh"))
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    data.load("cifar10")
    assert not old.exists() and fresh.exists()


def test_a_cache_folder_that_cannot_be_written_is_called_by_its_variable(hub, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "file" / "folder"))
    with pytest.raises(DataError, match=r"could not be kept in the cache .*REGLAB_CACHE") as refusal:
        data.load("cifar10")
    assert str(tmp_path) not in str(refusal.value), "visitors see this sentence, too"


def test_the_default_cache_lies_beside_the_hubs(hub, monkeypatch):
    monkeypatch.delenv("REGLAB_CACHE")
    data.default_cache_folder.cache_clear()
    assert data.cache_folder() == hub.parent / "reglab"
    (hub.parent / "blocked").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.parent / "blocked" / "hub"))
    monkeypatch.setattr(constants, "HF_HOME", str(hub.parent / "home"))
    assert data.cache_folder() == hub.parent / "reglab", "decided once"
    data.default_cache_folder.cache_clear()
    assert data.cache_folder() == hub.parent / "home" / "reglab"
    data.default_cache_folder.cache_clear()


def test_a_cache_folder_that_cannot_be_determined_is_passed_over(hub, tmp_path, monkeypatch):
    pwd = pytest.importorskip("pwd")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])  # KeyError: a user id that is in no passwd
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("REGLAB_CACHE")
    monkeypatch.setattr(constants, "HF_HOME", "~/.cache/huggingface")  # as the client leaves it then
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~/.cache/huggingface/hub")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data.default_cache_folder.cache_clear()
    assert data.cache_folder() == tmp_path / f"reglab-{os.getuid()}"
    data.default_cache_folder.cache_clear()


def test_a_folder_that_one_may_not_look_into_is_not_writable(tmp_path, monkeypatch):
    def closed(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "exists", closed)  # as of /root, for whoever is not root
    assert not data.is_writable(tmp_path / "home" / "reglab")


# ---- what loading refuses ----------------------------------------------------------------------------------------
def truncated(path, known):
    os.truncate(path, path.stat().st_size // 2)


def empty(path, known):
    path.write_bytes(b"")


def not_a_parquet(path, known):
    path.write_bytes(b"<html>please log in</html>" * 50)


def corrupt_page(path, known):
    content = bytearray(path.read_bytes())
    content[200:2000] = b"\xff" * 1800
    path.write_bytes(content)


def broken_picture(path, known):
    rows = table(known, 40).to_pydict()
    rows["img"][17]["bytes"] = rows["img"][17]["bytes"][:100]
    write_parquet(path, pa.table(rows))


def no_picture(path, known):
    rows = table(known, 40).to_pydict()
    rows["img"][17]["bytes"] = None
    write_parquet(path, pa.table(rows))


def picture_of_another_format(path, known):
    """That Pillow would read, if it were let."""
    rows, picture = table(known, 40).to_pydict(), io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, "TIFF")
    rows["img"][17]["bytes"] = picture.getvalue()
    write_parquet(path, pa.table(rows))


@pytest.mark.parametrize(
    "damage",
    [truncated, empty, not_a_parquet, corrupt_page, broken_picture, no_picture, picture_of_another_format],
)
def test_a_damaged_file_is_named_with_the_way_out(hub, tmp_path, damage):
    path = hub_file(hub, "cifar10", "train")
    damage(path, data.SOURCES["cifar10"])
    with pytest.raises(DataError) as refused:
        data.load("cifar10")
    sentence = str(refused.value)
    assert sentence.startswith("train-00000-of-00001.parquet of CIFAR-10 is damaged (")
    assert sentence.endswith("the built-in digits (--dataset digits), or try again.") and "\n" not in sentence
    assert not (tmp_path / "decoded").exists() or not list((tmp_path / "decoded").iterdir())
    assert path.exists(), "nothing is deleted unless something better can be had"


def test_half_a_file_does_not_count_as_local(hub):
    assert data.is_local("cifar10")
    truncated(hub_file(hub, "cifar10", "test"), None)
    assert not data.is_local("cifar10")
    hub_file(hub, "cifar10", "test").unlink()
    assert not data.is_local("cifar10")


def rename_columns(known):
    return table(known, 40).rename_columns(["image", "label"])


def raw_pixels(known):
    return pa.table({"img": [b"raw"] * 40, "label": [0] * 40})


def label_names(known):
    return table(known, 40).set_column(1, "label", pa.array(["cat"] * 40))


def too_few(known):
    return table(known, 39)


def too_many_classes(known):
    return table(known, 40, [10] * 40)


def missing_label(known):
    return table(known, 40).set_column(1, "label", pa.array([None] + [0] * 39, pa.int64()))


def other_size(known):
    return table(replace(known, side=28), 40)


def a_bomb(known):
    """Its head alone, which says that there are 81 million pixels to come."""
    rows, picture = table(known, 40).to_pydict(), io.BytesIO()
    Image.new("L", (1, 1)).save(picture, "PNG")
    head = bytearray(picture.getvalue())
    head[16:24] = (9_000).to_bytes(4, "big") * 2
    head[29:33] = zlib.crc32(head[12:29]).to_bytes(4, "big")
    rows["img"][17]["bytes"] = bytes(head)
    return pa.table(rows)


@pytest.mark.parametrize(
    ("content", "found", "expected"),
    [
        (rename_columns, "columns image: struct", "img: struct<bytes, path>, label: int64"),
        (raw_pixels, "columns img: binary", "img: struct<bytes, path>"),
        (label_names, "label: string", "label: int64"),
        (too_few, "39 pictures", "where 40 was expected"),
        (too_many_classes, "labels from 10 to 10", "0 to 9"),
        (missing_label, "without a label", "one for each"),
        (other_size, "28 x 28 pixels", "32 x 32"),
        (a_bomb, "9000 x 9000 pixels", "32 x 32"),
    ],
)
def test_other_content_is_refused_with_what_was_found_and_expected(hub, content, found, expected):
    write_parquet(hub_file(hub, "cifar10", "train"), content(data.SOURCES["cifar10"]))
    with pytest.raises(DataError) as refused:
        data.load("cifar10")
    assert found in str(refused.value) and expected in str(refused.value)
    assert "--dataset digits" in str(refused.value)


# ---- without a network -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_loading_fails_soon_and_says_what_to_do(tmp_path, offline):
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    environment |= {"HF_HUB_OFFLINE": "1"} if offline else {}
    script = (
        "import huggingface_hub as hub; hub.hf_hub_download = None;"  # is not asked: it goes on trying for a minute
    )
    script += "from reglab import data; print(data.is_local('cifar10')); data.load('cifar10')"
    process = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    reason = "HF_HUB_OFFLINE is set" if offline else "no network"
    assert process.stdout.strip() == "False"
    assert process.stderr.strip().endswith(
        f"CIFAR-10 could not be fetched ({reason}): choose the built-in digits (--dataset digits), or try again."
    )


# ---- the real CIFAR-10, where it is at hand ----------------------------------------------------------------------
@pytest.mark.skipif(
    not Path(REAL_HUB, "datasets--uoft-cs--cifar10", "refs", "main").exists(),
    reason="CIFAR-10 is not in the Hub's cache",
)
def test_the_real_cifar10(monkeypatch):
    assert data.is_local("cifar10")
    cifar = data.load("cifar10")
    assert cifar.images.shape == (50_000, 32, 32, 3) and cifar.test_images.shape == (10_000, 32, 32, 3)
    assert (np.bincount(cifar.labels) == 5_000).all() and (np.bincount(cifar.test_labels) == 1_000).all()
    np.testing.assert_allclose(cifar.mean, [0.4914, 0.4822, 0.4465], atol=1e-4)  # as published in many places
    np.testing.assert_allclose(cifar.std, [0.2470, 0.2435, 0.2616], atol=1e-4)
    monkeypatch.setattr("reglab.data.datasets.read", None)  # it is decoded once
    assert isinstance(data.load("cifar10").images, np.memmap)
