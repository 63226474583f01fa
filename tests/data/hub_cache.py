"""What the Hub's client leaves on a disk: data sets of a few pictures, in the files and folders of the real ones."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from PIL import Image

from reglab import data

COMMIT = "a" * 40
REAL_HUB = constants.HF_HUB_CACHE


@pytest.fixture(name="own_cache", autouse=True)
def own_cache_fixture(tmp_path, monkeypatch):
    """No test reads or writes the decoded sets of whoever runs it."""
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "decoded"))


@pytest.fixture(name="hub")
def hub_fixture(tmp_path, monkeypatch):
    """An offline Hub cache with a CIFAR-10 of 40 + 20 pictures and a Fashion-MNIST of 30 + 10, as the Hub lays it."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for key, images, test_images in (("cifar10", 40, 20), ("fashion_mnist", 30, 10)):
        monkeypatch.setitem(data.SOURCES, key, replace(data.SOURCES[key], images=images, test_images=test_images))
        for split, count in (("train", images), ("test", test_images)):
            write_parquet(hub_file(tmp_path / "hub", key, split), table(data.SOURCES[key], count))
    return tmp_path / "hub"


def hub_file(hub: Path, key: str, split: str, commit: str = COMMIT) -> Path:
    known = data.SOURCES[key]
    repo = hub / f"datasets--{known.repo.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True, exist_ok=True)
    (repo / "refs" / "main").write_text(commit)  # the Hub writes no newline at the end
    path = repo / "snapshots" / commit / known.files[split]
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def pictures(known: data.Source, count: int) -> np.ndarray:
    """Random pictures as they are stored: RGB, or grey for the set with pictures of 28 x 28 pixels."""
    shape = (known.side, known.side) if known.side < 32 else (32, 32, 3)
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def table(known: data.Source, count: int, labels: list[int] | None = None) -> pa.Table:
    rows = [{"bytes": png(picture), "path": f"{i}.png"} for i, picture in enumerate(pictures(known, count))]
    labels = labels or [i % len(known.classes) for i in range(count)]
    return pa.table({known.image_column: rows, known.label_column: pa.array(labels, pa.int64())})


def write_parquet(path: Path, content: pa.Table) -> None:
    pq.write_table(content, path, row_group_size=16)
