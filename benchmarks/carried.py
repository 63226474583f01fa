"""CIFAR-10 in a few compact files, for a machine without network: written here, carried there, and decoded without loss.

    from carried import pack, unpack
    pack(Path("carried"), most=50)      # MiB a file
    unpack(Path("carried"))             # into the package's own cache of decoded data sets

A file is a zip of WebP pictures without loss, each a sheet of 2,048 images, beside the labels. PNG, of which the Hub's files are
made, takes 2,267 bytes an image, this 1,690; xz of what a good predictor leaves takes as much, and longer.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from reglab import data
from reglab.data import SIDE
from reglab.data.decoded import ARRAYS, keep
from reglab.errors import DataError

KEY = "cifar10"
ACROSS, DOWN = 32, 64  # images of a sheet


def pack(folder: Path, most: float) -> list[Path]:
    """Write the data set into files of at most so many MiB. Their paths."""
    dataset = data.load(KEY)
    with ThreadPoolExecutor() as pool:
        sheets = list(pool.map(_packed, _sheets(dataset.images, dataset.test_images)))
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        "key": KEY,
        "revision": dataset.revision,
        "labels": dataset.labels.tolist(),
        "test_labels": dataset.test_labels.tolist(),
    }
    room, files = most * 2**20, [{"info.json": json.dumps(info, separators=(",", ":")).encode()}]
    for name, packed in sheets:
        if sum(map(len, files[-1].values())) + len(packed) > room and files[-1]:
            files.append({})
        files[-1][name] = packed
    paths = []
    for number, members in enumerate(files, 1):
        paths.append(folder / f"{KEY}-{number}.zip")
        with zipfile.ZipFile(paths[-1], "w", zipfile.ZIP_DEFLATED) as out:
            for name, packed in members.items():
                out.writestr(name, packed)
    return paths


def unpack(folder: Path) -> None:
    """Put the data set of these files into the cache of decoded ones. Raises `DataError` where one of them is not there."""
    members: dict[str, bytes] = {}
    for path in sorted(folder.glob(f"{KEY}-*.zip")):
        with zipfile.ZipFile(path) as file:
            members |= {name: file.read(name) for name in file.namelist()}
    known = data.source(KEY)
    try:
        info = json.loads(members.pop("info.json"))
        with ThreadPoolExecutor() as pool:
            sheets = dict(zip(members, pool.map(_opened, members.values()), strict=True))
        arrays = {
            name: np.concatenate([sheets[each] for each in sorted(sheets) if each.startswith(f"{name}-")])[:images]
            for name, images in (("images", known.images), ("test_images", known.test_images))
        }
        arrays |= {name: np.array(info[name], dtype=np.int64) for name in ("labels", "test_labels")}
        if [len(arrays[name]) for name in ARRAYS] != [known.images] * 2 + [known.test_images] * 2:
            raise KeyError("images")
    except (KeyError, ValueError) as error:
        raise DataError(f"{folder} does not hold all files of {known.title}: copy every {KEY}-N.zip there.") from error
    keep(known, info["revision"], arrays)


def _sheets(images: np.ndarray, test_images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels of each sheet; the last of a set is filled up with black images."""
    for name, pictures in (("images", images), ("test_images", test_images)):
        for start in range(0, len(pictures), ACROSS * DOWN):
            part = np.zeros((ACROSS * DOWN, SIDE, SIDE, 3), np.uint8)
            part[: len(pictures[start : start + len(part)])] = pictures[start : start + len(part)]
            sheet = part.reshape(DOWN, ACROSS, SIDE, SIDE, 3).transpose(0, 2, 1, 3, 4)
            yield f"{name}-{start:06}.webp", sheet.reshape(DOWN * SIDE, ACROSS * SIDE, 3)


def _packed(sheet: tuple[str, np.ndarray]) -> tuple[str, bytes]:
    from PIL import Image

    name, pixels = sheet
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True, quality=100, method=4)
    return name, out.getvalue()


def _opened(packed: bytes) -> np.ndarray:
    """The images of a sheet, (2048, 32, 32, 3)."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(packed)).convert("RGB"))
    tiles = pixels.reshape(DOWN, SIDE, ACROSS, SIDE, 3).transpose(0, 2, 1, 3, 4)
    return tiles.reshape(ACROSS * DOWN, SIDE, SIDE, 3)
